"""Back up while serving: every table of one moment, from either engine, in one SQLite file.

On SQLite the file is copied page by page from a held snapshot; on PostgreSQL the rows of one REPEATABLE READ snapshot
are copied into a freshly migrated SQLite file. Writers never wait for it. Source: docs/decisions/0050.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from kiungo.base.errors import Conflict, Fault, Incorrect, define
from kiungo.kernel.database.migrate import migrate, require_current, schema_state
from kiungo.kernel.database.opening import DATABASE_URL_WRONG
from kiungo.kernel.database.tables import (
    BATCH_ROWS,
    REVISION_TABLE,
    Copied,
    Progress,
    Table,
    check_file,
    connect_file,
    keep_last_numbers,
    numbered_tables,
    row_counts,
    silent,
    tables_of,
)

BACKUP_EXISTS = define("BACKUP_EXISTS", Conflict, "A backup never overwrites a file that is there.")
BACKUP_PLACE = define("BACKUP_PLACE", Incorrect, "A backup cannot be written where it was asked for.")
BACKUP_INCOMPLETE = define("BACKUP_INCOMPLETE", Fault, "What was copied is not what was there; nothing was kept of it.")

PAGES_AT_ONCE = 2_048
OWNER_ONLY = 0o600


def backup(database_url: str, file: Path, *, progress: Progress = silent) -> Copied:
    """Write a consistent, checked backup; the file appears only when it is complete and on disk.

    Raises: Conflict (file exists, schema newer or behind); Incorrect (no such database or folder);
    Fault (copy incomplete).
    """
    if file.exists():
        raise Conflict(BACKUP_EXISTS, f"{file} exists", field="file", hint="Name another file, or move that one away")
    partial = file.with_name(file.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, OWNER_ONLY))
    except OSError as error:
        raise Incorrect(
            BACKUP_PLACE,
            f"{file} cannot be written: {error.strerror}",
            field="file",
            hint="Name a file in a folder that is there and that you may write to",
        ) from error
    try:
        if database_url.startswith("sqlite:///"):
            _copy_pages(Path(database_url.removeprefix("sqlite:///")), partial, progress)
        elif database_url.startswith(("postgresql://", "postgres://")):
            _copy_rows(database_url, partial, progress)
        else:
            raise Incorrect(DATABASE_URL_WRONG, "The database URL names no engine we know", hint="See `kiungo --help`")
        progress("check", 0, 0)
        check_file(partial)
        copied = _contents(partial)
        _to_disk(partial)
        partial.rename(file)
        _to_disk(file.parent)
    finally:
        partial.unlink(missing_ok=True)
    return copied


def _contents(file: Path) -> Copied:
    revision = schema_state(f"sqlite:///{file}").current
    if revision is None:
        raise Fault(BACKUP_INCOMPLETE, "The database has no schema to back up; run `kiungo migrate` first")
    with closing(connect_file(file)) as connection:
        return Copied(revision, row_counts(connection, tables_of(connection)))


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_pages(source: Path, target: Path, progress: Progress) -> None:
    """SQLite's online backup, inside a read transaction: without it each commit of the server would start it anew."""
    with closing(connect_file(source)) as reader, closing(connect_file(target)) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reader.backup(
            writer,
            pages=PAGES_AT_ONCE,
            progress=lambda _status, left, total: progress("pages", total - left, total),
            sleep=0,
        )
        reader.execute("ROLLBACK")
        writer.execute("PRAGMA journal_mode=DELETE")


def _copy_rows(source_url: str, target: Path, progress: Progress) -> None:
    require_current(source_url)
    target_url = f"sqlite:///{target}"
    migrate(target_url)
    with closing(connect_file(target)) as writer, psycopg.connect(source_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.read_only = True
        writer.execute("PRAGMA journal_mode=DELETE")
        writer.execute("PRAGMA synchronous=OFF")  # the file is synced once, when it is complete
        tables = tables_of(writer)
        _same_tables(reader, tables)
        triggers = _without_triggers(writer)
        writer.execute("BEGIN")
        for table in tables:
            writer.execute(f'DELETE FROM "{table.name}"')
            _copy_table(reader, writer, table, progress)
        keep_last_numbers(writer, _last_numbers(reader, numbered_tables(writer)))
        for statement in triggers:
            writer.execute(statement)
        writer.execute("COMMIT")


def _without_triggers(connection: sqlite3.Connection) -> list[str]:
    """Drop the triggers of a file that is being filled; returns the statements that make them again."""
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    return [statement for _, statement in triggers]


def _same_tables(reader: psycopg.Connection, tables: list[Table]) -> None:
    """A table that a migration made on one engine only would be lost without a word: refuse instead."""
    rows = reader.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> %s", (REVISION_TABLE,)
    ).fetchall()
    different = {name for (name,) in rows} ^ {table.name for table in tables}
    if different:
        raise Fault(BACKUP_INCOMPLETE, f"These tables are not on both engines: {', '.join(sorted(different))}")


def _copy_table(reader: psycopg.Connection, writer: sqlite3.Connection, table: Table, progress: Progress) -> None:
    total = reader.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()
    expected: int = total[0] if total else 0
    insert = f'INSERT INTO "{table.name}" ({table.column_list}) VALUES ({", ".join("?" * len(table.columns))})'
    done = 0
    with reader.cursor(name="backup", binary=True) as cursor:
        cursor.execute(f'SELECT {table.column_list} FROM "{table.name}" ORDER BY {table.key_list}')
        while rows := cursor.fetchmany(BATCH_ROWS):
            writer.executemany(insert, rows)
            done += len(rows)
            progress(table.name, done, expected)
    if done != expected:
        raise Fault(BACKUP_INCOMPLETE, f"{done} of {expected} rows of {table.name} were copied")


def _last_numbers(reader: psycopg.Connection, tables: set[str]) -> dict[str, int]:
    """The last number each identity column gave out."""
    rows = reader.execute(
        "SELECT table_name, pg_get_serial_sequence(quote_ident(table_name), column_name) "
        "FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'"
    ).fetchall()
    numbers = {}
    for table, sequence in rows:
        if table in tables:
            number = reader.execute(f"SELECT last_value FROM {sequence} WHERE is_called").fetchone()
            if number:
                numbers[table] = number[0]
    return numbers
