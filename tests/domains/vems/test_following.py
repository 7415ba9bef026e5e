"""Claims followed at an authority that is slow, away, changes its mind and pays in parts; all on a turned clock."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiungo.base.money import Money
from kiungo.base.time import SECOND_US, TurnedClock
from kiungo.connectors.sha.twin import ShaTwin, Verdict
from kiungo.domains.vems import correcting, steps
from kiungo.domains.vems.desk import Booked
from kiungo.domains.vems.events import DECISIONS, TOPICS
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.polling import START
from kiungo.domains.vems.rules.following import FollowPolicy
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.domains.vems.store import bookings, claims
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.fhir.repository import Repository
from kiungo.kernel import json, schedule
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.principal import Call, Principal
from kiungo.kernel.database import Database
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.sandbox import Faults, SteppedTransport
from tests.connectors.sha.conftest import stepped_payer
from tests.domains.vems.cases import body
from tests.domains.vems.conftest import JOHN, Heard, heard_outbox

CALL = system_call(1)
POLICY = FollowPolicy(interval_s=900, tick_s=15, deadline_days=10, backoff_s_max=7_200)


class World:
    """Bookings and the authority's twin, in one thread on one clock."""

    def __init__(self, database: Database, clock: TurnedClock, twin: ShaTwin, vems: Vems, heard: Heard) -> None:
        self.database, self.clock, self.twin, self.vems, self.heard = database, clock, twin, vems, heard
        self.rng = Random(11)

    def book(self, **changes: Any) -> Booked:
        sent = json.dumps(body(diagnosisCode="8B20", **changes))

        async def run() -> Booked:
            asked = await self.vems.desk.prepare(CALL, sent)
            return await self.database.write_async(lambda unit: self.vems.desk.book(unit, CALL, asked))

        return asyncio.run(run())

    def submitted(self, **changes: Any) -> str:
        number = self.book(**changes).row.booking_no
        self.database.write(lambda unit: self.vems.submissions.ask(unit, CALL, number, None))
        self.run()
        return number

    def run(self) -> None:
        run_due(self.database, self.vems.jobs(), self.rng, steps_max=500)

    def turn(self, *, hours: float, step_s: float = 300) -> None:
        """Let time pass, working as a running platform would."""
        end_us = self.clock.now_us() + int(hours * 3_600 * SECOND_US)
        while self.clock.now_us() < end_us:
            self.clock.turn(seconds=min(step_s, (end_us - self.clock.now_us()) / SECOND_US))
            self.run()

    def claim(self, number: str) -> ClaimRow:
        found = self.database.read(lambda unit: claims.find(unit, 1, number))
        assert found is not None
        return found

    def approval(self, number: str) -> str:
        found = self.database.read(lambda unit: bookings.find(unit, 1, number))
        assert found is not None
        return found.approval


@pytest.fixture
def world(stepped_database: Database, clock: TurnedClock) -> Iterator[World]:
    outbox, heard = heard_outbox(TOPICS)
    twin = ShaTwin(clock, Faults(Random(5)), retry_after_s=1_800)
    with httpx.Client(transport=SteppedTransport(twin)) as http:
        vems = open_vems(
            stepped_database,
            Repository(clock),
            outbox,
            payers={"sha": stepped_payer(twin, clock, http)},
            payer_of_mode={"sha": "sha"},
            policy=POLICY,
            rng=Random(3),
        )
        stepped_database.write(lambda unit: load_sample(vems.contracts, unit, CALL))
        stepped_database.write(lambda unit: vems.people.keep(unit, CALL, JOHN))
        stepped_database.write(lambda unit: schedule.ensure(unit, 1, "vems.following", "* * * * *", START))
        heard.events.clear()
        yield World(stepped_database, clock, twin, vems, heard)
        vems.people.close()


