"""May this provider be paid for this member's plan?"""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "provider"
REASON_NOT_ELIGIBLE = "B7"
REASON_OUT_OF_NETWORK = "242"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny a sanctioned provider; treat an unknown or out-of-network one as the plan says."""
    provider, plan = case.provider, case.book.plan
    if provider is None:
        text = f"Provider {case.claim.provider_id} is not enrolled with this payor"
        yield from _as_told(case, sheet, plan.unknown_provider, text, REASON_NOT_ELIGIBLE)
        return
    if provider.sanctioned:
        text = f"Provider {provider.provider_id} may not be paid at present"
        yield from _as_told(case, sheet, "deny", text, REASON_NOT_ELIGIBLE)
        return
    outside = [line.number for line in case.claim.lines if not provider.holds_on(line.service_date)]
    if outside:
        text = f"Provider {provider.provider_id} was not enrolled on the date of line {outside[0]}"
        yield from _as_told(case, sheet, plan.unknown_provider, text, REASON_NOT_ELIGIBLE)
    elif not provider.in_network(plan.plan_id):
        text = f"Provider {provider.provider_id} is outside the network of plan {plan.plan_id}"
        yield from _as_told(case, sheet, plan.out_of_network, text, REASON_OUT_OF_NETWORK)


def _as_told(case: Case, sheet: Sheet, action: str, text: str, reason: str) -> Iterator[Finding]:
    if action == "deny":
        for line_sheet in sheet.open_lines():
            number = line_sheet.line.number
            amount = sheet.money(line_sheet.left)
            yield Finding(STEP, "deny", text, line=number, group="CO", reason=reason, amount=amount)
    elif action == "review":
        yield Finding(
            STEP,
            "pend",
            text,
            reason=reason,
            review="The provider's contract needs to be checked",
            resolve="Enrol the provider or correct the provider id",
        )
    elif not case.book.plan.out_of_network_coinsurance_bp:
        yield Finding(STEP, "note", text)
