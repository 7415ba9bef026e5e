"""How the engine means to answer a question: which index it reads."""

from collections.abc import Callable, Sequence
from typing import Any

from kiungo.kernel.database import Database, Unit


class Recorder(Unit):
    """A unit that remembers what it was asked."""

    def __init__(self, unit: Unit) -> None:
        super().__init__(unit.engine, unit._cursor, unit.now_us)
        self.asked: list[tuple[str, Sequence[Any]]] = []

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        self.asked.append((sql, parameters))
        return super().rows(sql, parameters)


def plan_of(database: Database, work: Callable[[Unit], object]) -> str:
    """How the engine means to answer the first question of some work."""

    def read(unit: Unit) -> str:
        recorder = Recorder(unit)
        work(recorder)
        sql, parameters = recorder.asked[0]
        if unit.engine == "sqlite":
            return "\n".join(row[3] for row in unit.rows(f"EXPLAIN QUERY PLAN {sql}", parameters))
        # Where there are a few rows, reading and sorting all of them is cheapest: ask for what is done with many.
        unit.execute("SET LOCAL enable_seqscan = off")
        unit.execute("SET LOCAL enable_bitmapscan = off")
        return "\n".join(row[0] for row in unit.rows(f"EXPLAIN {sql}", parameters))

    return database.read(read)
