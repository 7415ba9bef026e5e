"""What the routes share: reading small bodies and queries, and their OpenAPI operations."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from kiungo.base.errors import Detail, KiungoError
from kiungo.base.money import Money
from kiungo.domains.vems.desk import Booked
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.model import CURRENCY, PAYMENT_MODES
from kiungo.kernel.database import Unit

Step = Callable[[Unit], Booked]
LIMIT_USUAL: Final = 50
LIMIT_MOST: Final = 200
TAG: Final = ["Equipment bookings"]


def text_of(sent: Any, field: str) -> str | None:
    """An optional text of a small body. Raises: Incorrect BOOKING_INVALID."""
    if not isinstance(sent, dict):
        raise invalid([Detail("body", "The body must be an object.")])
    value = sent.get(field)
    if value is not None and not isinstance(value, str):
        raise invalid([Detail(field, f"The {field} must be a string.")])
    return value


def amount_of(sent: Any, field: str) -> Money | None:
    """An optional amount of a small body. Raises: Incorrect BOOKING_INVALID."""
    value = sent.get(field) if isinstance(sent, dict) else None
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise invalid([Detail(field, f"The {field} must be an amount.")])
        return Money.parse(value, CURRENCY, field=field)
    except KiungoError:
        raise invalid([Detail(field, f"The {field} must be an amount.")]) from None


def limit_of(asked: Mapping[str, str]) -> int:
    """How many to list. Raises: Incorrect BOOKING_INVALID."""
    value = asked.get("limit", str(LIMIT_USUAL))
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= LIMIT_MOST):
        raise invalid([Detail("limit", f"The limit must be between 1 and {LIMIT_MOST}.")])
    return int(value)


def read_cursor(value: str | None) -> tuple[int, str] | None:
    """Where a page ended. Raises: Incorrect BOOKING_INVALID."""
    if value is None:
        return None
    moment, _, booking_no = value.partition("_")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 18 and 0 < len(booking_no) <= 64):
        raise invalid([Detail("cursor", "The cursor is not one this list gave.")])
    return int(moment), booking_no


def _answer(description: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "200": {"description": description, "content": {"application/json": {"schema": schema or {"type": "object"}}}}
    }


def _operation(
    summary: str, answer: str, *, body: Mapping[str, Any] | None = None, query: tuple[str, ...] = ()
) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "tags": TAG, "responses": _answer(answer)}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if query:
        operation["parameters"] = [
            {"name": name, "in": "query", "required": name == "fr_code", "schema": {"type": "string"}} for name in query
        ]
    return operation


_REASON: Final = {"type": "object", "required": ["reason"], "properties": {"reason": {"type": "string"}}}
_BOOKING: Final = {
    "type": "object",
    "required": ["patientCR", "paymentMode", "facilityFrCode", "claimID", "services"],
    "properties": {
        "patientCR": {"type": "string", "maxLength": 64},
        "paymentMode": {"type": "string", "enum": list(PAYMENT_MODES)},
        "facilityFrCode": {"type": "string", "maxLength": 64},
        "claimID": {"type": "string", "maxLength": 128},
        "diagnosisCode": {"type": "string", "maxLength": 32},
        "services": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["serviceCode", "serviceDate"],
                "properties": {
                    "serviceCode": {"type": "string", "maxLength": 32},
                    "serviceDate": {"type": "string", "format": "date-time"},
                },
            },
        },
    },
}
SERVICES: Final = _operation("Services a facility offers", "Services and shares", query=("fr_code", "payment_mode"))
BOOK: Final = _operation("Book and share the cost", "The booking and its cost distribution", body=_BOOKING)
SHOW: Final = _operation("A booking as it now is", "The booking")
LIST: Final = _operation(
    "Bookings, newest first",
    "One page",
    query=("facility", "bookingStatus", "approvalStatus", "limit", "cursor"),
)
TRAIL: Final = _operation("Every step, message and posting of a booking", "The trail, oldest first")
REVISIONS: Final = _operation("What a booking said before it was revised", "Earlier contents, oldest first")
CONFIRM: Final = _operation("Confirm a booking", "The booking")
COMPLETE: Final = _operation("One booked service was delivered", "The booking")
CANCEL: Final = _operation("Cancel a booking", "The booking", body=_REASON)
OVERRIDE: Final = _operation(
    "Set a booking by hand, with a reason",
    "The booking",
    body={
        "type": "object",
        "required": ["reason"],
        "properties": {
            "reason": {"type": "string"},
            "bookingStatus": {"type": "string"},
            "approvalStatus": {"type": "string"},
            "approvedAmount": {"type": "number"},
        },
    },
)
SUBMIT_CLAIM: Final = _operation(
    "Have the booking's claim submitted",
    "The claim is on its way",
    body={"type": "object", "properties": {"diagnosisCode": {"type": "string", "maxLength": 32}}},
)
LINK_CLAIM: Final = _operation(
    "Say under which number the payer has the claim",
    "The claim",
    body={
        "type": "object",
        "required": ["reference"],
        "properties": {"reference": {"type": "string", "maxLength": 128}, "payer": {"type": "string"}},
    },
)
SHOW_CLAIM: Final = _operation("How the booking's claim stands, and everything its payer said", "The claim")
LIST_CLAIMS: Final = _operation(
    "Followed claims; those overdue wait for a person", "One page", query=("state", "after", "limit")
)
NOTICE: Final = _operation("A payer's signed notice", "Received", body={"type": "object"})
