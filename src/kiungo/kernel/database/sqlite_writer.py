"""The one connection that writes: units in groups, each in its savepoint, a group in one durable commit.

A group has its turn on the writer's own thread or, when the unit at the head of the queue is a brief one of an event
loop, on that loop, where nothing competes for the interpreter between their statements; the COMMIT, which waits for
the disk, is the thread's in either case. Brief units that wait behind another are left to their loop: run on the
thread beside a busy loop, each costs half as much again.

    idle -> thread (units, COMMIT, answers) -> idle
    idle -> loop (units) -> thread (COMMIT, answers) -> idle

Some errors (disk full) make SQLite roll back the whole transaction; then every unit of the group is run again alone,
and only the guilty one fails.
"""

import asyncio
import math
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from kiungo.base.errors import Unavailable
from kiungo.base.time import Clock
from kiungo.kernel.database.interface import CommitObserver, Wakes
from kiungo.kernel.database.unit import DATABASE_DEADLINE, DATABASE_UNAVAILABLE, Unit
from kiungo.kernel.database.work import Work, deliver

GROUP_MAX = 64
GROUP_TIME_S = 0.02
LOOP_WORK_S = 0.012  # of its own work: a machine that is busy with others should not make groups small and commits many
PROGRESS_STEPS = 20_000
UNIT_TIME_MAX_S = 30.0
BUSY_TIMEOUT_MS = 10_000
JOIN_TIMEOUT_S = 30
NEW_LOG_WAIT_MS = 20  # a long read that still looks into the log is not waited for

Group = list[Work[Any]]


