"""The booking desk's error codes, and the shapes the API guide gives to every error."""

from typing import Any

from kiungo.base.errors import Conflict, Detail, Incorrect, KiungoError, NotFound, define
from kiungo.kernel.http import ErrorShape, Response

BOOKING_INVALID = define("BOOKING_INVALID", Incorrect, "Fields of a booking are missing or wrong.", http=422)
FACILITY_NOT_FOUND = define("FACILITY_NOT_FOUND", NotFound, "No facility enabled for bookings has this code.")
PATIENT_NOT_FOUND = define("PATIENT_NOT_FOUND", NotFound, "The client registry knows no patient of this number.")
SERVICE_NOT_FOUND = define("SERVICE_NOT_FOUND", NotFound, "No service of this code exists.")
SERVICE_NOT_CONTRACTED = define(
    "SERVICE_NOT_CONTRACTED", Incorrect, "The facility has no contract for the service on that day.", http=422
)
BOOKING_NOT_FOUND = define("BOOKING_NOT_FOUND", NotFound, "No booking of this number is visible to the caller.")
BOOKING_FIXED = define("BOOKING_FIXED", Conflict, "The booking can no longer be changed by sending it again.")
BOOKING_STATE = define("BOOKING_STATE", Conflict, "The booking is not in a state that allows this step.")
BOOKING_CHANGED = define("BOOKING_CHANGED", Conflict, "The booking changed since the caller looked at it.")
CONTRACT_INVALID = define("CONTRACT_INVALID", Incorrect, "A contract is incomplete or contradicts itself.", http=422)
CONTRACT_OVERLAPS = define("CONTRACT_OVERLAPS", Conflict, "Another contract covers the same service at that time.")
CONTRACT_NOT_FOUND = define("CONTRACT_NOT_FOUND", NotFound, "No contract of this id.")
CONTRACT_CHANGED = define("CONTRACT_CHANGED", Conflict, "The contract changed since the editor looked at it.")
MASTER_DATA_WRONG = define("MASTER_DATA_WRONG", Incorrect, "A vendor, lot, service or machine is incomplete.", http=422)
IMPORT_WRONG = define("IMPORT_WRONG", Incorrect, "A CSV file cannot be read, or some of its rows are wrong.", http=422)

INVALID_DATE = "must be a valid date."


def facility_not_found(fr_code: str) -> NotFound:
    """The guide's refusal of an unknown facility."""
    return NotFound(
        FACILITY_NOT_FOUND,
        "Facility not found",
        field="facilityFrCode",
        hint=f"No facility found with FR code '{fr_code}'",
    )


def patient_not_found(cr_number: str) -> NotFound:
    """The guide's refusal of an unknown patient."""
    return NotFound(
        PATIENT_NOT_FOUND,
        "Patient not found in HIE",
        field="patientCR",
        hint=f"No patient record found with CR number '{cr_number}'",
    )


def service_not_found(code: str, where: str) -> NotFound:
    """The guide's refusal of a code that is no service at all."""
    return NotFound(
        SERVICE_NOT_FOUND,
        f"Service with code '{code}' not found",
        field=where,
        hint="Service not found in facility contracts",
    )


def service_not_contracted(code: str, where: str) -> Incorrect:
    """The guide's refusal of a service the facility has no contract for."""
    return Incorrect(
        SERVICE_NOT_CONTRACTED,
        f"Service '{code}' is not available in this facility's contracts",
        field=where,
        hint="Service not contracted at this facility",
    )


def booking_not_found(booking_no: str) -> NotFound:
    """The refusal of an unknown booking, and of another facility's: the same words for both."""
    return NotFound(
        BOOKING_NOT_FOUND,
        "Booking not found",
        field="bookingNo",
        hint=f"No booking found with number '{booking_no}'",
    )


def invalid(details: list[Detail]) -> Incorrect:
    """The guide's validation answer: every wrong field with its sentences."""
    return Incorrect(
        BOOKING_INVALID,
        "; ".join(detail.message for detail in details[:5]),
        field=details[0].field,
        hint="Correct the named fields and send the booking again",
        details=tuple(details),
    )


def render(error: KiungoError, _request_id: str) -> Response:
    """{"success": false, "message", "error"}, or {"success": false, "errors": {field: [sentences]}}.

    Source: API guide sections 9.2 and 9.3.
    """
    fields: dict[str, list[str]] = {}
    for detail in error.details:
        fields.setdefault(detail.field, []).append(detail.message)
    if error.code == BOOKING_INVALID:
        return Response.json({"success": False, "errors": fields}, error.http_status)
    body: dict[str, Any] = {"success": False, "message": error.message, "error": error.hint or error.message}
    if fields:
        body["errors"] = fields
    return Response.json(body, error.http_status)


SHAPE = ErrorShape("vems", ("/hmis/v1", "/api/v1", "/vems/v1"), render)
