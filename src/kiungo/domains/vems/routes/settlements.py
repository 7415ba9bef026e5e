"""Settlements over HTTP: what is owed for a booking, which payments it took, and what they did in the ledger."""

from dataclasses import dataclass
from typing import Any, Final

from kiungo.base.errors import Detail, NotFound
from kiungo.base.money import Money
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.model import PAYMENT_MODES
from kiungo.domains.vems.roles import READ_SETTLEMENTS
from kiungo.domains.vems.routes import money_views as views
from kiungo.domains.vems.routes.describing import LIMIT, OBJECT, TEXT, many, one, operation, text, words
from kiungo.domains.vems.routes.reading import choice_of
from kiungo.domains.vems.routes.shapes import limit_of, read_cursor
from kiungo.domains.vems.settlement import accounts, listing, store
from kiungo.domains.vems.settlement.errors import SETTLEMENT_NOT_FOUND
from kiungo.domains.vems.store import bookings
from kiungo.kernel import ledger
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Request, Response, Route

API: Final = "vems"
OWN: Final = "/vems/v1"
TAG: Final = "Equipment settlements"
STATES: Final = ("waiting", "paying", "attention", "settled")
SHOWN_MAX: Final = 200

LIST: Final = operation(
    "Settlements, newest first",
    "One page",
    tag=TAG,
    schema=many(OBJECT),
    query={
        "settlementStatus": words(*STATES),
        "paymentMode": words(*PAYMENT_MODES),
        "payer": text(64),
        "facility": text(64),
        "payee": text(64),
        "bookingNo": text(64),
        "limit": LIMIT,
        "cursor": TEXT,
    },
)
SHOW: Final = operation(
    "A settlement with its payments and postings",
    "The settlement",
    tag=TAG,
    schema=one(OBJECT),
    paths={"number": text(128, description="A booking's number, or that and a slash and a part")},
)
OF_BOOKING: Final = operation(
    "Everything a booking settles: one settlement for each part", "The settlements", tag=TAG, schema=many(OBJECT)
)
CLAWBACKS: Final = operation(
    "What payees owe back, oldest first",
    "One page",
    tag=TAG,
    schema=many(OBJECT),
    query={"payee": text(64), "open": words("true", "false"), "limit": LIMIT, "cursor": TEXT},
)


@dataclass(frozen=True, slots=True)
class SettlementApi:
    """The handlers. A credential bound to a facility or payee sees its own."""

    database: Database
    reads: Reads

    async def page(self, request: Request) -> Response:
        """GET /vems/v1/settlements"""
        asked, call = dict(request.query), request.call
        state = choice_of(asked, "settlementStatus", STATES)
        mode = choice_of(asked, "paymentMode", PAYMENT_MODES)
        limit, before = limit_of(asked), read_cursor(asked.get("cursor"))
        bound = call.principal.bindings
        found = await self.database.read_async(
            lambda unit: listing.settlements_page(
                unit, call.tenant, state=state, mode=mode, payer=asked.get("payer"),
                facility=bound.get("facility", asked.get("facility")), payee=bound.get("payee", asked.get("payee")),
                booking_no=asked.get("bookingNo"), before=before, limit=limit + 1,
            )
        )  # fmt: skip
        following = f"{found[limit - 1].created_us}_{found[limit - 1].row.booking_no}" if len(found) > limit else None
        data = [views.settlement(one.row, one.created_us, one.updated_us) for one in found[:limit]]
        self.reads.note(call, "list", "settlement", "")
        return Response.json({"success": True, "data": data, "next": following})

    async def show(self, request: Request) -> Response:
        """GET /vems/v1/settlements/{number}"""
        call, number = request.call, request.params["number"]
        found = await self.database.read_async(lambda unit: read_settlement(unit, call, number))
        self.reads.note(call, "read", "settlement", number)
        return Response.json({"success": True, "data": found})

    async def of_booking(self, request: Request) -> Response:
        """GET /vems/v1/bookings/{bookingNo}/settlements"""
        call, booking_no = request.call, request.params["booking_no"]

        def work(unit: Unit) -> Any:
            numbers = listing.numbers_of(unit, call.tenant, booking_no)
            if not numbers:
                raise unknown(booking_no)
            return [read_settlement(unit, call, number) for number in numbers]

        found = await self.database.read_async(work)
        self.reads.note(call, "read", "settlement", booking_no)
        return Response.json({"success": True, "data": found, "next": None})

    async def clawbacks(self, request: Request) -> Response:
        """GET /vems/v1/clawbacks"""
        asked, call = dict(request.query), request.call
        open_only = choice_of(asked, "open", ("true", "false")) == "true"
        limit, payee = limit_of(asked), call.principal.bindings.get("payee", asked.get("payee"))
        cursor = asked.get("cursor", "0")
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
            raise invalid([Detail("cursor", "The cursor is not one this list gave.")])
        after = int(cursor)
        if "facility" in call.principal.bindings and payee is None:
            payee = call.principal.bindings["facility"]
        found = await self.database.read_async(
            lambda unit: listing.clawbacks(
                unit, call.tenant, payee=payee, open_only=open_only, after=after, limit=limit + 1
            )
        )
        following = str(found[limit - 1].id) if len(found) > limit else None
        data = [views.clawback(one) for one in found[:limit]]
        return Response.json({"success": True, "data": data, "next": following})

    def routes(self) -> list[Route]:
        """The routes."""
        scope = READ_SETTLEMENTS
        return [
            Route("GET", f"{OWN}/settlements", self.page, scope=scope, api=API, openapi=LIST),
            Route("GET", OWN + "/settlements/{number:path}", self.show, scope=scope, api=API, openapi=SHOW),
            Route(
                "GET", OWN + "/bookings/{booking_no}/settlements", self.of_booking, scope=scope, api=API,
                openapi=OF_BOOKING,
            ),
            Route("GET", f"{OWN}/clawbacks", self.clawbacks, scope=scope, api=API, openapi=CLAWBACKS),
        ]  # fmt: skip


def read_settlement(unit: Unit, call: Call, number: str) -> dict[str, Any]:
    """A settlement the caller may see, with payments, postings and claims. Raises: NotFound SETTLEMENT_NOT_FOUND."""
    row = store.get_settlement(unit, call.tenant, number)
    bound = call.principal.bindings
    if "facility" in bound:
        booking = bookings.find(unit, call.tenant, views.booking_of(number))
        if booking is None or booking.facility != bound["facility"]:
            raise unknown(number)
    if "payee" in bound and bound["payee"] not in {share.payee_id for share in row.shares}:
        raise unknown(number)
    created_us, updated_us = listing.times_of(unit, call.tenant, number)
    only = bound.get("payee")
    return views.settlement(row, created_us, updated_us) | {
        "suspenseAmount": Money(accounts.suspense_of(unit, call.tenant, number, row.currency), row.currency),
        "legs": [views.leg(leg) for leg in store.legs_of(unit, call.tenant, number) if only in (None, leg.payee_id)],
        "postings": []
        if only
        else [views.journal(journal) for journal in ledger.journals_about(unit, call.tenant, number)],
        "clawbacks": [
            views.clawback(one)
            for one in listing.clawbacks(unit, call.tenant, number=number, payee=only, limit=SHOWN_MAX)
        ],
    }


def unknown(number: str) -> NotFound:
    """The refusal of an unknown settlement, and of another's: the same words for both."""
    return NotFound(
        SETTLEMENT_NOT_FOUND, f"Nothing is settled for booking {number[:64]}", field="bookingNo", hint="Check it"
    )
