"""Overrides over HTTP: one person sets a booking by hand, or proposes it where much money is at stake."""

from dataclasses import dataclass
from typing import Final

from kiungo.base.money import Money
from kiungo.domains.vems import answers, overriding
from kiungo.domains.vems.desk import BookingDesk
from kiungo.domains.vems.overriding import Wish
from kiungo.domains.vems.roles import OVERRIDE_BOOKINGS
from kiungo.domains.vems.routes import shapes
from kiungo.domains.vems.routes.describing import AMOUNT, fields, operation, text
from kiungo.domains.vems.routes.settlements import API, OWN
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Request, Response, Route

OVERRIDE: Final = operation(
    "Set a booking by hand, with a reason; beyond KIUNGO_SETTLE_ALONE_MAX a colleague has to confirm it",
    "The booking",
    tag=shapes.TAG,
    writes=True,
    body=fields(
        ("reason",), reason=text(500), bookingStatus=shapes.STATES, approvalStatus=shapes.APPROVALS,
        approvedAmount=AMOUNT,
    ),
)  # fmt: skip
OVERRIDE["responses"]["202"] = {**OVERRIDE["responses"]["200"], "description": "Kept as a proposal; nothing changed"}
CONFIRM: Final = operation(
    "Agree with a colleague's override by saying the same; it takes effect",
    "The booking",
    tag=shapes.TAG,
    writes=True,
    body=fields(bookingStatus=shapes.STATES, approvalStatus=shapes.APPROVALS, approvedAmount=AMOUNT),
)


@dataclass(frozen=True, slots=True)
class OverrideApi:
    """The handlers. `alone_max` is the most one person may decide."""

    desk: BookingDesk
    alone_max: Money

    async def override(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/override"""
        call, booking_no, sent = request.call, request.params["booking_no"], request.json()
        reason, wish = shapes.text_of(sent, "reason") or "", wish_of(sent)

        def work(unit: Unit) -> Response:
            booked, done = overriding.override(
                self.desk, unit, call, booking_no, wish, reason=reason, alone_max=self.alone_max
            )
            body = answers.status(booked.row, booked.lines, self.desk.patient(unit, call, booked.row))
            waits = {"message": f"A second person has to confirm: {overriding.described(wish)}"}
            return Response.json(body) if done else Response.json(body | waits, 202)

        return await request.write(work)

    async def confirm(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/override/confirm"""
        call, booking_no, wish = request.call, request.params["booking_no"], wish_of(request.json())

        def work(unit: Unit) -> Response:
            booked = overriding.confirm(self.desk, unit, call, booking_no, wish)
            return Response.json(answers.status(booked.row, booked.lines, self.desk.patient(unit, call, booked.row)))

        return await request.write(work)

    def routes(self) -> list[Route]:
        """The routes."""
        one_booking = OWN + "/bookings/{booking_no}/override"
        scope = OVERRIDE_BOOKINGS
        return [
            Route("POST", one_booking, self.override, scope=scope, api=API, openapi=OVERRIDE),
            Route("POST", f"{one_booking}/confirm", self.confirm, scope=scope, api=API, openapi=CONFIRM),
        ]


def wish_of(sent: object) -> Wish:
    """What a body wants a booking to be. Raises: Incorrect BOOKING_INVALID."""
    state, approval = shapes.text_of(sent, "bookingStatus"), shapes.text_of(sent, "approvalStatus")
    return Wish(state, approval, shapes.amount_of(sent, "approvedAmount"))
