"""Restore a backup to either engine: all of it in one transaction, or nothing.

Append-only triggers are set aside and put back within that transaction, so nobody ever sees the tables unguarded.
Source: docs/decisions/0050.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psycopg

from kiungo.base.errors import Conflict, Fault, Unavailable, define
from kiungo.kernel.database.backup import BACKUP_INCOMPLETE
from kiungo.kernel.database.migrate import migrate, refuse_newer, schema_state
from kiungo.kernel.database.postgresql import gather_statistics
from kiungo.kernel.database.tables import (
    BATCH_ROWS,
    Copied,
    Progress,
    Table,
    check_file,
    connect_file,
    keep_last_numbers,
    last_numbers,
    row_counts,
    silent,
    tables_of,
    unreadable,
)
from kiungo.kernel.database.unit import DATABASE_UNAVAILABLE

RESTORE_NOT_EMPTY = define(
    "RESTORE_NOT_EMPTY", Conflict, "The database to restore to holds rows already, and replacing was not asked for."
)

SEEDED = {"tenant": 1}


def restore(file: Path, database_url: str, *, replace: bool = False, progress: Progress = silent) -> Copied:
    """Fill a database from a backup, on either engine; with `replace`, what it held is gone. Stop the server first.

    Raises: Incorrect (no readable backup); Conflict (target not empty, schema newer); Unavailable (target locked or
    away); Fault (rows missing afterwards). After an error the target is as it was.
    """
    check_file(file)
    with _migrated(file) as source:
        state = migrate(database_url)
        with closing(connect_file(source)) as reader:
            tables = tables_of(reader)
            counts = row_counts(reader, tables)
            if database_url.startswith("sqlite:///"):
                target = Path(database_url.removeprefix("sqlite:///"))
                _into_sqlite(source, target, tables, counts, last_numbers(reader), replace, progress)
            else:
                _into_postgresql(reader, database_url, tables, counts, replace, progress)
    return Copied(state.newest, counts)


@contextmanager
def _migrated(file: Path) -> Iterator[Path]:
    """The backup at this program's revision; an older one is brought forward in a copy."""
    state = schema_state(f"sqlite:///{file}")
    if state.current is None:
        raise unreadable(file, "it has no schema revision")
    refuse_newer(state)
    if state.up_to_date:
        yield file
        return
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".restore-") as folder:
        copy = Path(folder) / "migrated.db"
        shutil.copyfile(file, copy)
        migrate(f"sqlite:///{copy}")
        yield copy


def _refuse_rows(counts: Mapping[str, int], replace: bool) -> None:
    held = sorted(name for name, count in counts.items() if count > SEEDED.get(name, 0))
    if held and not replace:
        raise Conflict(
            RESTORE_NOT_EMPTY,
            f"The database holds rows already (in {', '.join(held[:5])})",
            hint="Restore to an empty database, or replace its rows with --replace",
        )


def _verify(expected: Mapping[str, int], found: Mapping[str, int]) -> None:
    wrong = sorted(name for name, count in expected.items() if found[name] != count)
    if wrong:
        raise Fault(BACKUP_INCOMPLETE, f"Not every row arrived in {', '.join(wrong)}; the database is as it was")


