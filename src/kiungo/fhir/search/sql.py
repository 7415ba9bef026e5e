"""Pieces of SQL with their parameters, and how pieces are put together on each engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.kernel import json


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and its parameters in order."""

    text: str
    parameters: tuple[Any, ...] = ()


NOTHING = Sql("")


def union(parts: Sequence[Sql]) -> Sql:
    """All rows of several SELECTs."""
    return Sql(" UNION ALL ".join(part.text for part in parts), tuple(p for part in parts for p in part.parameters))


def joined(engine: str) -> str:
    """The join that keeps our order of tables: SQLite never reorders a CROSS JOIN."""
    return "CROSS JOIN" if engine == "sqlite" else "JOIN"


def all_true(parts: Sequence[Sql]) -> Sql:
    """A test that every part is true; of no parts it is true."""
    return _combined(parts, " AND ", "1 = 1")


def any_true(parts: Sequence[Sql]) -> Sql:
    """A test that some part is true; of no parts it is false."""
    return _combined(parts, " OR ", "1 = 0")


def _combined(parts: Sequence[Sql], word: str, of_none: str) -> Sql:
    text = word.join(part.text for part in parts)
    return Sql(f"({text or of_none})", tuple(p for part in parts for p in part.parameters))


def among(engine: str, values: Sequence[int]) -> Sql:
    """The right side of a comparison with many numbers, as one parameter however many they are."""
    if engine == "postgresql":
        return Sql("= ANY(?)", (list(values),))
    return Sql("IN (SELECT value FROM json_each(?))", (json.dumps(list(values)).decode(),))
