"""Was a service that needs permission beforehand permitted?"""

from collections.abc import Iterator

from kiungo.domains.payor.book import code_set
from kiungo.domains.payor.model import Authorization, Finding, Line
from kiungo.domains.payor.rules.case import Case, LineSheet, Sheet, used_by_member

STEP = "prior_authorization"
LIFETIME = "lifetime"


def bucket_of(number: str) -> str:
    """The accumulator that counts an authorization's units."""
    return f"authorization:{number}"


def needs(case: Case, line: Line) -> bool:
    """Whether a line's service needs a prior authorization; in an emergency none does."""
    return not case.claim.emergency and line.procedure in code_set(*case.book.plan.authorization_codes)


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Ask or deny, as the plan says, where a needed authorization is absent, of another service, or used up.

    An emergency needs none.
    """
    if not case.book.plan.authorization_codes:
        return
    taken = 0
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        if not needs(case, line):
            continue
        problem = _problem(case, line, taken)
        if problem is None:
            taken += line.units
        else:
            yield _finding(case, sheet, line_sheet, *problem)


def _problem(case: Case, line: Line, taken: int) -> tuple[str, str] | None:
    number, known = case.claim.prior_authorization, case.authorization
    if number is None:
        return "197", f"Procedure code {line.procedure} needs a prior authorization and the claim names none"
    if known is None or known.member_id != case.member.member_id:
        return "197", f"Prior authorization {number} is not on file for this member"
    if not _holds(known, line):
        return "197", f"Prior authorization {number} does not hold on {line.service_date}"
    if not _names(known, line):
        return "198", f"Prior authorization {number} is not for procedure code {line.procedure}"
    if known.units is not None:
        used = used_by_member(case, bucket_of(number), LIFETIME) + taken
        if used + line.units > known.units:
            return "198", f"Prior authorization {number} has {max(0, known.units - used)} units left"
    return None


def permits(case: Case, line: Line) -> bool:
    """Whether a line's service is one that the claim's authorization is for, however many units are left of it."""
    known = case.authorization
    mine = known is not None and known.member_id == case.member.member_id
    return known is not None and mine and _holds(known, line) and _names(known, line)


def _holds(known: Authorization, line: Line) -> bool:
    begun = known.valid_from <= line.service_date
    return begun and (known.valid_until is None or line.service_date <= known.valid_until)


def _names(known: Authorization, line: Line) -> bool:
    return not known.codes or line.procedure in code_set(*known.codes)


def _finding(case: Case, sheet: Sheet, line_sheet: LineSheet, reason: str, text: str) -> Finding:
    number = line_sheet.line.number
    if case.book.plan.authorization_missing == "deny":
        amount = sheet.money(line_sheet.left)
        return Finding(STEP, "deny", text, number, group="CO", reason=reason, amount=amount, about_cover=True)
    if case.book.plan.authorization_missing == "accept":
        return Finding(STEP, "note", text, number, reason=reason)
    return Finding(
        STEP,
        "pend",
        text,
        line=number,
        reason=reason,
        review="Prior authorization required",
        resolve="Send the number of a valid prior authorization",
        about_cover=True,
    )
