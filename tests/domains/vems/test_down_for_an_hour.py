"""Registry and payer away for an hour of a working day: what can go on does, nothing is lost, all catches up."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import pytest

from kiungo.base.errors import Unavailable
from kiungo.base.time import SECOND_US, TurnedClock
from kiungo.connectors.afyalink.client import AfyaLinkClient
from kiungo.connectors.afyalink.connector import AfyaLinkRegistry
from kiungo.connectors.afyalink.twin import AfyaLinkTwin
from kiungo.connectors.sha.twin import ShaTwin
from kiungo.domains.vems import steps
from kiungo.domains.vems.events import DECISIONS, TOPICS
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.people import FRESH_US
from kiungo.domains.vems.polling import START
from kiungo.domains.vems.rules.following import FollowPolicy
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.domains.vems.store import claims
from kiungo.domains.vems.store import people as patients
from kiungo.fhir.repository import Repository
from kiungo.kernel import json, schedule
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.outbox import Outbox, Subscriber
from kiungo.kernel.sandbox import Faults, SteppedTransport
from tests.connectors.afyalink.conftest import settings_for
from tests.connectors.sha.conftest import stepped_payer
from tests.domains.vems.cases import body
from tests.domains.vems.conftest import JOHN, Heard

CALL = system_call(1)
UNKNOWN = "CR7654321"
EVERY_S = 600


@dataclass
class Day:
    """Bookings between a registry and a payer, in one thread on one clock."""

    database: Database
    clock: TurnedClock
    registry: AfyaLinkTwin
    payer: ShaTwin
    vems: Vems
    heard: Heard
    rng: Random = field(default_factory=lambda: Random(4))

    def book(self, claim_id: str, **changes: Any) -> str:
        sent = json.dumps(body(claimID=claim_id, diagnosisCode="8B20", **changes))

        async def run() -> str:
            asked = await self.vems.desk.prepare(CALL, sent)
            booked = await self.database.write_async(lambda unit: self.vems.desk.book(unit, CALL, asked))
            return booked.row.booking_no

        return asyncio.run(run())

    def deliver(self, number: str) -> None:
        """Every service was delivered, so the claim is submitted by itself."""
        lines = self.database.read(lambda unit: self.vems.desk.find(unit, CALL, number)).lines
        for line in lines:
            self.database.write(
                lambda unit, line=line: steps.complete_service(self.vems.desk, unit, CALL, number, line.line_id)
            )

    def turn(self, seconds: float) -> None:
        end_us = self.clock.now_us() + int(seconds * SECOND_US)
        while self.clock.now_us() < end_us:
            self.clock.turn(seconds=min(120.0, (end_us - self.clock.now_us()) / SECOND_US))
            run_due(self.database, self.vems.jobs(), self.rng, steps_max=2_000)

    def statuses(self, numbers: list[str]) -> Counter[str]:
        def read(unit: Any) -> Counter[str]:
            found = [claims.find(unit, 1, number) for number in numbers]
            return Counter(row.status for row in found if row is not None)

        return self.database.read(read)


@pytest.fixture
def day(stepped_database: Database, clock: TurnedClock) -> Iterator[Day]:
    heard, later = Heard(), []

    def submit(unit: Any, event: Any) -> None:
        later[0](unit, event)

    table: dict[str, tuple[Subscriber, ...]] = dict.fromkeys(TOPICS, (heard,))
    table["booking.completed"] = (submit, heard)
    registry = AfyaLinkTwin(clock, Faults(Random(7)), pause=lambda seconds: clock.turn(seconds=seconds))
    payer = ShaTwin(clock, Faults(Random(5)), retry_after_s=300)
    with (
        httpx.Client(transport=SteppedTransport(registry)) as one,
        httpx.Client(transport=SteppedTransport(payer)) as two,
    ):
        vems = open_vems(
            stepped_database,
            Repository(clock),
            Outbox(table),
            registry=AfyaLinkRegistry(AfyaLinkClient(one, settings_for(registry))),
            payers={"sha": stepped_payer(payer, clock, two)},
            payer_of_mode={"sha": "sha"},
            policy=FollowPolicy(interval_s=900, tick_s=15, backoff_s_max=3_600),
            rng=Random(3),
        )
        later.append(vems.submissions.when_ready)
        stepped_database.write(lambda unit: load_sample(vems.contracts, unit, CALL))
        stepped_database.write(lambda unit: vems.people.keep(unit, CALL, JOHN))
        stepped_database.write(lambda unit: schedule.ensure(unit, 1, "vems.following", "* * * * *", START))
        heard.events.clear()
        yield Day(stepped_database, clock, registry, payer, vems, heard)
        vems.people.close()


def test_an_hour_without_registry_and_payer_loses_nothing(day: Day) -> None:
    stale_us = day.clock.now_us() - FRESH_US - 1
    day.database.write(lambda unit: unit.execute("UPDATE vems_patient SET checked_us = ?", (stale_us,)))
    before = day.book("before")
    day.deliver(before)
    day.registry.down = day.payer.down = True

    booked = [before]
    for number in range(3_600 // EVERY_S):
        booked.append(day.book(f"during-{number}"))
        day.deliver(booked[-1])
        if number % 2 == 0:
            with pytest.raises(Unavailable) as waiting:
                day.book(f"stranger-{number}", patientCR=UNKNOWN)
            assert waiting.value.retry_after_s
        day.turn(EVERY_S)
    assert day.statuses(booked) == {"unknown": len(booked)}
    assert day.payer.bundles == 0
    assert not [topic for topic in day.heard.topics if topic in DECISIONS]

    day.registry.down = day.payer.down = False
    strangers = [day.book(f"stranger-{number}", patientCR=UNKNOWN) for number in (0, 2, 4)]
    for number in strangers:
        day.deliver(number)
    day.turn(5_400)
    everybody = booked + strangers
    assert day.statuses(everybody) == {"approved": len(everybody)}
    assert (day.payer.bundles, set(day.payer.claims)) == (len(everybody), set(everybody))
    assert Counter(event.topic for event in day.heard.events if event.topic in DECISIONS) == {
        "booking.claim_approved": len(everybody)
    }
    dead = day.database.read(lambda unit: unit.rows("SELECT kind, reason FROM job WHERE state = 'dead'"))
    assert dead == []
    known = day.database.read(lambda unit: patients.find(unit, 1, JOHN.cr_number))
    assert known is not None
    assert known[1] > stale_us, "the registry was asked again, once it was back"
