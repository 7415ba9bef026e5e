"""Small units on the event loop while PostgreSQL works: they overlap, hold nobody up, and lose nothing."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from kiungo.base.errors import Unavailable
from kiungo.kernel.database import Database, Unit, open_database, postgresql
from kiungo.kernel.database.postgresql import CONNECTIONS_MAX
from kiungo.kernel.database.unit import DATABASE_DEADLINE, DATABASE_UNAVAILABLE


@pytest.fixture
def notes(database: Database) -> Database:
    if database.engine != "postgresql":
        pytest.skip("SQLite's small units run on the loop without waiting")
    database.write(
        lambda unit: unit.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0)")
    )
    return database


def insert(number: int) -> Callable[[Unit], int]:
    return lambda unit: unit.execute("INSERT INTO note (id) VALUES (?)", (number,))


def kept(database: Database) -> list[int]:
    return [number for (number,) in database.read(lambda unit: unit.rows("SELECT id FROM note ORDER BY id"))]


def test_units_overlap_on_the_loops_thread_and_the_loop_goes_on(notes: Database) -> None:
    begun: list[str] = []
    go_on: list[bool] = []

    def unit_of(name: str) -> Callable[[Unit], int]:
        def work(unit: Unit) -> int:
            begun.append(name)
            while not go_on:
                unit.rows("SELECT pg_sleep(0.01)")
            return threading.get_ident()

        return work

    async def ask() -> list[int]:
        asked = [
            asyncio.ensure_future(notes.write_async(unit_of("write"), brief=True)),
            asyncio.ensure_future(notes.point_read(unit_of("read"))),
        ]
        async with asyncio.timeout(20):
            while len(begun) < 2:
                await asyncio.sleep(0.01)
        go_on.append(True)
        return await asyncio.gather(*asked)

    assert set(asyncio.run(ask())) == {threading.get_ident()}


def test_more_at_once_than_lanes_and_connections(notes: Database) -> None:
    async def ask() -> None:
        await asyncio.gather(*(notes.write_async(insert(number), brief=True) for number in range(200)))

    asyncio.run(ask())
    assert kept(notes) == list(range(200))


def test_who_does_not_wait_any_more_undoes_nothing(notes: Database) -> None:
    def slow(unit: Unit) -> None:
        insert(1)(unit)
        unit.rows("SELECT pg_sleep(0.1)")

    async def ask() -> None:
        task = asyncio.ensure_future(notes.write_async(slow, brief=True))
        await asyncio.sleep(0.02)
        task.cancel()
        await notes.write_async(insert(2), brief=True)
        while await notes.point_read(lambda unit: unit.value("SELECT count(*) FROM note")) < 2:
            await asyncio.sleep(0.01)

    asyncio.run(ask())
    assert kept(notes) == [1, 2]


def test_a_loop_that_closes_gives_its_connections_back(notes: Database) -> None:
    def slow(unit: Unit) -> None:
        insert(1)(unit)
        unit.rows("SELECT pg_sleep(5)")

    async def leave() -> None:
        asked = [asyncio.ensure_future(notes.write_async(slow, brief=True)) for _ in range(3)]
        await asyncio.wait(asked, timeout=0.05)

    for _ in range(CONNECTIONS_MAX):
        asyncio.run(leave())
    gc.collect()
    assert kept(notes) == []
    asyncio.run(notes.write_async(insert(2), brief=True))
    assert kept(notes) == [2]


def test_units_that_wait_for_each_other_both_end(notes: Database) -> None:
    notes.write(lambda unit: unit.many("INSERT INTO note (id) VALUES (?)", [(1,), (2,)]))

    def both(first: int, second: int) -> Callable[[Unit], None]:
        def work(unit: Unit) -> None:
            unit.execute("SET LOCAL deadlock_timeout = '20ms'")
            unit.execute("UPDATE note SET n = n + 1 WHERE id = ?", (first,))
            unit.rows("SELECT pg_sleep(0.05)")
            unit.execute("UPDATE note SET n = n + 1 WHERE id = ?", (second,))

        return work

    async def ask() -> None:
        await asyncio.gather(
            notes.write_async(both(1, 2), brief=True),
            notes.write_async(both(2, 1), brief=True),
        )

    asyncio.run(ask())
    assert notes.read(lambda unit: unit.rows("SELECT n FROM note")) == [(2,), (2,)]


def test_a_lost_connection_fails_one_write(notes: Database) -> None:
    def lose(unit: Unit) -> None:
        insert(0)(unit)
        unit.rows("SELECT pg_terminate_backend(pg_backend_pid())")

    async def ask() -> list[object]:
        others = [notes.write_async(insert(number), brief=True) for number in range(1, 40)]
        return await asyncio.gather(notes.write_async(lose, brief=True), *others, return_exceptions=True)

    first, *others = asyncio.run(ask())
    assert isinstance(first, Unavailable)
    assert not [other for other in others if isinstance(other, Exception)]
    assert kept(notes) == list(range(1, 40))


def test_no_connection_free_holds_up_the_unit_not_the_loop(notes: Database) -> None:
    held, release = threading.Semaphore(0), threading.Event()

    def hold(unit: Unit) -> None:
        held.release()
        release.wait(20)

    async def ask() -> int:
        asked = asyncio.ensure_future(notes.point_read(lambda unit: unit.value("SELECT 7")))
        began = time.monotonic()
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not asked.done(), "every connection is held"
        assert time.monotonic() - began < 5, "a loop that waits for the pool goes on after ten seconds"
        release.set()
        return await asked

    with ThreadPoolExecutor(CONNECTIONS_MAX) as threads:
        for _ in range(CONNECTIONS_MAX):
            threads.submit(notes.write, hold)
        for _ in range(CONNECTIONS_MAX):
            held.acquire()
        assert asyncio.run(ask()) == 7


def test_writes_that_wait_for_a_lock_hold_up_no_read(notes: Database) -> None:
    held, release = threading.Event(), threading.Event()

    def hold(unit: Unit) -> None:
        unit.lock("one")
        held.set()
        release.wait(20)

    async def ask() -> None:
        waiting = [
            asyncio.ensure_future(notes.write_async(lambda unit: unit.lock("one"), brief=True)) for _ in range(20)
        ]
        assert await notes.point_read(lambda unit: unit.value("SELECT 7")) == 7
        assert not any(write.done() for write in waiting)
        release.set()
        await asyncio.gather(*waiting)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(notes.write, hold)
        held.wait()
        asyncio.run(ask())


def test_without_a_connection_in_time_the_database_is_away(notes: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "POOL_TIMEOUT_S", 2.0)
    monkeypatch.setattr(postgresql, "CONNECTIONS_MAX", 1)
    other = open_database(notes.url)
    held, release = threading.Event(), threading.Event()

    def hold(_: Unit) -> None:
        held.set()
        release.wait(20)

    async def ask() -> list[object]:
        reads = [other.point_read(lambda unit: unit.value("SELECT 7")) for _ in range(5)]
        return await asyncio.gather(*reads, return_exceptions=True)

    try:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(other.write, hold)
            held.wait()
            found = asyncio.run(ask())
            release.set()
        assert {getattr(error, "code", error) for error in found} == {DATABASE_UNAVAILABLE}
        assert asyncio.run(ask()) == [7] * 5
    finally:
        other.close()
    with pytest.raises(Unavailable):
        asyncio.run(other.point_read(lambda unit: unit.value("SELECT 7")))


@pytest.mark.parametrize("alone", [True, False])
def test_a_brief_read_ends_with_its_budget_and_writes_nothing(notes: Database, alone: bool) -> None:
    async def ask() -> None:
        with pytest.raises(Unavailable) as refused:
            await notes.brief_read(lambda unit: unit.rows("SELECT pg_sleep(5)"), is_one_statement=alone)
        assert refused.value.code == DATABASE_DEADLINE
        with pytest.raises(Exception, match="read-only"):
            await notes.brief_read(lambda unit: unit.execute("DELETE FROM note"), is_one_statement=alone)
        assert await notes.brief_read(lambda unit: unit.value("SELECT 7"), is_one_statement=alone) == 7

    asyncio.run(ask())


def test_units_that_ask_the_database_again_do_not_hold_up_each_other(notes: Database) -> None:
    def nested(unit: Unit) -> int:
        return unit.value("SELECT 1") + notes.read(lambda other: other.value("SELECT 2"))

    async def ask() -> list[int]:
        reads = [notes.point_read(nested) for _ in range(50)]
        writes = [notes.write_async(nested, brief=True) for _ in range(50)]
        return await asyncio.gather(*reads, *writes)

    with ThreadPoolExecutor(CONNECTIONS_MAX) as threads:
        slow = [threads.submit(notes.write, lambda unit: unit.rows("SELECT pg_sleep(0.1)")) for _ in range(40)]
        assert asyncio.run(ask()) == [3] * 100
        for one in slow:
            one.result()


def test_an_action_and_a_wake_follow_the_commit(notes: Database) -> None:
    heard = threading.Event()
    seen: list[list[int]] = []
    notes.wakes.subscribe("news", heard.set)

    def work(unit: Unit) -> None:
        insert(1)(unit)
        unit.after_commit(lambda: seen.append([1]))
        unit.wake("news")

    asyncio.run(notes.write_async(work, brief=True))
    assert seen == [[1]]
    assert heard.wait(5)
