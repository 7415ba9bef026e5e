"""Brief units on the event loop, beside units on the writer's thread: one order, one group at a time, nothing lost."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kiungo.base.errors import Unavailable
from kiungo.kernel.database import Database, Unit, open_database


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'notes.db'}")
    database.write(lambda unit: unit.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"))
    yield database
    database.close()


def insert(number: int, text: str = "x") -> Callable[[Unit], int]:
    def work(unit: Unit) -> int:
        unit.execute("INSERT INTO note (id, text) VALUES (?, ?)", (number, text))
        return number

    return work


def numbers(database: Database) -> list[int]:
    return [number for (number,) in database.read(lambda unit: unit.rows("SELECT id FROM note ORDER BY id"))]


def fails(_unit: Unit) -> int:
    raise ValueError("no")


def test_a_brief_unit_runs_on_the_loops_thread_and_its_commit_does_not(notes: Database) -> None:
    seen: dict[str, int] = {}
    notes.observer = lambda moment: seen.setdefault(moment, threading.get_ident())

    def work(unit: Unit) -> int:
        seen["unit"] = threading.get_ident()
        return insert(1)(unit)

    assert asyncio.run(notes.write_async(work, brief=True)) == 1
    assert seen["unit"] == threading.get_ident()
    assert seen["before"] != threading.get_ident()


def test_a_failing_brief_unit_does_not_sink_its_neighbours(notes: Database) -> None:
    async def together() -> list[object]:
        units = [insert(1), fails, insert(1), insert(2)]
        return await asyncio.gather(*(notes.write_async(unit, brief=True) for unit in units), return_exceptions=True)

    answers = asyncio.run(together())
    assert answers[0] == 1
    assert answers[3] == 2
    assert isinstance(answers[1], ValueError)
    assert isinstance(answers[2], Exception)
    assert numbers(notes) == [1, 2]


def test_when_sqlite_loses_a_brief_group_only_the_guilty_unit_fails(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'full.db'}")
    database.write(lambda unit: unit.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"))
    pages = database.read(lambda unit: unit.value("PRAGMA page_count"))
    database.write(lambda unit: unit.rows(f"PRAGMA max_page_count={pages + 20}"))

    async def together() -> list[object]:
        units = [insert(1), insert(2), insert(3, "y" * 1_000_000), insert(4)]
        return await asyncio.gather(*(database.write_async(unit, brief=True) for unit in units), return_exceptions=True)

    answers = asyncio.run(together())
    assert [answer for answer in answers if isinstance(answer, int)] == [1, 2, 4]
    assert isinstance(answers[2], Unavailable)
    assert numbers(database) == [1, 2, 4]
    database.close()


def test_brief_and_other_units_from_loop_and_threads_are_each_done_once(notes: Database) -> None:
    rng = random.Random(7)

    def from_a_thread(first: int) -> None:
        for number in range(first, first + 100):
            notes.write(insert(number))

    async def from_the_loop() -> None:
        kinds = [(number, rng.random() < 0.7) for number in range(400)]
        await asyncio.gather(*(notes.write_async(insert(number), brief=brief) for number, brief in kinds))

    threads = [threading.Thread(target=from_a_thread, args=(first,)) for first in (1_000, 2_000)]
    for thread in threads:
        thread.start()
    asyncio.run(from_the_loop())
    for thread in threads:
        thread.join()
    assert numbers(notes) == [*range(400), *range(1_000, 1_100), *range(2_000, 2_100)]


def test_the_thread_leaves_brief_units_that_wait_beside_its_own_to_their_loop(notes: Database) -> None:
    ran_on: dict[int, int] = {}
    held = threading.Event()

    def noting(number: int) -> Callable[[Unit], int]:
        def work(unit: Unit) -> int:
            ran_on[number] = threading.get_ident()
            return insert(number)(unit)

        return work

    async def story() -> None:
        holder = asyncio.create_task(notes.write_async(lambda unit: held.wait(10)))
        await asyncio.sleep(0.05)
        tasks = [asyncio.create_task(notes.write_async(noting(n), brief=n % 2 == 0)) for n in range(20)]
        await asyncio.sleep(0)
        held.set()
        await asyncio.gather(holder, *tasks)

    asyncio.run(story())
    assert {number for number, thread in ran_on.items() if thread == threading.get_ident()} == set(range(0, 20, 2))
    assert numbers(notes) == list(range(20))


def test_another_process_that_writes_does_not_hold_the_loop(notes: Database) -> None:
    other = sqlite3.connect(notes.url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    ticks: list[float] = []

    async def story() -> None:
        waiting = asyncio.create_task(notes.write_async(insert(1), brief=True))
        for _ in range(20):
            await asyncio.sleep(0.01)
            ticks.append(time.monotonic())
        assert not waiting.done()
        await asyncio.to_thread(other.execute, "ROLLBACK")
        assert await waiting == 1

    asyncio.run(story())
    assert len(ticks) == 20, "the loop went on"
    other.close()


def test_work_of_a_loop_that_ended_does_not_hold_up_the_next(notes: Database) -> None:
    async def leave_at_once() -> None:
        task = asyncio.create_task(notes.write_async(insert(1), brief=True))
        await asyncio.sleep(0)
        task.cancel()

    for _ in range(5):
        asyncio.run(leave_at_once())
    notes.write(insert(100))
    assert asyncio.run(notes.write_async(insert(101), brief=True)) == 101
    assert numbers(notes)[-2:] == [100, 101]


def test_a_loop_that_stands_still_does_not_hold_up_what_waits_behind_it(notes: Database) -> None:
    loop = asyncio.new_event_loop()
    held = threading.Event()

    def hold(unit: Unit) -> None:
        held.wait(10)

    holder = threading.Thread(target=notes.write, args=(hold,))
    holder.start()
    task = loop.create_task(notes.write_async(insert(1), brief=True))
    loop.call_soon(loop.stop)
    loop.run_forever()
    other = threading.Thread(target=notes.write, args=(insert(2),))
    other.start()
    time.sleep(0.05)
    held.set()
    other.join(timeout=10)
    assert not other.is_alive()
    holder.join()
    assert loop.run_until_complete(task) == 1
    assert numbers(notes) == [1, 2]
    loop.close()


def test_a_blocking_write_on_the_loop_does_not_wait_for_the_loop(notes: Database) -> None:
    async def story() -> None:
        tasks = [asyncio.create_task(notes.write_async(insert(n), brief=True)) for n in range(20)]
        for first in range(100, 120):
            assert notes.write(insert(first)) == first
            await asyncio.sleep(0)
        assert await asyncio.gather(*tasks) == list(range(20))

    asyncio.run(story())
    assert numbers(notes) == [*range(20), *range(100, 120)]


def test_closing_finishes_what_was_accepted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'closing.db'}"
    database = open_database(url)
    database.write(lambda unit: unit.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"))

    async def story() -> None:
        tasks = [asyncio.create_task(database.write_async(insert(n), brief=n % 2 == 0)) for n in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(database.close)
        assert await asyncio.gather(*tasks) == list(range(50))

    asyncio.run(story())
    again = open_database(url)
    assert numbers(again) == list(range(50))
    again.close()


def test_a_write_goes_on_while_the_loop_that_has_the_turn_is_paused(database: Database) -> None:
    loop = asyncio.new_event_loop()
    tasks: list[asyncio.Task[int]] = []

    async def leave_one_behind() -> None:
        tasks.append(asyncio.ensure_future(database.write_async(lambda unit: 1, brief=True)))

    loop.run_until_complete(leave_one_behind())  # the loop stops with the unit in its queue
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(database.write(lambda unit: 2)), daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert answers == [2]
    assert loop.run_until_complete(tasks[0]) == 1
    loop.close()
