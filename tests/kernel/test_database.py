"""Units of work: all or nothing, alone among neighbours, durable when answered."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

import kiungo.kernel.database as database_package
from kiungo.base.errors import Conflict, Incorrect, Unavailable
from kiungo.kernel.database import Database, IntegrityViolation, Unit, migrate, open_database, schema_state
from kiungo.kernel.database.interface import BULK_ROWS
from kiungo.kernel.database.migrate import require_current, revisions


@pytest.fixture
def notes(database: Database) -> Database:
    database.write(lambda unit: unit.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"))
    return database


def insert(number: int, text: str = "x"):
    def unit_function(unit: Unit) -> int:
        unit.execute("INSERT INTO note (id, text) VALUES (?, ?)", (number, text))
        return number

    return unit_function


def count(database: Database) -> int:
    return database.read(lambda unit: unit.value("SELECT count(*) FROM note"))


def test_a_unit_is_kept_whole_or_not_at_all(notes: Database) -> None:
    def fails_late(unit: Unit) -> None:
        insert(1)(unit)
        raise RuntimeError("after the insert")

    with pytest.raises(RuntimeError, match="after the insert"):
        notes.write(fails_late)
    assert count(notes) == 0
    assert notes.write(insert(2)) == 2
    assert count(notes) == 1


def test_a_failing_unit_does_not_sink_its_neighbours(notes: Database) -> None:
    async def many() -> list[object]:
        return await asyncio.gather(
            *(notes.write_async(insert(number // 2)) for number in range(100)), return_exceptions=True
        )

    answers = asyncio.run(many())
    assert sum(isinstance(answer, IntegrityViolation) for answer in answers) == 50
    assert sorted(answer for answer in answers if isinstance(answer, int)) == list(range(50))
    assert count(notes) == 50


def test_units_written_each_by_itself_are_all_tried(notes: Database) -> None:
    assert notes.write_each([insert(number) for number in (1, 2, 3)]) == [1, 2, 3]
    with pytest.raises(IntegrityViolation):
        notes.write_each([insert(4), insert(2), insert(5)])
    assert count(notes) == 5
    assert notes.write_each([]) == []


def test_units_written_each_by_itself_hold_nothing_for_each_other(notes: Database) -> None:
    """Two callers who change the same rows in opposite orders; as two units they would be a deadlock."""
    notes.write_each([insert(number, "") for number in range(20)])

    def longer(number: int):
        return lambda unit: unit.execute("UPDATE note SET text = text || 'x' WHERE id = ?", (number,))

    orders = [[longer(number) for number in order] for order in (range(20), reversed(range(20)))]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(notes.write_each, orders))
    assert set(notes.read(lambda unit: [text for (text,) in unit.rows("SELECT text FROM note")])) == {"xx"}


def test_writers_in_threads_all_get_their_own_answer(notes: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: notes.write(insert(number)), range(200)))
    assert answers == list(range(200))
    assert count(notes) == 200


def test_actions_and_wakes_wait_for_the_commit_and_are_dropped_with_a_failed_unit(notes: Database) -> None:
    seen: list[str] = []
    woken = threading.Event()
    notes.wakes.subscribe("notes", woken.set)

    def good(unit: Unit) -> None:
        insert(1)(unit)
        unit.after_commit(lambda: seen.append("good"))
        unit.wake("notes")

    def bad(unit: Unit) -> None:
        unit.after_commit(lambda: seen.append("bad"))
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        notes.write(bad)
    assert not woken.is_set()
    notes.write(good)
    assert woken.wait(5)
    assert seen == ["good"]


def test_a_savepoint_undoes_only_its_block(notes: Database) -> None:
    def unit_function(unit: Unit) -> None:
        insert(1)(unit)
        with pytest.raises(IntegrityViolation), unit.savepoint():
            insert(2)(unit)
            insert(1)(unit)
        insert(3)(unit)

    notes.write(unit_function)
    assert notes.read(lambda unit: unit.rows("SELECT id FROM note ORDER BY id")) == [(1,), (3,)]


def test_rows_that_come_together_are_the_rows_one_by_one(database: Database) -> None:
    rows = [
        (2**53, '"quoted" \\ and \n\t\x01\x7f'),
        (2**53 + 1, None),
        (2**62, "\u00e9\u4e16\U0001f600"),
        (2**63 - 1, "[1, null]"),
    ]

    def keep(unit: Unit) -> None:
        unit.execute("CREATE TABLE wide (number BIGINT, text TEXT)")
        unit.many("INSERT INTO wide (number, text) VALUES (?, ?)", rows[::-1])

    database.write(keep)
    rest = "FROM wide WHERE number > ? ORDER BY number LIMIT ?"
    assert database.read(lambda unit: unit.rows_together("number, text", rest, (0, 3))) == rows[:3]
    assert database.read(lambda unit: unit.rows(f"SELECT number, text {rest}", (0, 3))) == rows[:3]
    assert database.read(lambda unit: unit.rows_together("number", rest, (2**63 - 1, 3))) == []


def test_rows_inserted_together_are_the_rows_in_their_order(database: Database) -> None:
    rows = [(2**62 + n, [None, '"quoted" \\ and \n\t\x01', "\u4e16\U0001f600"][n % 3]) for n in range(150)]
    key = "id INTEGER PRIMARY KEY" if database.engine == "sqlite" else "id BIGSERIAL PRIMARY KEY"

    def keep(unit: Unit) -> None:
        unit.execute(f"CREATE TABLE wide ({key}, number BIGINT, text TEXT)")
        unit.insert("wide", ("number", "text"), rows)
        unit.insert("wide", ("text",), [("alone",)])
        unit.insert("wide", ("text",), [])

    database.write(keep)
    kept = database.read(lambda unit: unit.rows("SELECT number, text FROM wide ORDER BY id"))
    assert kept == [*rows, (None, "alone")]


def test_after_a_bulk_change_the_planner_knows_the_tables(notes: Database) -> None:
    """PostgreSQL keeps plans; without figures it took any index whose first columns fit, and read a whole type."""
    notes.write(lambda unit: [insert(number)(unit) for number in range(BULK_ROWS)])
    notes.gather_statistics(BULK_ROWS - 1)
    known = "SELECT reltuples FROM pg_class WHERE relname = 'note'"
    assert notes.engine == "sqlite" or notes.read(lambda unit: unit.value(known)) <= 0, "a small change costs nothing"
    notes.gather_statistics(BULK_ROWS)
    if notes.engine == "postgresql":
        assert notes.read(lambda unit: unit.value(known)) == BULK_ROWS
    else:  # whose plans are made and tested without any
        assert not notes.read(lambda unit: unit.value("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'"))


def test_reads_cannot_write(notes: Database) -> None:
    with pytest.raises(Exception, match="read"):
        notes.read(insert(1))
    assert count(notes) == 0


def test_a_read_that_takes_too_long_is_stopped(notes: Database) -> None:
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000000) SELECT count(*) FROM n"
    with pytest.raises(Unavailable) as caught:
        notes.read(lambda unit: unit.value(slow), deadline_ms=200)
    assert caught.value.code == "DATABASE_DEADLINE"
    assert count(notes) == 0


def test_when_sqlite_loses_the_whole_group_only_the_guilty_unit_fails(tmp_path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'full.db'}")
    database.write(lambda unit: unit.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"))
    pages = database.read(lambda unit: unit.value("PRAGMA page_count"))
    database.write(lambda unit: unit.rows(f"PRAGMA max_page_count={pages + 20}"))

    async def together() -> list[object]:
        units = [insert(1), insert(2), insert(3, "y" * 1_000_000), insert(4), insert(5)]
        return await asyncio.gather(*(database.write_async(unit) for unit in units), return_exceptions=True)

    answers = asyncio.run(together())
    assert [answer for answer in answers if isinstance(answer, int)] == [1, 2, 4, 5]
    assert isinstance(answers[2], Unavailable)
    assert count(database) == 4
    database.close()


def test_the_schema_migrates_once_and_a_newer_one_is_refused(database_url: str) -> None:
    assert migrate(database_url).up_to_date
    require_current(database_url)
    database = open_database(database_url)
    database.write(lambda unit: unit.execute("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    assert not schema_state(database_url).known
    with pytest.raises(Conflict, match="does not know"):
        migrate(database_url)
    with pytest.raises(Conflict, match="does not know"):
        require_current(database_url)


def test_files_of_migrations_are_named_by_their_revisions_and_stand_in_one_line() -> None:
    script = ScriptDirectory(str(Path(database_package.__file__).parents[1] / "migrations"))
    found = list(script.walk_revisions())
    assert {revision.revision for revision in found} == revisions()
    assert script.get_current_head() == max(revisions())
    assert [revision.down_revision for revision in found] == [*sorted(revisions(), reverse=True)[1:], None]


def test_a_current_schema_is_recognized_without_the_migration_tools(database_url: str) -> None:
    program = (
        "import sys; from kiungo.kernel.database import migrate; assert migrate(sys.argv[1]).up_to_date;"
        "assert not {'alembic', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, database_url], check=True, timeout=60)


def test_an_unmigrated_database_is_refused_with_the_way_out(tmp_path) -> None:
    with pytest.raises(Conflict) as caught:
        require_current(f"sqlite:///{tmp_path / 'empty.db'}")
    assert caught.value.hint == "Run `kiungo migrate`"


def test_a_url_of_no_known_engine_is_refused() -> None:
    with pytest.raises(Incorrect, match="neither sqlite"):
        open_database("mysql://somewhere/db")


def test_stepped_units_run_in_the_calling_thread_on_the_turned_clock(stepped_database, clock) -> None:
    def unit_function(unit: Unit) -> tuple[int, str]:
        return unit.now_us, threading.current_thread().name

    clock.turn(seconds=5)
    assert stepped_database.write(unit_function) == (clock.now_us(), threading.current_thread().name)
