"""When another payer pays first: we pay at most what it left open, and never more than alone.

What the other payer paid relieves the patient's part first; only the rest lowers ours.
"""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding
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
    """Take the prior payer's payment into account, or ask for it where we are not the first to pay."""
    stated = all(line_sheet.line.prior_paid is not None for line_sheet in sheet.open_lines())
    if case.coverage.order > 1 and not stated:
        yield Finding(
            STEP,
            "pend",
            "Another insurer pays first, and the claim does not say for each line what it paid",
            reason=REASON_OTHER_PAYER_FIRST,
            review="Payment of the first insurer is needed to decide",
            resolve="Send what the first insurer paid for each line, 0.00 where it paid nothing",
        )
        return
    for line_sheet in sheet.open_lines():
        prior = line_sheet.line.prior_paid
        if prior:
            yield from _after(sheet, line_sheet, prior.minor)


def _after(sheet: Sheet, line_sheet: LineSheet, prior: int) -> Iterator[Finding]:
    number = line_sheet.line.number
    counted = min(prior, line_sheet.left + sum(line_sheet.shares.values()))
    if counted <= 0:
        return
    relief = min(counted, sum(line_sheet.shares.values()))
    for reason in (PR_COINSURANCE, PR_COPAY, PR_DEDUCTIBLE):
        back = min(relief, line_sheet.shares.get(reason, 0))
        if back > 0:
            relief -= back
            text = f"The first insurer's payment covers {sheet.money(back).text()} of the patient's part"
            yield Finding(STEP, "share", text, number, group="PR", reason=reason, amount=sheet.money(-back))
    text = f"The first insurer paid {sheet.money(counted).text()} of the allowed amount"
    yield Finding(
        STEP,
        "prior",
        text,
        number,
        group="OA",
        reason=REASON_PRIOR_PAYER,
        amount=sheet.money(counted),
    )