def _into_sqlite(
    source: Path,
    target: Path,
    tables: list[Table],
    counts: Mapping[str, int],
    numbers: Mapping[str, int],
    replace: bool,
    progress: Progress,
) -> None:
    with closing(connect_file(target)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")  # tables come in any order; all references are checked below
        connection.execute("ATTACH ? AS backup", (str(source),))
        try:
            connection.execute("BEGIN IMMEDIATE")
            _refuse_rows(row_counts(connection, tables), replace)
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                connection.execute(f'DROP TRIGGER "{name}"')
            for table in tables:
                progress(table.name, 0, counts[table.name])
                connection.execute(f'DELETE FROM main."{table.name}"')
                connection.execute(
                    f'INSERT INTO main."{table.name}" ({table.column_list}) '
                    f'SELECT {table.column_list} FROM backup."{table.name}" ORDER BY {table.key_list}'
                )
                progress(table.name, counts[table.name], counts[table.name])
            keep_last_numbers(connection, numbers)
            for _, statement in triggers:
                connection.execute(statement)
            _verify(counts, row_counts(connection, tables))
            dangling = connection.execute("PRAGMA main.foreign_key_check").fetchone()
            if dangling:
                raise Fault(BACKUP_INCOMPLETE, f"A row of {dangling[0]} refers to a row of {dangling[2]} not there")
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Unavailable(
                DATABASE_UNAVAILABLE, f"The database cannot be written ({error})", hint="Stop the server, then retry"
            ) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _into_postgresql(
    reader: sqlite3.Connection,
    url: str,
    tables: list[Table],
    counts: Mapping[str, int],
    replace: bool,
    progress: Progress,
) -> None:
    try:
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            for table in tables:  # locks out every writer until the commit
                cursor.execute(f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER')
            _refuse_rows(_counts(cursor, tables), replace)
            cursor.execute(f"TRUNCATE {', '.join(table.name for table in tables)}")
            for table in _referenced_first(cursor, tables):
                _copy_table(reader, cursor, table, counts[table.name], progress)
            _go_on_numbering(cursor, last_numbers(reader))
            for table in tables:
                cursor.execute(f'ALTER TABLE "{table.name}" ENABLE TRIGGER USER')
            _verify(counts, _counts(cursor, tables))
        gather_statistics(url)
    except psycopg.OperationalError as error:
        raise Unavailable(
            DATABASE_UNAVAILABLE, f"PostgreSQL broke off ({type(error).__name__})", hint="Retry later"
        ) from error


def _counts(cursor: psycopg.Cursor[Any], tables: list[Table]) -> dict[str, int]:
    counts = {}
    for table in tables:
        row = cursor.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
        counts[table.name] = row[0] if row else 0
    return counts


def _referenced_first(cursor: psycopg.Cursor[Any], tables: list[Table]) -> list[Table]:
    """Tables in the order of their foreign keys; a table that refers to itself arrives in one statement."""
    pairs = cursor.execute(
        "SELECT c.relname, r.relname FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid "
        "JOIN pg_class r ON r.oid = f.confrelid "
        "WHERE f.contype = 'f' AND f.connamespace = current_schema()::regnamespace AND f.conrelid <> f.confrelid"
    ).fetchall()
    order: TopologicalSorter[str] = TopologicalSorter({table.name: () for table in tables})
    for name, referenced in pairs:
        order.add(name, referenced)
    by_name = {table.name: table for table in tables}
    return [by_name[name] for name in order.static_order()]


def _copy_table(
    reader: sqlite3.Connection, cursor: psycopg.Cursor[Any], table: Table, total: int, progress: Progress
) -> None:
    rows = reader.execute(f'SELECT {table.column_list} FROM "{table.name}" ORDER BY {table.key_list}')
    done = 0
    with cursor.copy(f'COPY "{table.name}" ({table.column_list}) FROM STDIN') as copy:
        while batch := rows.fetchmany(BATCH_ROWS):
            for row in batch:
                copy.write_row(row)
            done += len(batch)
            progress(table.name, done, total)


def _go_on_numbering(cursor: psycopg.Cursor[Any], numbers: Mapping[str, int]) -> None:
    """Each identity column goes on after the last number given out, there or here, or after its highest row."""
    columns = cursor.execute(
        "SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name) "
        "FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'"
    ).fetchall()
    for table, column, sequence in columns:
        seen = cursor.execute(
            f'SELECT max("{column}") FROM "{table}" UNION ALL SELECT last_value FROM {sequence} WHERE is_called'
        ).fetchall()
        last = max(numbers.get(table, 0), *(number or 0 for (number,) in seen))
        cursor.execute("SELECT setval(%s, %s, %s)", (sequence, max(last, 1), last > 0))
