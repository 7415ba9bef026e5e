"""HCMS claims as values of the payer port, and back. Pure; a status we do not know is pending."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kiungo.base.errors import KiungoError
from kiungo.base.money import Money
from kiungo.kernel import json
from kiungo.ports.payer import ApprovedService, Claim, Report

NOTICES = ("claim_status_update", "payment_processed")


def claim_body(claim: Claim) -> dict[str, Any]:
    """The body of POST /api/claims/. Source: provider guide, required claim data structure."""
    return {
        "patient_name": claim.patient_name,
        "insurance_id": claim.patient,
        "diagnosis_code": claim.diagnosis,
        "amount": claim.total.text(),
        "date_of_service": min(service.day for service in claim.services),
        "provider_name": claim.facility_name,
        "provider_claim_id": claim.claim_id,
        "booking_no": claim.booking_no,
        **({"patient_dob": claim.birth_date} if claim.birth_date else {}),
        "lines": [
            {
                "procedure_code": service.code,
                "procedure_description": service.name,
                "amount": service.amount.text(),
                "date_of_service": service.day,
            }
            for service in claim.services
        ],
    }


def report(claim: Mapping[str, Any], booking_no: str) -> Report:
    """What a claim object says. A void claim pays nothing, whatever it said before."""
    said = str(claim.get("status", ""))
    currency = str(claim.get("currency") or "KES")
    void = claim.get("void") is True
    approved = amount(claim.get("expected_payment"), currency) if said == "approved" else None
    decided = str(claim.get("processed_date") or "")[:10] or None
    payment = claim.get("payment")
    payment = payment if isinstance(payment, dict) and claim.get("paid") is True else {}
    is_of_none = not claim.get("booking_no")
    reason = claim.get("void_reason") if void else claim.get("rejection_reason")
    return Report(
        booking_no=booking_no,
        reference=str(claim.get("claim_id") or ""),
        status="rejected" if void or said == "rejected" else "approved" if approved is not None else "pending",
        said="void" if void else said,
        approved=None if void else approved,
        paid=amount(payment["paid_amount"], currency) if "paid_amount" in payment else approved if payment else None,
        decided_on=decided,
        payment_date=str(payment["payment_date"]) if "payment_date" in payment else None,
        reason=str(reason) if reason else None,
        services=() if void else _services(claim, currency),
        kept=amount(payment.get("recovered_amount"), currency),
        patient=str(claim.get("insurance_id") or "") if is_of_none else None,
        claimed=amount(claim.get("amount"), currency) if is_of_none else None,
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """What a webhook is about."""

    claim_id: str
    booking_no: str


def subject(body: bytes) -> Subject | None:
    """The claim and booking of a webhook; None when it is about no booking, or about no claim's state."""
    try:
        said = json.loads(body)
    except KiungoError:
        return None
    if not isinstance(said, dict) or said.get("event_type") not in NOTICES:
        return None
    claim_id, booking_no = said.get("claim_id"), said.get("booking_no")
    if not isinstance(claim_id, str) or not isinstance(booking_no, str):
        return None
    return Subject(claim_id, booking_no)


def amount(value: Any, currency: str) -> Money | None:
    """An amount, or None when there is none to read."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        return Money.parse(value, currency)
    except KiungoError:
        return None


def _services(claim: Mapping[str, Any], currency: str) -> tuple[ApprovedService, ...]:
    lines = claim.get("lines")
    found = []
    for line in lines if isinstance(lines, list) else ():
        part = amount(line.get("expected_payment"), currency) if isinstance(line, dict) else None
        if part is None:
            return ()
        found.append(ApprovedService(str(line.get("procedure_code")), part))
    return tuple(found)
