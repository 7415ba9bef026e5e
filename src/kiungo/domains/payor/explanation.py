"""Why a claim came out as it did: every finding in order, and where each cent of the charge went."""

from dataclasses import replace
from typing import Any, Final

from kiungo.base.money import Money
from kiungo.base.time import iso_seconds
from kiungo.domains.payor.model import Adjustment, Finding, Line, LineResult
from kiungo.domains.payor.rebuild import OnFile
from kiungo.domains.payor.roles import REVIEW_CLAIMS
from kiungo.domains.payor.store.desk import DeskStep
from kiungo.kernel.auth import Call

TOLD: Final = frozenset({"approve", "reject", "reopen", "void", "replaced", "request_information", "information"})
"""The steps a provider is told of: decisions, questions and its own answers."""


def steps_for(call: Call, steps: list[DeskStep]) -> list[DeskStep]:
    """The steps a caller may know of: all for the payor's staff; what a provider is told, without who did it."""
    principal = call.principal
    if not principal.bindings and principal.grants.covers(REVIEW_CLAIMS):
        return steps
    return [replace(step, principal_id="", principal_name="") for step in steps if step.action in TOLD]


def explain(on_file: OnFile, steps: list[DeskStep]) -> dict[str, Any]:
    """The body of GET /api/claims/{claim_id}/explanation.

    Shapes: `tentative` while the claim waits for a person: the figures are what it would come to. For every
    line amount = expected_payment + patient_responsibility + adjustments, and `balanced` says it was checked.
    """
    row, result = on_file.row, on_file.result
    lines = [
        _line(stated, line, result.findings) for stated, line in zip(on_file.claim.lines, result.lines, strict=True)
    ]
    adjusted = Money(sum(_adjusted(line).minor for line in result.lines), row.currency)
    return {
        "claim_id": row.claim_id,
        "status": row.state,
        "tentative": row.state == "under_review",
        "void": row.voided_us is not None,
        "plan_id": row.plan_id,
        "currency": row.currency,
        "amount": result.charge,
        "allowed": result.allowed,
        "expected_payment": result.paid,
        "patient_responsibility": result.patient,
        "adjustments": adjusted,
        "balanced": result.paid + result.patient + adjusted == result.charge
        and all(line.paid + line.patient + _adjusted(line) == line.charge for line in result.lines),
        "lines": lines,
        "claim_findings": [_finding(finding) for finding in result.findings if finding.line == 0],
        "questions": [_question(finding) for finding in result.findings if finding.effect == "pend"],
        "history": [
            {"at": iso_seconds(step.at_us), "action": step.action, "by": step.principal_name or None, "note": step.note}
            for step in steps
        ],
    }


def _adjusted(line: LineResult) -> Money:
    minor = sum(adjustment.amount.minor for adjustment in line.adjustments if adjustment.group != "PR")
    return Money(minor, line.charge.currency)


def _line(stated: Line, line: LineResult, findings: tuple[Finding, ...]) -> dict[str, Any]:
    not_paid = [adjustment for adjustment in line.adjustments if adjustment.group != "PR"]
    of_patient = [adjustment for adjustment in line.adjustments if adjustment.group == "PR"]
    return {
        "line": line.number,
        "procedure_code": stated.procedure,
        "date_of_service": stated.service_date,
        "units": stated.units,
        "amount": line.charge,
        "allowed": line.allowed,
        "expected_payment": line.paid,
        "patient_responsibility": line.patient,
        "denied": line.denied,
        "adjustments": [_adjustment(adjustment) for adjustment in not_paid],
        "patient_parts": [_adjustment(adjustment) for adjustment in (*of_patient, *line.shares)],
        "findings": [_finding(finding) for finding in findings if finding.line == line.number],
    }


def _adjustment(adjustment: Adjustment) -> dict[str, Any]:
    return {"group": adjustment.group, "reason": adjustment.reason, "amount": adjustment.amount}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "step": finding.step,
        "effect": finding.effect,
        "group": finding.group,
        "reason": finding.reason,
        "amount": finding.amount,
        "text": finding.text,
    }


def _question(finding: Finding) -> dict[str, Any]:
    return {
        "line": finding.line or None,
        "text": finding.text,
        "review_reason": finding.review,
        "what_resolves_it": finding.resolve,
    }
