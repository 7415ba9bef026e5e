"""The API of webhooks: /api/webhooks/ as the claims API document registers them, and what it leaves out."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Response as FastApiResponse

from kiungo.base.errors import Incorrect, define
from kiungo.base.time import iso_seconds, parse_instant, to_us
from kiungo.kernel import audit
from kiungo.kernel.auth import Call, Thing, may, require
from kiungo.kernel.auth.decision import refuse_other_owners
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Exchange, Response, secured
from kiungo.kernel.webhooks import endpoints, log
from kiungo.kernel.webhooks.endpoints import Change, not_found
from kiungo.kernel.webhooks.model import PING, READ_WEBHOOKS, WRITE_WEBHOOKS, Endpoint, State
from kiungo.kernel.webhooks.service import Webhooks
from kiungo.kernel.webhooks.shapes import (
    Alteration,
    Period,
    Registration,
    SecretRotation,
    attempt_view,
    delivery_view,
    endpoint_view,
)
from kiungo.kernel.webhooks.signatures import standard_form

WEBHOOK_OWNER_MISSING = define(
    "WEBHOOK_OWNER_MISSING", Incorrect, "A webhook is registered without saying whose events it wants."
)
WEBHOOK_PERIOD_WRONG = define(
    "WEBHOOK_PERIOD_WRONG", Incorrect, "The period to replay ends before it begins.", http=422
)

COUNT_MAX = 200
Reader = Annotated[Exchange, secured(READ_WEBHOOKS)]
Writer = Annotated[Exchange, secured(WRITE_WEBHOOKS)]
Count = Annotated[int, Query(ge=1, le=COUNT_MAX)]


def webhook_router(database: Database, webhooks: Webhooks, *, bindings: Sequence[str] = ("provider",)) -> APIRouter:
    """All routes under /api/webhooks. `bindings` names those of a credential's bindings that own endpoints."""
    router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])
    access = _Access(tuple(bindings))
    _add_log_routes(router, database, access)  # first: its "dead-letters" is no webhook's id
    _add_endpoint_routes(router, database, webhooks, access)
    _add_doing_routes(router, webhooks, access)
    return router


class _Access:
    """Which endpoints a caller may see and change: its own, or all when it is bound to no owner."""

    def __init__(self, bindings: tuple[str, ...]) -> None:
        self._bindings = bindings

    def owner_of(self, call: Call) -> str | None:
        """The owner the caller is bound to, if any; the first of its bindings that owns endpoints.

        Raises: Forbidden NOT_YOURS when it is bound to what owns none.
        """
        bound = call.principal.bindings
        if bound:
            refuse_other_owners(call.principal, self._bindings)
        return next((bound[name] for name in self._bindings if name in bound), None)

    def find(self, unit: Unit, call: Call, endpoint_id: str, action: str) -> Endpoint:
        """An endpoint of the caller's; another's is as if it were not there. Raises: NotFound."""
        endpoint = endpoints.get(unit, call.tenant, endpoint_id)
        thing = Thing("webhook", endpoint.id, call.tenant, bindings=self._owned_by(call, endpoint.owner))
        if not may(call.principal, action, thing):
            raise not_found(endpoint_id)
        return endpoint

    def owner_for(self, call: Call, stated: str | None) -> str:
        """Whose events a registration wants. Raises: Forbidden NOT_YOURS; Incorrect WEBHOOK_OWNER_MISSING."""
        owner = stated or self.owner_of(call)
        if owner is None:
            raise Incorrect(
                WEBHOOK_OWNER_MISSING,
                "The registration does not say whose events it wants",
                field="provider_id",
                hint="Add provider_id, or use a credential bound to a provider",
            )
        thing = Thing("webhook", "", call.tenant, bindings=self._owned_by(call, owner))
        require(call.principal, WRITE_WEBHOOKS, thing)
        return owner

    def _owned_by(self, call: Call, owner: str) -> dict[str, str]:
        """An endpoint's bindings as the caller is asked about them: a credential bound twice passes by its first."""
        bound = call.principal.bindings
        first = next((name for name in self._bindings if name in bound), None)
        others = {name: bound[name] for name in self._bindings if name in bound}
        return others | ({first: owner} if first else {})


