"""PostgreSQL: a pool of connections, each unit one transaction, retried when the server says so."""

import random
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import psycopg
from psycopg.sql import Literal
from psycopg_pool import ConnectionPool, PoolTimeout

from kiungo.base.errors import Unavailable
from kiungo.base.time import Clock
from kiungo.kernel.database.interface import BRIEF_MS, BULK_ROWS, READ_DEADLINE_MS, CommitObserver, Wakes
from kiungo.kernel.database.lanes import AT_ONCE_S, Lanes
from kiungo.kernel.database.suspending import Connection, can_suspend, pause
from kiungo.kernel.database.unit import DATABASE_DEADLINE, DATABASE_UNAVAILABLE, Engine, Unit
from kiungo.kernel.database.work import Work, async_work

T = TypeVar("T")

CONNECTIONS_MAX = 16
READ_LANES_MAX, WRITE_LANES_MAX = 4, 8  # the other connections are for long units, which have threads
BRIEF_LANES_MAX = 4  # on connections of their own, which keep this limit of a statement
POOL_TIMEOUT_S = 10.0
RETRY_S = 0.005
ATTEMPTS_MAX = 6
CHANNEL = "kiungo"
LISTEN_PAUSE_S = 1.0
KEEPALIVE: Final[Mapping[str, Any]] = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
"""A listener whose server vanished without a word notices within half a minute."""
UNIT_TIME_MAX_MS = 30_000
BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresqlDatabase:
    """See `kernel.database.interface.Database`."""

    engine: Engine = "postgresql"

    def __init__(self, url: str, *, clock: Clock, stepped: bool = False) -> None:
        self.url = url
        self.clock = clock
        self.wakes = Wakes()
        self.observer: CommitObserver | None = None
        self._stepped = stepped
        self._pool = _pool(url, CONNECTIONS_MAX, f"-c statement_timeout={UNIT_TIME_MAX_MS}")
        brief = f"-c statement_timeout={BRIEF_MS['postgresql']} -c default_transaction_read_only=on"
        self._brief_pool = _pool(url, BRIEF_LANES_MAX, brief)
        self._closing = threading.Event()
        try:
            self._pool.open(wait=True, timeout=POOL_TIMEOUT_S)
            self._brief_pool.open()
        except PoolTimeout as error:
            self._pool.close()
            raise _unavailable(f"PostgreSQL does not answer at {url.rsplit('@', maxsplit=1)[-1]}") from error
        self._threads = ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix="postgresql")
        self._reads, self._writes, self._briefs = (
            Lanes(pool, self._threads, self.wakes, lanes_max=lanes_max, readable=_readable)
            for pool, lanes_max in (
                (self._pool, READ_LANES_MAX),
                (self._pool, WRITE_LANES_MAX),
                (self._brief_pool, BRIEF_LANES_MAX),
            )
        )
        self._listener: threading.Thread | None = None
        self._stop_listening, self._stopped = socket.socketpair()
        if not stepped:
            self._listener = threading.Thread(target=self._listen_forever, name="postgresql-listen", daemon=True)
            self._listener.start()

    def write(self, function: Callable[[Unit], T]) -> T:
        return _until_done(lambda: self._write_once(function))

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
        if brief and not self._stepped:
            return await self._writes.run(function, self._write_on)
        return await self._in_thread(lambda: self.write(function))

    def read(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        begin = _begin_read(deadline_ms)
        return self._with_connection(lambda cursor: self._transaction(cursor, begin, function, "ROLLBACK")[0])

    async def read_async(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        return await self._in_thread(lambda: self.read(function, deadline_ms=deadline_ms))

    async def point_read(self, function: Callable[[Unit], T]) -> T:
        if self._stepped:
            return self._with_connection(lambda cursor: function(Unit("postgresql", cursor, self.clock.now_us())))
        return await self._reads.run(function, self._point_read_on)

    async def brief_read(self, function: Callable[[Unit], T], *, is_one_statement: bool = False) -> T:
        if self._stepped:
            return self.read(function, deadline_ms=BRIEF_MS[self.engine])
        return await self._briefs.run(function, self._point_read_on if is_one_statement else self._read_on)

    def gather_statistics(self, changed_rows: int) -> None:
        if changed_rows < BULK_ROWS:
            return
        try:
            gather_statistics(self.url)
        except psycopg.OperationalError as error:
            raise _readable(error) from error

    def close(self) -> None:
        self._closing.set()
        self._stop_listening.close()
        self._threads.shutdown(wait=True)
        if self._listener is not None:
            self._listener.join(timeout=LISTEN_PAUSE_S * 3)
        self._stopped.close()
        self._pool.close()
        self._brief_pool.close()

    def _point_read_on(self, cursor: psycopg.Cursor[Any], work: Work[Any]) -> None:
        try:
            work.run(Unit("postgresql", cursor, self.clock.now_us()))
        except Exception as error:
            work.fail(_readable(error))

    def _read_on(self, cursor: psycopg.Cursor[Any], work: Work[Any]) -> None:
        try:
            self._transaction(cursor, BEGIN_READ, work.run, "ROLLBACK")
        except Exception as error:
            work.fail(_readable(error))

    def _write_on(self, cursor: psycopg.Cursor[Any], work: Work[Any]) -> None:
        try:
            _until_done(lambda: self._transaction(cursor, "BEGIN", work.run, "COMMIT"))
        except Exception as error:
            work.fail(_readable(error))

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
            end_all = "; ".join([*map(_notify, unit.channels), end])  # one round trip
            if self.observer and end == "COMMIT":
                self.observer("before")
            cursor.execute(end_all, prepare=False, binary=False)
            if self.observer and end == "COMMIT":
                self.observer("after")
        except Exception:
            if not cursor.connection.closed:
                cursor.execute("ROLLBACK")
            raise
        except BaseException:
            cursor.connection.close()  # whoever stops us does not wait for an answer
            raise
        return result, unit

    def _with_connection(self, function: Callable[[psycopg.Cursor[Any]], T]) -> T:
        try:
            connection = self._taken()
            try:
                with connection.cursor(binary=True) as cursor:
                    return function(cursor)
            finally:
                self._pool.putconn(connection)
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            raise
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise _readable(error) from error

    def _taken(self) -> Connection:
        """A connection of the pool. A suspended unit that wants a second one does not hold up the loop for it."""
        stop_at = time.monotonic() + POOL_TIMEOUT_S
        while can_suspend():
            try:
                return self._pool.getconn(timeout=AT_ONCE_S)
            except PoolTimeout:
                if time.monotonic() > stop_at:
                    raise
                pause(RETRY_S)
        return self._pool.getconn()

    def _listen_forever(self) -> None:
        """Hear the wakes of other processes; a lost connection is opened again."""
        while not self._closing.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True, **KEEPALIVE) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self.wakes.wake_all()  # what was said while nobody listened
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


def _pool(url: str, size: int, options: str) -> ConnectionPool[Connection]:
    return ConnectionPool(
        url,
        connection_class=Connection,
        min_size=1,
        max_size=size,
        timeout=POOL_TIMEOUT_S,
        kwargs={"autocommit": True, "options": options},
        open=False,
    )


def gather_statistics(url: str) -> None:
    """What autovacuum does a minute or more after a bulk change, at once. Raises: psycopg.OperationalError."""
    with psycopg.connect(url, autocommit=True) as connection:  # without the time limit of a unit
        connection.execute("ANALYZE")


def _begin_read(deadline_ms: float) -> str:
    timeout_ms = max(1, int(deadline_ms))  # zero would mean none
    return f"{BEGIN_READ}; SET LOCAL statement_timeout={timeout_ms}"


def _until_done(attempt: Callable[[], T]) -> T:
    """Try a unit again when the server had it make way for another."""
    for number in range(1, ATTEMPTS_MAX + 1):
        try:
            return attempt()
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
            if number == ATTEMPTS_MAX:
                raise _unavailable("The database had too many conflicting writes") from error
            pause(random.uniform(0, 0.01 * 2**number))  # noqa: S311 - jitter, not a secret
    raise AssertionError("unreachable")


def _notify(channel: str) -> str:
    return f"NOTIFY {CHANNEL}, {Literal(channel).as_string()}"


def _readable(error: Exception) -> Exception:
    """The driver's error as a caller understands it; any other as it is."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Unavailable(DATABASE_DEADLINE, "The database took too long", hint="Narrow the query, then retry")
    if isinstance(error, psycopg.OperationalError | PoolTimeout):
        return _unavailable(f"The database is away ({type(error).__name__})")
    return error


def _unavailable(message: str) -> Unavailable:
    return Unavailable(DATABASE_UNAVAILABLE, message, hint="Retry later", retry_after_s=5)
