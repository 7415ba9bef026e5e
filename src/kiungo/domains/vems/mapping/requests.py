"""A booking as one Task, and each booked service as one ServiceRequest of its requisition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kiungo.base.time import iso_millis
from kiungo.domains.vems.mapping.terms import BOOKING_NO, CLAIM_ID, FACILITY, LINE_ID, SERVICE, VENDOR
from kiungo.domains.vems.model import BookedLine, BookingState, ServiceState
from kiungo.fhir.pieces import Resource, identifier, reference

REQUEST_STATUS: Final[dict[ServiceState, str]] = {"booked": "active", "completed": "completed", "cancelled": "revoked"}
TASK_STATUS: Final[dict[BookingState, str]] = {
    "pending": "requested",
    "confirmed": "accepted",
    "completed": "completed",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where and for whom a booking is. Shapes: `patient` and `organization` are FHIR ids, the latter may be empty."""

    booking_no: str
    claim_id: str
    patient: str
    facility: str
    facility_name: str
    organization: str


def service_request(line: BookedLine, place: Place, *, authored_us: int) -> Resource:
    """The ServiceRequest of one booked service. Source: FHIR R4 ServiceRequest."""
    return {
        "resourceType": "ServiceRequest",
        "identifier": [identifier(LINE_ID, line.line_id)],
        "requisition": identifier(BOOKING_NO, place.booking_no),
        "status": REQUEST_STATUS[line.state],
        "intent": "order",
        "code": {
            "coding": [{"system": SERVICE, "code": line.service_code, "display": line.service_name}],
            "text": line.service_name,
        },
        "subject": reference("Patient", place.patient),
        "occurrenceDateTime": iso_millis(line.at_us),
        "authoredOn": iso_millis(authored_us),
        "requester": _facility(place),
        "performer": [{"identifier": identifier(VENDOR, line.vendor_code), "display": line.vendor_name}],
    }


def task(
    place: Place, lines: Sequence[BookedLine], state: BookingState, *, authored_us: int, modified_us: int
) -> Resource:
    """The Task of a booking: what is to be fulfilled, for whom, and how far it is. Source: FHIR R4 Task."""
    return {
        "resourceType": "Task",
        "identifier": [identifier(BOOKING_NO, place.booking_no), identifier(CLAIM_ID, place.claim_id)],
        "basedOn": [reference("ServiceRequest", line.line_id) for line in lines],
        "status": TASK_STATUS[state],
        "intent": "order",
        "code": {"text": "Equipment booking"},
        "for": reference("Patient", place.patient),
        "authoredOn": iso_millis(authored_us),
        "lastModified": iso_millis(modified_us),
        "owner": _facility(place),
    }


def _facility(place: Place) -> Resource:
    found: Resource = {"identifier": identifier(FACILITY, place.facility), "display": place.facility_name}
    return found | reference("Organization", place.organization) if place.organization else found
