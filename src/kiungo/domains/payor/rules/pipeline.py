"""The order of adjudication, in one place, and the loop that runs it."""

from typing import Final

from kiungo.base.money import Money
from kiungo.domains.payor.model import Adjudication, Entry, Finding, Outcome
from kiungo.domains.payor.rules import (
    authorization,
    benefit,
    booking,
    codes,
    coordination,
    cost_share,
    coverage,
    duplicate,
    edits,
    filing,
    pricing,
    provider,
    ruling,
    triggers,
)
from kiungo.domains.payor.rules.case import Case, Sheet, Step
from kiungo.domains.payor.rules.entries import entries_of
from kiungo.domains.payor.rules.order import in_order

STEPS: Final[tuple[Step, ...]] = (
    codes.check_shape,
    duplicate.check,
    coverage.check,
    filing.check,
    provider.check,
    codes.check,
    authorization.check,
    booking.check,
    edits.check,
    ruling.check,
    pricing.check,
    benefit.check_exclusions,
    benefit.check_limits,
    cost_share.check,
    coordination.check,
    triggers.check,
)


def adjudicate(case: Case) -> Adjudication:
    """Run every step over a case; the same case always gives the same result.

    A step sees the money as the steps before it left it. Entries come out only of an approved claim: a claim
    that waits for a person or is denied uses up nothing.
    """
    sheet = Sheet(case.claim)
    findings: list[Finding] = []
    for step in STEPS:
        for found in step(case, sheet):
            finding = ruling.overrule(case.ruling, found) if case.ruling else found
            findings.append(finding)
            if finding.line:
                sheet.apply(finding)
    outcome = _outcome(case, findings, sheet)
    entries: tuple[Entry, ...] = entries_of(case, sheet) if outcome == "approved" else ()
    return _result(sheet, outcome, findings, entries)


def _outcome(case: Case, findings: list[Finding], sheet: Sheet) -> Outcome:
    if case.ruling is not None and case.ruling.kind == "reopen":
        return "under_review"
    if all(line.denied for line in sheet.lines):
        return "rejected"
    if any(finding.effect == "pend" for finding in findings):
        return "under_review"
    return "approved"


def _result(sheet: Sheet, outcome: Outcome, findings: list[Finding], entries: tuple[Entry, ...]) -> Adjudication:
    currency = sheet.currency
    charge = allowed = paid = patient = 0
    for line in sheet.lines:
        charge += line.charge
        allowed += line.allowed
        paid += line.left
        patient += line.patient
    return Adjudication(
        outcome=outcome,
        findings=in_order(findings),
        lines=tuple([line.result(currency) for line in sheet.lines]),
        entries=entries,
        charge=Money(charge, currency),
        allowed=Money(allowed, currency),
        paid=Money(paid, currency),
        patient=Money(patient, currency),
    )
