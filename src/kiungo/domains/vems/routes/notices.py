"""Messages to payees over HTTP: the in-app list, how deliveries stand, and who does not want any."""

from dataclasses import dataclass
from typing import Any, Final, cast

from kiungo.base.errors import Detail, NotFound
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.notifications import listing
from kiungo.domains.vems.notifications import service as notifications
from kiungo.domains.vems.notifications.errors import NOTIFICATION_NOT_FOUND
from kiungo.domains.vems.roles import READ_NOTIFICATIONS, WRITE_NOTIFICATIONS
from kiungo.domains.vems.routes import money_views as views
from kiungo.domains.vems.routes.describing import LIMIT, OBJECT, TEXT, fields, many, one, operation, text, words
from kiungo.domains.vems.routes.payees import EMAIL, PHONE
from kiungo.domains.vems.routes.reading import Sent, choice_of
from kiungo.domains.vems.routes.settlements import API, OWN
from kiungo.domains.vems.routes.shapes import limit_of, read_cursor
from kiungo.domains.vems.settlement import payees
from kiungo.kernel import audit
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Request, Response, Route
from kiungo.ports.messaging import Channel

TAG: Final = "Equipment notifications"
CHANNELS: Final = ("in_app", "sms", "email")
OUTSIDE: Final = ("sms", "email")
STATES: Final = ("queued", "sending", "sent", "delivered", "failed", "unknown", "opted_out")

LIST: Final = operation(
    "Messages and how their delivery stands, newest first",
    "One page",
    tag=TAG,
    schema=many(OBJECT),
    query={
        "recipient": text(64),
        "channel": words(*CHANNELS),
        "deliveryStatus": words(*STATES),
        "bookingNo": text(64),
        "unread": words("true", "false"),
        "limit": LIMIT,
        "cursor": TEXT,
    },
)
READ: Final = operation("Mark an in-app message as read", "The message", tag=TAG, writes=True, schema=one(OBJECT))
_ADDRESS: Final = fields(("channel", "address"), channel=words(*OUTSIDE), address=text(254))
OPT_OUT: Final = operation(
    "Send nothing more to an address", "What holds now", tag=TAG, writes=True, body=_ADDRESS
)  # fmt: skip
OPT_IN: Final = operation("Send to an address again", "What holds now", tag=TAG, writes=True, body=_ADDRESS)
OPT_OUTS: Final = operation(
    "Addresses that get nothing, by channel and address",
    "One page",
    tag=TAG,
    schema=many(OBJECT),
    query={"channel": words(*OUTSIDE), "address": text(254), "limit": LIMIT, "cursor": TEXT},
)