def test_a_decision_days_later_is_found_within_an_interval(world: World) -> None:
    world.twin.decide = lambda claim: Verdict(after_s=86_400)
    number = world.submitted()
    world.turn(hours=23.9)
    assert (world.claim(number).status, world.approval(number)) == ("pending", "pending")
    world.turn(hours=0.5)
    assert (world.claim(number).approved_minor, world.approval(number)) == (3_100_000, "approved")
    polls = world.twin.requests
    assert polls < 24 * 5 * 2.5, "about one question each quarter of an hour, and tokens"


def test_an_hour_down_loses_nothing_and_retry_after_is_kept(world: World) -> None:
    number = world.submitted()
    world.twin.rule(number, Verdict(after_s=60))
    world.twin.down = True
    before = world.twin.requests
    world.turn(hours=1)
    assert world.claim(number).failures >= 1
    assert world.twin.requests - before <= 4, "the authority asked for half an hour of rest each time"
    world.twin.down = False
    world.turn(hours=2.5)
    row = world.claim(number)
    assert (row.status, row.failures) == ("approved", 0)


def test_a_lost_answer_is_asked_about_and_the_claim_is_one(world: World) -> None:
    world.twin.faults.plan("lost_answer")
    number = world.submitted()
    assert world.claim(number).state == "submitting"
    assert "did not answer" in (world.claim(number).note or "")
    world.turn(hours=1)
    assert (world.claim(number).status, world.twin.bundles, len(world.twin.claims)) == ("approved", 1, 1)
    assert world.heard.topics.count("booking.claim_submitted") == 1


def test_a_submission_waits_for_a_payer_that_is_away(world: World) -> None:
    world.twin.down = True
    number = world.submitted()
    world.turn(hours=3)
    row = world.claim(number)
    assert (row.state, "503" in (row.note or "")) == ("submitting", True)
    world.twin.down = False
    world.turn(hours=2)
    assert world.claim(number).status == "approved"


def test_a_part_is_approved_line_by_line_then_all_of_it(world: World) -> None:
    world.twin.decide = lambda claim: Verdict(items={1: Decimal("15000.00"), 2: Decimal("4000.00")})
    number = world.submitted()
    world.turn(hours=0.5)
    part = world.heard.events[-1]
    assert (part.topic, part.payload["approvedMinor"]) == ("booking.claim_partially_paid", 1_900_000)
    assert [line["approvedMinor"] for line in part.payload["lines"]] == [1_500_000, 400_000]
    world.twin.rule(number, Verdict())
    world.turn(hours=1)
    whole = world.heard.events[-1]
    assert (whole.topic, whole.payload["version"], whole.payload["approvedMinor"]) == (
        "booking.claim_approved",
        2,
        3_100_000,
    )
    reports = world.database.read(lambda unit: claims.reports_of(unit, 1, number))
    assert [report[3]["approved"] for report in reports] == [Decimal("19000.00"), Decimal("31000.00")]


