"""The claim object of the API, and the answers around it, field for field as the provider guide shows them.

The whole object is what GET answers and what the claim's row keeps. POST answers with the guide's fields only,
and with those the sender used beyond the guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from kiungo.base.money import Money
from kiungo.base.time import day_in, iso_seconds
from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.model import Adjudication, Claim, Finding, LineResult, Outcome
from kiungo.kernel import json

View = dict[str, Any]

MESSAGES: Final[Mapping[Outcome, str]] = {
    "approved": "Claim submitted successfully",
    "under_review": "Claim submitted for manual review",
    "rejected": "Claim submitted and rejected",
}
MESSAGE_REPEATED: Final = "Claim was submitted before; this is the original claim"
MESSAGE_REPLACED: Final = "Claim was submitted before and replaced by {}; this is the original claim"
COVERED: Final = "Coverage validated successfully"
NOTES_AUTOMATIC: Final = "Auto-approved based on policy coverage"
GUIDE_APPROVED: Final = (
    "claim_id", "patient_name", "insurance_id", "diagnosis_code", "procedure_code", "amount", "status",
    "coverage_validated", "coverage_message", "auto_approved", "submitted_date", "processed_date", "payor_id",
    "expected_payment", "patient_responsibility", "notes",
)  # fmt: skip
GUIDE_FIELDS: Final[Mapping[Outcome, tuple[str, ...]]] = {
    "approved": GUIDE_APPROVED,
    "rejected": (*GUIDE_APPROVED, "rejection_reason"),
    "under_review": (
        "claim_id", "status", "coverage_validated", "coverage_message", "auto_approved", "review_reason",
        "estimated_review_time", "reviewer_contact",
    ),
}  # fmt: skip
BEYOND_THE_GUIDE: Final = ("provider_claim_id", "booking_no", "replaces", "replaced_by", "lines")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is true of a claim beside its decision: by whom it was decided, paid, voided, asked about."""

    automatic: bool = True
    notes: str | None = None
    question: str | None = None
    voided_us: int | None = None
    void_reason: str | None = None
    replaced_by: str | None = None
    payment: Mapping[str, str | Money] | None = None
    first_approval_by: str | None = None


def claim_object(
    claim: Claim,
    plan: Plan,
    result: Adjudication,
    standing: Standing,
    *,
    claim_id: str,
    submitted_us: int,
    decided_us: int | None,
) -> View:
    """The whole claim object."""
    decisive = result.first("deny" if result.outcome == "rejected" else "pend")
    covered = not any(f.about_cover and f.effect in ("deny", "pend") for f in result.findings)
    lead = _lead(result)
    view: View = {
        "claim_id": claim_id,
        "patient_name": claim.patient_name,
        "insurance_id": claim.member_id,
        "diagnosis_code": claim.diagnoses[0],
        "procedure_code": claim.lines[0].procedure,
        "amount": claim.total,
        "status": result.outcome,
        "coverage_validated": covered,
        "coverage_message": COVERED if covered else (lead.text if lead else COVERED),
        "auto_approved": result.outcome == "approved" and standing.automatic,
        "submitted_date": iso_seconds(submitted_us),
        "processed_date": iso_seconds(decided_us) if decided_us is not None else None,
        "payor_id": plan.payor_id,
        "expected_payment": result.paid if result.outcome == "approved" else Money.zero(plan.currency),
        "patient_responsibility": result.patient,
    }
    if result.outcome == "under_review":
        view["expected_payment"] = view["patient_responsibility"] = None
        asked = decisive.review if decisive and decisive.review else "Manual review"
        view["review_reason"] = standing.question or asked
        view["estimated_review_time"] = plan.review_time
        view["reviewer_contact"] = plan.reviewer_contact
    elif result.outcome == "rejected":
        view["rejection_reason"] = decisive.text if decisive else "No line of the claim can be paid"
    view["notes"] = standing.notes if standing.notes is not None else _notes(result, standing)
    return view | _further(claim, plan, result, standing)


def _lead(result: Adjudication) -> Finding | None:
    """The finding about cover that counts most: a denial of a rejected claim, else a question."""
    effects = ("deny", "pend") if result.outcome == "rejected" else ("pend", "deny")
    for effect in effects:
        for finding in result.findings:
            if finding.effect == effect and finding.about_cover:
                return finding
    return None


def _notes(result: Adjudication, standing: Standing) -> str | None:
    if result.outcome == "approved" and standing.automatic:
        return NOTES_AUTOMATIC
    return None


def _further(claim: Claim, plan: Plan, result: Adjudication, standing: Standing) -> View:
    """What the guide does not show: identifiers, lines, and whether the claim was paid or voided."""
    further: View = {
        "provider_id": claim.provider_id,
        "date_of_service": claim.lines[0].service_date,
        "currency": plan.currency,
        "plan_id": plan.plan_id,
        "priority": claim.priority,
        "provider_claim_id": claim.provider_claim_id,
        "booking_no": claim.booking_no,
        "replaces": claim.replaces,
        "lines": [
            _line(stated.procedure, line, result.outcome)
            for stated, line in zip(claim.lines, result.lines, strict=True)
        ],
        "partly_approved": result.outcome == "approved" and any(_cut(line) for line in result.lines),
        "information_requested": standing.question is not None,
        "void": standing.voided_us is not None,
        "paid": standing.payment is not None,
    }
    if standing.voided_us is not None:
        further["voided_date"] = iso_seconds(standing.voided_us)
        further["void_reason"] = standing.void_reason
    if standing.replaced_by is not None:
        further["replaced_by"] = standing.replaced_by
    if standing.payment is not None:
        further["payment"] = dict(standing.payment)
    return further


def _cut(line: LineResult) -> bool:
    return line.denied or line.allowed < line.charge


def _line(procedure: str | None, line: LineResult, outcome: Outcome) -> View:
    if outcome == "under_review":
        return {"line": line.number, "procedure_code": procedure, "amount": line.charge}
    return {
        "line": line.number,
        "procedure_code": procedure,
        "amount": line.charge,
        "allowed": line.allowed,
        "expected_payment": line.paid,
        "patient_responsibility": line.patient,
        "denied": line.denied,
    }


def submission_answer(view: Mapping[str, Any], *, itemized: bool, message: str, processing_time_ms: int) -> bytes:
    """The body of POST /api/claims/."""
    status: Outcome = view["status"]
    names = list(GUIDE_FIELDS[status])
    names += [name for name in BEYOND_THE_GUIDE if (itemized if name == "lines" else view.get(name) is not None)]
    answer: View = {
        "success": True,
        "message": message,
        "claim": {name: view[name] for name in names},
        "status": status,
        "auto_approved": view["auto_approved"],
    }
    if status != "under_review":
        answer["processing_time_ms"] = processing_time_ms
    return json.dumps(answer)


def claim_answer(wire: bytes, status: str) -> bytes:
    """The body of GET /api/claims/{claim_id}/, put around the bytes the row keeps."""
    return b'{"success":true,"claim":%b,"status":"%b"}' % (wire, status.encode())


def expected_payment_date(decided_us: int, plan: Plan) -> str:
    """The day the provider can expect the money."""
    return (day_in(plan.time_zone, decided_us) + timedelta(days=plan.payment_days)).isoformat()
