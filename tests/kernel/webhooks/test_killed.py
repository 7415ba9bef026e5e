"""A delivery survives the death of the process that makes it, and two processes do not make it twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kiungo.kernel.clients import EgressPolicy, Timeouts
from kiungo.kernel.database import Database, open_database
from kiungo.kernel.secrets import Secrets, new_key, parse_keyring
from kiungo.kernel.webhooks import RetrySchedule, Webhooks, WebhookSettings, log

from .conftest import EVENTS
from .receiver import Received, Receiver, Reply
from .test_delivery import delivering, emit, register, until

CHILD = """
import asyncio, sys
from kiungo.kernel.clients import EgressPolicy, Timeouts
from kiungo.kernel.database import open_database
from kiungo.kernel.secrets import Secrets, parse_keyring
from kiungo.kernel.webhooks import Webhooks, WebhookSettings

url, key, kill_at = sys.argv[1:4]
database = open_database(url)
settings = WebhookSettings(frozenset({"claim_status_update"}), EgressPolicy(allow_loopback=True),
                           timeouts=Timeouts(0.5, 0.5, 0.5), lease_s=2)
webhooks = Webhooks(database, Secrets(parse_keyring(key)), settings)
seen = {"before": 0, "after": 0}

def observe(moment):
    seen[moment] += 1
    if kill_at == f"{moment} {seen[moment]}":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    dispatcher = webhooks.dispatcher()
    running = asyncio.create_task(dispatcher.run())
    await asyncio.sleep(0.1)
    database.observer = observe
    for number in (1, 2):
        await database.write_async(lambda unit, n=number: webhooks.emit(
            unit, tenant=1, owner="PROV-001", event="claim_status_update", payload={"number": n}, subject="CLM-1"))
        print("stored", number, flush=True)
    await asyncio.sleep(3)
    dispatcher.stop()
    await running

