"""The audit trail: written with its unit, buffered for reads, append-only, sealed, and checked."""

import asyncio
import sqlite3
import threading
import time

import psycopg
import pytest

from kiungo.base.errors import Unavailable
from kiungo.kernel import audit
from kiungo.kernel.audit import Reads, Report, entries_about, seal_pending, verify
from kiungo.kernel.audit.sealing import ranges_from, ranges_of, ranges_text
from kiungo.kernel.auth import Call, Principal, system_call
from kiungo.kernel.database import Database, Unit

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


CALL = Call(Principal(1, "key-1", "api_key", "City Medical Center"), "req-1", "192.0.2.7")


def write_entries(database: Database, count: int, first: int = 1) -> None:
    def work(unit: Unit) -> None:
        for number in range(first, first + count):
            audit.record(unit, CALL, "create", kind="claim", id=f"CLM-{number}", person=f"p-{number}")

    database.write(work)


def entries(database: Database) -> list[tuple[object, ...]]:
    return database.read(
        lambda unit: unit.rows("SELECT action, kind, record_id, person, outcome, detail FROM audit ORDER BY seq")
    )


def tamper(database_url: str, *statements: str) -> None:
    """Change the trail as somebody with the database in hand would: without the triggers."""
    if database_url.startswith("sqlite"):
        with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            for statement in statements:
                connection.execute(statement)
        return
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE audit DISABLE TRIGGER USER")
        connection.execute("ALTER TABLE audit_seal DISABLE TRIGGER USER")
        for statement in statements:
            connection.execute(statement)


def test_an_entry_is_kept_with_its_unit_and_lost_with_it(database: Database) -> None:
    def fails(unit: Unit) -> None:
        audit.record(unit, CALL, "create", kind="claim", id="CLM-lost")
        raise RuntimeError("the unit fails")

    with pytest.raises(RuntimeError):
        database.write(fails)
    write_entries(database, 1)
    assert entries(database) == [("create", "claim", "CLM-1", "p-1", "success", None)]


@pytest.mark.parametrize("sql", ["UPDATE audit SET origin = 'x'", "DELETE FROM audit", "DELETE FROM audit_seal"])
def test_the_trail_is_append_only(database: Database, sql: str) -> None:
    write_entries(database, 2)
    seal_pending(database)
    with pytest.raises(Exception, match="append-only"):
        database.write(lambda unit: unit.execute(sql))
    assert verify(database).is_whole


def test_a_whole_trail_verifies(database: Database) -> None:
    write_entries(database, 1_203)
    assert seal_pending(database) == 1_203
    assert seal_pending(database) == 0
    write_entries(database, 5, first=2_000)
    report = verify(database)
    assert report.is_whole
    assert (report.blocks, report.rows, report.unsealed) == (2, 1_203, 5)


@pytest.mark.parametrize(
    ("statement", "problem", "seq"),
    [
        ("UPDATE audit SET record_id = 'CLM-9' WHERE seq = 3", "changed", 3),
        ("UPDATE audit SET person = NULL WHERE seq = 12", "changed", 12),
        ("DELETE FROM audit WHERE seq = 7", "deleted", 7),
        ("DELETE FROM audit WHERE seq > 8", "deleted", 9),
    ],
)
def test_the_first_broken_entry_is_named(
    database: Database, database_url: str, statement: str, problem: str, seq: int
) -> None:
    write_entries(database, 10)
    seal_pending(database)
    write_entries(database, 10, first=11)
    seal_pending(database)
    tamper(database_url, statement)
    report = verify(database)
    assert not report.is_whole
    assert problem in str(report.problem)
    assert report.seq == seq


