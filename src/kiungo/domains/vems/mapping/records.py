"""A booking's FHIR records, prepared: those of one service, vendor and place are alike but for who, when and which."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from kiungo.domains.vems.mapping.requests import Place, service_request, task
from kiungo.domains.vems.model import BookedLine, BookingState
from kiungo.fhir.model import Prepared
from kiungo.fhir.moulds import IDENTIFIER, MOMENT, Moulds
from kiungo.fhir.pieces import Resource

_REQUEST_KINDS: Final = (IDENTIFIER, IDENTIFIER, "Patient", MOMENT, MOMENT)
_TASK_KINDS: Final = (IDENTIFIER, IDENTIFIER, "Patient", MOMENT, MOMENT)


class Records:
    """Prepares the records of bookings, each kind by its mould. Safe from any thread."""

    def __init__(self) -> None:
        self._moulds = Moulds()

    def request(self, line: BookedLine, place: Place, *, authored_us: int) -> Prepared:
        """The ServiceRequest of one booked service."""

        def made_up(values: Sequence[Any]) -> Resource:
            line_id, booking_no, patient, at_us, then_us = values
            return service_request(
                replace(line, line_id=line_id, at_us=at_us),
                replace(place, booking_no=booking_no, patient=patient),
                authored_us=then_us,
            )

        alike = (
            *("ServiceRequest", line.service_code, line.service_name, line.vendor_code, line.vendor_name, line.state),
            *(place.facility, place.facility_name, place.organization),
        )
        resource = service_request(line, place, authored_us=authored_us)
        values = (line.line_id, place.booking_no, place.patient, line.at_us, authored_us)
        return self._moulds.prepare(alike, resource, values, _REQUEST_KINDS, made_up, id=line.line_id)

    def task(
        self,
        booking_id: str,
        place: Place,
        lines: Sequence[BookedLine],
        state: BookingState,
        *,
        authored_us: int,
        modified_us: int,
    ) -> Prepared:
        """The Task of a booking."""

        def made_up(values: Sequence[Any]) -> Resource:
            booking_no, claim_id, patient, then_us, now_us, *ids = values
            return task(
                replace(place, booking_no=booking_no, claim_id=claim_id, patient=patient),
                [replace(line, line_id=line_id) for line, line_id in zip(lines, ids, strict=True)],
                state,
                authored_us=then_us,
                modified_us=now_us,
            )

        alike = ("Task", len(lines), state, place.facility, place.facility_name, place.organization)
        kinds = (*_TASK_KINDS, *["ServiceRequest"] * len(lines))
        resource = task(place, lines, state, authored_us=authored_us, modified_us=modified_us)
        ids = [line.line_id for line in lines]
        values = (place.booking_no, place.claim_id, place.patient, authored_us, modified_us, *ids)
        return self._moulds.prepare(alike, resource, values, kinds, made_up, id=booking_id)
