"""Webhook endpoints and their deliveries: add, test, pause, new secret, dead letters, replay."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kiungo.base.errors import Incorrect, KiungoError, define
from kiungo.base.time import to_us
from kiungo.console.assets import NOT_AN_API
from kiungo.console.rendering import go_to
from kiungo.console.visit import Notice, Visit, page
from kiungo.kernel import audit
from kiungo.kernel.auth import Thing, require
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Response, Route
from kiungo.kernel.webhooks import Change, Endpoint, Webhooks, endpoints, log
from kiungo.kernel.webhooks.model import READ_WEBHOOKS, WRITE_WEBHOOKS, State
from kiungo.kernel.webhooks.signatures import standard_form

REPLAY_PERIOD_WRONG = define(
    "REPLAY_PERIOD_WRONG", Incorrect, "The period to replay is not two times, the earlier first."
)

HOME = "/console/webhooks"
OWNERS = ("provider", "facility")
DELIVERIES_SHOWN = 50
COUNTED_MAX = 99
NOTICES = {
    "tested": Notice("good", "A test delivery is on its way."),
    "paused": Notice("info", "Paused. What is due waits until it is active again; what happens meanwhile is held."),
    "resumed": Notice("good", "Active again. What was due is on its way; replay a period for what was held."),
    "requeued": Notice("good", "The dead letter has all its attempts again."),
    "deleted": Notice("info", "The endpoint is deleted. Its delivery log stays."),
}
# What can be done to an endpoint, and the notice that says it was done.
VERBS = {"test": "tested", "pause": "paused", "resume": "resumed", "rotate": "rotated", "delete": "deleted"}
STATES: Mapping[str, State] = {"due": "due", "delivered": "delivered", "dead": "dead", "held": "held"}
VIEWS = (("", "All"), ("due", "Waiting"), ("delivered", "Delivered"), ("dead", "Dead letters"), ("held", "Held"))


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret to show once, and how libraries for Standard Webhooks want it."""

    text: str

    @property
    def standard(self) -> str:
        """The same key as `whsec_...`; empty when it is in that form already."""
        form = standard_form(self.text)
        return "" if form == self.text else form


