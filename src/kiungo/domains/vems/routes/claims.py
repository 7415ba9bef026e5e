"""Claims of bookings over HTTP: have one submitted, say where it is, see how it stands, and payers' own notices."""

from typing import Any, Final

from kiungo.base.errors import Detail
from kiungo.base.money import Money
from kiungo.base.time import iso_millis
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.following import ClaimDesk
from kiungo.domains.vems.roles import FOLLOW_CLAIMS, READ_BOOKINGS, WRITE_BOOKINGS
from kiungo.domains.vems.routes import shapes
from kiungo.domains.vems.store import claims
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.domains.vems.submitting import Submissions
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Request, Response, Route

API: Final = "vems"
OWN: Final = "/vems/v1"
NOTICE_BYTES_MAX: Final = 256_000
PUBLIC: Final = (f"POST {OWN}/payers/{{payer}}/notices",)
STATES: Final = ("submitting", "open", "decided", "closed", "overdue")


class ClaimApi:
    """The handlers."""

    def __init__(self, desk: ClaimDesk, submissions: Submissions, reads: Reads) -> None:
        self._desk = desk
        self._submissions = submissions
        self._reads = reads

    async def submit(self, request: Request) -> Response:
        """POST /vems/v1/bookings/{bookingNo}/claim"""
        sent = request.json() if request.body else {}
        diagnosis, booking_no = shapes.text_of(sent, "diagnosisCode"), request.params["booking_no"]

        def work(unit: Unit) -> Response:
            row = self._submissions.ask(unit, request.call, booking_no, diagnosis)
            return Response.json({"success": True, "data": _view(row)}, 202)

        return await request.write(work)

    async def link(self, request: Request) -> Response:
        """PUT /vems/v1/bookings/{bookingNo}/claim"""
        sent, booking_no = request.json(), request.params["booking_no"]
        reference, payer = shapes.text_of(sent, "reference") or "", shapes.text_of(sent, "payer")

        def work(unit: Unit) -> Response:
            row = self._desk.link(unit, request.call, booking_no, reference, payer=payer)
            return Response.json({"success": True, "data": _view(row)})

        return await request.write(work)

    async def show(self, request: Request) -> Response:
        """GET /vems/v1/bookings/{bookingNo}/claim"""
        call, booking_no = request.call, request.params["booking_no"]

        def work(unit: Unit) -> dict[str, Any]:
            row = self._desk.find(unit, call, booking_no)
            reports = claims.reports_of(unit, call.tenant, booking_no)
            return _view(row) | {
                "reports": [
                    {"version": version, "at": iso_millis(at_us), "source": source, **body}
                    for version, at_us, source, body in reports
                ]
            }

        found = await self._desk.desk.database.point_read(work)
        self._reads.note(call, "read", "booking_claim", booking_no)
        return Response.json({"success": True, "data": found})

    async def list(self, request: Request) -> Response:
        """GET /vems/v1/claims: those overdue wait for a person."""
        asked = dict(request.query)
        state, limit = asked.get("state"), shapes.limit_of(asked)
        if state is not None and state not in STATES:
            raise invalid([Detail("state", "The selected state is invalid.")])
        rows = await self._desk.desk.database.read_async(
            lambda unit: claims.page(
                unit, request.call.tenant, state=state, after=asked.get("after", ""), limit=limit + 1
            )
        )
        return shapes.page(rows, limit, lambda row: row.booking_no, _view)

    async def notice(self, request: Request) -> Response:
        """POST /vems/v1/payers/{payer}/notices: stored before it is understood, and each only once."""
        payer = request.params["payer"]
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._desk.check_notice(payer, headers, request.body)

        def work(unit: Unit) -> Response:
            self._desk.receive(unit, request.call.tenant, payer, headers, request.body)
            return Response.json({"received": True})

        return await self._desk.desk.database.write_async(work)


def claim_routes(desk: ClaimDesk, submissions: Submissions, reads: Reads) -> list[Route]:
    """The routes; the notices' is public, since a payer's signature is its credential."""
    api = ClaimApi(desk, submissions, reads)
    one = OWN + "/bookings/{booking_no}/claim"
    return [
        Route("POST", one, api.submit, scope=WRITE_BOOKINGS, api=API, openapi=shapes.SUBMIT_CLAIM),
        Route("PUT", one, api.link, scope=WRITE_BOOKINGS, api=API, openapi=shapes.LINK_CLAIM),
        Route("GET", one, api.show, scope=READ_BOOKINGS, api=API, openapi=shapes.SHOW_CLAIM),
        Route("GET", f"{OWN}/claims", api.list, scope=FOLLOW_CLAIMS, api=API, openapi=shapes.LIST_CLAIMS),
        Route(
            "POST", OWN + "/payers/{payer}/notices", api.notice, public=True, api=API, openapi=shapes.NOTICE,
            body_bytes_max=NOTICE_BYTES_MAX,
        ),
    ]  # fmt: skip


def _view(row: ClaimRow) -> dict[str, Any]:
    def money(minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, row.currency)

    def moment(at_us: int | None) -> str | None:
        return None if at_us is None else iso_millis(at_us)

    return {
        "bookingNo": row.booking_no,
        "claimID": row.claim_id,
        "payer": row.payer,
        "reference": row.reference,
        "state": row.state,
        "status": row.status,
        "version": row.version,
        "approvedAmount": money(row.approved_minor),
        "paidAmount": money(row.paid_minor),
        "decidedOn": row.decided_on,
        "paymentDate": row.payment_date,
        "reason": row.reason,
        "failures": row.failures,
        "lastPollAt": moment(row.last_poll_us),
        "nextPollAt": moment(row.next_poll_us),
        "deadline": moment(row.deadline_us),
        "note": row.note,
    }
