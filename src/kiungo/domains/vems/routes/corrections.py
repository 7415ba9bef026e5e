"""Corrections over HTTP: two persons say how much of a booking is approved after all."""

from dataclasses import dataclass
from typing import Final

from kiungo.domains.vems import answers, correcting
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.roles import OVERRIDE_BOOKINGS
from kiungo.domains.vems.routes.describing import AMOUNT, fields, operation, text
from kiungo.domains.vems.routes.reading import Sent
from kiungo.domains.vems.routes.settlements import API, OWN
from kiungo.domains.vems.routes.shapes import TAG, Step
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Request, Response, Route

REASON_MAX: Final = 500
PROPOSE: Final = operation(
    "Say how much of a decided booking is approved after all; a colleague has to confirm it",
    "The booking",
    tag=TAG,
    writes=True,
    body=fields(("approvedAmount", "reason"), approvedAmount=AMOUNT, reason=text(REASON_MAX)),
)
CONFIRM: Final = operation(
    "Agree with a colleague's correction: what was paid beyond it is claimed back",
    "The booking",
    tag=TAG,
    writes=True,
    body=fields(("approvedAmount",), approvedAmount=AMOUNT),
)


@dataclass(frozen=True, slots=True)
class CorrectionApi:
    """The handlers."""

    desk: BookingDesk

    async def propose(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/corrections"""
        call, booking_no, sent = request.call, request.params["booking_no"], Sent.of(request)
        approved, reason = sent.amount("approvedAmount", least_minor=0), sent.text("reason", most=REASON_MAX)
        sent.check()
        return await self._step(
            request, lambda unit: correcting.propose(self.desk, unit, call, booking_no, approved, reason)
        )

    async def confirm(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/corrections/confirm"""
        call, booking_no, sent = request.call, request.params["booking_no"], Sent.of(request)
        approved = sent.amount("approvedAmount", least_minor=0)
        sent.check()
        return await self._step(request, lambda unit: correcting.confirm(self.desk, unit, call, booking_no, approved))

    async def _step(self, request: Request, step: Step) -> Response:
        def work(unit: Unit) -> Response:
            booked: Booked = step(unit)
            patient = self.desk.patient(unit, request.call, booked.row)
            return Response.json(answers.status(booked.row, booked.lines, patient))

        return await request.write(work)

    def routes(self) -> list[Route]:
        """The routes."""
        one_booking = OWN + "/bookings/{booking_no}/corrections"
        scope = OVERRIDE_BOOKINGS
        return [
            Route("POST", one_booking, self.propose, scope=scope, api=API, openapi=PROPOSE),
            Route("POST", f"{one_booking}/confirm", self.confirm, scope=scope, api=API, openapi=CONFIRM),
        ]