@dataclass(frozen=True, slots=True)
class WebhookPages:
    """The pages about webhooks."""

    database: Database
    webhooks: Webhooks

    async def show_all(self, visit: Visit) -> Response:
        """Every endpoint this visitor may see, and the form to add one."""
        visit.notice = NOTICES.get(visit.query.get("done", ""))
        return await self._all(visit)

    async def _all(
        self,
        visit: Visit,
        values: Mapping[str, str] | None = None,
        error: KiungoError | None = None,
    ) -> Response:
        def read(unit: Unit) -> list[dict[str, Any]]:
            found = endpoints.listed(unit, visit.call.tenant, owner=_own(visit) or None, limit=endpoints.LIST_MAX)
            return [_row(endpoint) | _counts(unit, endpoint) for endpoint in found]

        rows = await self.database.read_async(read)
        names = {"webhook_url": "url"}
        context = {
            "endpoints": rows,
            "can_write": visit.can(WRITE_WEBHOOKS),
            "owner": _own(visit),
            "events": sorted(self.webhooks.settings.events),
            "values": values or {},
            "wrong": {names.get(error.field, error.field): error.hint} if error and error.field else {},
            "problem": error.message if error else "",
        }
        return visit.page("webhooks.html", context, error.http_status if error else 200)

    async def add(self, visit: Visit) -> Response:
        """Register an endpoint and show its secret, this once."""
        form = visit.form()
        owner = _own(visit) or form.get("owner", "")
        events = [name for name in sorted(self.webhooks.settings.events) if form.get(f"event_{name}")]

        def write(unit: Unit) -> tuple[Endpoint, str]:
            endpoint, secret = self.webhooks.register(
                unit,
                tenant=visit.call.tenant,
                owner=owner,
                url=form.get("url", ""),
                events=events,
                secret=form.get("secret") or None,
            )
            self._permit(visit, WRITE_WEBHOOKS, endpoint)
            audit.record(unit, visit.call, "create", kind="webhook", id=endpoint.id)
            return endpoint, secret

        try:
            endpoint, secret = await self.database.write_async(write)
        except Incorrect as error:
            return await self._all(visit, form, error)
        return await self._one(visit, endpoint.id, secret=secret)

    async def show(self, visit: Visit) -> Response:
        """One endpoint and its deliveries."""
        visit.notice = NOTICES.get(visit.query.get("done", ""))
        return await self._one(visit, visit.request.params["endpoint_id"])

    async def _one(
        self, visit: Visit, endpoint_id: str, *, secret: str = "", error: KiungoError | None = None
    ) -> Response:
        state = visit.query.get("state", "")
        chosen = STATES.get(state)
        before = visit.query.get("before", "")

        def read(unit: Unit) -> tuple[Endpoint, list[Any]]:
            endpoint = self._get(unit, visit, endpoint_id, READ_WEBHOOKS)
            return endpoint, log.deliveries(
                unit,
                endpoint.tenant,
                endpoint=endpoint.id,
                state=chosen,
                before=before,
                limit=DELIVERIES_SHOWN + 1,
            )

        endpoint, found = await self.database.read_async(read)
        here = f"{HOME}/{endpoint.id}"
        shown = found[:DELIVERIES_SHOWN]
        if error is not None:
            visit.notice = Notice("bad", error.message)
        context = {
            "endpoint": _row(endpoint),
            "deliveries": shown,
            "can_write": visit.can(WRITE_WEBHOOKS),
            "actions": _actions(endpoint),
            "secret": Secret(secret) if secret else None,
            "views": [
                {"title": title, "address": f"{here}?state={name}", "is_current": name == (chosen or "")}
                for name, title in VIEWS
            ],
            "next_page": f"{here}?state={chosen or ''}&before={shown[-1].id}" if len(found) > len(shown) else "",
        }
        return visit.page("webhook.html", context, error.http_status if error else 200)

    async def act(self, verb: str, visit: Visit) -> Response:
        """Do one of VERBS."""
        visit.form()
        endpoint_id = visit.request.params["endpoint_id"]

        def write(unit: Unit) -> str:
            endpoint = self._get(unit, visit, endpoint_id, WRITE_WEBHOOKS)
            audit.record(unit, visit.call, verb, kind="webhook", id=endpoint.id)
            if verb == "rotate":
                return self.webhooks.rotate_secret(unit, endpoint)[0]
            if verb == "delete":
                self.webhooks.delete(unit, endpoint)
            elif verb == "test":
                self.webhooks.ping(unit, endpoint)
            else:
                self.webhooks.change(unit, endpoint, Change(active=verb == "resume"))
            return ""

        secret = await self.database.write_async(write)
        if secret:
            return await self._one(visit, endpoint_id, secret=secret)
        place = HOME if verb == "delete" else f"{HOME}/{endpoint_id}"
        return go_to(f"{place}?done={VERBS[verb]}")

    async def replay(self, visit: Visit) -> Response:
        """Send a period again."""
        form = visit.form()
        endpoint_id = visit.request.params["endpoint_id"]

        def write(unit: Unit) -> int:
            endpoint = self._get(unit, visit, endpoint_id, WRITE_WEBHOOKS)
            since_us, until_us = _period(form, unit.now_us)
            audit.record(unit, visit.call, "replay", kind="webhook", id=endpoint.id)
            return self.webhooks.replay(unit, endpoint, since_us=since_us, until_us=until_us)

        try:
            count = await self.database.write_async(write)
        except Incorrect as error:
            return await self._one(visit, endpoint_id, error=error)
        visit.notice = Notice("good", f"{count} deliver{'y is' if count == 1 else 'ies are'} on the way again.")
        return await self._one(visit, endpoint_id)

    async def delivery(self, visit: Visit) -> Response:
        """One delivery and every attempt of it."""
        params = visit.request.params

        def read(unit: Unit) -> dict[str, Any]:
            endpoint = self._get(unit, visit, params["endpoint_id"], READ_WEBHOOKS)
            found = log.get(unit, endpoint.tenant, endpoint.id, params["delivery_id"])
            tries = log.attempts(unit, endpoint.tenant, found.id)
            return {"endpoint": _row(endpoint), "delivery": found, "attempts": tries}

        context = await self.database.read_async(read)
        return visit.page("delivery.html", context | {"can_write": visit.can(WRITE_WEBHOOKS)})

    async def requeue(self, visit: Visit) -> Response:
        """Give a dead letter its attempts again."""
        visit.form()
        params = visit.request.params

        def write(unit: Unit) -> None:
            endpoint = self._get(unit, visit, params["endpoint_id"], WRITE_WEBHOOKS)
            self.webhooks.requeue(unit, endpoint, params["delivery_id"])
            audit.record(unit, visit.call, "requeue", kind="webhook_delivery", id=params["delivery_id"])

        await self.database.write_async(write)
        return go_to(f"{HOME}/{params['endpoint_id']}?done=requeued")

    def _get(self, unit: Unit, visit: Visit, endpoint_id: str, scope: str) -> Endpoint:
        endpoint = endpoints.get(unit, visit.call.tenant, endpoint_id)
        self._permit(visit, scope, endpoint)
        return endpoint

    def _permit(self, visit: Visit, scope: str, endpoint: Endpoint) -> None:
        thing = Thing("webhook", endpoint.id, endpoint.tenant, bindings=_guards(visit, endpoint.owner))
        require(visit.call.principal, scope, thing)

    def routes(self) -> tuple[Route, ...]:
        """The routes of these pages."""
        one = HOME + "/{endpoint_id}"
        return (
            _route("GET", HOME, READ_WEBHOOKS, self.show_all),
            _route("POST", HOME, WRITE_WEBHOOKS, self.add),
            _route("GET", one, READ_WEBHOOKS, self.show),
            *(_route("POST", f"{one}/{verb}", WRITE_WEBHOOKS, partial(self.act, verb)) for verb in VERBS),
            _route("POST", one + "/replay", WRITE_WEBHOOKS, self.replay),
            _route("GET", one + "/deliveries/{delivery_id}", READ_WEBHOOKS, self.delivery),
            _route("POST", one + "/deliveries/{delivery_id}/requeue", WRITE_WEBHOOKS, self.requeue),
        )


