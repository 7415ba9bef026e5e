"""Webhooks: events told to receivers, signed, retried, kept in a log, and sent again on request.

    webhooks = Webhooks(database, secrets, WebhookSettings(events=frozenset({...}), egress=EgressPolicy()))
    webhooks.emit(unit, tenant=1, owner="PROV-001", event="claim_status_update", payload={...}, subject=claim_id)

`emit` writes in the caller's unit, so an event is told exactly when what it tells is durable. Each endpoint is
a queue of its own. Delivery is at least once: a receiver drops repeats by `webhook-id`.
"""

from kiungo.kernel.webhooks.dispatcher import Dispatcher
from kiungo.kernel.webhooks.endpoints import Change
from kiungo.kernel.webhooks.model import Delivery, Endpoint
from kiungo.kernel.webhooks.schedule import SHORTENED, USUAL, RetrySchedule
from kiungo.kernel.webhooks.service import Webhooks, WebhookSettings

__all__ = [
    "SHORTENED",
    "USUAL",
    "Change",
    "Delivery",
    "Dispatcher",
    "Endpoint",
    "RetrySchedule",
    "WebhookSettings",
    "Webhooks",
]
