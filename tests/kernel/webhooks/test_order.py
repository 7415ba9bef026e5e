"""One subject's updates never overtake each other, whatever fails; a receiver that says when is left alone."""

import asyncio
import json
from collections.abc import Callable

import pytest

from kiungo.kernel.database import Database
from kiungo.kernel.webhooks import Endpoint, RetrySchedule, Webhooks, endpoints, queue

from .receiver import Receiver, Reply
from .test_delivery import all_settled, delivering, emit, logged, register, until

Make = Callable[..., Webhooks]


async def emit_status(webhooks: Webhooks, database: Database, status: str, *, claim: str = "CLM-1") -> int:
    payload = {"event_type": "claim_status_update", "claim": claim, "status": status}
    return await database.write_async(
        lambda unit: webhooks.emit(
            unit, tenant=1, owner="PROV-001", event="claim_status_update", payload=payload, subject=claim
        )
    )


def taken(receiver: Receiver) -> list[tuple[str, str]]:
    """Claim and status of what came, in order."""
    bodies = [json.loads(got.body) for got in receiver.received]
    return [(body["claim"], body["status"]) for body in bodies]


def test_a_later_update_never_overtakes_an_earlier_one_that_failed(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        refuse_once = iter([503])
        behaviour = lambda got: Reply(next(refuse_once, 200) if b'"submitted"' in got.body else 200)  # noqa: E731
        async with Receiver(behaviour) as receiver:
            endpoint = await register(webhooks, database, receiver.url)
            await emit_status(webhooks, database, "submitted")
            await emit_status(webhooks, database, "approved")
            await emit_status(webhooks, database, "submitted2", claim="CLM-2")
            async with delivering(webhooks):
                await receiver.wait_for(2)
                await emit_status(webhooks, database, "paid")
                await until(lambda: all_settled(database, endpoint, 4))
            mine = [status for claim, status in taken(receiver) if claim == "CLM-1"]
            assert mine == ["submitted", "submitted", "approved", "paid"]
            assert ("CLM-2", "submitted2") in taken(receiver)[:2], "other claims do not wait"

    asyncio.run(story())


def test_a_dead_letter_lets_the_next_update_go_on(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database, schedule=RetrySchedule((0.02, 0.02, 0.02), jitter=0.0))
        behaviour = lambda got: Reply(500 if b'"submitted"' in got.body else 200)  # noqa: E731
        async with Receiver(behaviour) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit_status(webhooks, database, "submitted")
            await emit_status(webhooks, database, "approved")
            await until(lambda: all_settled(database, endpoint, 2))
            assert [status for _, status in taken(receiver)] == ["submitted"] * 4 + ["approved"]

    asyncio.run(story())


def test_only_what_nothing_earlier_waits_for_is_due(stepped_database: Database, make_webhooks: Make, clock) -> None:
    """The rows decide, whatever their times: units that crossed may have left them in any order."""
    database = stepped_database
    webhooks = make_webhooks(database)

    async def story() -> list[Endpoint]:
        made = [await register(webhooks, database, f"https://a.example/{number}") for number in range(2)]
        for number in range(1, 5):
            await emit(webhooks, database, number, subject="CLM-1")
        await emit(webhooks, database, 5, subject="CLM-2")
        return made

    endpoint, other = asyncio.run(story())
    lane = (1, endpoint.id)

    def due(limit: int = 64) -> list[tuple[str, int]]:
        found = database.read(lambda unit: queue.due(unit, lane, limit))
        return sorted((one.subject, json.loads(one.body)["number"]) for one in found)

    def set_due(sequence: int, wait_s: int, state: str = "due") -> None:
        database.write(
            lambda unit: unit.execute(
                "UPDATE webhook_delivery SET due_us = ?, state = ? WHERE endpoint = ? AND subject = 'CLM-1'"
                " AND sequence = ?",
                (clock.now_us() + wait_s * 1_000_000, state, endpoint.id, sequence),
            )
        )

    assert due() == [("CLM-1", 1), ("CLM-1", 2), ("CLM-1", 3), ("CLM-1", 4), ("CLM-2", 5)]
    set_due(1, 0)
    set_due(2, -5)
    assert due(2) == [("CLM-1", 1), ("CLM-2", 5)], "the first of every subject before the second of one"
    set_due(2, 60)
    assert due() == [("CLM-1", 1), ("CLM-2", 5)]
    set_due(1, 60, "dead")
    assert due() == [("CLM-2", 5)], "2 waits for its time, and 3 and 4 for 2"
    set_due(2, 60, "dead")
    assert due() == [("CLM-1", 3), ("CLM-1", 4), ("CLM-2", 5)]
    set_due(3, 90)
    database.write(lambda unit: unit.execute("DELETE FROM webhook_delivery WHERE subject = 'CLM-2'"))
    in_90_s_us = clock.now_us() + 90_000_000
    assert database.read(lambda unit: queue.next_due_us(unit, lane)) == in_90_s_us
    lanes = dict(database.read(queue.lanes_with_work))
    assert lanes == {lane: in_90_s_us, (1, other.id): clock.now_us()}


def test_what_waits_for_a_retry_gets_its_time(database: Database, make_webhooks: Make) -> None:
    """So that reading what is due never walks over what cannot go."""

    async def story() -> None:
        webhooks = make_webhooks(database, schedule=RetrySchedule((60.0, 60.0, 60.0), jitter=0.0))
        async with Receiver(lambda _: Reply(500)) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit_status(webhooks, database, "submitted")
            await emit_status(webhooks, database, "approved")
            await receiver.wait_for(1)

            async def failed_once() -> bool:
                return any(delivery.attempts for delivery in await logged(database, endpoint))

            await until(failed_once)
            await emit_status(webhooks, database, "paid")
            assert len({delivery.due_us for delivery in await logged(database, endpoint)}) == 1
            assert len(receiver.received) == 1

    asyncio.run(story())


def test_a_replay_keeps_the_order_too(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            for number in range(1, 6):
                await emit(webhooks, database, number, subject="CLM-1")
            await until(lambda: all_settled(database, endpoint, 5))
            refuse_once = iter([503])
            receiver.behaviour = lambda got: Reply(next(refuse_once, 200) if b'"number":2' in got.body else 200)
            await database.write_async(
                lambda unit: webhooks.replay(unit, endpoint, since_us=0, until_us=database.clock.now_us())
            )
            await receiver.wait_for(11)
            assert [json.loads(got.body)["number"] for got in receiver.received[5:]] == [1, 2, 2, 3, 4, 5]

    asyncio.run(story())


@pytest.mark.parametrize(("status", "whole_lane"), [(429, True), (503, True), (500, False)])
def test_a_receiver_that_says_when_is_left_alone_until_then(
    database: Database, make_webhooks: Make, status: int, whole_lane: bool
) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        first = iter([Reply(status, headers={"Retry-After": "1"})])
        async with (
            Receiver(lambda _: next(first, Reply())) as busy,
            Receiver() as free,
            delivering(webhooks),
        ):
            await register(webhooks, database, busy.url)
            await register(webhooks, database, free.url)
            await emit(webhooks, database, 1)
            await busy.wait_for(1)
            await asyncio.sleep(0.1)
            await emit(webhooks, database, 2)
            await busy.wait_for(3)
            waited_s = busy.received[1].at_s - busy.received[0].at_s
            assert (waited_s >= 1.0) == whole_lane
            await free.wait_for(2)
            assert free.received[1].at_s - busy.received[0].at_s < 0.9, "another endpoint is not concerned"

    asyncio.run(story())


def test_switching_an_endpoint_on_ends_the_wait_its_receiver_asked_for(database: Database, make_webhooks: Make) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        first = iter([Reply(503, headers={"Retry-After": "3600"})])
        async with Receiver(lambda _: next(first, Reply())) as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database, 1)
            await receiver.wait_for(1)
            await emit(webhooks, database, 2)
            await asyncio.sleep(0.2)
            assert len(receiver.received) == 1
            on = endpoints.Change(active=True)
            await database.write_async(lambda unit: webhooks.change(unit, endpoint, on))
            await receiver.wait_for(2)

    asyncio.run(story())
