"""Where searches run: brief ones on the event loop, what was slow in a thread; the answer is the same either way."""

import asyncio
import threading

import pytest

from kiungo.base.errors import Unavailable
from kiungo.fhir import pace
from kiungo.fhir.pace import Pace
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.database.unit import DATABASE_DEADLINE

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
LONG = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) SELECT count(*) FROM n"


def _counting(sql: str, threads: list[int]) -> "pace.Callable[[Unit], int]":
    def count(unit: Unit) -> int:
        threads.append(threading.get_ident())
        return int(unit.value(sql))

    return count


def test_what_was_slow_goes_to_a_thread_at_once(database: Database) -> None:
    async def both() -> None:
        here, seen = threading.get_ident(), Pace(database)
        threads: list[int] = []
        assert await seen.read("brief", _counting("SELECT 7", threads), deadline_ms=4_000) == 7
        assert threads == [here]
        threads.clear()
        for _ in range(2):
            assert await seen.read("long", _counting(LONG, threads), deadline_ms=20_000) == 200_000
        tried = [thread for thread in threads if thread == here]
        assert len(tried) == 1  # on the event loop once, then never again
        assert len(threads) - len(tried) == 2

    asyncio.run(both())


def test_the_deadline_ends_what_never_ends(database: Database) -> None:
    with pytest.raises(Unavailable) as refused:
        asyncio.run(Pace(database).read("endless", lambda unit: unit.value(ENDLESS), deadline_ms=100))
    assert refused.value.code == DATABASE_DEADLINE


def test_what_is_remembered_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SLOW_MAX", 3)
    seen = Pace(database)
    for number in range(10):
        seen.remember(number)
    assert [number for number in range(10) if seen.is_slow(number)] == [7, 8, 9]
