"""Reports over HTTP, as JSON and CSV; the list of payments is streamed, so that a year of them fits any memory."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Final, cast

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from kiungo.base.errors import Detail
from kiungo.domains.vems.analytics import export, payments, tables
from kiungo.domains.vems.analytics.model import Period
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.model import contract_day
from kiungo.domains.vems.roles import OWNERS, READ_ANALYTICS
from kiungo.domains.vems.routes.describing import operation, refusals, text, words
from kiungo.domains.vems.routes.reading import choice_of, day_of
from kiungo.domains.vems.routes.settlements import API, OWN
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database
from kiungo.kernel.http import Exchange, Request, Response, Route, secured

TAG: Final = "Equipment analytics"
DAYS_USUAL: Final = 90
DAYS_MOST: Final = 3_660
FORMATS: Final = ("json", "csv")
CSV: Final = "text/csv; charset=utf-8"
SUMMARIES: Final[Mapping[str, str]] = {
    "services": "Services booked and delivered in a period",
    "approvals": "What became of the bookings made in a period",
    "cycles": "Days from booking to claim, decision and payment, by month",
    "stakeholders": "What vendors, facilities and the platform were owed and paid",
}
_DAY: Final = {"type": "string", "format": "date"}
QUERY: Final = {"from": _DAY, "until": _DAY, "facility": text(64), "format": words(*FORMATS)}
PAYMENTS: Final = f"{OWN}/analytics/payments"


@dataclass(frozen=True, slots=True)
class AnalyticsApi:
    """The handlers. A credential bound to a facility gets its own figures."""

    database: Database

    async def summary(self, request: Request) -> Response:
        """GET /vems/v1/analytics/{report}"""
        name, call, asked = request.path.rstrip("/").rpartition("/")[2], request.call, dict(request.query)
        period, facility, form = self.asked(call, asked)
        rows = await self.database.read_async(
            lambda unit: tables.report(unit, call.tenant, name, period, facility)
        )  # fmt: skip
        if form == "csv":
            return Response(200, export.csv_of(rows), (_file(name, period),), media_type=CSV.encode())
        said = {"success": True, "from": period.since.isoformat(), "until": period.until.isoformat()}
        return Response.json(said | {"data": [dict(row) for row in rows]})

    def asked(self, call: Call, asked: Mapping[str, str]) -> tuple[Period, str | None, str]:
        """The period, facility and form of a query. Raises: Incorrect BOOKING_INVALID."""
        today = date.fromisoformat(contract_day(self.database.clock.now_us()))
        until = date.fromisoformat(day_of(asked, "until") or today.isoformat())
        since = date.fromisoformat(day_of(asked, "from") or _before(until, DAYS_USUAL).isoformat())
        if not 0 <= (until - since).days <= DAYS_MOST or until == date.max:
            raise invalid([Detail("from", f"The from must be before until, by at most {DAYS_MOST} days.")])
        facility = call.principal.bindings.get("facility", asked.get("facility"))
        return Period(since, until), facility, choice_of(asked, "format", FORMATS) or "json"

    def routes(self) -> list[Route]:
        """The summaries, each with a path of its own."""
        return [
            Route(
                "GET", f"{OWN}/analytics/{name}", self.summary, scope=READ_ANALYTICS, api=API,
                openapi=operation(summary, "The rows", tag=TAG, query=QUERY),
            )
            for name, summary in SUMMARIES.items()
        ]  # fmt: skip

    def router(self) -> APIRouter:
        """The streamed list of payments."""
        router = APIRouter()

        @router.get(
            PAYMENTS,
            tags=[TAG],
            summary="Every payment of a period, streamed",
            responses=cast("dict[int | str, dict[str, object]]", refusals()),
            openapi_extra={"parameters": operation("", "", tag=TAG, query=QUERY)["parameters"]},
            response_class=StreamingResponse,
        )
        async def list_payments(
            exchange: Annotated[Exchange, secured(READ_ANALYTICS, owners=OWNERS[READ_ANALYTICS])],
        ) -> StreamingResponse:
            """Every payment of a period, oldest first, streamed."""
            call = exchange.call
            period, facility, form = self.asked(call, dict(exchange.request.query))
            name, value = _file("payments", period)
            headers = {name.decode(): value.decode()} if form == "csv" else {}
            body = self._stream(call, period, facility, form)
            return StreamingResponse(body, media_type=CSV if form == "csv" else "application/json", headers=headers)

        return router

    async def _stream(self, call: Call, period: Period, facility: str | None, form: str) -> AsyncIterator[bytes]:
        after: payments.Place | None = None
        is_first = True
        if form == "json":
            yield b'{"success":true,"data":['
        while True:
            place = after
            rows, after = await self.database.read_async(
                lambda unit: payments.page(unit, call.tenant, period, facility, place)  # noqa: B023
            )
            if form == "json":
                yield export.json_items(rows, is_first=is_first)
            elif rows:
                yield (export.header(rows[0]) if is_first else b"") + export.lines(rows)
            is_first = False
            if after is None:
                break
        if form == "json":
            yield b"]}"


def _before(day: date, days: int) -> date:
    return day - timedelta(days=min(days, (day - date.min).days))


def _file(name: str, period: Period) -> tuple[bytes, bytes]:
    """The header that names a downloaded file."""
    file = f"{name}_{period.since.isoformat()}_{period.until.isoformat()}.csv"
    return b"content-disposition", f'attachment; filename="{file}"'.encode("ascii")