def _route(method: str, path: str, scope: str, handler: Callable[[Visit], Awaitable[Response]]) -> Route:
    return Route(method, path, page("webhooks", handler), scope=scope, api="console", openapi=NOT_AN_API, owners=OWNERS)


def _own(visit: Visit) -> str:
    """Whose endpoints a bound visitor sees; empty for staff, whom nothing binds."""
    bound = visit.call.principal.bindings
    return next((bound[name] for name in OWNERS if name in bound), "")


def _guards(visit: Visit, owner: str) -> dict[str, str]:
    """What an endpoint is asked about: a visitor bound twice passes by the first binding, as over the API."""
    bound = visit.call.principal.bindings
    names = [name for name in OWNERS if name in bound]
    return {name: bound[name] for name in names} | dict.fromkeys(names[:1], owner)


def _row(endpoint: Endpoint) -> dict[str, Any]:
    state = "active" if endpoint.active else "disabled"
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "owner": endpoint.owner,
        "events": endpoint.events,
        "state": state,
        "disabled_reason": endpoint.disabled_reason,
        "created_us": endpoint.created_us,
    }


def _counts(unit: Unit, endpoint: Endpoint) -> dict[str, str]:
    """How many deliveries wait or are dead, counted up to a limit."""
    states: dict[str, State] = {"waiting": "due", "dead": "dead"}
    counted = {}
    for name, state in states.items():
        found = log.deliveries(unit, endpoint.tenant, endpoint=endpoint.id, state=state, limit=COUNTED_MAX + 1)
        counted[name] = f"{COUNTED_MAX}+" if len(found) > COUNTED_MAX else str(len(found))
    return counted


def _actions(endpoint: Endpoint) -> list[dict[str, str]]:
    turn = ("pause", "Pause") if endpoint.active else ("resume", "Make active")
    return [
        {"verb": "test", "title": "Send a test", "style": "plain"},
        {"verb": "rotate", "title": "New secret", "style": "plain"},
        {"verb": turn[0], "title": turn[1], "style": "plain"},
        {"verb": "delete", "title": "Delete", "style": "danger"},
    ]


def _period(form: Mapping[str, str], now_us: int) -> tuple[int, int]:
    """The two ends of a period from a form. Units: microseconds; the form says UTC."""
    try:
        since_us = to_us(datetime.fromisoformat(form.get("since", "")).replace(tzinfo=UTC))
        until = form.get("until", "")
        until_us = to_us(datetime.fromisoformat(until).replace(tzinfo=UTC)) if until else now_us
    except ValueError as problem:
        raise _wrong_period() from problem
    if since_us > until_us:
        raise _wrong_period()
    return since_us, until_us


def _wrong_period() -> Incorrect:
    return Incorrect(
        REPLAY_PERIOD_WRONG,
        "The period to replay needs a beginning, and an end after it",
        field="since",
        hint="Choose both times in UTC",
    )
