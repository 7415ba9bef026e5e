"""SQLite: one writer that commits units in groups, and readers beside it.

Answers, wakes and caches of a unit wait for its group's COMMIT, which is durable (`synchronous=FULL`).
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

from kiungo.base.time import Clock
from kiungo.kernel.database.interface import BRIEF_MS, READ_DEADLINE_MS, CommitObserver, Wakes
from kiungo.kernel.database.sqlite_writer import BUSY_TIMEOUT_MS, PROGRESS_STEPS, Writer, readable
from kiungo.kernel.database.unit import Engine, Unit
from kiungo.kernel.database.work import Work, async_work, sync_work

T = TypeVar("T")

READERS = 4
WRITER_CACHE_KB = 32_000
READER_CACHE_KB = 8_000
CHECKPOINT_INTERVAL_S = 0.1  # little at a time: a commit waits behind the pages a checkpoint is bringing to the disk
WAL_RESTART_PAGES = 16_000
WAL_BYTES_KEPT = 256 * 1024 * 1024
COMMIT_WAIT_S = 0.5
BRIEF_WAIT_S = 0.025
BRIEF_STEPS = 2_000  # some tens of microseconds: how late a read on the event loop may notice that its time is up


class SqliteDatabase:
    """See `kernel.database.interface.Database`."""

    engine: Engine = "sqlite"

    def __init__(self, url: str, *, clock: Clock, stepped: bool = False) -> None:
        self.url = url
        self.clock = clock
        self.wakes = Wakes()
        self.path = Path(url.removeprefix("sqlite:///"))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stepped = stepped
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._connections_lock = threading.Lock()
        self._writer = Writer(self._connect(WRITER_CACHE_KB), clock, self.wakes, stepped=stepped)
        self._closing = threading.Event()
        self._checkpoints: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        if not stepped:
            self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
            self._checkpoints = threading.Thread(target=self._checkpoint_forever, name="sqlite-checkpoint", daemon=True)
            self._checkpoints.start()

    @property
    def observer(self) -> CommitObserver | None:
        return self._writer.observer

    @observer.setter
    def observer(self, observer: CommitObserver | None) -> None:
        self._writer.observer = observer

    def write(self, function: Callable[[Unit], T]) -> T:
        work, future = sync_work(function)
        if asyncio._get_running_loop() is None:
            self._start(work)
            return future.result()
        with self._writer.off_the_loop():
            self._start(work)
            return future.result()

    def write_each(self, functions: Sequence[Callable[[Unit], T]]) -> list[T]:
        begun = [sync_work(function) for function in functions]
        for work, _ in begun:
            self._start(work)
        wait([future for _, future in begun])
        return [future.result() for _, future in begun]

    async def write_async(self, function: Callable[[Unit], T], *, brief: bool = False) -> T:
        work, future = async_work(function, brief=brief)
        self._start(work)
        return await future

    def _start(self, work: Work[Any]) -> None:
        if self._stepped:
            self._writer.run_alone(work)
        else:
            self._writer.submit(work)

    def read(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        stop_at = time.monotonic() + deadline_ms / 1_000
        return self._read(function, lambda: time.monotonic() > stop_at, PROGRESS_STEPS)

    def _read(self, function: Callable[[Unit], T], is_over: Callable[[], bool], steps: int) -> T:
        connection = self._reader()
        connection.set_progress_handler(is_over, steps)
        try:
            connection.execute("BEGIN")
            try:
                return function(Unit("sqlite", connection.cursor(), self.clock.now_us()))
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise readable(error) from error
        finally:
            connection.set_progress_handler(None, 0)

    async def read_async(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        if self._readers is None:
            return self.read(function, deadline_ms=deadline_ms)
        work, future = async_work(lambda: self.read(function, deadline_ms=deadline_ms))
        self._readers.submit(work.run_plain)
        return await future

    async def point_read(self, function: Callable[[Unit], T]) -> T:
        try:
            return function(Unit("sqlite", self._reader().cursor(), self.clock.now_us()))
        except sqlite3.OperationalError as error:
            raise readable(error) from error

    async def brief_read(self, function: Callable[[Unit], T], *, is_one_statement: bool = False) -> T:
        # Work is what counts, not what else this machine does; but nor may a slow disk hold the loop.
        stop_at, wait_until = time.thread_time() + BRIEF_MS["sqlite"] / 1_000, time.monotonic() + BRIEF_WAIT_S
        return self._read(function, lambda: time.thread_time() > stop_at or time.monotonic() > wait_until, BRIEF_STEPS)

    def gather_statistics(self, changed_rows: int) -> None:
        pass  # statements were written for its planner without statistics; with some it may choose otherwise

    def close(self) -> None:
        self._closing.set()
        self._writer.close()
        if self._checkpoints is not None:
            self._checkpoints.join(timeout=30)
        if self._readers is not None:
            self._readers.shutdown(wait=True)
        with self._connections_lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _connect(self, cache_kb: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
            timeout=BUSY_TIMEOUT_MS / 1_000,
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{cache_kb}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}")
        with self._connections_lock:
            self._connections.append(connection)
        return connection

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(READER_CACHE_KB)
            connection.execute("PRAGMA query_only=ON")
        return connection

    def _checkpoint_forever(self) -> None:
        """Move committed pages into the database file, off the path of requests.

        Under a steady load new pages always follow those that were moved, so now and then the writer moves the last
        ones itself, and the log begins anew in the same file.
        """
        connection = self._connect(1_000)
        seen, restart_above = -1, WAL_RESTART_PAGES
        while not self._closing.wait(CHECKPOINT_INTERVAL_S):
            try:
                version = connection.execute("PRAGMA data_version").fetchone()[0]
                if version == seen:
                    continue  # nothing was committed since
                [(_, pages, moved)] = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                if pages == moved:
                    seen = version
                if pages > restart_above:  # also when all are moved: a unit that began before goes on at their end
                    begun = self._writer.begin_log_anew(timeout_s=COMMIT_WAIT_S)
                    # While a long read prevents it, it is asked for more and more seldom.
                    restart_above = WAL_RESTART_PAGES + (0 if begun else pages)
            except sqlite3.OperationalError:
                continue  # busy or full: the log keeps every commit, and the next round tries again
