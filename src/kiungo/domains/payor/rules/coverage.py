"""Is the member covered on each line's date, and is this the person we insure?"""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding, Line
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "coverage"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny lines outside the cover, ask about lines under another plan, note names that differ."""
    claim, member = case.claim, case.member
    if not same_name(claim.patient_name, member.name):
        yield Finding(STEP, "note", "The patient's name is not written as the member's name on file")
    if claim.patient_birth_date and member.birth_date and claim.patient_birth_date != member.birth_date:
        yield Finding(STEP, "note", "The patient's date of birth is not the member's date of birth on file")
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        coverage = member.coverage_on(line.service_date)
        if coverage is None:
            yield _not_covered(case, line, sheet)
        elif coverage.plan_id != case.coverage.plan_id:
            yield Finding(
                STEP,
                "pend",
                f"Line {line.number} falls under plan {coverage.plan_id}, the claim under plan {case.coverage.plan_id}",
                line=line.number,
                review="The services of this claim fall under two plans",
                resolve="Ask for one claim for each plan",
                about_cover=True,
            )


def _not_covered(case: Case, line: Line, sheet: Sheet) -> Finding:
    begins = min(coverage.valid_from for coverage in case.member.coverages)
    if line.service_date < begins:
        reason, text = "26", f"The service of {line.service_date} was given before cover began on {begins}"
    else:
        reason, text = "27", f"The member was not covered on {line.service_date}"
    left = sheet.by_number[line.number].left
    return Finding(
        STEP,
        "deny",
        text,
        line=line.number,
        group="PR",
        reason=reason,
        amount=sheet.money(left),
        about_cover=True,
    )


def same_name(left: str, right: str) -> bool:
    """Whether two names have the same words, whatever their order, case and punctuation."""
    if left == right:
        return True
    return _words(left) == _words(right)


def _words(name: str) -> frozenset[str]:
    letters = "".join(letter if letter.isalnum() else " " for letter in name.casefold())
    return frozenset(letters.split())
