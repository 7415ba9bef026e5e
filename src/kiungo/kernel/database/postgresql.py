"""PostgreSQL: a pool of connections, each unit one transaction, retried when the server says so."""

import random
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from kiungo.base.errors import KiungoError, Unavailable
from kiungo.base.time import Clock
from kiungo.kernel.database.interface import READ_DEADLINE_MS, CommitObserver, Wakes
from kiungo.kernel.database.unit import DATABASE_DEADLINE, DATABASE_UNAVAILABLE, Engine, Unit
from kiungo.kernel.database.work import async_work

T = TypeVar("T")

CONNECTIONS_MAX = 16
POOL_TIMEOUT_S = 10.0
ATTEMPTS_MAX = 6
CHANNEL = "kiungo"
LISTEN_PAUSE_S = 1.0
UNIT_TIME_MAX_MS = 30_000


class PostgresqlDatabase:
    """See `kernel.database.interface.Database`."""

    engine: Engine = "postgresql"

    def __init__(self, url: str, *, clock: Clock, stepped: bool = False) -> None:
        self.url = url
        self.clock = clock
        self.wakes = Wakes()
        self.observer: CommitObserver | None = None
        self._stepped = stepped
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=CONNECTIONS_MAX,
            timeout=POOL_TIMEOUT_S,
            kwargs={"autocommit": True, "options": f"-c statement_timeout={UNIT_TIME_MAX_MS}"},
            open=False,
        )
        self._closing = threading.Event()
        try:
            self._pool.open(wait=True, timeout=POOL_TIMEOUT_S)
        except PoolTimeout as error:
            self._pool.close()
            raise _unavailable(f"PostgreSQL does not answer at {url.rsplit('@', maxsplit=1)[-1]}") from error
        self._threads = ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix="postgresql")
        self._listener: threading.Thread | None = None
        self._stop_listening, self._stopped = socket.socketpair()
        if not stepped:
            self._listener = threading.Thread(target=self._listen_forever, name="postgresql-listen", daemon=True)
            self._listener.start()

    def write(self, function: Callable[[Unit], T]) -> T:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return self._write_once(function)
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
                if attempt == ATTEMPTS_MAX:
                    raise _unavailable("The database had too many conflicting writes") from error
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    def write_each(self, functions: Sequence[Callable[[Unit], T]]) -> list[T]:
        written: list[T] = []
        failed: list[Exception] = []
        for function in functions:
            try:
                written.append(self.write(function))
            except Exception as error:
                failed.append(error)
        if failed:
            raise failed[0]
        return written

    async def write_async(self, function: Callable[[Unit], T], *, brief: bool = False) -> T:
        return await self._in_thread(lambda: self.write(function))

    def read(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout={int(deadline_ms)}"
        return self._with_connection(lambda cursor: self._transaction(cursor, begin, function, "ROLLBACK")[0])

    async def read_async(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        return await self._in_thread(lambda: self.read(function, deadline_ms=deadline_ms))

    async def point_read(self, function: Callable[[Unit], T]) -> T:
        def on_cursor(cursor: psycopg.Cursor[Any]) -> T:
            return function(Unit("postgresql", cursor, self.clock.now_us()))

        return await self._in_thread(lambda: self._with_connection(on_cursor))

    async def brief_read(self, function: Callable[[Unit], T], *, budget_ms: float) -> T:
        return await self.read_async(function)

    def close(self) -> None:
        self._closing.set()
        self._stop_listening.close()
        self._threads.shutdown(wait=True)
        if self._listener is not None:
            self._listener.join(timeout=LISTEN_PAUSE_S * 3)
        self._stopped.close()
        self._pool.close()

    async def _in_thread(self, function: Callable[[], T]) -> T:
        if self._stepped:
            return function()
        work, future = async_work(function)
        self._threads.submit(work.run_plain)
        return await future

    def _write_once(self, function: Callable[[Unit], T]) -> T:
        def on_cursor(cursor: psycopg.Cursor[Any]) -> tuple[T, Unit]:
            return self._transaction(cursor, "BEGIN", function, "COMMIT")

        result, unit = self._with_connection(on_cursor)
        for action in unit.actions:
            action()
        for channel in unit.channels:
            self.wakes.wake(channel)
        return result

    def _transaction(
        self, cursor: psycopg.Cursor[Any], begin: str, function: Callable[[Unit], T], end: str
    ) -> tuple[T, Unit]:
        unit = Unit("postgresql", cursor, self.clock.now_us())
        cursor.execute(begin, prepare=False, binary=False)
        try:
            result = function(unit)
            for channel in unit.channels:
                cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, channel))
            if self.observer and end == "COMMIT":
                self.observer("before")
            cursor.execute(end)
            if self.observer and end == "COMMIT":
                self.observer("after")
        except BaseException:
            if not cursor.connection.closed:
                cursor.execute("ROLLBACK")
            raise
        return result, unit

    def _with_connection(self, function: Callable[[psycopg.Cursor[Any]], T]) -> T:
        try:
            with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
                return function(cursor)
        except KiungoError:
            raise
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            raise
        except psycopg.errors.QueryCanceled as error:
            raise Unavailable(
                DATABASE_DEADLINE, "The database took too long", hint="Narrow the query, then retry"
            ) from error
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise _unavailable(f"The database is away ({type(error).__name__})") from error

    def _listen_forever(self) -> None:
        """Hear the wakes of other processes; a lost connection is opened again."""
        while not self._closing.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._listen(connection)
            except psycopg.OperationalError:
                self._closing.wait(LISTEN_PAUSE_S)  # queues also look on their own, so nothing waits on this

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        """Wait for notices until the database closes, which the other end of the socket pair says at once."""
        with selectors.DefaultSelector() as ready:
            ready.register(connection, selectors.EVENT_READ)
            ready.register(self._stopped, selectors.EVENT_READ)
            while not self._closing.is_set():
                for notice in connection.notifies(timeout=0):
                    self.wakes.wake(notice.payload)
                ready.select()


def _unavailable(message: str) -> Unavailable:
    return Unavailable(DATABASE_UNAVAILABLE, message, hint="Retry later", retry_after_s=5)
