"""SQLite's log is moved into the database file while writers go on, and begins anew in the same file."""

import threading
from pathlib import Path

import pytest

from kiungo.kernel.database import open_database, sqlite

PAGE_BYTES = 4096
ROWS = 1_500


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_INTERVAL_S", 0.002)
    monkeypatch.setattr(sqlite, "WAL_RESTART_PAGES", 200)


def test_a_steady_load_does_not_make_the_log_grow(tmp_path: Path, patient: None) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'k.db'}")
    database.write(lambda unit: unit.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, text TEXT)"))
    text = "x" * 3 * PAGE_BYTES

    def fill(start: int) -> None:
        for number in range(start, start + ROWS):
            database.write(lambda unit, n=number: unit.execute("INSERT INTO t (k, text) VALUES (?, ?)", (n, text)))

    writers = [threading.Thread(target=fill, args=(start,)) for start in (0, ROWS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    written = 2 * ROWS * len(text)
    assert database.read(lambda unit: unit.value("SELECT COUNT(*) FROM t")) == 2 * ROWS
    assert (tmp_path / "k.db-wal").stat().st_size < written
    database.close()


def test_what_a_long_read_sees_stays_while_the_log_goes_on(tmp_path: Path, patient: None) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'k.db'}")
    database.write(lambda unit: unit.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, text TEXT)"))
    reading, written = threading.Event(), threading.Event()
    seen: list[int] = []

    def look() -> None:
        def twice(unit) -> None:
            seen.append(unit.value("SELECT COUNT(*) FROM t"))
            reading.set()
            written.wait(30)
            seen.append(unit.value("SELECT COUNT(*) FROM t"))

        database.read(twice, deadline_ms=60_000)

    reader = threading.Thread(target=look)
    reader.start()
    assert reading.wait(30)
    for number in range(400):
        database.write(lambda unit, n=number: unit.execute("INSERT INTO t VALUES (?, ?)", (n, "x" * PAGE_BYTES)))
    written.set()
    reader.join()
    assert seen == [0, 0]
    assert database.read(lambda unit: unit.value("SELECT COUNT(*) FROM t")) == 400
    database.close()
