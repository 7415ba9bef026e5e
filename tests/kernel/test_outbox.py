"""The outbox: an event and everything that hears it commit with their cause, or not at all."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random

import pytest

from kiungo.base.money import Money
from kiungo.kernel import json
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.jobs import Job, enqueue
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.outbox import Event, Outbox, Subscriber, as_job

DECIDED = "claim.adjudicated"


def publishing(outbox: Outbox, payload: Mapping[str, object], *, tenant: int = 1, aggregate: str = "CLM-1"):
    return lambda unit: outbox.publish(unit, tenant=tenant, topic=DECIDED, aggregate=aggregate, payload=payload)


def outbox_with(*subscribers: Subscriber) -> Outbox:
    flows: dict[str, Sequence[Subscriber]] = {DECIDED: subscribers}
    return Outbox(flows)


def count(database: Database, table: str) -> int:
    return database.read(lambda unit: unit.value(f"SELECT count(*) FROM {table}"))


def test_an_event_is_stored_with_its_exact_figures_and_read_back_in_order(database: Database) -> None:
    outbox = outbox_with()
    for number in range(3):
        database.write(publishing(outbox, {"n": number, "paid": Money(100_000, "USD"), "name": "Zoë 😀"}))
    database.write(publishing(outbox, {"n": 9}, tenant=2))
    database.write(publishing(outbox, {"n": 9}, aggregate="CLM-2"))
    asked = "SELECT payload FROM outbox WHERE tn = 1 AND aggregate = 'CLM-1' ORDER BY seq"
    kept = [json.loads(text) for (text,) in database.read(lambda unit: unit.rows(asked))]
    assert [payload["n"] for payload in kept] == [0, 1, 2]
    assert str(kept[0]["paid"]) == "1000.00"
    assert kept[0]["name"] == "Zoë 😀"


def test_subscribers_of_the_topic_hear_it_in_the_same_unit_in_their_order(database: Database) -> None:
    heard: list[tuple[str, int]] = []
    outbox = Outbox(
        {
            DECIDED: [
                lambda unit, event: heard.append(("a", event.seq)),
                lambda unit, event: heard.append(("b", unit.now_us)),
            ],
            "other.topic": [lambda unit, event: heard.append(("never", 0))],
        }
    )
    event: Event = database.write(publishing(outbox, {}))
    assert heard == [("a", event.seq), ("b", event.at_us)]


def test_a_failing_subscriber_takes_the_cause_with_it(database: Database) -> None:
    def refuse(unit: Unit, event: Event) -> None:
        enqueue(unit, "leftover", {}, tenant=1)
        raise RuntimeError("cannot")

    with pytest.raises(RuntimeError, match="cannot"):
        database.write(publishing(outbox_with(refuse), {}))
    assert count(database, "outbox") == 0
    assert count(database, "job") == 0


def test_a_failing_cause_takes_the_event_and_its_jobs_with_it(database: Database) -> None:
    outbox = outbox_with(as_job("tell"))

    def fails(unit: Unit) -> None:
        publishing(outbox, {})(unit)
        raise RuntimeError("after the event")

    with pytest.raises(RuntimeError):
        database.write(fails)
    assert count(database, "outbox") == 0
    assert count(database, "job") == 0


def test_as_job_makes_one_job_that_carries_the_event(stepped_database: Database) -> None:
    seen: list[Job] = []
    event: Event = stepped_database.write(publishing(outbox_with(as_job("tell")), {"paid": Money(5, "KES")}))
    assert run_due(stepped_database, {"tell": seen.append}, Random(1)) == 1
    (job,) = seen
    assert job.tenant == 1
    assert job.args == {"seq": event.seq, "topic": DECIDED, "aggregate": "CLM-1", "payload": {"paid": Decimal("0.05")}}


def test_two_tenants_share_no_job_key(stepped_database: Database) -> None:
    seen: list[int] = []
    outbox = outbox_with(as_job("tell"), as_job("tell"), as_job("archive"))
    for tenant in (1, 2):
        stepped_database.write(publishing(outbox, {}, tenant=tenant))
    handlers = {"tell": lambda job: seen.append(job.tenant), "archive": lambda job: seen.append(-job.tenant)}
    assert run_due(stepped_database, handlers, Random(1)) == 4
    assert sorted(seen) == [-2, -1, 1, 2]
