"""What the payor tells the world, and the webhook body each event becomes.

    claim.submitted               a claim was received
    claim.pended                  it waits for a person
    claim.decided                 it was approved or rejected, at once or by hand
    claim.information_requested   a reviewer asks the provider
    claim.voided                  it no longer counts
    claim.paid                    a payment run paid it

Every payload holds `provider_id` (whose endpoints hear of it), `event` (the event the endpoint subscribed to)
and `body` (the guide's webhook body). app/flows.py connects them to kernel.webhooks with one line.
"""

from collections.abc import Mapping
from typing import Any, Final

from kiungo.base.money import Money
from kiungo.base.time import iso_seconds

TOPICS: Final = (
    "claim.submitted",
    "claim.pended",
    "claim.decided",
    "claim.information_requested",
    "claim.voided",
    "claim.paid",
)
CLAIM_STATUS_UPDATE: Final = "claim_status_update"
PAYMENT_PROCESSED: Final = "payment_processed"
AUTOMATED: Final = "automated_system"
BY_HAND: Final = "manual_review"
"""A provider is told that a person decided, never who."""
VOID: Final = "void"
"""The status a void is told with: a receiver that read `approved` would take the claim for payable again."""
MESSAGE_RECEIVED: Final = "Claim received"
MESSAGE_APPROVED: Final = "Claim approved after validation"

Payload = dict[str, Any]


def status_update(
    view: Mapping[str, Any],
    *,
    at_us: int,
    previous: str | None,
    new: str,
    message: str,
    processed_by: str = AUTOMATED,
    payment: Mapping[str, Any] | None = None,
) -> Payload:
    """The payload of a change of status. Source: provider guide, webhook payload structure."""
    body: Payload = {
        "event_type": CLAIM_STATUS_UPDATE,
        "timestamp": iso_seconds(at_us),
        "claim_id": view["claim_id"],
        "previous_status": previous,
        "new_status": new,
        "status": new,
        "message": message,
        "processed_by": processed_by,
        "processed_date": view["processed_date"] if new != "submitted" else None,
        "patient_name": view["patient_name"],
        "insurance_id": view["insurance_id"],
        "provider_id": view["provider_id"],
        "amount": view["amount"],
    }
    if new != "submitted":
        body["coverage_validated"] = view["coverage_validated"]
        body["coverage_message"] = view["coverage_message"]
        body["auto_approved"] = view["auto_approved"]
    for name in ("provider_claim_id", "booking_no"):
        if view[name] is not None:
            body[name] = view[name]
    if new == "rejected":
        body["rejection_reason"] = view["rejection_reason"]
    elif new == "under_review":
        body["review_reason"] = view["review_reason"]
    if payment is not None:
        body["payment_details"] = dict(payment)
    return {"provider_id": view["provider_id"], "event": CLAIM_STATUS_UPDATE, "body": body}


def message_of(view: Mapping[str, Any]) -> str:
    """The sentence a status update carries."""
    if view["status"] == "approved":
        return MESSAGE_APPROVED
    return str(view["rejection_reason"] if view["status"] == "rejected" else view["review_reason"])


def payment_details(approved: Money, patient: Money, *, expected_on: str, method: str) -> Payload:
    """What an approved claim will be paid."""
    return {
        "approved_amount": approved,
        "patient_responsibility": patient,
        "expected_payment_date": expected_on,
        "payment_method": method,
    }


def payment_processed(view: Mapping[str, Any], *, at_us: int, paid: Mapping[str, Any]) -> Payload:
    """The payload of a payment. Shapes: `paid` holds amount, date, method, reference and payment id."""
    body: Payload = {
        "event_type": PAYMENT_PROCESSED,
        "timestamp": iso_seconds(at_us),
        "claim_id": view["claim_id"],
        "status": view["status"],
        "message": "Payment processed",
        "patient_name": view["patient_name"],
        "insurance_id": view["insurance_id"],
        "provider_id": view["provider_id"],
        "amount": view["amount"],
        "payment_details": dict(paid),
    }
    for name in ("provider_claim_id", "booking_no"):
        if view[name] is not None:
            body[name] = view[name]
    return {"provider_id": view["provider_id"], "event": PAYMENT_PROCESSED, "body": body}