asyncio.run(main())
"""


def settings(**given: object) -> WebhookSettings:
    values = {
        "events": EVENTS,
        "egress": EgressPolicy(allow_loopback=True),
        "timeouts": Timeouts(0.5, 0.5, 0.5),
        "lease_s": 2,
        "schedule": RetrySchedule((0.1, 0.2, 0.4)),
    } | given
    return WebhookSettings(**values)


def start_child(url: str, key: str, kill_at: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, url, key, kill_at], stdout=subprocess.PIPE, text=True)


async def all_delivered(database: Database, count: int) -> bool:
    rows = await database.read_async(lambda unit: unit.rows("SELECT state FROM webhook_delivery"))
    return len(rows) == count and all(state == "delivered" for (state,) in rows)


def test_a_process_killed_between_sending_and_writing_is_followed_by_a_repeat_with_the_same_id(
    database: Database, database_url: str
) -> None:
    key = new_key()
    webhooks = Webhooks(database, Secrets(parse_keyring(key)), settings())
    children: list[subprocess.Popen[str]] = []

    def kill_on_arrival(_: Received) -> Reply:
        if children:
            os.kill(children.pop().pid, signal.SIGKILL)
        return Reply()

    async def story() -> None:
        async with Receiver(kill_on_arrival) as receiver:
            await register(webhooks, database, receiver.url)
            child = start_child(database_url, key)
            children.append(child)
            assert await asyncio.to_thread(child.wait) == -signal.SIGKILL
            acknowledged = (child.stdout.read() if child.stdout else "").count("stored")
            assert len(receiver.received) == 1
            # The second event may be committed and its child dead before it could say so.
            stored = await database.read_async(lambda unit: unit.value("SELECT COUNT(*) FROM webhook_delivery"))
            assert stored >= max(acknowledged, 1)
            async with delivering(webhooks):
                await until(lambda: all_delivered(database, stored))
            ids = [got.headers["webhook-id"] for got in receiver.received]
            assert ids.count(ids[0]) == 2
            assert len(set(ids)) == stored

    asyncio.run(story())


@pytest.mark.parametrize("kill_at", ["before 1", "after 1", "before 3", "after 3"])
def test_whatever_commit_a_process_dies_at_nothing_stored_is_lost(
    database: Database, database_url: str, kill_at: str
) -> None:
    key = new_key()
    webhooks = Webhooks(database, Secrets(parse_keyring(key)), settings())

    async def story() -> None:
        async with Receiver() as receiver:
            await register(webhooks, database, receiver.url)
            child = start_child(database_url, key, kill_at)
            assert await asyncio.to_thread(child.wait) == -signal.SIGKILL
            acknowledged = (child.stdout.read() if child.stdout else "").count("stored")
            rows = await database.read_async(lambda unit: unit.value("SELECT COUNT(*) FROM webhook_delivery"))
            assert rows >= acknowledged
            async with delivering(webhooks):
                await emit(webhooks, database, 3)
                await until(lambda: all_delivered(database, rows + 1))
            assert len({got.headers["webhook-id"] for got in receiver.received}) == rows + 1

    asyncio.run(story())


@pytest.mark.parametrize("engine", ["postgresql"])
def test_two_processes_on_one_database_send_each_delivery_once(
    database: Database, database_url: str, make_webhooks: Callable[..., Webhooks], secrets: Secrets
) -> None:
    second_database = open_database(database_url)
    first = make_webhooks(database)
    second = Webhooks(second_database, secrets, first.settings)

    async def story() -> None:
        async with Receiver() as receiver, delivering(first), delivering(second):
            await register(first, database, receiver.url)
            await asyncio.sleep(0.2)
            for number in range(60):
                webhooks, where = ((first, database), (second, second_database))[number % 2]
                assert await emit(webhooks, where, number) == 1
            await receiver.wait_for(60)
            await until(lambda: all_delivered(database, 60))
            ids = [got.headers["webhook-id"] for got in receiver.received]
            assert len(ids) == len(set(ids)) == 60

    asyncio.run(story())
    second_database.close()


def test_in_stepped_mode_a_simulation_turns_the_clock(stepped_database: Database, clock) -> None:
    database = stepped_database
    schedule = RetrySchedule((60.0, 600.0, 6_000.0), jitter=0.0)
    webhooks = Webhooks(database, Secrets(parse_keyring(new_key())), settings(schedule=schedule))

    async def story() -> None:
        answers = iter([500, 500, 500, 500])
        async with Receiver(lambda _: Reply(next(answers))) as receiver:
            dispatcher = webhooks.dispatcher()
            endpoint = await register(webhooks, database, receiver.url)
            await emit(webhooks, database)
            made = []
            for wait_s in (0, 59, 1, 600, 5_999, 1):
                clock.turn(seconds=wait_s)
                made.append(await dispatcher.run_once())
            assert made == [1, 0, 1, 1, 0, 1]
            [dead] = database.read(lambda unit: log.deliveries(unit, 1, endpoint=endpoint.id))
            assert (dead.state, dead.attempts) == ("dead", 4)

    asyncio.run(story())


def test_leases_of_the_dead_are_no_obstacle_on_sqlite(
    database: Database, engine: str, make_webhooks: Callable[..., Webhooks], tmp_path: Path
) -> None:
    webhooks = make_webhooks(database)

    async def story() -> None:
        async with Receiver() as receiver:
            await register(webhooks, database, receiver.url)
            lease_us = database.clock.now_us() + (3_600_000_000 if engine == "sqlite" else 500_000)
            await database.write_async(
                lambda unit: unit.execute(
                    "UPDATE webhook_endpoint SET lease_holder = 'dead', lease_until_us = ?", (lease_us,)
                )
            )
            async with delivering(webhooks):
                await emit(webhooks, database)
                await receiver.wait_for(1)
            assert len(receiver.received) == 1

    asyncio.run(story())
