"""What the routes share: reading small bodies and queries, and their OpenAPI operations."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from kiungo.base.errors import Detail, KiungoError
from kiungo.base.money import Money
from kiungo.domains.vems.desk import Booked
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.model import CURRENCY, PAYMENT_MODES
from kiungo.domains.vems.routes.describing import LIMIT, OBJECT, TEXT, fields, many, operation, text, words
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response

T = TypeVar("T")

Step = Callable[[Unit], Booked]
LIMIT_USUAL: Final = 50
LIMIT_MOST: Final = 200
TAG: Final = "Equipment bookings"
AMOUNT_MINOR_MAX: Final = 10**14


def text_of(sent: Any, field: str, *, most: int = 2_000) -> str | None:
    """An optional text of a small body. Raises: Incorrect BOOKING_INVALID."""
    if not isinstance(sent, dict):
        raise invalid([Detail("body", "The body must be an object.")])
    value = sent.get(field)
    if value is not None and not isinstance(value, str):
        raise invalid([Detail(field, f"The {field} must be a string.")])
    if value is not None and len(value) > most:
        raise invalid([Detail(field, f"The {field} must not be greater than {most} characters.")])
    return value


def amount_of(sent: Any, field: str) -> Money | None:
    """An optional amount of a small body. Raises: Incorrect BOOKING_INVALID."""
    value = sent.get(field) if isinstance(sent, dict) else None
    if value is None:
        return None
    amount = read_amount(value)
    if amount is None or amount.minor < 0:
        raise invalid([Detail(field, f"The {field} must be an amount of zero or more with at most two decimals.")])
    return amount


def read_amount(value: Any) -> Money | None:
    """An amount as sent, or None for what is none: another type, a third decimal, more than any booking holds."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        amount = Money.parse(value, CURRENCY)
    except KiungoError:
        return None
    return amount if abs(amount.minor) <= AMOUNT_MINOR_MAX else None


def limit_of(asked: Mapping[str, str]) -> int:
    """How many to list. Raises: Incorrect BOOKING_INVALID."""
    value = asked.get("limit", str(LIMIT_USUAL))
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= LIMIT_MOST):
        raise invalid([Detail("limit", f"The limit must be between 1 and {LIMIT_MOST}.")])
    return int(value)


def page(found: Sequence[T], limit: int, name_of: Callable[[T], str], view: Callable[[T], Any]) -> Response:
    """A page of a list by name, which was read one further than asked. Shapes: `next` is what to send as `after`."""
    following = name_of(found[limit - 1]) if len(found) > limit else None
    return Response.json({"success": True, "data": [view(one) for one in found[:limit]], "next": following})


def read_cursor(value: str | None) -> tuple[int, str] | None:
    """Where a page ended. Raises: Incorrect BOOKING_INVALID."""
    if value is None:
        return None
    moment, _, booking_no = value.partition("_")
    # A settlement's number may end in a payee's id, which alone may be 64 characters.
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 18 and 0 < len(booking_no) <= 96):
        raise invalid([Detail("cursor", "The cursor is not one this list gave.")])
    return int(moment), booking_no


_REASON: Final = fields(("reason",), reason=text(500))
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
APPROVALS: Final = words("pending", "approved", "partially_paid", "rejected")
STATES: Final = words("pending", "confirmed", "completed", "cancelled")
_CLAIM_STATES: Final = words("submitting", "open", "decided", "closed", "overdue")

SERVICES: Final = operation(
    "Services a facility offers",
    "Services and shares",
    tag=TAG,
    query={"fr_code": text(64), "payment_mode": words(*PAYMENT_MODES)},
    needed=("fr_code",),
)
BOOK: Final = operation(
    "Book and share the cost", "The booking and its cost distribution", tag=TAG, writes=True, body=_BOOKING
)
SHOW: Final = operation("A booking as it now is", "The booking", tag=TAG)
LIST: Final = operation(
    "Bookings, newest first",
    "One page",
    tag=TAG,
    schema=many(OBJECT),
    query={"facility": text(64), "bookingStatus": STATES, "approvalStatus": APPROVALS, "limit": LIMIT}
    | {"cursor": TEXT},
)
TRAIL: Final = operation(
    "Every step, message and posting of a booking", "The trail, oldest first", tag=TAG, schema=many(OBJECT)
)
REVISIONS: Final = operation(
    "What a booking said before it was revised", "Earlier contents, oldest first", tag=TAG, schema=many(OBJECT)
)
CONFIRM: Final = operation("Confirm a booking", "The booking", tag=TAG, writes=True)
COMPLETE: Final = operation("One booked service was delivered", "The booking", tag=TAG, writes=True)
CANCEL: Final = operation("Cancel a booking", "The booking", tag=TAG, writes=True, body=_REASON)
SUBMIT_CLAIM: Final = operation(
    "Have the booking's claim submitted",
    "The claim is on its way",
    tag=TAG,
    writes=True,
    status="202",
    body=fields(diagnosisCode=text(32)),
    body_required=False,
)
LINK_CLAIM: Final = operation(
    "Say under which number the payer has the claim",
    "The claim",
    tag=TAG,
    writes=True,
    body=fields(("reference",), reference=text(128), payer=text(64)),
)
SHOW_CLAIM: Final = operation("How the booking's claim stands, and everything its payer said", "The claim", tag=TAG)
LIST_CLAIMS: Final = operation(
    "Followed claims; those overdue wait for a person",
    "One page",
    tag=TAG,
    schema=many(OBJECT),
    query={"state": _CLAIM_STATES, "after": TEXT, "limit": LIMIT},
)
NOTICE: Final = operation("A payer's signed notice", "Received", tag=TAG, writes=True, body=OBJECT)
