"""Does the plan cover the service at all, and how much of it in a period?"""

from collections.abc import Iterator

from kiungo.domains.payor.book import Exclusion, Limit, code_set
from kiungo.domains.payor.model import Finding, Line
from kiungo.domains.payor.rules.case import Case, LineSheet, Sheet, used_by_member

STEP = "benefit"
LIFETIME = "lifetime"
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


def bucket_of(limit: Limit) -> str:
    """The accumulator that counts a limit."""
    return f"limit:{limit.limit_id}"


def period_of(limit: Limit, line: Line) -> str:
    """The period a line counts in: its day, its year, or the whole of a life."""
    if limit.period == "lifetime":
        return LIFETIME
    return line.service_date if limit.period == "day" else line.service_date[:4]


def applies(limit: Limit, line: Line) -> bool:
    """Whether a limit speaks about this line."""
    return limit.holds_on(line.service_date) and line.procedure in code_set(limit.codes)


def measure(limit: Limit, line: Line, allowed_minor: int, days_counted: set[tuple[str, str]]) -> int:
    """How much of a limit a line takes; several services of one day are one visit."""
    if limit.unit == "amount":
        return allowed_minor
    if limit.unit == "units":
        return line.units
    visit = (limit.limit_id, line.service_date)
    if visit in days_counted:
        return 0
    days_counted.add(visit)
    return 1


def check_limits(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Move what is above a limit to the patient: the whole line, or the part above a limit of money."""
    for limit in case.book.limits:
        taken: dict[str, int] = {}
        days_counted: set[tuple[str, str]] = set()
        for line_sheet in sheet.open_lines():
            line = line_sheet.line
            if not applies(limit, line):
                continue
            period = period_of(limit, line)
            want = measure(limit, line, line_sheet.left, days_counted)
            before = used_by_member(case, bucket_of(limit), period) + taken.get(period, 0)
            room = max(0, limit.most - before)
            taken[period] = taken.get(period, 0) + min(want, room)
            if want > room:
                yield _above(sheet, line_sheet, limit, want - room)


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
