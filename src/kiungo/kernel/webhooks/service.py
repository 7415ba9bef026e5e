"""The webhooks of a running platform: one object that the app makes, domains emit through, and routes call."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import httpx

from kiungo.base.errors import Incorrect, define
from kiungo.base.ids import uuid7
from kiungo.base.time import iso_seconds
from kiungo.kernel import json
from kiungo.kernel.clients import EgressPolicy, Outbound, Poster, Resolver, Timeouts, system_resolver
from kiungo.kernel.clients.connect import addresses_of
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.secrets import Secrets
from kiungo.kernel.webhooks import endpoints, log, queue
from kiungo.kernel.webhooks.dispatcher import CHANNEL, LEASE_ATTEMPTS, LEASE_S, Dispatcher
from kiungo.kernel.webhooks.endpoints import OVERLAP_S, Change, check_events
from kiungo.kernel.webhooks.model import PING, Cause, Delivery, Endpoint
from kiungo.kernel.webhooks.queue import NewDelivery
from kiungo.kernel.webhooks.schedule import USUAL, RetrySchedule
from kiungo.kernel.webhooks.signatures import BODY_MEMBER, key_of, new_secret

WEBHOOK_PAYLOAD_TOO_LARGE = define(
    "WEBHOOK_PAYLOAD_TOO_LARGE", Incorrect, "An event's payload is larger than a webhook may carry."
)

PAYLOAD_BYTES_MAX = 256_000


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How deliveries are made.

    Shapes: `events` is the closed list a registration may choose from. Units: seconds; `lease_s` is how long
    other processes leave an endpoint alone after the one that delivered to it died.
    """

    events: frozenset[str]
    egress: EgressPolicy
    schedule: RetrySchedule = USUAL
    timeouts: Timeouts = Timeouts(connect_s=3.0, read_s=10.0, total_s=10.0)  # noqa: RUF009 - frozen
    overlap_s: float = OVERLAP_S
    lease_s: float = LEASE_S
    resolver: Resolver = system_resolver

    def __post_init__(self) -> None:
        if self.lease_s < LEASE_ATTEMPTS * self.timeouts.total_s:
            raise ValueError("an endpoint's lease is too short to deliver anything within it")