def test_an_answer_that_was_long_on_its_way_does_not_take_back_what_was_learned_since(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notice, or another poller after this one's lease, was faster: money is not claimed back for a day-old word."""
    world.twin.decide = lambda claim: Verdict(items={1: Decimal("15000.00"), 2: Decimal("4000.00")}, after_s=3_600)
    number = world.submitted()
    desk = world.vems.claims
    kind = type(desk.payers["sha"])
    ask = kind.statuses

    def overtaken(payer: Any, queries: Any) -> Any:
        found = ask(payer, queries)
        if found[number].status == "pending" or world.approval(number) != "pending":
            return found
        newer = replace(found[number], status="approved", approved=None, services=())
        world.database.write(lambda unit: desk.apply(unit, 1, world.claim(number), newer, "notice"))
        return found

    monkeypatch.setattr(kind, "statuses", overtaken)
    world.turn(hours=1.2)
    told = [event.payload["approvedMinor"] for event in world.heard.events if event.topic in DECISIONS]
    assert told[:1] == [3_100_000]
    assert world.claim(number).next_poll_us is not None
    assert told[1:] == [], "not before it is asked again"


def test_money_in_parts_is_told_each_time_and_ends_the_following(world: World) -> None:
    number = world.submitted()
    world.turn(hours=0.5)
    world.twin.pay(number, Decimal("10000.00"))
    world.turn(hours=0.5)
    assert (world.claim(number).paid_minor, world.claim(number).state) == (1_000_000, "decided")
    world.twin.pay(number, Decimal("21000.00"))
    world.turn(hours=0.5)
    assert (world.claim(number).paid_minor, world.claim(number).state) == (3_100_000, "closed")
    paid = [event.payload["paidMinor"] for event in world.heard.events if event.topic == "booking.claim_paid"]
    assert paid == [1_000_000, 3_100_000]
    versions = [event.payload["version"] for event in world.heard.events if "version" in event.payload]
    assert versions == sorted(set(versions))


def test_a_report_that_makes_no_sense_keeps_no_other_claim_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An amount in another currency cannot be applied, however often: it waits alone, and longer each time."""
    world.twin.decide = lambda claim: Verdict(after_s=3_600)
    poison, sound = world.submitted(), world.submitted(claimID="CLAIM-SOUND")
    kind = type(world.vems.claims.payers["sha"])
    ask = kind.statuses
    asked: list[str] = []

    def odd(payer: Any, queries: Any) -> Any:
        found = dict(ask(payer, queries))
        asked.extend(found)
        if poison in found and found[poison].status == "approved":
            found[poison] = replace(found[poison], approved=Money(100, "USD"), services=())
        return found

    monkeypatch.setattr(kind, "statuses", odd)
    world.turn(hours=1.5)
    assert (world.approval(sound), world.approval(poison)) == ("approved", "pending")
    assert world.claim(poison).failures >= 1
    world.turn(hours=6, step_s=900)
    before = asked.count(poison)
    world.turn(hours=6, step_s=900)
    assert 1 <= asked.count(poison) - before <= 18, "once in up to two hours, not four times in one"
    monkeypatch.undo()
    world.turn(hours=2.2, step_s=900)
    assert (world.approval(poison), world.claim(poison).failures) == ("approved", 0)


def test_an_answer_that_cannot_be_read_is_asked_for_claim_by_claim(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.twin.decide = lambda claim: Verdict(after_s=3_600)
    poison, *sound = (world.submitted(claimID=f"CLAIM-{number}") for number in range(4))
    kind = type(world.vems.claims.payers["sha"])
    ask = kind.statuses

    def odd(payer: Any, queries: Any) -> Any:
        if any(query.booking_no == poison for query in queries):
            raise ValueError("an amount is missing its currency")
        return ask(payer, queries)

    monkeypatch.setattr(kind, "statuses", odd)
    world.turn(hours=1.5)
    assert {world.approval(number) for number in sound} == {"approved"}
    assert (world.approval(poison), world.claim(poison).failures > 0) == ("pending", True)


def test_a_report_that_never_makes_sense_ends_with_the_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = world.submitted()
    kind = type(world.vems.claims.payers["sha"])
    ask = kind.statuses
    monkeypatch.setattr(
        kind, "statuses",
        lambda payer, queries: {
            key: replace(found, status="approved", approved=Money(100, "USD"), services=())
            for key, found in ask(payer, queries).items()
        },
    )  # fmt: skip
    world.turn(hours=10 * 24 + 12, step_s=6 * 3_600)
    assert (world.claim(number).state, world.heard.topics[-1]) == ("overdue", "booking.claim_overdue")


def test_a_deadline_does_not_take_back_a_decision_that_was_faster(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.twin.decide = lambda claim: Verdict("wait")
    number = world.submitted()
    world.turn(hours=10 * 24 - 1, step_s=6 * 3_600)
    desk = world.vems.claims
    kind = type(desk.payers["sha"])
    ask = kind.statuses

    def overtaken(payer: Any, queries: Any) -> Any:
        found = ask(payer, queries)
        if world.clock.now_us() > world.claim(number).deadline_us and world.approval(number) == "pending":
            newer = replace(found[number], status="approved", approved=None, services=())
            world.database.write(lambda unit: desk.apply(unit, 1, world.claim(number), newer, "notice"))
        return found

    monkeypatch.setattr(kind, "statuses", overtaken)
    while world.approval(number) == "pending":
        world.turn(hours=0.1)
    row = world.claim(number)
    assert (row.state, row.status, row.approved_minor) == ("decided", "approved", 3_100_000)
    assert "booking.claim_overdue" not in world.heard.topics


def test_after_the_deadline_it_is_for_a_person(world: World) -> None:
    world.twin.decide = lambda claim: Verdict("wait")
    number = world.submitted()
    world.turn(hours=10 * 24 + 6, step_s=6 * 3_600)
    row = world.claim(number)
    assert (row.state, row.next_poll_us, row.note) == ("overdue", None, "sha did not decide in 10 days")
    assert world.heard.topics[-1] == "booking.claim_overdue"
    asked = world.twin.requests
    world.turn(hours=3)
    assert world.twin.requests == asked


def test_a_rejection_is_final_until_the_payer_is_asked_again(world: World) -> None:
    world.twin.decide = lambda claim: Verdict("reject", reason="Not eligible on the day")
    number = world.submitted()
    world.turn(hours=0.5)
    row = world.claim(number)
    assert (row.state, row.reason, world.approval(number)) == ("closed", "Not eligible on the day", "rejected")
    world.twin.rule(number, Verdict())
    world.database.write(lambda unit: world.vems.claims.link(unit, CALL, number, "CR-000001"))
    world.turn(hours=0.5)
    assert (world.approval(number), world.claim(number).version) == ("approved", 2)


def test_what_was_set_by_hand_holds_and_the_report_is_kept(world: World) -> None:
    world.twin.decide = lambda claim: Verdict("reject", reason="no", after_s=7_200)
    number = world.submitted()
    world.database.write(
        lambda unit: steps.override(
            world.vems.desk, unit, CALL, number, reason="Letter of the authority", approval="approved"
        )
    )
    world.turn(hours=3)
    assert (world.approval(number), world.claim(number).status) == ("approved", "rejected")
    told = [event.payload for event in world.heard.events if event.topic in DECISIONS]
    assert [(payload["approvedMinor"], payload["version"]) for payload in told] == [(3_100_000, 1)]
    trail = world.database.read(lambda unit: bookings.steps_of(unit, 1, number))
    assert trail[-1].text == "sha says rejected; what was set by hand holds"


def test_the_same_sum_cut_otherwise_over_the_services_is_another_decision(world: World) -> None:
    world.twin.decide = lambda claim: Verdict(items={1: Decimal("15000.00"), 2: Decimal("4000.00")})
    number = world.submitted()
    world.turn(hours=0.5)
    world.twin.rule(number, Verdict(items={1: Decimal("4000.00"), 2: Decimal("15000.00")}))
    world.turn(hours=1)
    told = [event.payload for event in world.heard.events if event.topic in DECISIONS]
    assert [[line["approvedMinor"] for line in payload["lines"]] for payload in told] == [
        [1_500_000, 400_000],
        [400_000, 1_500_000],
    ]
    world.turn(hours=1)
    assert len([event for event in world.heard.events if event.topic in DECISIONS]) == 2, "the same again is nothing"


def test_what_two_persons_corrected_holds_also_when_the_payer_approves_another_part(world: World) -> None:
    world.twin.decide = lambda claim: Verdict(items={1: Decimal("15000.00"), 2: Decimal("4000.00")})
    number = world.submitted()
    world.turn(hours=0.5)
    desk, amount = world.vems.desk, Money(1_000_000, "KES")
    ann, ben = (
        Call(Principal(1, name, "session", name, scopes=frozenset({"override:bookings"})), "r1", "test")
        for name in ("ann", "ben")
    )
    world.database.write(lambda unit: correcting.propose(desk, unit, ann, number, amount, "delivered in part"))
    world.database.write(lambda unit: correcting.confirm(desk, unit, ben, number, amount))
    world.twin.rule(number, Verdict(items={1: Decimal("15000.00"), 2: Decimal("3000.00")}))
    world.turn(hours=1)
    told = [event.payload["approvedMinor"] for event in world.heard.events if event.topic in DECISIONS]
    assert told == [1_900_000, 1_000_000]
    assert world.claim(number).approved_minor == 1_800_000, "what the payer says is kept"
    world.database.write(
        lambda unit: steps.override(desk, unit, CALL, number, reason="the payer decides again", approval="pending")
    )
    world.twin.rule(number, Verdict())
    world.turn(hours=1)
    assert world.approval(number) == "approved"


def test_a_correction_by_hand_takes_from_what_was_approved_and_gives_nothing_to_what_was_rejected(
    world: World,
) -> None:
    world.twin.decide = lambda claim: Verdict(items={1: Decimal("15000.00"), 2: Decimal("0.00")})
    number = world.submitted()
    world.turn(hours=0.5)
    desk = world.vems.desk
    ann, ben = (
        Call(Principal(1, name, "session", name, scopes=frozenset({"override:bookings"})), "r1", "test")
        for name in ("ann", "ben")
    )
    for minor, lines in ((1_400_000, [1_400_000, 0]), (1_600_000, [1_500_000, 100_000])):
        amount = Money(minor, "KES")
        world.database.write(lambda unit, sum=amount: correcting.propose(desk, unit, ann, number, sum, "a letter"))
        world.database.write(lambda unit, sum=amount: correcting.confirm(desk, unit, ben, number, sum))
        told = [event.payload for event in world.heard.events if event.topic in DECISIONS][-1]
        assert [line["approvedMinor"] for line in told["lines"]] == lines


def test_a_decision_given_back_to_the_payer_is_its_own_again(world: World) -> None:
    world.twin.decide = lambda claim: Verdict(items={1: Decimal("10000.00")})
    number = world.submitted()
    world.turn(hours=0.5)
    desk = world.vems.desk
    for approval in ("approved", "pending"):
        world.database.write(
            lambda unit, to=approval: steps.override(desk, unit, CALL, number, reason="a letter", approval=to)
        )
    world.turn(hours=0.5)
    told = [event.payload["approvedMinor"] for event in world.heard.events if event.topic in DECISIONS]
    assert told == [1_000_000, 3_100_000, 1_000_000]
    assert world.approval(number) == "partially_paid"


def test_a_sum_below_nothing_is_no_decision(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = world.submitted()
    kind = type(world.vems.claims.payers["sha"])
    ask = kind.statuses
    monkeypatch.setattr(
        kind, "statuses",
        lambda payer, queries: {
            key: replace(found, status="approved", approved=Money(-500, "KES"), services=())
            for key, found in ask(payer, queries).items()
        },
    )  # fmt: skip
    world.turn(hours=1)
    assert world.approval(number) == "pending"


def test_a_booking_that_was_called_off_is_not_settled_when_its_claim_is_approved(world: World) -> None:
    world.twin.decide = lambda claim: Verdict(after_s=7_200)
    number = world.submitted()
    world.database.write(
        lambda unit: steps.override(world.vems.desk, unit, CALL, number, reason="called off", state="cancelled")
    )
    world.turn(hours=3)
    assert world.claim(number).approved_minor == 3_100_000, "what the payer says is kept"
    assert [event for event in world.heard.events if event.topic in DECISIONS] == []
    trail = world.database.read(lambda unit: bookings.steps_of(unit, 1, number))
    assert "the booking is cancelled" in trail[-1].text


def test_cash_has_no_claim_and_a_cancelled_booking_is_not_asked_about(world: World) -> None:
    cash = world.book(claimID="cash", paymentMode="cash").row.booking_no
    assert world.database.read(lambda unit: claims.find(unit, 1, cash)) is None
    gone = world.book(claimID="gone").row.booking_no
    world.database.write(lambda unit: steps.cancel(world.vems.desk, unit, CALL, gone, "moved away"))
    world.turn(hours=1)
    assert (world.claim(gone).state, world.twin.requests) == ("closed", 0)
    turned = world.book(claimID="cash", paymentMode="sha").row.booking_no
    assert (turned, world.claim(cash).state) == (cash, "open")


def test_two_pollers_never_hold_one_claim(world: World) -> None:
    for index in range(5):
        world.book(claimID=f"c{index}")
    world.clock.turn(seconds=2_000)
    first = world.database.write(lambda unit: claims.take_due(unit, 1, "sha", 3))
    second = world.database.write(lambda unit: claims.take_due(unit, 1, "sha", 10))
    third = world.database.write(lambda unit: claims.take_due(unit, 1, "sha", 10))
    assert (len(first), len(second), third) == (3, 2, [])
    assert not {row.booking_no for row in first} & {row.booking_no for row in second}
    world.clock.turn(seconds=121)  # whoever held them died: they are free again
    assert len(world.database.write(lambda unit: claims.take_due(unit, 1, "sha", 10))) == 5


def test_a_lost_poller_comes_back_by_the_clock(world: World) -> None:
    number = world.submitted()
    world.database.write(lambda unit: unit.execute("DELETE FROM job WHERE kind = 'vems.follow_claims'"))
    world.turn(hours=0.5)
    assert world.claim(number).status == "approved"


VERDICTS = st.one_of(
    st.just(Verdict()),
    st.just(Verdict("reject", reason="no")),
    st.just(Verdict("wait")),
    st.tuples(st.integers(0, 1_500_000), st.integers(0, 1_600_000)).map(
        lambda parts: Verdict(items={1: Decimal(parts[0]).scaleb(-2), 2: Decimal(parts[1]).scaleb(-2)})
    ),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VERDICTS, min_size=1, max_size=4), st.integers(0, 2**32))
def test_whatever_the_payer_says_events_are_in_order_and_sum_up(
    world: World, verdicts: list[Verdict], seed: int
) -> None:
    world.heard.events.clear()
    world.twin.faults = Faults(Random(seed), {"down": 0.1, "lost_answer": 0.2, "not_json": 0.1, "token_lost": 0.1})
    world.twin.retry_after_s = 60
    number = world.submitted(claimID=f"claim-{seed}-{len(verdicts)}-{world.clock.now_us()}")
    for verdict in verdicts:
        world.turn(hours=1, step_s=900)
        if number in world.twin.claims:
            world.twin.rule(number, verdict)
    world.twin.faults.calm()
    world.turn(hours=5, step_s=1_200)
    told = [event.payload for event in world.heard.events if event.topic in DECISIONS]
    assert [payload["version"] for payload in told] == list(range(1, len(told) + 1))
    for payload in told:
        assert sum(line["approvedMinor"] for line in payload["lines"]) == payload["approvedMinor"]
        assert all(0 <= line["approvedMinor"] <= line["totalMinor"] for line in payload["lines"])
        shares = [line["vendorMinor"] + line["facilityMinor"] + line["feeMinor"] for line in payload["lines"]]
        assert shares == [line["totalMinor"] for line in payload["lines"]]
    assert len(world.twin.claims) >= 1
    row = world.claim(number)
    assert row.state in ("open", "decided", "closed")
    if told:
        assert row.approved_minor == told[-1]["approvedMinor"]
