"""When another payer pays first: we pay at most what it left open, and never more than alone.

What the other payer paid relieves the patient first, also of what our plan does not cover; only the rest lowers our
part. A service whose refusal the provider bears owes nobody anything, and nothing of it is relieved.
"""

from collections.abc import Iterator

from kiungo.domains.payor.model import Effect, Finding
from kiungo.domains.payor.rules.case import (
    PR_COINSURANCE,
    PR_COPAY,
    PR_DEDUCTIBLE,
    Case,
    LineSheet,
    Sheet,
)

STEP = "coordination_of_benefits"
REASON_OTHER_PAYER_FIRST = "22"
REASON_PRIOR_PAYER = "23"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Ask what the first insurer paid, where we are not the first to pay."""
    if case.coverage.order > 1 and not all(one.line.prior_paid is not None for one in sheet.open_lines()):
        yield Finding(
            STEP,
            "pend",
            "Another insurer pays first, and the claim does not say for each line what it paid",
            reason=REASON_OTHER_PAYER_FIRST,
            review="Payment of the first insurer is needed to decide",
            resolve="Send what the first insurer paid for each line, 0.00 where it paid nothing",
        )


def relieve(sheet: Sheet, line_sheet: LineSheet, prior: int) -> Iterator[Finding]:
    """Take into account what another payer paid for a line, once our plan's own parts of it are known."""
    number = line_sheet.line.number
    counted = min(prior, line_sheet.left + line_sheet.patient)
    if counted <= 0:
        return
    relief = min(counted, line_sheet.patient)
    not_covered = [(reason, minor) for (group, reason), minor in line_sheet.adjustments.items() if group == "PR"]
    shares = [(reason, line_sheet.shares.get(reason, 0)) for reason in (PR_COINSURANCE, PR_COPAY, PR_DEDUCTIBLE)]
    parts: list[tuple[Effect, str, int]] = [("relief", *part) for part in not_covered]
    parts += [("share", *part) for part in shares]
    for effect, reason, minor in parts:
        back = min(relief, minor)
        if back > 0:
            relief -= back
            text = f"The first insurer's payment covers {sheet.money(back).text()} of the patient's part"
            yield Finding(STEP, effect, text, number, group="PR", reason=reason, amount=sheet.money(-back))
    text = f"The first insurer paid {sheet.money(counted).text()} of the amount"
    yield Finding(
        STEP,
        "prior",
        text,
        number,
        group="OA",
        reason=REASON_PRIOR_PAYER,
        amount=sheet.money(counted),
    )
