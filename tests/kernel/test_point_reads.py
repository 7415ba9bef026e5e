"""Point reads asked for together: each its own answer, fresh, and no failure but its own."""

import asyncio
import threading

import pytest

from kiungo.base.errors import Unavailable
from kiungo.kernel.database import Database, Unit, open_database

MANY = 40


def test_reads_together_get_their_own_answers_and_errors(database: Database) -> None:
    def number(n: int):
        def read(unit: Unit) -> int:
            if n % 7 == 3:
                raise LookupError(n)
            return unit.value("SELECT 1 + CAST(? AS INTEGER)", (n,))

        return read

    async def ask() -> list[object]:
        return await asyncio.gather(*(database.point_read(number(n)) for n in range(MANY)), return_exceptions=True)

    for n, answer in enumerate(asyncio.run(ask())):
        assert isinstance(answer, LookupError) if n % 7 == 3 else answer == n + 1


def test_a_read_begun_after_a_commit_sees_it_among_others(database: Database) -> None:
    database.write(lambda unit: unit.execute("CREATE TABLE note (id INTEGER PRIMARY KEY)"))

    def count(unit: Unit) -> int:
        return unit.value("SELECT count(*) FROM note")

    async def ask() -> None:
        for n in range(1, 20):
            others = [asyncio.ensure_future(database.point_read(count)) for _ in range(MANY)]
            await database.write_async(lambda unit, n=n: unit.execute("INSERT INTO note (id) VALUES (?)", (n,)))
            assert await database.point_read(count) == n
            assert {await other for other in others} <= {n - 1, n}

    asyncio.run(ask())


def test_a_lost_connection_fails_one_read_and_the_others_get_another(database: Database) -> None:
    if database.engine == "sqlite":
        pytest.skip("SQLite has no connection to lose")

    def lose(unit: Unit) -> None:
        unit.rows("SELECT pg_terminate_backend(pg_backend_pid())")

    async def ask() -> list[object]:
        reads = [database.point_read(lambda unit: unit.value("SELECT 1")) for _ in range(MANY)]
        return await asyncio.gather(database.point_read(lose), *reads, return_exceptions=True)

    first, *others = asyncio.run(ask())
    assert isinstance(first, Unavailable)
    assert others == [1] * MANY


def test_a_wake_of_any_name_reaches_another_process(database: Database) -> None:
    if database.engine == "sqlite":
        pytest.skip("on SQLite wakes stay in the process")
    heard = threading.Event()
    other = open_database(database.url)
    try:
        other.wakes.subscribe("it's a \\ channel", heard.set)
        for _ in range(50):  # the other may not be listening yet
            database.write(lambda unit: unit.wake("it's a \\ channel"))
            if heard.wait(0.2):
                break
        assert heard.is_set()
    finally:
        other.close()