def _add_endpoint_routes(router: APIRouter, database: Database, webhooks: Webhooks, access: _Access) -> None:
    @router.post("/", status_code=201)
    async def register(exchange: Writer, wanted: Registration) -> FastApiResponse:
        """Register a receiver. The answer shows the secret, this once, also in whsec_ form."""
        owner = access.owner_for(exchange.call, wanted.provider_id)
        warning = await webhooks.look_at(wanted.webhook_url)

        def work(unit: Unit) -> Response:
            endpoint, secret = webhooks.register(
                unit,
                tenant=exchange.call.tenant,
                owner=owner,
                url=wanted.webhook_url,
                events=wanted.events if wanted.events is not None else sorted(webhooks.settings.events),
                secret=wanted.secret_key,
                active=wanted.active,
            )
            audit.record(unit, exchange.call, "create", kind="webhook", id=endpoint.id)
            view = endpoint_view(endpoint) | _secret_view(secret)
            body = {"success": True, "webhook": view} | ({"warning": warning} if warning else {})
            return Response.json(body, 201, holds_secret=True)

        return await exchange.write(work)

    @router.get("/")
    async def show_all(exchange: Reader, after: Annotated[str, Query(max_length=64)] = "", count: Count = 100) -> Any:
        """The caller's webhooks, oldest first; `next` goes on from there."""
        owner = access.owner_of(exchange.call)
        found = await database.read_async(
            lambda unit: endpoints.listed(unit, exchange.call.tenant, owner=owner, after=after, limit=count)
        )
        following = found[-1].id if len(found) == count else None
        return {"webhooks": [endpoint_view(endpoint) for endpoint in found], "next": following}

    @router.get("/{webhook_id}/")
    async def show(exchange: Reader, webhook_id: str) -> Any:
        """One webhook, without its secret."""
        found = await database.read_async(lambda unit: access.find(unit, exchange.call, webhook_id, READ_WEBHOOKS))
        return {"webhook": endpoint_view(found)}

    @router.patch("/{webhook_id}/")
    async def alter(exchange: Writer, webhook_id: str, wanted: Alteration) -> FastApiResponse:
        """Change the address, the events or whether it is active."""
        if wanted.webhook_url is not None:
            await webhooks.look_at(wanted.webhook_url)
        events = tuple(wanted.events) if wanted.events is not None else None
        change = Change(url=wanted.webhook_url, events=events, active=wanted.active)

        def work(unit: Unit) -> Response:
            endpoint = access.find(unit, exchange.call, webhook_id, WRITE_WEBHOOKS)
            audit.record(unit, exchange.call, "update", kind="webhook", id=endpoint.id)
            return Response.json({"success": True, "webhook": endpoint_view(webhooks.change(unit, endpoint, change))})

        return await exchange.write(work)

    @router.delete("/{webhook_id}/", status_code=204)
    async def remove(exchange: Writer, webhook_id: str) -> FastApiResponse:
        """Delete a webhook; its delivery log stays with us."""

        def work(unit: Unit) -> Response:
            endpoint = access.find(unit, exchange.call, webhook_id, WRITE_WEBHOOKS)
            webhooks.delete(unit, endpoint)
            audit.record(unit, exchange.call, "delete", kind="webhook", id=endpoint.id)
            return Response(204)

        return await exchange.write(work)


