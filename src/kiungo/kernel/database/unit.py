"""What a unit function sees of the database."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import msgspec
import psycopg

from kiungo.base.errors import Unavailable, define

Engine = Literal["sqlite", "postgresql"]
Row = tuple[Any, ...]

DATABASE_UNAVAILABLE = define(
    "DATABASE_UNAVAILABLE", Unavailable, "The database is away, full or locked; nothing of this call was kept."
)
DATABASE_DEADLINE = define(
    "DATABASE_DEADLINE", Unavailable, "The database did not answer within the time this call may take.", http=504
)


class IntegrityViolation(Exception):
    """A constraint or trigger refused a row. On PostgreSQL the unit is lost unless a savepoint was open."""


class Cursor(Protocol):
    """The part of a driver's cursor that units use, alike in sqlite3 and psycopg."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: Any, parameters: Any = ..., /) -> Any: ...

    def executemany(self, sql: Any, rows: Iterable[Any], /) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Unit:
    """One unit of work. Units: `now_us` is one moment for the whole unit, microseconds UTC.

    Only `kernel.database` begins and commits; a unit can at most wrap a part of itself in a savepoint.
    """

    __slots__ = ("_cursor", "_savepoints", "actions", "channels", "engine", "now_us")

    def __init__(self, engine: Engine, cursor: Cursor, now_us: int) -> None:
        self.engine: Engine = engine
        self.now_us = now_us
        self.actions: list[Callable[[], None]] = []
        self.channels: dict[str, None] = {}
        self._cursor = cursor
        self._savepoints = 0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; returns how many rows it touched."""
        self._run(sql, parameters)
        return self._cursor.rowcount

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters. Raises: IntegrityViolation."""
        if not rows:
            return
        try:
            self._cursor.executemany(self._translate(sql), rows)
        except (sqlite3.IntegrityError, psycopg.IntegrityError) as error:
            raise IntegrityViolation(str(error)) from error

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows into a table, many to a statement; texts, whole numbers and None only.

        On PostgreSQL they go as one JSON value, in one statement whatever their number: one with a place for each value
        would be parsed and planned anew for each number of rows.
        """
        names = ", ".join(columns)
        if self.engine == "postgresql":
            if rows:
                sql = (
                    f"INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, ?::json)"
                )
                self.execute(sql, (_TEXT.encode([dict(zip(columns, row, strict=True)) for row in rows]).decode(),))
            return
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            part = rows[start : start + ROWS_PER_STATEMENT]
            one = f"({', '.join('?' * len(columns))})"
            places = ", ".join([one] * len(part))
            self.execute(f"INSERT INTO {table} ({names}) VALUES {places}", [value for row in part for value in row])

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query, or of a statement with RETURNING."""
        self._run(sql, parameters)
        return self._cursor.fetchall()

    def rows_together(self, columns: str, rest: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """What `SELECT columns rest` gives, for many rows beside a busy event loop; texts and whole numbers only.

        On SQLite they come as one JSON value: its driver gives up the interpreter at every row, and each time both
        threads pay for the change of hands.
        """
        if self.engine == "postgresql":
            return self.rows(f"SELECT {columns} {rest}", parameters)
        asked = f"SELECT json_group_array(json_array({columns})) FROM (SELECT {columns} {rest})"
        return _ROWS.decode(self.value(asked, parameters))

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row, or None. The rest is fetched too: an unfinished statement would hold up the commit."""
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None when there is no row."""
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None

    def lock(self, key: str) -> None:
        """Hold a named lock until the unit ends. SQLite needs none: its writer is alone."""
        if self.engine == "postgresql":
            self.rows("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (key,))

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` (quick, must not raise) once this unit is durable; dropped when the unit fails."""
        self.actions.append(action)

    def wake(self, channel: str) -> None:
        """Wake the channel's subscribers, in every process on this database, once this unit is durable."""
        self.channels[channel] = None

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did when it raises, and keep the rest of the unit."""
        self._savepoints += 1
        name = f"inner_{self._savepoints}"
        kept = len(self.actions)
        self._cursor.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            del self.actions[kept:]
            self._cursor.execute(f"ROLLBACK TO SAVEPOINT {name}")
            self._cursor.execute(f"RELEASE SAVEPOINT {name}")
            raise
        self._cursor.execute(f"RELEASE SAVEPOINT {name}")

    def _run(self, sql: str, parameters: Sequence[Any]) -> None:
        try:
            self._cursor.execute(self._translate(sql), parameters)
        except (sqlite3.IntegrityError, psycopg.IntegrityError) as error:
            raise IntegrityViolation(str(error)) from error

    def _translate(self, sql: str) -> str:
        return sql if self.engine == "sqlite" else psycopg_sql(sql)


def psycopg_sql(sql: str) -> str:
    """The portable SQL in psycopg's form: `?` becomes `%s`, a literal `%` is doubled. Cached per text."""
    known = _translations.get(sql)
    if known is None:
        known = sql.replace("%", "%%").replace("?", "%s")
        if len(_translations) < _TRANSLATIONS_MAX:
            _translations[sql] = known
    return known


ROWS_PER_STATEMENT = 64
_TEXT = msgspec.json.Encoder()
_ROWS = msgspec.json.Decoder(list[tuple[Any, ...]])
_TRANSLATIONS_MAX = 20_000
_translations: dict[str, str] = {}
