"""SQLite: one writer thread that commits units in groups, and readers beside it.

Each unit runs in its own savepoint, so one failure does not sink its neighbours; answers, wakes and caches wait for
the group's COMMIT, which is durable (`synchronous=FULL`). Some errors (disk full) make SQLite roll back the whole
transaction; then every unit of the group is run again alone, and only the guilty one fails.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from kiungo.base.errors import Unavailable
from kiungo.base.time import Clock
from kiungo.kernel.database.interface import READ_DEADLINE_MS, CommitObserver, Wakes
from kiungo.kernel.database.unit import DATABASE_DEADLINE, DATABASE_UNAVAILABLE, Engine, Unit
from kiungo.kernel.database.work import Work, async_work, deliver, sync_work

T = TypeVar("T")

GROUP_MAX = 64
GROUP_TIME_S = 0.02
READERS = 4
WRITER_CACHE_KB = 48_000
READER_CACHE_KB = 8_000
CHECKPOINT_INTERVAL_S = 0.5
WAL_TRUNCATE_BYTES = 256 * 1024 * 1024
PROGRESS_STEPS = 20_000
UNIT_TIME_MAX_S = 30.0


class SqliteDatabase:
    """See `kernel.database.interface.Database`."""

    engine: Engine = "sqlite"

    def __init__(self, url: str, *, clock: Clock, stepped: bool = False) -> None:
        self.url = url
        self.clock = clock
        self.wakes = Wakes()
        self.observer: CommitObserver | None = None
        self.path = Path(url.removeprefix("sqlite:///"))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stepped = stepped
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._connections_lock = threading.Lock()
        self._writer = self._connect(WRITER_CACHE_KB)
        self._writer_lock = threading.Lock()
        self._queue: queue.SimpleQueue[Work[Any] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._readers: ThreadPoolExecutor | None = None
        if not stepped:
            self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
            for target in (self._write_forever, self._checkpoint_forever):
                thread = threading.Thread(target=target, name=f"sqlite-{target.__name__}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def write(self, function: Callable[[Unit], T]) -> T:
        if self._stepped:
            return self._write_alone(function)
        work, future = sync_work(function)
        self._submit(work)
        return future.result()

    async def write_async(self, function: Callable[[Unit], T]) -> T:
        if self._stepped:
            return self._write_alone(function)
        work, future = async_work(function)
        self._submit(work)
        return await future

    def read(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        connection = self._reader()
        stop_at = time.monotonic() + deadline_ms / 1_000
        connection.set_progress_handler(lambda: time.monotonic() > stop_at, PROGRESS_STEPS)
        try:
            connection.execute("BEGIN")
            try:
                return function(Unit("sqlite", connection.cursor(), self.clock.now_us()))
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise _readable(error) from error
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
            raise _readable(error) from error

    def close(self) -> None:
        self._closing.set()
        if not self._stepped:
            self._queue.put(None)
            for thread in self._threads:
                thread.join(timeout=30)
        if self._readers is not None:
            self._readers.shutdown(wait=True)
        with self._connections_lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _connect(self, cache_kb: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=10
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{cache_kb}")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        with self._connections_lock:
            self._connections.append(connection)
        return connection

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(READER_CACHE_KB)
            connection.execute("PRAGMA query_only=ON")
        return connection

    def _submit(self, work: Work[Any]) -> None:
        if self._closing.is_set():
            raise Unavailable(DATABASE_UNAVAILABLE, "The database is closing", hint="Send the call again")
        self._queue.put(work)

    def _write_alone(self, function: Callable[[Unit], T]) -> T:
        work, future = sync_work(function)
        with self._writer_lock:
            self._run_group([work])
        return future.result()

    def _write_forever(self) -> None:
        while True:
            work = self._queue.get()
            if work is None:
                return
            group, last = self._gather(work)
            with self._writer_lock:
                self._run_group(group)
            if last:
                return

    def _gather(self, first: Work[Any]) -> tuple[list[Work[Any]], bool]:
        """Everything that waits already, up to the group's size; never waits for more."""
        group = [first]
        while len(group) < GROUP_MAX:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return group, True
            group.append(work)
        return group, False

    def _run_group(self, group: list[Work[Any]]) -> None:
        while group:
            size = self._commit_some(group)
            deliver(group[:size], self.wakes)
            group = group[size:]

    def _commit_some(self, group: list[Work[Any]]) -> int:
        """Run units until the group or its time is used up, then commit; returns how many have their answer."""
        connection = self._writer
        stop_at = time.monotonic() + GROUP_TIME_S
        size = 0
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work in group:
                size += 1
                self._run_in_savepoint(work)
                if not connection.in_transaction:  # the error took the whole transaction with it
                    return self._run_again(group[:size]) if size > 1 else 1
                if time.monotonic() > stop_at:
                    break
            self._commit()
        except sqlite3.Error as error:
            self._roll_back()
            if size > 1:
                return self._run_again(group[:size])
            group[0].fail(_readable(error))
            return 1
        return size

    def _run_in_savepoint(self, work: Work[Any]) -> None:
        connection = self._writer
        connection.execute("SAVEPOINT unit")
        stop_at = time.monotonic() + UNIT_TIME_MAX_S
        connection.set_progress_handler(lambda: time.monotonic() > stop_at, PROGRESS_STEPS)
        try:
            work.run(Unit("sqlite", connection.cursor(), self.clock.now_us()))
        except BaseException as error:
            work.fail(_readable(error) if isinstance(error, sqlite3.OperationalError) else error)
            if connection.in_transaction:
                connection.execute("ROLLBACK TO unit")
                connection.execute("RELEASE unit")
        else:
            connection.execute("RELEASE unit")
        finally:
            connection.set_progress_handler(None, 0)

    def _run_again(self, group: list[Work[Any]]) -> int:
        """The whole group was rolled back: each unit once more in a transaction of its own."""
        for work in group:
            work.reset()
            self._commit_some([work])
        return len(group)

    def _commit(self) -> None:
        if self.observer:
            self.observer("before")
        self._writer.execute("COMMIT")
        if self.observer:
            self.observer("after")

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _checkpoint_forever(self) -> None:
        """Move committed pages into the database file, off the path of requests."""
        connection = self._connect(1_000)
        wal = self.path.with_name(self.path.name + "-wal")
        while not self._closing.wait(CHECKPOINT_INTERVAL_S):
            large = wal.exists() and wal.stat().st_size > WAL_TRUNCATE_BYTES
            try:
                connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if large else 'PASSIVE'})").fetchall()
            except sqlite3.OperationalError:
                continue  # busy or full: the log keeps every commit, and the next round tries again


def _readable(error: BaseException) -> BaseException:
    text = str(error)
    if "interrupted" in text:
        return Unavailable(DATABASE_DEADLINE, "The database took too long", hint="Narrow the query, then retry")
    if isinstance(error, sqlite3.OperationalError) and any(
        word in text for word in ("locked", "full", "disk I/O", "unable to open", "readonly")
    ):
        return Unavailable(
            DATABASE_UNAVAILABLE, f"The database cannot write now ({text})", hint="Retry later", retry_after_s=5
        )
    return error