@dataclass(frozen=True, slots=True)
class NoticeApi:
    """The handlers. A credential bound to a payee or facility sees its own messages and speaks for its own address."""

    database: Database

    async def page(self, request: Request) -> Response:
        """GET /vems/v1/notifications"""
        asked, call = dict(request.query), request.call
        channel = choice_of(asked, "channel", CHANNELS)
        state = choice_of(asked, "deliveryStatus", STATES)
        unread = choice_of(asked, "unread", ("true", "false")) == "true"
        limit, before = limit_of(asked), read_cursor(asked.get("cursor"))
        found = await self.database.read_async(
            lambda unit: listing.page(
                unit, call.tenant, recipient=own_of(call) or asked.get("recipient"), channel=channel, state=state,
                about=asked.get("bookingNo"), unread_only=unread, before=before, limit=limit + 1,
            )
        )  # fmt: skip
        last = found[limit - 1] if len(found) > limit else None
        following = f"{last.created_us}_{last.notification_id}" if last else None
        data = [views.notification(one) for one in found[:limit]]
        return Response.json({"success": True, "data": data, "next": following})

    async def read(self, request: Request) -> Response:
        """POST /vems/v1/notifications/{id}/read"""
        call, notification_id = request.call, request.params["id"]

        def work(unit: Unit) -> Response:
            found = notifications.find(unit, call.tenant, notification_id)
            if found is None or found.channel != "in_app" or own_of(call) not in (None, found.recipient):
                raise NotFound(NOTIFICATION_NOT_FOUND, "There is no such in-app message", field="id", hint="List them")
            notifications.mark_read(unit, call.tenant, found.recipient, notification_id)
            return _data(views.notification(notifications.find(unit, call.tenant, notification_id) or found))

        return await request.write(work)

    async def opt_outs(self, request: Request) -> Response:
        """GET /vems/v1/opt-outs"""
        asked, call = dict(request.query), request.call
        channel = choice_of(asked, "channel", OUTSIDE)
        limit, after = limit_of(asked), _after(asked.get("cursor"))

        def work(unit: Unit) -> list[tuple[str, str, int]]:
            own, wanted = _addresses(unit, call), asked.get("address")
            if wanted is not None:
                own = frozenset({wanted}) if own is None else own & {wanted}
            return listing.opt_outs(
                unit, call.tenant, channel=channel, addresses=own, after=after, limit=limit + 1
            )  # fmt: skip

        found = await self.database.read_async(work)
        following = f"{found[limit - 1][0]}_{found[limit - 1][1]}" if len(found) > limit else None
        data = [
            {"channel": channel, "address": address, "since": views.moment(since_us)}
            for channel, address, since_us in found[:limit]
        ]
        return Response.json({"success": True, "data": data, "next": following})

    async def opt_out(self, request: Request) -> Response:
        """POST /vems/v1/opt-outs"""
        return await self._choose(request, silent=True)

    async def opt_in(self, request: Request) -> Response:
        """POST /vems/v1/opt-outs/withdraw"""
        return await self._choose(request, silent=False)

    async def _choose(self, request: Request, *, silent: bool) -> Response:
        sent, call = Sent.of(request), request.call
        channel = cast("Channel", sent.text("channel", choices=OUTSIDE))
        address = sent.text("address", most=254, form=PHONE if channel == "sms" else EMAIL)
        sent.check()

        def work(unit: Unit) -> Response:
            own = _addresses(unit, call)
            if own is not None and address not in own:
                raise NotFound(
                    NOTIFICATION_NOT_FOUND, "This address is not yours", field="address", hint="Use your own"
                )
            (notifications.opt_out if silent else notifications.opt_in)(unit, call.tenant, channel, address)
            audit.record(unit, call, "opt_out" if silent else "opt_in", kind="Address", id=channel)
            return _data({"channel": channel, "address": address, "optedOut": silent})

        return await request.write(work)

    def routes(self) -> list[Route]:
        """The routes."""
        read, write = READ_NOTIFICATIONS, WRITE_NOTIFICATIONS
        one_message = OWN + "/notifications/{id}"
        return [
            Route("GET", f"{OWN}/notifications", self.page, scope=read, api=API, openapi=LIST),
            Route("POST", f"{one_message}/read", self.read, scope=write, api=API, openapi=READ),
            Route("GET", f"{OWN}/opt-outs", self.opt_outs, scope=read, api=API, openapi=OPT_OUTS),
            Route("POST", f"{OWN}/opt-outs", self.opt_out, scope=write, api=API, openapi=OPT_OUT),
            Route("POST", f"{OWN}/opt-outs/withdraw", self.opt_in, scope=write, api=API, openapi=OPT_IN),
        ]


def own_of(call: Call) -> str | None:
    """Who a bound credential is among the recipients; None for staff."""
    bound = call.principal.bindings
    return bound.get("payee") or bound.get("facility")


def _after(cursor: str | None) -> tuple[str, str] | None:
    """Where a page of addresses ended. Raises: Incorrect BOOKING_INVALID."""
    if cursor is None:
        return None
    channel, _, address = cursor.partition("_")
    if channel not in OUTSIDE or not 0 < len(address) <= 254:
        raise invalid([Detail("cursor", "The cursor is not one this list gave.")])
    return channel, address


def _addresses(unit: Unit, call: Call) -> frozenset[str] | None:
    own = own_of(call)
    if own is None:
        return None
    payee = payees.find_payee(unit, call.tenant, own)
    return frozenset({payee.phone, payee.email} - {""}) if payee else frozenset()


def _data(data: Any) -> Response:
    return Response.json({"success": True, "data": data})
