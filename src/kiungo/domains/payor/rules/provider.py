"""May this provider be paid for this member's plan?"""

from collections.abc import Iterator

from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.model import Finding, Line
from kiungo.domains.payor.rules.case import Case, LineSheet, Sheet

STEP = "provider"
REASON_NOT_ELIGIBLE = "B7"
REASON_OUT_OF_NETWORK = "242"
Problem = tuple[str, str, str]


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny a sanctioned provider; treat an unknown or out-of-network one as the plan says.

    What holds of a provider changes with time, so each line is looked at on its own date.
    """
    found: dict[Problem, list[LineSheet]] = {}
    for line_sheet in sheet.open_lines():
        problem = _problem(case, line_sheet.line)
        if problem is not None:
            found.setdefault(problem, []).append(line_sheet)
    for (action, reason, text), lines in found.items():
        everywhere = len(lines) == len(sheet.lines)
        yield from _as_told(case.book.plan, sheet, action, reason, text, lines, everywhere=everywhere)


def _problem(case: Case, line: Line) -> Problem | None:
    """What the plan does about it, the reason, and the sentence."""
    plan, provider_id = case.book.plan, case.claim.provider_id
    provider = case.provider_on(line.service_date)
    if provider is None:
        text = f"Provider {provider_id} is not enrolled with this payor"
        if provider_id in case.snapshot.providers:
            text = f"Provider {provider_id} was not enrolled on {line.service_date}"
        return plan.unknown_provider, REASON_NOT_ELIGIBLE, text
    if provider.sanctioned:
        return "deny", REASON_NOT_ELIGIBLE, f"Provider {provider_id} may not be paid at present"
    if not provider.in_network(plan.plan_id):
        text = f"Provider {provider_id} is outside the network of plan {plan.plan_id}"
        return plan.out_of_network, REASON_OUT_OF_NETWORK, text
    return None


def _as_told(
    plan: Plan, sheet: Sheet, action: str, reason: str, text: str, lines: list[LineSheet], *, everywhere: bool
) -> Iterator[Finding]:
    numbers = [0] if everywhere else [line_sheet.line.number for line_sheet in lines]
    if action == "deny":
        for line_sheet in lines:
            number = line_sheet.line.number
            amount = sheet.money(line_sheet.left)
            yield Finding(STEP, "deny", text, line=number, group="CO", reason=reason, amount=amount)
    elif action == "review":
        for number in numbers:
            yield Finding(
                STEP,
                "pend",
                text,
                line=number,
                reason=reason,
                review="The provider's contract needs to be checked",
                resolve="Enrol the provider or correct the provider id",
            )
    elif not plan.out_of_network_coinsurance_bp:
        for number in numbers:
            yield Finding(STEP, "note", text, line=number)
