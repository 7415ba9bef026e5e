"""What a service may cost: the lesser of the charge and the fee, or what a reviewer allowed."""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding
from kiungo.domains.payor.rules.case import Case, LineSheet, Sheet

STEP = "pricing"
REASON_ABOVE_FEE = "45"
REASON_REVIEWER = "150"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Lower each line's allowed amount to its fee. A reviewer's amount stands in the place of the fee."""
    ruling = case.ruling
    for line_sheet in sheet.open_lines():
        set_by_hand = ruling.allowed.get(line_sheet.line.number) if ruling else None
        if set_by_hand is not None:
            cut = line_sheet.left - set_by_hand.minor
            if cut > 0:
                text = f"The reviewer allowed {set_by_hand.text()} of {line_sheet.line.charge.text()}"
                yield _cut(sheet, line_sheet, cut, REASON_REVIEWER, text)
        elif case.book.plan.fee_schedule is not None:
            yield from _by_fee(case, sheet, line_sheet)


def _by_fee(case: Case, sheet: Sheet, line_sheet: LineSheet) -> Iterator[Finding]:
    line, plan = line_sheet.line, case.book.plan
    fee = case.book.fee_for(line.procedure or "", line.modifiers, line.service_date)
    if fee is not None:
        payable = fee.amount * line_sheet.accepted_units
        cut = (sheet.money(line_sheet.left) - payable).minor  # raises when the fee is in other money than the plan
        if cut > 0:
            text = f"Allowed {payable.text()}: the lesser of charge {sheet.money(line_sheet.left).text()} and fee"
            yield _cut(sheet, line_sheet, cut, REASON_ABOVE_FEE, text)
        return
    text = f"The plan has no fee for procedure code {line.procedure} on {line.service_date}"
    if plan.no_fee == "deny":
        amount = sheet.money(line_sheet.left)
        yield Finding(STEP, "deny", text, line.number, group="CO", reason="147", amount=amount)
    elif plan.no_fee == "review":
        yield Finding(
            STEP,
            "pend",
            text,
            line=line.number,
            reason="147",
            review="No agreed fee for this service",
            resolve="Set the allowed amount by hand, or load a fee",
        )


def _cut(sheet: Sheet, line_sheet: LineSheet, cut: int, reason: str, text: str) -> Finding:
    return Finding(STEP, "adjust", text, line_sheet.line.number, group="CO", reason=reason, amount=sheet.money(cut))