def test_what_was_done_with_a_persons_records_is_found_sealed_or_not_and_late(
    database: Database, database_url: str
) -> None:
    def done(person: str, *actions: str) -> None:
        def work(unit: Unit) -> None:
            for action in actions:
                audit.record(unit, CALL, action, kind="claim", id="CLM-1", person=person)

        database.write(work)

    def found(person: str, **page: int) -> list[str]:
        entries = database.read(lambda unit: entries_about(unit, 1, person, **page))
        return [entry.action for _, entry in entries]

    done("p-1", "one", "two")
    done("p-2", "other")
    seal_pending(database)
    write_entries(database, 1_500, first=10)
    seal_pending(database)
    done("p-1", "three")
    assert found("p-1") == ["three", "two", "one"]
    assert found("p-2") == ["other"]
    assert found("p-3") == []
    assert found("p-1", count=2) == ["three", "two"]
    assert found("p-1", before=2, count=2) == ["one"]
    assert database.read(lambda unit: entries_about(unit, 2, "p-1")) == []
    seal_pending(database)
    assert found("p-1") == ["three", "two", "one"]


def test_missing_blocks_and_forged_seals_are_seen(database: Database, database_url: str) -> None:
    for first in (1, 11, 21):
        write_entries(database, 10, first=first)
        seal_pending(database)
    head = verify(database).head
    tamper(database_url, "DELETE FROM audit_seal WHERE block = 2", "DELETE FROM audit WHERE seq BETWEEN 11 AND 20")
    report = verify(database)
    assert (report.block, report.problem) == (2, "the blocks before block 3 are missing")
    tamper(database_url, "DELETE FROM audit_seal WHERE block = 3", "DELETE FROM audit WHERE seq > 20")
    assert verify(database).is_whole, "a tail cut off with its seals cannot be seen from inside"
    assert "cut off" in str(verify(database, expected_head=head).problem)


def test_an_entry_slipped_into_a_sealed_gap_is_seen(database: Database, database_url: str) -> None:
    write_entries(database, 3)
    tamper(database_url, "DELETE FROM audit WHERE seq = 2")
    seal_pending(database)
    assert verify(database).is_whole, "the gap was there when it was sealed"
    columns = "at_us, tn, principal_id, principal_kind, action, kind, record_id, request_id, origin, outcome"
    tamper(
        database_url,
        f"INSERT INTO audit (seq, {columns}) SELECT 2, {columns} FROM audit WHERE seq = 1",
    )
    report = verify(database)
    assert (report.seq, report.problem) == (2, "an entry was inserted after the block was sealed")


def test_a_seal_made_with_a_key_needs_it(database: Database, database_url: str) -> None:
    key = b"k" * 32
    write_entries(database, 3)
    seal_pending(database, key)
    assert verify(database, key).is_whole
    assert not verify(database).is_whole
    assert not verify(database, b"x" * 32).is_whole


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_unit_that_commits_late_is_sealed_late(database: Database, database_url: str) -> None:
    """On PostgreSQL a number drawn first may commit last; its gap is sealed as absent, then taken in."""
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "INSERT INTO audit (at_us, tn, principal_id, principal_kind, action, kind, record_id, request_id,"
            " origin, outcome) VALUES (1, 1, 'slow', 'system', 'create', 'x', 'y', '', '', 'success')"
        )
        write_entries(database, 3)
        assert seal_pending(database) == 3
        assert verify(database).is_whole
        slow.commit()
    assert seal_pending(database) == 1
    report = verify(database)
    assert report.is_whole, report
    assert report.rows == 4
    tamper(database_url, "UPDATE audit SET origin = 'elsewhere' WHERE seq = 1")
    assert verify(database).seq == 1


def test_a_late_entry_is_shown_once_among_its_persons_others(database: Database, database_url: str) -> None:
    if database.engine == "sqlite":
        pytest.skip("SQLite's writer is alone: nothing commits late")

    def numbers() -> list[int]:
        return [seq for seq, _ in database.read(lambda unit: entries_about(unit, 1, "p-1"))]

    def about_p1() -> None:
        database.write(lambda unit: audit.record(unit, CALL, "read", kind="Patient", id="p-1", person="p-1"))

    about_p1()
    with psycopg.connect(database_url) as slow:
        slow.execute(
            "INSERT INTO audit (at_us, tn, principal_id, principal_kind, action, kind, record_id, person, request_id,"
            " origin, outcome) VALUES (1, 1, 'slow', 'system', 'create', 'x', 'y', 'p-1', '', '', 'success')"
        )
        about_p1()
        assert seal_pending(database) == 2
        assert numbers() == [3, 1]
        slow.commit()
    about_p1()
    seal_pending(database)
    assert numbers() == [4, 3, 2, 1]


