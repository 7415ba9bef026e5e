"""Events: written in the unit they describe, and handed to their subscribers in that same unit.

Who hears what is one table, `app/flows.py`. A subscriber may only write to the database; heavy or failing work is a
job, which `as_job` makes of an event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.kernel import json
from kiungo.kernel.database.unit import Unit
from kiungo.kernel.jobs import queue


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, named in the past tense. Shapes: `aggregate` is what it happened to."""

    seq: int
    tenant: int
    topic: str
    aggregate: str
    at_us: int
    payload: Mapping[str, Any]


Subscriber = Callable[[Unit, Event], None]


class Outbox:
    """Writes events and tells the subscribers of their topic."""

    def __init__(self, flows: Mapping[str, Sequence[Subscriber]]) -> None:
        self._flows = flows

    def publish(self, unit: Unit, *, tenant: int, topic: str, aggregate: str, payload: Mapping[str, Any]) -> Event:
        """Record an event and hand it on, all in the caller's unit."""
        seq = unit.value(
            "INSERT INTO outbox (tn, topic, aggregate, at_us, payload) VALUES (?, ?, ?, ?, ?) RETURNING seq",
            (tenant, topic, aggregate, unit.now_us, json.dumps(payload)),
        )
        event = Event(seq, tenant, topic, aggregate, unit.now_us, payload)
        for subscriber in self._flows.get(topic, ()):
            subscriber(unit, event)
        return event


def as_job(kind: str) -> Subscriber:
    """A subscriber that turns each event into one job of `kind`."""

    def subscriber(unit: Unit, event: Event) -> None:
        args = {"seq": event.seq, "topic": event.topic, "aggregate": event.aggregate, "payload": event.payload}
        queue.enqueue(unit, kind, args, tenant=event.tenant, key=str(event.seq))

    return subscriber