def _add_doing_routes(router: APIRouter, webhooks: Webhooks, access: _Access) -> None:
    @router.post("/{webhook_id}/secret", status_code=201)
    async def rotate(exchange: Writer, webhook_id: str, wanted: SecretRotation) -> FastApiResponse:
        """Sign with a new secret, and with both while the overlap lasts."""

        def work(unit: Unit) -> Response:
            endpoint = access.find(unit, exchange.call, webhook_id, WRITE_WEBHOOKS)
            secret, until_us = webhooks.rotate_secret(
                unit, endpoint, secret=wanted.secret_key, overlap_s=wanted.overlap_s
            )
            audit.record(unit, exchange.call, "rotate", kind="webhook", id=endpoint.id)
            view = {"success": True, **_secret_view(secret), "secret_overlap_until": iso_seconds(until_us)}
            return Response.json(view, 201, holds_secret=True)

        return await exchange.write(work)

    @router.post("/{webhook_id}/ping", status_code=202)
    async def ping(exchange: Writer, webhook_id: str) -> FastApiResponse:
        """Queue a test delivery."""

        def work(unit: Unit) -> Response:
            endpoint = access.find(unit, exchange.call, webhook_id, WRITE_WEBHOOKS)
            delivery_id = webhooks.ping(unit, endpoint)
            audit.record(unit, exchange.call, PING, kind="webhook", id=endpoint.id)
            return Response.json({"success": True, "delivery_id": delivery_id, "active": endpoint.active}, 202)

        return await exchange.write(work)

    @router.post("/{webhook_id}/replay", status_code=202)
    async def replay(exchange: Writer, webhook_id: str, period: Period) -> FastApiResponse:
        """Send a period's deliveries again: the same ids, new timestamps. At most the oldest 10,000."""
        since_us = to_us(parse_instant(period.since, field="from"))
        until_us = to_us(parse_instant(period.until, field="to"))
        if until_us < since_us:
            raise Incorrect(
                WEBHOOK_PERIOD_WRONG,
                "The period ends before it begins",
                field="to",
                hint="Give the earlier time as from and the later one as to",
            )

        def work(unit: Unit) -> Response:
            endpoint = access.find(unit, exchange.call, webhook_id, WRITE_WEBHOOKS)
            count = webhooks.replay(unit, endpoint, since_us=since_us, until_us=until_us)
            audit.record(unit, exchange.call, "replay", kind="webhook", id=endpoint.id)
            return Response.json({"success": True, "replayed": count, "active": endpoint.active}, 202)

        return await exchange.write(work)

    @router.post("/{webhook_id}/deliveries/{delivery_id}/requeue", status_code=202)
    async def requeue(exchange: Writer, webhook_id: str, delivery_id: str) -> FastApiResponse:
        """Give a dead letter all its attempts again."""

        def work(unit: Unit) -> Response:
            endpoint = access.find(unit, exchange.call, webhook_id, WRITE_WEBHOOKS)
            delivery = webhooks.requeue(unit, endpoint, delivery_id)
            audit.record(unit, exchange.call, "requeue", kind="webhook", id=endpoint.id)
            return Response.json({"success": True, "delivery": delivery_view(delivery)}, 202)

        return await exchange.write(work)


def _add_log_routes(router: APIRouter, database: Database, access: _Access) -> None:
    @router.get("/dead-letters/")
    async def show_dead(exchange: Reader, count: Count = 100) -> Any:
        """What was given up, newest first, with the reason."""
        owner = access.owner_of(exchange.call)
        found = await database.read_async(
            lambda unit: log.dead_letters(unit, exchange.call.tenant, owner=owner, limit=count)
        )
        return {"dead_letters": [delivery_view(delivery) for delivery in found]}

    @router.get("/{webhook_id}/deliveries")
    async def show_deliveries(
        exchange: Reader,
        webhook_id: str,
        state: State | None = None,
        subject: Annotated[str | None, Query(max_length=200)] = None,
        before: Annotated[str, Query(max_length=64)] = "",
        count: Count = 100,
    ) -> Any:
        """The delivery log, newest first; `next` goes on from there."""

        def work(unit: Unit) -> Any:
            endpoint = access.find(unit, exchange.call, webhook_id, READ_WEBHOOKS)
            return log.deliveries(
                unit,
                exchange.call.tenant,
                endpoint=endpoint.id,
                state=state,
                subject=subject,
                before=before,
                limit=count,
            )

        found = await database.read_async(work)
        following = found[-1].id if len(found) == count else None
        return {"deliveries": [delivery_view(delivery) for delivery in found], "next": following}

    @router.get("/{webhook_id}/deliveries/{delivery_id}")
    async def show_delivery(exchange: Reader, webhook_id: str, delivery_id: str) -> Any:
        """One delivery with every attempt."""

        def work(unit: Unit) -> Any:
            endpoint = access.find(unit, exchange.call, webhook_id, READ_WEBHOOKS)
            delivery = log.get(unit, exchange.call.tenant, endpoint.id, delivery_id)
            made = log.attempts(unit, exchange.call.tenant, delivery.id)
            return {"delivery": delivery_view(delivery), "attempts": [attempt_view(attempt) for attempt in made]}

        return await database.read_async(work)


def _secret_view(secret: str) -> dict[str, str]:
    """The secret as given or made, and as Standard Webhooks libraries want it."""
    return {"secret_key": secret, "signing_secret": standard_form(secret)}
