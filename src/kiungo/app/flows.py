"""The whole choreography on one screen: each event, and who hears of it in the same unit of work."""

from collections.abc import Mapping, Sequence

from kiungo.app.money import Money
from kiungo.domains.payor.events import CLAIM_STATUS_UPDATE, PAYMENT_PROCESSED
from kiungo.domains.vems.listening import BOOKING_STATUS_UPDATE, hear_claims, tell_facility
from kiungo.domains.vems.service import Vems
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Event, Subscriber
from kiungo.kernel.webhooks.service import Webhooks

WEBHOOK_EVENTS = frozenset({CLAIM_STATUS_UPDATE, PAYMENT_PROCESSED, BOOKING_STATUS_UPDATE})
OUR_PAYOR = "hcms"
"""The name bookings know our own payor by, when it stands behind its API as any other payer."""


def flows(webhooks: Webhooks, vems: Vems, money: Money) -> Mapping[str, Sequence[Subscriber]]:
    """Topic to subscribers."""
    provider, facility = to_provider(webhooks), tell_facility(webhooks.emit)
    submit = vems.submissions.when_ready
    settle, notify = money.flows, money.notifications.on_event
    return {
        "claim.submitted": (provider, hear_claims(vems.claims, OUR_PAYOR)),
        "claim.pended": (provider,),
        "claim.decided": (provider,),
        "claim.information_requested": (provider,),
        "claim.voided": (provider,),
        "claim.paid": (provider,),
        "booking.created": (facility,),
        "booking.revised": (facility,),
        "booking.confirmed": (submit, facility),
        "booking.service_completed": (facility,),
        "booking.completed": (settle.on_completed, submit, facility),
        "booking.cancelled": (facility,),
        "booking.overridden": (facility,),
        "booking.claim_submitted": (facility,),
        "booking.claim_approved": (settle.on_decision, facility),
        "booking.claim_partially_paid": (settle.on_decision, facility),
        "booking.claim_rejected": (settle.on_decision, facility),
        "booking.claim_paid": (settle.on_paid, facility),
        "booking.claim_overdue": (facility,),
        "contract.changed": (),
        "settlement.leg_paid": (notify,),
        "settlement.leg_failed": (notify,),
        "settlement.leg_returned": (notify,),
        "settlement.leg_unknown": (),
        "settlement.settled": (),
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
