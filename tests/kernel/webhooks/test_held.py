"""What happens while an endpoint is inactive is held, and a replay of the period brings it back."""

import asyncio
import json
from collections.abc import Callable

import pytest

from kiungo.kernel.database import Database
from kiungo.kernel.webhooks import Webhooks, endpoints, log

from .receiver import Receiver, Reply
from .test_delivery import all_settled, delivering, emit, logged, register, until

Make = Callable[..., Webhooks]


@pytest.mark.parametrize("how", ["gone", "switched off"])
def test_events_for_an_inactive_endpoint_are_held_and_brought_back_by_a_replay(
    database: Database, make_webhooks: Make, how: str
) -> None:
    async def story() -> None:
        webhooks = make_webhooks(database)
        async with Receiver() as receiver, delivering(webhooks):
            endpoint = await register(webhooks, database, receiver.url)
            if how == "gone":
                receiver.behaviour = lambda _: Reply(410)
                await database.write_async(lambda unit: webhooks.ping(unit, endpoint))
                await until(lambda: all_settled(database, endpoint, 1))
                receiver.received.clear()
            else:
                off = endpoints.Change(active=False)
                await database.write_async(lambda unit: webhooks.change(unit, endpoint, off))
            assert await emit(webhooks, database, 1) == 0
            assert await emit(webhooks, database, 2) == 0
            held = await database.read_async(lambda unit: log.deliveries(unit, 1, endpoint=endpoint.id, state="held"))
            assert [(one.subject, one.attempts) for one in held] == [("CLM-2", 0), ("CLM-1", 0)]
            receiver.behaviour = lambda _: Reply()
            on = endpoints.Change(active=True)
            await database.write_async(lambda unit: webhooks.change(unit, endpoint, on))
            await emit(webhooks, database, 3)
            await receiver.wait_for(1)
            await asyncio.sleep(0.1)
            assert [json.loads(got.body)["number"] for got in receiver.received] == [3]
            assert (
                await database.write_async(
                    lambda unit: webhooks.replay(
                        unit, endpoint, since_us=held[1].created_us, until_us=held[0].created_us
                    )
                )
                == 2
            )
            await receiver.wait_for(3)
            assert sorted(json.loads(got.body)["number"] for got in receiver.received[1:]) == [1, 2]

    asyncio.run(story())


def test_held_deliveries_are_forgotten_like_others(stepped_database: Database, make_webhooks: Make, clock) -> None:
    database = stepped_database
    webhooks = make_webhooks(database)

    async def story() -> None:
        await register(webhooks, database, "https://a.example/x", active=False)
        await emit(webhooks, database, 1)

    asyncio.run(story())
    clock.turn(seconds=10)
    assert database.write(lambda unit: log.forget(unit, 1, created_before_us=clock.now_us())) == 1
    assert database.read(lambda unit: unit.value("SELECT COUNT(*) FROM webhook_delivery")) == 0


def test_an_endpoint_switched_on_elsewhere_gets_what_this_process_would_have_held(
    stepped_database: Database, make_webhooks: Make
) -> None:
    """What a process remembers of the endpoints may be seconds old; holding looks at the row."""
    database = stepped_database
    webhooks = make_webhooks(database)

    async def story() -> None:
        endpoint = await register(webhooks, database, "https://a.example/x", active=False)
        assert await emit(webhooks, database, 1) == 0
        database.write(lambda unit: unit.execute("UPDATE webhook_endpoint SET active = 1"))
        assert await emit(webhooks, database, 2) == 1
        assert [one.state for one in await logged(database, endpoint)] == ["due", "held"]

    asyncio.run(story())
