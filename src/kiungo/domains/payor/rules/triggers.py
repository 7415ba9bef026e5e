"""What a person looks at although every rule was satisfied."""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "review_triggers"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Ask a person about claims whose payable amount is above the plan's limit for automatic approval."""
    above = case.book.plan.review_above
    if above is None:
        return
    paid = sum(line_sheet.left for line_sheet in sheet.lines)
    if paid > above.minor:
        yield Finding(
            STEP,
            "pend",
            f"The payable amount {sheet.money(paid).text()} is above {above.text()}, the most paid unseen",
            reason="133",
            review="High amount",
            resolve="Approve, approve in part, or reject",
        )
