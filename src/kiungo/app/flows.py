"""The whole choreography on one screen: each event, and who hears of it in the same unit of work."""

from collections.abc import Mapping, Sequence

from kiungo.domains.payor.events import CLAIM_STATUS_UPDATE, PAYMENT_PROCESSED
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Event, Subscriber
from kiungo.kernel.webhooks.service import Webhooks

WEBHOOK_EVENTS = frozenset({CLAIM_STATUS_UPDATE, PAYMENT_PROCESSED})


def flows(webhooks: Webhooks) -> Mapping[str, Sequence[Subscriber]]:
    """Topic to subscribers."""
    provider_webhook = to_provider(webhooks)
    return {
        "claim.submitted": (provider_webhook,),
        "claim.pended": (provider_webhook,),
        "claim.decided": (provider_webhook,),
        "claim.information_requested": (provider_webhook,),
        "claim.voided": (provider_webhook,),
        "claim.paid": (provider_webhook,),
    }


def to_provider(webhooks: Webhooks) -> Subscriber:
    """Deliver an event's body to the endpoints of the provider it concerns."""

    def subscriber(unit: Unit, event: Event) -> None:
        webhooks.emit(
            unit,
            tenant=event.tenant,
            owner=event.payload["provider_id"],
            event=event.payload["event"],
            payload=event.payload["body"],
            subject=event.aggregate,
        )

    return subscriber
