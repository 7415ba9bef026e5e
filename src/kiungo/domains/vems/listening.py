"""What bookings hear from other parts, and what facilities hear of them; app/flows.py connects both, a line each."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kiungo.base.money import Money
from kiungo.base.time import iso_seconds
from kiungo.domains.vems.following import ClaimDesk
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Event, Subscriber

BOOKING_STATUS_UPDATE: Final = "booking_status_update"

Emit = Callable[..., object]


def hear_claims(desk: ClaimDesk, payer: str) -> Subscriber:
    """Hear our own payor's `claim.submitted`: in the unit that takes a claim, its booking is fixed.

    `payer` is the name the payor is connected under. Claims without a booking are none of ours.
    """

    def subscriber(unit: Unit, event: Event) -> None:
        body: Mapping[str, Any] = event.payload["body"]
        booking_no = body.get("booking_no")
        if booking_no is not None:
            desk.claim_arrived(unit, event.tenant, str(booking_no), payer, str(body["claim_id"]))

    return subscriber


def tell_facility(emit: Emit) -> Subscriber:
    """Tell the facility's webhook endpoints of any change of its bookings. Shapes: `emit` is `Webhooks.emit`."""

    def subscriber(unit: Unit, event: Event) -> None:
        emit(
            unit,
            tenant=event.tenant,
            owner=event.payload["facility"],
            event=BOOKING_STATUS_UPDATE,
            payload=webhook_body(event),
            subject=event.aggregate,
        )

    return subscriber


def webhook_body(event: Event) -> dict[str, Any]:
    """The body of a webhook about a booking: no name, no date of birth; who needs them reads the booking."""
    payload = event.payload
    body: dict[str, Any] = {
        "event_type": BOOKING_STATUS_UPDATE,
        "timestamp": iso_seconds(event.at_us),
        "change": event.topic,
        "bookingNo": payload["bookingNo"],
        "claimID": payload["claimID"],
        "facilityFrCode": payload["facility"],
        "bookingStatus": payload["state"],
        "approvalStatus": payload["approval"],
        "totalAmount": Money(payload["totalMinor"], payload["currency"]),
    }
    for name in ("approvedMinor", "paidMinor", "keptMinor"):
        if payload.get(name) is not None:
            body[name.removesuffix("Minor") + "Amount"] = Money(payload[name], payload["currency"])
    for name in ("reason", "paymentDate", "payer", "reference"):
        if payload.get(name) is not None:
            body[name] = payload[name]
    return body
