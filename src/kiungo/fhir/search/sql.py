"""Pieces of SQL with their parameters, and how pieces are put together on each engine."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kiungo.kernel import json


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and its parameters in order."""

    text: str
    parameters: tuple[Any, ...] = ()


NOTHING = Sql("")
DEPTH_SAFE = 6
_PARENTHESES = re.compile(r"[()]")


def union(parts: Sequence[Sql]) -> Sql:
    """All rows of several SELECTs."""
    return Sql(" UNION ALL ".join(part.text for part in parts), tuple(p for part in parts for p in part.parameters))


def shallow(sql: Sql) -> Sql:
    """The same statement; where it is nested deeply, its derived tables are named in front of it.

    SQLite's parser has a stack of 100, of which a condition within a condition takes up to 26. A table of FROM
    refers to nothing around it, so it may stand anywhere.
    """
    if sql.text.count("(SELECT") <= DEPTH_SAFE:
        return sql
    named: list[Sql] = []
    main = _without_tables(sql.text, iter(sql.parameters), named)
    if not named:
        return sql
    head = ", ".join(f"w{number} AS ({part.text})" for number, part in enumerate(named))
    return Sql(f"WITH {head} {main.text}", tuple(p for part in (*named, main) for p in part.parameters))


def _without_tables(text: str, parameters: Iterator[Any], named: list[Sql]) -> Sql:
    """The text with names for its derived tables, which are added to `named`, those within others first."""
    written: list[str] = []
    values: list[Any] = []
    while True:
        before, begins, rest = text.partition("FROM (SELECT")
        written.append(before)
        values += islice(parameters, before.count("?"))
        if not begins:
            return Sql("".join(written), tuple(values))
        end = _closing(rest)
        named.append(_without_tables("SELECT" + rest[:end], parameters, named))
        written.append(f"FROM w{len(named) - 1}")
        text = rest[end + 1 :]


def _closing(text: str) -> int:
    """Where the parenthesis is closed that was opened before the text."""
    depth = 1
    for found in _PARENTHESES.finditer(text):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return found.start()
    raise AssertionError(f"a parenthesis is not closed: {text}")


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