class Writer:
    """Runs works on a connection, each kind in the order it came; `close()` finishes what was accepted."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock, wakes: Wakes, *, stepped: bool) -> None:
        self.observer: CommitObserver | None = None
        self._connection = connection
        self._clock = clock
        self._wakes = wakes
        self._lock = threading.Lock()
        self._waiting: deque[Work[Any]] = deque()
        self._turn: Literal["idle", "thread", "loop"] = "idle"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loops_held = 0
        self._closing = False
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._unit_ends_at = math.inf
        self._new_log: Future[bool] | None = None
        connection.set_progress_handler(self._is_overdue, PROGRESS_STEPS)
        self._thread: threading.Thread | None = None
        if not stepped:
            self._thread = threading.Thread(target=self._obey_forever, name="sqlite-writer", daemon=True)
            self._thread.start()

    def submit(self, work: Work[Any]) -> None:
        """Take a work in; its answer comes when it is durable. Raises: Unavailable when closing."""
        with self._lock:
            if self._closing:
                raise Unavailable(DATABASE_UNAVAILABLE, "The database is closing", hint="Send the call again")
            self._waiting.append(work)
            if self._turn == "idle":
                self._next_turn()
            elif self._turn == "loop" and self._loop is not None and not self._loop.is_running():
                self._order_thread()  # that loop is closed, or paused for as long as whoever waits here

    def run_alone(self, work: Work[Any]) -> None:
        """Run one work here and now; for a stepped database."""
        with self._lock:
            self._run_groups([work])

    def begin_log_anew(self, *, timeout_s: float) -> bool:
        """Behind the next commit, move what is left of the log into the database, so that it begins anew.

        Only the writer can: another connection waits for a gap between writes, which a steady load does not leave.
        False when a read still looks into the log; True also when no commit came in time, for then none is needed.
        """
        asked = self._new_log = Future()
        try:
            return asked.result(timeout_s)
        except TimeoutError:
            self._new_log = None
            return True

    @contextmanager
    def off_the_loop(self) -> Iterator[None]:
        """While a caller holds its event loop in waiting, the thread has every turn."""
        with self._lock:
            self._loops_held += 1
            if self._turn == "loop":
                self._order_thread()
        try:
            yield
        finally:
            with self._lock:
                self._loops_held -= 1

    def close(self) -> None:
        """Finish what was accepted, then stop."""
        if self._thread is None:
            return
        with self._lock:
            self._closing = True
            if self._turn == "loop":  # asked for from the loop's own thread, or after it: it cannot come to it
                self._order_thread()
        self._orders.put(None)
        self._thread.join(timeout=JOIN_TIMEOUT_S)

    def _next_turn(self) -> None:
        """Whose turn it is for what waits now; called with the lock."""
        if not self._waiting:
            self._turn = "idle"
            return
        first = self._waiting[0]
        loop = _loop_of(first)
        if loop is None:
            self._order_thread(everything=first.brief)
        elif self._loops_held or self._closing:
            self._order_thread()
        else:
            self._turn = "loop"
            self._loop = loop
            loop.call_soon_threadsafe(self._run_on_loop)

    def _order_thread(self, *, everything: bool = True) -> None:
        """The thread's turn: for all that waits, or without what an event loop will run itself."""
        self._turn = "thread"
        self._orders.put(partial(self._run_waiting, everything=everything))

    def _run_on_loop(self) -> None:
        """A group of brief units; the transaction is left open for the thread to commit."""
        with self._lock:
            if self._turn != "loop":
                return
            loop = self._loop
            group = self._take(lambda work: _loop_of(work) is loop)
        if not self._begin_at_once():
            with self._lock:
                self._waiting.extendleft(reversed(group))
                self._order_thread()
            return
        done, is_whole = self._run_units(group, LOOP_WORK_S, time.thread_time)
        with self._lock:
            self._waiting.extendleft(reversed(group[len(done) :]))
            self._turn = "thread"
        self._orders.put(partial(self._finish if is_whole else self._run_again, done))

    def _obey_forever(self) -> None:
        while (order := self._orders.get()) is not None:
            order()
            with self._lock:
                self._next_turn()
        self._run_waiting(everything=True)

    def _run_waiting(self, *, everything: bool) -> None:
        with self._lock:
            group = self._take(lambda work: everything or _loop_of(work) is None)
        while group:
            self._run_groups(group)
            with self._lock:
                group = self._take(lambda work: True) if self._closing else []

    def _take(self, is_wanted: Callable[[Work[Any]], bool]) -> Group:
        """What waits already and is wanted, in the order it came, up to the group's size."""
        group: Group = []
        kept: Group = []
        waiting = self._waiting
        while waiting and len(group) < GROUP_MAX:
            work = waiting.popleft()
            (group if is_wanted(work) else kept).append(work)
        waiting.extendleft(reversed(kept))
        return group

    def _begin_at_once(self) -> bool:
        """Begin without waiting for another process's write; False when there is one."""
        try:
            self._connection.execute("PRAGMA busy_timeout=0")
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        except sqlite3.OperationalError:
            return False
        return True

    def _run_groups(self, group: Group) -> None:
        """Run, commit and answer works, as many groups as their time takes."""
        while group:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                group[0].fail(readable(error))
                done, is_whole = group[:1], False
            else:
                done, is_whole = self._run_units(group, GROUP_TIME_S, time.monotonic)
            (self._finish if is_whole else self._run_again)(done)
            group = group[len(done) :]

    def _run_units(self, group: Group, time_s: float, clock: Callable[[], float]) -> tuple[Group, bool]:
        """Run units until the group or its time is used up; False when an error took the whole transaction."""
        stop_at = clock() + time_s
        size = 0
        for work in group:
            size += 1
            self._run_in_savepoint(work)
            if not self._connection.in_transaction:
                return group[:size], False
            if clock() > stop_at:
                break
        return group[:size], True

    def _run_in_savepoint(self, work: Work[Any]) -> None:
        connection = self._connection
        connection.execute("SAVEPOINT unit")
        self._unit_ends_at = time.monotonic() + UNIT_TIME_MAX_S
        try:
            work.run(Unit("sqlite", connection.cursor(), self._clock.now_us()))
        except BaseException as error:
            work.fail(readable(error) if isinstance(error, sqlite3.OperationalError) else error)
            self._unit_ends_at = math.inf
            if connection.in_transaction:
                connection.execute("ROLLBACK TO unit")
                connection.execute("RELEASE unit")
        else:
            self._unit_ends_at = math.inf
            connection.execute("RELEASE unit")

    def _is_overdue(self) -> bool:
        return time.monotonic() > self._unit_ends_at

    def _finish(self, group: Group) -> None:
        """Commit what was run, and answer."""
        try:
            if self.observer:
                self.observer("before")
            self._connection.execute("COMMIT")
            if self.observer:
                self.observer("after")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            group[0].fail(readable(error))
            self._run_again(group)
        else:
            deliver(group, self._wakes)
            if self._new_log is not None:
                self._begin_log_anew(self._new_log)

    def _begin_log_anew(self, asked: "Future[bool]") -> None:
        self._new_log = None
        try:
            self._connection.execute(f"PRAGMA busy_timeout={NEW_LOG_WAIT_MS}")
            try:
                [(is_busy, _, _)] = self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        except sqlite3.OperationalError:
            is_busy = True  # or full: the log keeps every commit, and is asked to begin anew again
        asked.set_result(not is_busy)

    def _run_again(self, group: Group) -> None:
        """The whole group was rolled back: each unit once more in a transaction of its own, if it was not alone."""
        if len(group) == 1:
            deliver(group, self._wakes)
            return
        for work in group:
            work.reset()
            self._run_groups([work])


def _loop_of(work: Work[Any]) -> asyncio.AbstractEventLoop | None:
    """The running event loop that runs this work itself, or None when it is the thread's."""
    return work.loop if work.brief and work.loop is not None and work.loop.is_running() else None


def readable(error: BaseException) -> BaseException:
    """An SQLite error as the callers' own, when it is one of time, space or contention."""
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
