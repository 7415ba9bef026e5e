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
    """Move what is above a limit to the patient: the whole line, or the part above a limit of money.

    A line takes from its limits only when it is past all of them: what one limit denies uses up no other. Limits of
    visits and units come first, for a service is paid whole or not at all; then limits of money cut what is left.
    """
    if not case.book.limits:
        return
    counters = [_Visits(case, limit) if limit.unit == "visits" else _Sum(case, limit) for limit in case.book.limits]
    counters.sort(key=lambda counter: counter.limit.unit == "amount")
    for line_sheet in sheet.open_lines():
        own = [counter for counter in counters if applies(counter.limit, line_sheet.line)]
        for counter in own:
            over = counter.over(line_sheet)
            if over > 0:
                yield _above(sheet, line_sheet, counter.limit, over)
            if line_sheet.denied:
                break
        else:
            for counter in own:
                counter.take(line_sheet)


class _Visits:
    """Days with a visit. What is decided about a day holds for all its lines."""

    def __init__(self, case: Case, limit: Limit) -> None:
        self.limit = limit
        member, bucket, _ = key_of(case, limit, "")
        self._days = {
            day for (who, what, day), used in case.used.items() if (who, what) == (member, bucket) and used > 0
        }
        self._refused: set[str] = set()

    def over(self, line_sheet: LineSheet) -> int:
        """1 when the line's day is a visit too many."""
        limit, day = self.limit, line_sheet.line.service_date
        if day in self._days:
            return 0
        period = period_of(limit, day)
        if day in self._refused or sum(period_of(limit, one) == period for one in self._days) >= limit.most:
            self._refused.add(day)
            return 1
        return 0

    def take(self, line_sheet: LineSheet) -> None:
        """Count the line's day."""
        self._days.add(line_sheet.line.service_date)


class _Sum:
    """Units of service, or money."""

    def __init__(self, case: Case, limit: Limit) -> None:
        self.limit = limit
        self._case = case
        self._taken: dict[str, int] = {}

    def over(self, line_sheet: LineSheet) -> int:
        """How much of the line finds no room."""
        _, bucket, period = key_of(self._case, self.limit, line_sheet.line.service_date)
        used = used_by_member(self._case, bucket, period) + self._taken.get(period, 0)
        return self._want(line_sheet) - max(0, self.limit.most - used)

    def take(self, line_sheet: LineSheet) -> None:
        """Count what is left of the line."""
        period = key_of(self._case, self.limit, line_sheet.line.service_date)[2]
        self._taken[period] = self._taken.get(period, 0) + self._want(line_sheet)

    def _want(self, line_sheet: LineSheet) -> int:
        return line_sheet.left if self.limit.unit == "amount" else line_sheet.accepted_units


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