class Webhooks:
    """Registration, emission and the delivery log; `dispatcher()` makes what delivers.

    Every function that takes a unit works inside it; nothing here begins or commits one.
    """

    def __init__(self, database: Database, secrets: Secrets, settings: WebhookSettings) -> None:
        self.settings = settings
        self._database = database
        self._secrets = secrets
        self._dispatcher: Dispatcher | None = None

    def dispatcher(self, *, rng: Random | None = None) -> Dispatcher:
        """Make the dispatcher of this process; run it on the event loop. Emissions here wake it at once.

        Its client has no breaker: the schedule spaces attempts.
        """
        settings = self.settings
        outbound = Outbound(
            name="webhooks",
            egress=settings.egress,
            timeouts=settings.timeouts,
            breaker=None,
            resolver=settings.resolver,
        )
        self._dispatcher = Dispatcher(
            self._database,
            self._secrets,
            Poster(outbound),
            settings.schedule,
            lease_s=settings.lease_s,
            rng=rng,
        )
        return self._dispatcher

    def emit(self, unit: Unit, *, tenant: int, owner: str, event: str, payload: Mapping[str, Any], subject: str) -> int:
        """Queue an event for each of the owner's active endpoints that want it; returns how many.

        For an inactive one it is held, so that a replay of the period can bring it back.

        Shapes: `payload` is the body's members as the receiver gets them; `sequence` and `webhook_signature`
        are added. `subject` is what the event is about (a claim's id): its deliveries keep their order.
        Raises: Incorrect WEBHOOK_PAYLOAD_TOO_LARGE.
        """
        if event not in self.settings.events:
            raise AssertionError(f"{event!r} is not in the list of webhook events")
        wanting = endpoints.wanting(unit, tenant, owner, event)
        if not wanting:
            return 0
        members = _render(payload)
        queued = 0
        for endpoint_id, active in wanting:
            new = self._new(tenant, endpoint_id, event=event, subject=subject, members=members, cause="event")
            queue.add(unit, new if active else replace(new, state="held"))
            if active:
                queued += 1
                self._wake(unit, tenant, endpoint_id)
        return queued

    async def look_at(self, url: str) -> str | None:
        """Check a URL and where its name leads, before registering it; returns a warning, or None.

        A name that does not resolve now is let through with a warning: it may be made later, and every
        connection is checked anyway.
        Raises: Incorrect EGRESS_REFUSED.
        """
        parts = self.settings.egress.check_url(url, field="webhook_url")
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(self.settings.timeouts.connect_s):
                await addresses_of(host, port, self.settings.egress, self.settings.resolver, field="webhook_url")
        except (httpx.ConnectError, TimeoutError):
            return f"The name {host} does not resolve at present"
        return None

    def register(
        self,
        unit: Unit,
        *,
        tenant: int,
        owner: str,
        url: str,
        events: Collection[str],
        secret: str | None = None,
        active: bool = True,
    ) -> tuple[Endpoint, str]:
        """Add an endpoint; returns it with its secret, which is shown this once.

        `look_at` comes first, outside the unit.
        Raises: Incorrect EGRESS_REFUSED, WEBHOOK_EVENT_UNKNOWN, WEBHOOK_SECRET_WRONG; Conflict WEBHOOK_EXISTS.
        """
        self.settings.egress.check_url(url, field="webhook_url")
        chosen = secret if secret is not None else new_secret()
        key_of(chosen)
        endpoint = Endpoint(
            tenant=tenant,
            id=uuid7(self._database.clock),
            owner=owner,
            url=url,
            events=check_events(list(events), self.settings.events | {PING}),
            active=active,
            disabled_reason=None,
            overlap_until_us=0,
            created_us=unit.now_us,
            updated_us=unit.now_us,
        )
        endpoints.insert(unit, self._secrets, endpoint, chosen)
        return endpoint, chosen

    def change(self, unit: Unit, endpoint: Endpoint, wanted: Change) -> Endpoint:
        """Change an endpoint. Raises: as `register`."""
        if wanted.url is not None:
            self.settings.egress.check_url(wanted.url, field="webhook_url")
        if wanted.events is not None:
            wanted = replace(wanted, events=check_events(wanted.events, self.settings.events | {PING}))
        changed = endpoints.change(unit, endpoint, wanted)
        self._wake(unit, endpoint.tenant, endpoint.id)
        return changed

    def rotate_secret(
        self, unit: Unit, endpoint: Endpoint, *, secret: str | None = None, overlap_s: float | None = None
    ) -> tuple[str, int]:
        """Sign with a new secret, and with both for a while; returns the new one and when the overlap ends."""
        chosen = secret if secret is not None else new_secret()
        key_of(chosen)
        lasting_s = self.settings.overlap_s if overlap_s is None else overlap_s
        return chosen, endpoints.rotate_secret(unit, self._secrets, endpoint, chosen, overlap_s=lasting_s)

    def delete(self, unit: Unit, endpoint: Endpoint) -> None:
        """Remove an endpoint; its log stays."""
        endpoints.delete(unit, self._secrets, endpoint)

    def ping(self, unit: Unit, endpoint: Endpoint) -> str:
        """Queue a test delivery, whatever the endpoint's events; returns its id."""
        payload = {
            "event_type": PING,
            "timestamp": iso_seconds(unit.now_us),
            "message": "A test delivery, sent because somebody asked for it",
        }
        new = self._new(endpoint.tenant, endpoint.id, event=PING, subject=PING, members=_render(payload), cause="ping")
        queue.add(unit, new)
        self._wake(unit, endpoint.tenant, endpoint.id)
        return new.id

    def replay(self, unit: Unit, endpoint: Endpoint, *, since_us: int, until_us: int) -> int:
        """Send a period's deliveries again, and held ones at last, with the same ids and new timestamps.

        Returns how many.
        """
        count = log.replay(unit, endpoint.tenant, endpoint.id, since_us=since_us, until_us=until_us)
        self._wake(unit, endpoint.tenant, endpoint.id)
        return count

    def requeue(self, unit: Unit, endpoint: Endpoint, delivery_id: str) -> Delivery:
        """Give a dead letter all its attempts again. Raises: NotFound; Conflict WEBHOOK_DELIVERY_NOT_DEAD."""
        delivery = log.requeue(unit, endpoint.tenant, endpoint.id, delivery_id)
        self._wake(unit, endpoint.tenant, endpoint.id)
        return delivery

    def _new(
        self, tenant: int, endpoint_id: str, *, event: str, subject: str, members: bytes, cause: Cause
    ) -> NewDelivery:
        return NewDelivery(tenant, uuid7(self._database.clock), endpoint_id, event, subject, cause, members)

    def _wake(self, unit: Unit, tenant: int, endpoint_id: str) -> None:
        """Start the lane here once the unit is durable; on PostgreSQL other processes look as well."""
        unit.after_commit(lambda: self._hint(tenant, endpoint_id))
        if unit.engine == "postgresql":
            unit.wake(CHANNEL)

    def _hint(self, tenant: int, endpoint_id: str) -> None:
        if self._dispatcher is not None:
            self._dispatcher.hint((tenant, endpoint_id))


def _render(payload: Mapping[str, Any]) -> bytes:
    """The payload's members as JSON; ours are added behind them, so theirs may not have the same names."""
    members = json.dumps({name: value for name, value in payload.items() if name not in (BODY_MEMBER, "sequence")})
    if len(members) > PAYLOAD_BYTES_MAX:
        raise Incorrect(
            WEBHOOK_PAYLOAD_TOO_LARGE,
            f"The event's payload has {len(members)} bytes, more than {PAYLOAD_BYTES_MAX}",
            hint="Send identifiers and let the receiver fetch the rest",
        )
    return members
