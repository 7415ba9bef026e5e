"""SQLite's log is moved into the database file while writers go on, and begins anew in the same file."""

import threading
import time
from pathlib import Path

import pytest

from kiungo.kernel.database import Unit, open_database, sqlite, sqlite_writer

PAGE_BYTES = 4096


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_INTERVAL_S", 0.002)
    monkeypatch.setattr(sqlite, "WAL_RESTART_PAGES", 200)


@pytest.mark.parametrize("unit_s", [0.0, 2 * sqlite_writer.NEW_LOG_WAIT_MS / 1_000])
def test_under_a_steady_load_the_log_begins_anew_in_its_file(tmp_path: Path, patient: None, unit_s: float) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'k.db'}")
    database.write(lambda unit: unit.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, text TEXT)"))
    enough = threading.Event()

    def insert(unit: Unit) -> None:
        rows = 1 if unit_s == 0 else 60  # long units, as a bulk load's, follow each other without a gap
        unit.many("INSERT INTO t (text) VALUES (?)", [("x" * 3 * PAGE_BYTES,)] * rows)
        time.sleep(unit_s)

    def fill() -> None:
        while not enough.is_set():
            database.write(insert)

    writers = [threading.Thread(target=fill) for _ in range(2)]
    for writer in writers:
        writer.start()
    first, until_s = begun_anew(tmp_path), time.monotonic() + 20
    while begun_anew(tmp_path) < first + 3 and time.monotonic() < until_s:
        time.sleep(0.01)
    enough.set()
    for writer in writers:
        writer.join()
    assert begun_anew(tmp_path) >= first + 3
    database.close()


def begun_anew(folder: Path) -> int:
    """How often the log began anew. Source: SQLite file format, 4.1, the checkpoint sequence number of the header."""
    with (folder / "k.db-wal").open("rb") as log:
        return int.from_bytes(log.read(16)[12:], "big")


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
