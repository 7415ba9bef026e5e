"""Does the plan cover the service at all, and how much of it in a period?"""

from collections.abc import Iterator

from kiungo.domains.payor.book import Exclusion, Limit, code_set
from kiungo.domains.payor.model import Finding, Line
from kiungo.domains.payor.rules.case import Case, LineSheet, Sheet, used_by_member

STEP = "benefit"
LIFETIME = "lifetime"
VISITS, SUMS = "visits:", "limit:"
REASON_EXCLUDED = "204"
REASON_LIMIT = "119"
_RESOLVE = "Approve the service, wholly or in part, as an exception, or reject it"


def check_exclusions(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny excluded services, or ask a person, as each exclusion says."""
    for exclusion in case.book.exclusions:
        codes = code_set(exclusion.codes)
        for line_sheet in sheet.open_lines():
            line = line_sheet.line
            if not exclusion.holds_on(line.service_date):
                continue
            stated = (line.procedure,) if exclusion.kind == "procedure" else case.claim.diagnoses
            hit = next((code for code in stated if code in codes), None)
            if hit is not None:
                yield _excluded(sheet, line_sheet, exclusion, hit)


def _excluded(sheet: Sheet, line_sheet: LineSheet, exclusion: Exclusion, code: str) -> Finding:
    text = f"{exclusion.kind.capitalize()} code {code} is excluded from coverage"
    number = line_sheet.line.number
    if exclusion.action == "deny":
        return Finding(
            STEP,
            "deny",
            text,
            line=number,
            group="PR",
            reason=REASON_EXCLUDED,
            amount=sheet.money(line_sheet.left),
            about_cover=True,
        )
    if exclusion.action == "accept":
        return Finding(STEP, "note", text, line=number, reason=REASON_EXCLUDED)
    return Finding(
        STEP,
        "pend",
        text,
        line=number,
        reason=REASON_EXCLUDED,
        review=exclusion.reason,
        resolve=_RESOLVE,
        about_cover=True,
    )


def bucket_of(plan_id: str, limit: Limit) -> str:
    """The accumulator that counts a limit: days with a visit, or a sum."""
    return f"{VISITS if limit.unit == 'visits' else SUMS}{plan_id}:{limit.limit_id}"


def period_of(limit: Limit, day: str) -> str:
    """The period a day counts in: the day, its year, or the whole of a life."""
    if limit.period == "lifetime":
        return LIFETIME
    return day if limit.period == "day" else day[:4]


def key_of(case: Case, limit: Limit, day: str) -> tuple[str, str, str]:
    """The accumulator a service of a day moves.

    Visits are counted by the day and not as one sum, so that services of one day on several claims are one visit,
    and stay one when any of those claims is taken back.
    """
    period = day if limit.unit == "visits" else period_of(limit, day)
    return case.member.member_id, bucket_of(case.book.plan.plan_id, limit), period


def applies(limit: Limit, line: Line) -> bool:
    """Whether a limit speaks about this line."""
    return limit.holds_on(line.service_date) and line.procedure in code_set(limit.codes)


def check_limits(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Move what is above a limit to the patient: the whole line, or the part above a limit of money."""
    for limit in case.book.limits:
        lines = [line_sheet for line_sheet in sheet.open_lines() if applies(limit, line_sheet.line)]
        if limit.unit == "visits":
            yield from _check_visits(case, sheet, limit, lines)
        else:
            yield from _check_sum(case, sheet, limit, lines)


def _check_visits(case: Case, sheet: Sheet, limit: Limit, lines: list[LineSheet]) -> Iterator[Finding]:
    """Several services of one day are one visit, and what is decided about a day holds for all its lines."""
    member, bucket, _ = key_of(case, limit, "")
    days = {day for (who, what, day), used in case.used.items() if (who, what) == (member, bucket) and used > 0}
    refused: set[str] = set()
    for line_sheet in lines:
        day = line_sheet.line.service_date
        if day in days:
            continue
        period = period_of(limit, day)
        if day not in refused and sum(period_of(limit, counted) == period for counted in days) < limit.most:
            days.add(day)
        else:
            refused.add(day)
            yield _above(sheet, line_sheet, limit, 1)


def _check_sum(case: Case, sheet: Sheet, limit: Limit, lines: list[LineSheet]) -> Iterator[Finding]:
    taken: dict[str, int] = {}
    for line_sheet in lines:
        key = key_of(case, limit, line_sheet.line.service_date)
        want = line_sheet.left if limit.unit == "amount" else line_sheet.accepted_units
        room = max(0, limit.most - used_by_member(case, key[1], key[2]) - taken.get(key[2], 0))
        if want > room:
            yield _above(sheet, line_sheet, limit, want - room)
        # A service counted in units is paid whole or not at all; the part of a sum that fits is taken.
        fits = limit.unit == "amount" or want <= room
        taken[key[2]] = taken.get(key[2], 0) + (min(want, room) if fits else 0)


def _above(sheet: Sheet, line_sheet: LineSheet, limit: Limit, over: int) -> Finding:
    number, left = line_sheet.line.number, line_sheet.left
    if limit.unit == "amount":
        text = f"{sheet.money(over).text()} is above the plan's limit {limit.limit_id}"
        effect = "adjust" if over < left else "deny"
        amount = sheet.money(over)
        if effect == "adjust":
            return Finding(
                STEP, "adjust", text, number, group="PR", reason=REASON_LIMIT, amount=amount, about_cover=True
            )
    else:
        text = f"The plan's limit {limit.limit_id} of {limit.most} {limit.unit} a {limit.period} is used up"
    return Finding(
        STEP,
        "deny",
        text,
        line=number,
        group="PR",
        reason=REASON_LIMIT,
        amount=sheet.money(left),
        about_cover=True,
    )