def test_two_sealers_make_one_chain(database: Database) -> None:
    write_entries(database, 2_500)
    threads = [threading.Thread(target=seal_pending, args=(database,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = verify(database)
    assert (report.is_whole, report.rows, report.unsealed) == (True, 2_500, 0)


async def test_reads_are_written_within_50_ms(database: Database) -> None:
    reads = Reads(database)
    reads.start()
    for number in range(200):
        reads.note(CALL, "read", "Patient", f"p-{number}", f"p-{number}")
    assert CALL.pending is None
    started = time.monotonic()
    while len(entries(database)) < 200:
        assert time.monotonic() - started < 5
        await asyncio.sleep(0.002)
    assert entries(database)[0] == ("read", "Patient", "p-0", "p-0", "success", None)
    await reads.close()


async def test_a_strict_read_waits_for_its_commit(database: Database) -> None:
    reads = Reads(database, strict=True)
    reads.start()
    call = Call(CALL.principal, "req-2", "192.0.2.7")
    reads.note(call, "read", "Patient", "p-1", "p-1")
    assert call.pending is not None
    await asyncio.wait_for(call.pending, 5)
    assert len(entries(database)) == 1
    await reads.close()


async def test_a_full_buffer_waits_or_refuses(database: Database) -> None:
    refusing = Reads(database, waiting_max=3, when_full="refuse")
    refusing.start()
    for _ in range(3):
        refusing.note(CALL, "read", "Patient", "p")
    assert refusing.is_full
    with pytest.raises(Unavailable, match="audit"):
        refusing.note(CALL, "read", "Patient", "p")
    await refusing.close()
    waiting = Reads(database, waiting_max=3)
    waiting.start()
    calls = [Call(CALL.principal, f"req-{number}", "") for number in range(5)]
    for call in calls:
        waiting.note(call, "read", "Patient", "p")
    assert [call.pending is not None for call in calls] == [False, False, False, True, True]
    await asyncio.wait_for(calls[4].pending, 5)  # type: ignore[arg-type]
    await waiting.close()
    assert len(entries(database)) == 8


async def test_what_waits_is_written_on_close_and_from_threads(database: Database) -> None:
    reads = Reads(database, flush_ms=50)
    reads.start()
    await asyncio.to_thread(reads.note, CALL, "read", "Patient", "p-1")
    reads.note(CALL, "read", "Patient", "p-2")
    await reads.close()
    assert {row[2] for row in entries(database)} == {"p-1", "p-2"}


async def test_a_failing_database_loses_no_entry(database: Database) -> None:
    reads = Reads(database, flush_ms=1)
    reads.start()
    database.write(lambda unit: unit.execute("ALTER TABLE audit RENAME TO audit_away"))
    reads.note(CALL, "read", "Patient", "p-1")
    await asyncio.sleep(0.1)
    assert reads.failures > 0
    database.write(lambda unit: unit.execute("ALTER TABLE audit_away RENAME TO audit"))
    await reads.close()
    assert [row[2] for row in entries(database)] == ["p-1"]


def test_the_platform_itself_is_named(database: Database) -> None:
    database.write(lambda unit: audit.record(unit, system_call(1, name="jobs"), "purge", kind="key", id="-"))
    row = database.read(lambda unit: unit.row("SELECT principal_id, principal_kind, origin FROM audit"))
    assert row == ("system:jobs", "system", "jobs")


def test_ranges_round_trip() -> None:
    numbers = [1, 2, 3, 7, 9, 10]
    assert ranges_of(numbers) == ((1, 3), (7, 7), (9, 10))
    assert ranges_from(ranges_text(ranges_of(numbers))) == ranges_of(numbers)
    assert ranges_from("") == ()


def test_a_report_of_an_empty_trail_is_whole(database: Database) -> None:
    assert verify(database) == Report(0, 0, 0, "0" * 64)
