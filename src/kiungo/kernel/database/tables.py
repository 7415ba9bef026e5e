"""What a backup file holds: its tables, their columns and keys, how many rows, and the numbers given out."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from kiungo.base.errors import Incorrect, define

BACKUP_UNREADABLE = define(
    "BACKUP_UNREADABLE", Incorrect, "A backup file is missing, damaged, or not a file that `kiungo backup` wrote."
)

REVISION_TABLE = "alembic_version"
BATCH_ROWS = 2_000

Progress = Callable[[str, int, int], None]
"""Told the table or step, how much of it is done and how much there is (rows or pages; 0 when unknown)."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table. Shapes: `columns` in their order, `key` the primary key's columns in theirs."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def column_list(self) -> str:
        """The columns as SQL names them."""
        return ", ".join(f'"{column}"' for column in self.columns)

    @property
    def key_list(self) -> str:
        """The key's columns as SQL names them."""
        return ", ".join(f'"{column}"' for column in self.key) or "1"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was backed up or restored. Shapes: `rows` per table."""

    revision: str
    rows: Mapping[str, int]


def silent(_step: str, _done: int, _total: int) -> None:
    """The progress nobody watches."""


def connect_file(path: Path) -> sqlite3.Connection:
    """Open an existing SQLite file, in autocommit. Raises: Incorrect BACKUP_UNREADABLE."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None, timeout=30)
    except sqlite3.OperationalError as error:
        raise unreadable(path, str(error)) from error
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise unreadable(path, str(error)) from error
    return connection


def unreadable(path: Path, why: str) -> Incorrect:
    """The refusal of a file that is no backup."""
    return Incorrect(
        BACKUP_UNREADABLE, f"{path} is not a readable backup: {why}", hint="Give a file of `kiungo backup`"
    )


def tables_of(connection: sqlite3.Connection) -> list[Table]:
    """Every table of ours in a SQLite file, by name."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "AND name <> ? ORDER BY name",
        (REVISION_TABLE,),
    ).fetchall()
    tables = []
    for (name,) in names:
        columns = connection.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (name,)).fetchall()
        key = sorted((place, column) for column, place in columns if place)
        tables.append(Table(name, tuple(column for column, _ in columns), tuple(column for _, column in key)))
    return tables


def row_counts(connection: sqlite3.Connection, tables: list[Table]) -> dict[str, int]:
    """How many rows each table has."""
    return {table.name: connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0] for table in tables}


def last_numbers(connection: sqlite3.Connection) -> dict[str, int]:
    """The last number each table has given out, also to rows that are gone: no number is ever given twice."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
        return {}
    return dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())


def keep_last_numbers(connection: sqlite3.Connection, numbers: Mapping[str, int]) -> None:
    """Let each numbered table go on after the given number, or after its highest row."""
    for table, number in numbers.items():
        changed = connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table))
        if not changed.rowcount:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))


def numbered_tables(connection: sqlite3.Connection) -> set[str]:
    """The tables whose numbers SQLite never gives out twice."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
    ).fetchall()
    return {name for (name,) in rows}


def check_file(path: Path) -> None:
    """Read every page and compare rows with their indexes and references. Raises: Incorrect BACKUP_UNREADABLE."""
    with closing(connect_file(path)) as connection:
        try:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            dangling = connection.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.DatabaseError as error:
            raise unreadable(path, str(error)) from error
    if found != "ok":
        raise unreadable(path, found)
    if dangling:
        raise unreadable(path, f"a row of {dangling[0]} refers to a row of {dangling[2]} that is not there")
