"""Backup while writing, restore on either engine: every row of one moment, or a refusal and nothing."""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from alembic import command

from kiungo.base.errors import Conflict, Incorrect
from kiungo.kernel.database import Database, IntegrityViolation, Unit, migrate, open_database, schema_state
from kiungo.kernel.database.backup import backup
from kiungo.kernel.database.restore import restore
from kiungo.kernel.database.tables import tables_of
from kiungo.kernel.jobs import enqueue

from ..conftest import ENGINES
from ..postgresql import name_of, with_database

Fresh = Callable[[str], str]


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fresh]:
    """Makes empty databases without a schema, on either engine."""
    made: list[str] = []
    admin = with_database(request.getfixturevalue("postgresql_server"), "postgres")

    def make(engine: str) -> str:
        if engine == "sqlite":
            return f"sqlite:///{tmp_path / 'restored.db'}"
        name = f"restored_{len(made)}_{name_of(request.getfixturevalue('postgresql_server'))}"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        made.append(name)
        return with_database(admin, name)

    yield make
    with psycopg.connect(admin, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def write_pair(unit: Unit, number: int) -> None:
    """Rows that belong together: a snapshot holds all of them or none."""
    body = bytes([number % 256, 0, 255]) * 20
    unit.execute(
        "INSERT INTO inbox (tn, source, message_id, body_hash, received_us, body) VALUES (1, 'lab', ?, ?, ?, ?)",
        (f"m-{number} ünï 😀 \\ \t", hashlib.sha256(body).digest(), unit.now_us, body),
    )
    enqueue(unit, "tell", {"n": number}, tenant=1, deadline_us=None if number % 2 else 2**62)
    unit.execute(
        "INSERT INTO audit (at_us, tn, principal_id, principal_kind, action, kind, record_id, request_id, origin, "
        "outcome) VALUES (?, 1, 'p', 'api_key', 'create', 'Claim', ?, 'r', '127.0.0.1', 'success')",
        (unit.now_us, str(number)),
    )


def write_ledger(unit: Unit) -> None:
    """Rows under foreign keys, one of which refers to its own table."""
    for account in ("a", "b"):
        unit.execute(
            "INSERT INTO ledger_account (tn, id, currency, rule, opened_us) VALUES (1, ?, 'KES', 'none', 0)", (account,)
        )
    journal = (
        "INSERT INTO ledger_journal (id, tn, key, body_hash, kind, phase, effective, posted_us, memo, settles) "
        "VALUES (?, 1, ?, ?, 'k', ?, '2026-03-02', 0, '', ?)"
    )
    unit.execute(journal, (901, "hold", b"\x00h", "held", None))
    unit.execute(journal, (900, "post", b"\xffh", "posted", 901))
    unit.execute(
        "INSERT INTO ledger_posting (tn, journal, seq, phase, effective, debit, credit, currency, amount_minor) "
        "VALUES (1, 900, 1, 'posted', '2026-03-02', 'a', 'b', 'KES', 5)"
    )


def contents(url: str, names: list[str]) -> dict[str, tuple[int, str]]:
    """Row count and hash of each table, alike on both engines."""
    database = open_database(url, stepped=True)
    try:
        found = {}
        for name in names:
            rows = database.read(lambda unit, name=name: unit.rows(f"SELECT * FROM {name}"))
            lines = sorted(
                repr([bytes(value) if isinstance(value, memoryview) else value for value in row]) for row in rows
            )
            found[name] = (len(rows), hashlib.sha256("\n".join(lines).encode()).hexdigest())
        return found
    finally:
        database.close()


def names_in(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [table.name for table in tables_of(connection)]


@pytest.mark.parametrize("target_engine", ENGINES)
def test_a_backup_under_writers_is_one_moment_and_restores_on_either_engine(
    database: Database, fresh: Fresh, target_engine: str, tmp_path: Path
) -> None:
    database.write(write_ledger)
    for start in range(0, 2_000, 100):
        database.write(lambda unit, start=start: [write_pair(unit, n) for n in range(start, start + 100)])
    stop = threading.Event()
    written: list[int] = []

    def keep_writing(first: int) -> None:
        number = first
        while not stop.is_set():
            database.write(partial(write_pair, number=number))
            written.append(number)
            number += 1

    threads = [threading.Thread(target=keep_writing, args=(100_000 * n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    steps: list[str] = []
    file = tmp_path / "kiungo.backup"
    try:
        while len(written) < 50:
            stop.wait(0.01)
        before = len(written)
        report = backup(database.url, file, progress=lambda step, done, total: steps.append(step))
    finally:
        after = len(written)
        stop.set()
        for thread in threads:
            thread.join()
    assert steps
    assert after > before, "writers went on during the backup"
    rows = report.rows
    assert rows["inbox"] == rows["job"] == rows["audit"]
    assert 2_000 + before <= rows["inbox"] <= 2_000 + len(written)
    assert report.revision == schema_state(database.url).newest
    assert not list(tmp_path.glob("*.partial*"))
    assert file.stat().st_mode & 0o077 == 0

    target = fresh(target_engine)
    restored = restore(file, target)
    names = names_in(file)
    assert restored.rows == rows
    assert contents(target, names) == contents(f"sqlite:///{file}", names)


@pytest.mark.parametrize("target_engine", ENGINES)
def test_a_restored_database_goes_on_where_the_old_one_stood(
    database: Database, fresh: Fresh, target_engine: str, tmp_path: Path
) -> None:
    database.write(write_ledger)
    for number in range(5):
        database.write(lambda unit, number=number: write_pair(unit, number))
    database.write(lambda unit: unit.execute("DELETE FROM job"))
    backup(database.url, tmp_path / "b")
    target = fresh(target_engine)
    restore(tmp_path / "b", target)
    again = open_database(target, stepped=True)
    try:
        again.write(lambda unit: write_pair(unit, 99))
        assert again.read(lambda unit: unit.value("SELECT id FROM job")) > 5, "a number is never given out twice"
        assert again.read(lambda unit: unit.value("SELECT max(seq) FROM audit")) == 6
        for statement in ("DELETE FROM audit", "UPDATE ledger_journal SET memo = 'x'", "DELETE FROM ledger_posting"):
            with pytest.raises(IntegrityViolation, match="append-only"):
                again.write(lambda unit, statement=statement: unit.execute(statement))
        with pytest.raises(IntegrityViolation):
            again.write(lambda unit: unit.execute("UPDATE ledger_posting SET journal = 7"))
    finally:
        again.close()


def test_rows_are_only_replaced_when_asked(database: Database, tmp_path: Path) -> None:
    database.write(lambda unit: write_pair(unit, 1))
    backup(database.url, tmp_path / "b")
    for number in (2, 3):
        database.write(lambda unit, number=number: write_pair(unit, number))
    with pytest.raises(Conflict) as refused:
        restore(tmp_path / "b", database.url)
    assert refused.value.code == "RESTORE_NOT_EMPTY"
    assert database.read(lambda unit: unit.value("SELECT count(*) FROM inbox")) == 3
    restore(tmp_path / "b", database.url, replace=True)
    assert database.read(lambda unit: unit.value("SELECT count(*) FROM inbox")) == 1
    database.write(lambda unit: write_pair(unit, 4))
    assert database.read(lambda unit: unit.value("SELECT max(id) FROM job")) == 4
    with pytest.raises(IntegrityViolation, match="append-only"):
        database.write(lambda unit: unit.execute("DELETE FROM audit"))


def test_a_backup_overwrites_nothing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("precious")
    with pytest.raises(Conflict) as refused:
        backup(database.url, tmp_path / "b")
    assert refused.value.code == "BACKUP_EXISTS"
    assert (tmp_path / "b").read_text() == "precious"


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Incorrect):
        backup(f"sqlite:///{tmp_path / 'missing.db'}", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096 * 8] = b"\xff" * 4096 * 8
    file.write_bytes(content)


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def no_revision(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE alembic_version")


def dangling(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TRIGGER ledger_journal_refuse_delete")
        connection.execute("DELETE FROM ledger_journal WHERE id = 900")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda file: file.unlink(), "BACKUP_UNREADABLE"),
        (lambda file: file.write_bytes(b""), "BACKUP_UNREADABLE"),
        (lambda file: file.write_text("not a database" * 100), "BACKUP_UNREADABLE"),
        (lambda file: file.write_bytes(file.read_bytes()[:40_000]), "BACKUP_UNREADABLE"),
        (damaged, "BACKUP_UNREADABLE"),
        (no_revision, "BACKUP_UNREADABLE"),
        (dangling, "BACKUP_UNREADABLE"),
        (newer, "SCHEMA_NEWER"),
    ],
    ids=["missing", "empty", "text", "cut", "damaged", "no revision", "dangling", "newer"],
)
def test_what_is_no_backup_of_ours_is_refused_and_the_target_untouched(
    database: Database, tmp_path: Path, spoil: Callable[[Path], object], code: str
) -> None:
    file = tmp_path / "b"
    database.write(write_ledger)
    database.write(lambda unit: write_pair(unit, 1))
    backup(database.url, file)
    spoil(file)
    with pytest.raises((Incorrect, Conflict)) as refused:
        restore(file, database.url, replace=True)
    assert refused.value.code == code
    assert database.read(lambda unit: unit.value("SELECT count(*) FROM inbox")) == 1


def test_a_load_that_fails_half_way_leaves_the_target_as_it_was(database: Database, tmp_path: Path) -> None:
    database.write(write_ledger)
    backup(database.url, tmp_path / "b")
    database.write(lambda unit: unit.execute("ALTER TABLE schedule ADD COLUMN strange INTEGER NOT NULL DEFAULT 0"))
    with closing(sqlite3.connect(tmp_path / "b")) as connection, connection:
        connection.execute("ALTER TABLE schedule ADD COLUMN unknown INTEGER")
    with pytest.raises((sqlite3.Error, psycopg.Error, Exception), match="unknown"):
        restore(tmp_path / "b", database.url, replace=True)
    assert database.read(lambda unit: unit.value("SELECT count(*) FROM ledger_posting")) == 1
    with pytest.raises(IntegrityViolation, match="append-only"):
        database.write(lambda unit: unit.execute("DELETE FROM ledger_posting"))


def test_an_older_backup_is_brought_forward_without_changing_the_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "older.db"
    monkeypatch.setattr(command, "upgrade", lambda config, _to, run=command.upgrade: run(config, "0002"))
    migrate(f"sqlite:///{file}")
    monkeypatch.undo()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("INSERT INTO tenant (tn, name) VALUES (2, 'clinic')")
    before = file.read_bytes()
    copied = restore(file, database.url)
    assert copied.revision == schema_state(database.url).newest
    assert database.read(lambda unit: unit.value("SELECT name FROM tenant WHERE tn = 2")) == "clinic"
    assert file.read_bytes() == before
