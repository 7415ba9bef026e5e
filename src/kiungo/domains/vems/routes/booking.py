"""The documented API of hospital systems: services, cost distribution and booking status, under both base URLs."""

from typing import Any, Final

from kiungo.base.errors import Detail
from kiungo.base.time import iso_millis
from kiungo.domains.vems import answers, steps, trail
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.errors import facility_not_found, invalid
from kiungo.domains.vems.model import PAYMENT_MODES, contract_day
from kiungo.domains.vems.roles import READ_BOOKINGS, READ_SERVICES, WRITE_BOOKINGS
from kiungo.domains.vems.routes import shapes
from kiungo.domains.vems.routes.reading import choice_of
from kiungo.domains.vems.steps import APPROVALS, STATES
from kiungo.domains.vems.store import bookings
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import Call, Thing, require
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Request, Response, Route

API: Final = "vems"
BASES: Final = ("/hmis/v1", "/api/v1")
OWN: Final = "/vems/v1"


class BookingApi:
    """The handlers."""

    def __init__(self, desk: BookingDesk, reads: Reads) -> None:
        self._desk = desk
        self._reads = reads

    async def services(self, request: Request) -> Response:
        """GET /hmis/v1/services?fr_code="""
        asked = dict(request.query)
        fr_code, mode = asked.get("fr_code", "").strip(), asked.get("payment_mode", "sha")
        if not fr_code:
            raise invalid([Detail("fr_code", "The fr_code field is required.")])
        if mode not in PAYMENT_MODES:
            raise invalid([Detail("payment_mode", "The selected payment_mode is invalid.")])
        tenant = request.call.tenant
        dated = await self._desk.database.point_read(lambda unit: self._desk.books.current(unit, tenant, fr_code))
        if dated is None:
            raise facility_not_found(fr_code)
        today = contract_day(self._desk.clock.now_us())
        return Response(200, answers.service_list(dated.book, mode, today))

    async def book(self, request: Request) -> Response:
        """POST /hmis/v1/bookings/cost-distribution; 200, as the guide's own clients demand."""
        call = request.call
        asked = await self._desk.prepare(call, request.body)

        def work(unit: Unit) -> Response:
            booked = self._desk.book(unit, call, asked)
            return Response.json(answers.cost_distribution(booked.row, booked.lines))

        return await request.write(work, brief=True)

    async def show(self, request: Request) -> Response:
        """GET /hmis/v1/bookings/{bookingNo}"""
        call, booking_no = request.call, request.params["booking_no"]
        booked, patient = await self._desk.database.point_read(lambda unit: self._read(unit, call, booking_no))
        self._reads.note(call, "read", "booking", booking_no, booked.row.patient_fhir)
        return Response.json(answers.status(booked.row, booked.lines, patient))

    async def list(self, request: Request) -> Response:
        """GET /vems/v1/bookings"""
        asked = dict(request.query)
        call = request.call
        bound = call.principal.bindings.get("facility")
        facility = asked.get("facility") or bound
        require(call.principal, READ_BOOKINGS, Thing("booking", bindings={"facility": facility or ""}))
        state, approval = choice_of(asked, "bookingStatus", STATES), choice_of(asked, "approvalStatus", APPROVALS)
        limit = shapes.limit_of(asked)
        before = shapes.read_cursor(asked.get("cursor"))
        rows = await self._desk.database.read_async(
            lambda unit: bookings.page(
                unit, call.tenant, facility=facility, state=state, approval=approval, before=before, limit=limit + 1,
            )
        )  # fmt: skip
        following = f"{rows[limit - 1].created_us}_{rows[limit - 1].booking_no}" if len(rows) > limit else None
        for row in rows[:limit]:
            self._reads.note(call, "list", "booking", row.booking_no, row.patient_fhir)
        data = [answers.summary(row) for row in rows[:limit]]
        return Response.json({"success": True, "data": data, "next": following})

    async def trail(self, request: Request) -> Response:
        """GET /vems/v1/bookings/{bookingNo}/trail"""
        call, booking_no = request.call, request.params["booking_no"]

        def work(unit: Unit) -> tuple[Booked, list[dict[str, Any]]]:
            booked = self._desk.find(unit, call, booking_no)
            return booked, trail.read(unit, call.tenant, booking_no)

        booked, found = await self._desk.database.read_async(work)
        self._reads.note(call, "trail", "booking", booking_no, booked.row.patient_fhir)
        return Response.json({"success": True, "bookingNo": booking_no, "data": found})

    async def revisions(self, request: Request) -> Response:
        """GET /vems/v1/bookings/{bookingNo}/revisions"""
        call, booking_no = request.call, request.params["booking_no"]

        def work(unit: Unit) -> tuple[Booked, list[dict[str, Any]]]:
            booked = self._desk.find(unit, call, booking_no)
            return booked, [
                {"revision": revision, "replacedAt": iso_millis(at_us), "request": sent, "services": lines}
                for revision, at_us, sent, lines in bookings.revisions_of(unit, call.tenant, booking_no)
            ]

        booked, found = await self._desk.database.read_async(work)
        self._reads.note(call, "revisions", "booking", booking_no, booked.row.patient_fhir)
        return Response.json({"success": True, "bookingNo": booking_no, "data": found})

    async def confirm(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/confirm"""
        booking_no = request.params["booking_no"]
        return await self._step(request, lambda unit: steps.confirm(self._desk, unit, request.call, booking_no))

    async def complete(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/services/{serviceBookingId}/complete"""
        booking_no, line_id = request.params["booking_no"], request.params["line_id"]
        return await self._step(
            request, lambda unit: steps.complete_service(self._desk, unit, request.call, booking_no, line_id)
        )

    async def cancel(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/cancel"""
        booking_no, reason = request.params["booking_no"], shapes.text_of(request.json(), "reason")
        return await self._step(
            request, lambda unit: steps.cancel(self._desk, unit, request.call, booking_no, reason or "")
        )

    async def _step(self, request: Request, step: "shapes.Step") -> Response:
        def work(unit: Unit) -> Response:
            booked = step(unit)
            patient = self._desk.patient(unit, request.call, booked.row)
            return Response.json(answers.status(booked.row, booked.lines, patient))

        return await request.write(work)

    def _read(self, unit: Unit, call: Call, booking_no: str) -> tuple[Booked, Any]:
        booked = self._desk.find(unit, call, booking_no)
        return booked, self._desk.patient(unit, call, booked.row)


def booking_routes(desk: BookingDesk, reads: Reads) -> list[Route]:
    """The documented routes under both base URLs, and the further steps under our own."""
    api = BookingApi(desk, reads)
    one = OWN + "/bookings/{booking_no}"
    documented = [
        route
        for base in BASES
        for route in (
            Route("GET", f"{base}/services", api.services, scope=READ_SERVICES, api=API, openapi=shapes.SERVICES),
            Route(
                "POST", f"{base}/bookings/cost-distribution", api.book, scope=WRITE_BOOKINGS, api=API,
                openapi=shapes.BOOK,
            ),
            Route(
                "GET", base + "/bookings/{booking_no}", api.show, scope=READ_BOOKINGS, api=API, openapi=shapes.SHOW
            ),
        )
    ]  # fmt: skip
    return [
        *documented,
        Route("GET", f"{OWN}/bookings", api.list, scope=READ_BOOKINGS, api=API, openapi=shapes.LIST),
        Route("GET", f"{one}/trail", api.trail, scope=READ_BOOKINGS, api=API, openapi=shapes.TRAIL),
        Route("GET", f"{one}/revisions", api.revisions, scope=READ_BOOKINGS, api=API, openapi=shapes.REVISIONS),
        Route("POST", f"{one}/confirm", api.confirm, scope=WRITE_BOOKINGS, api=API, openapi=shapes.CONFIRM),
        Route(
            "POST", one + "/services/{line_id}/complete", api.complete, scope=WRITE_BOOKINGS, api=API,
            openapi=shapes.COMPLETE,
        ),
        Route("POST", f"{one}/cancel", api.cancel, scope=WRITE_BOOKINGS, api=API, openapi=shapes.CANCEL),
    ]  # fmt: skip
