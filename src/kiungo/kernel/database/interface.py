"""The database as the rest of the platform sees it, whichever engine is behind."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from kiungo.base.time import Clock
from kiungo.kernel.database.unit import Engine, Unit

T = TypeVar("T")
CommitObserver = Callable[[str], None]

READ_DEADLINE_MS = 5_000
BULK_ROWS = 1_000
BRIEF_MS = {"sqlite": 2, "postgresql": 50}


class Wakes:
    """Wakes by channel name, within the process and, on PostgreSQL, from other processes too."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[], None]]] = defaultdict(list)
        self._lock = threading.Lock()

    def subscribe(self, channel: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` (quick, from any thread) at each wake; returns the way to unsubscribe."""
        with self._lock:
            self._callbacks[channel].append(callback)

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks[channel].remove(callback)

        return unsubscribe

    def wake(self, channel: str) -> None:
        """Call everyone who subscribed to the channel."""
        with self._lock:
            callbacks = tuple(self._callbacks.get(channel, ()))
        for callback in callbacks:
            callback()

    def wake_all(self) -> None:
        """Call everyone: wakes may have gone unheard."""
        with self._lock:
            channels = tuple(self._callbacks)
        for channel in channels:
            self.wake(channel)


class Database(Protocol):
    """Units of work on one database. Every method is safe to call from any thread.

    `observer` is called with "before" and "after" around every commit; fault tests end the process there.
    """

    engine: Engine
    clock: Clock
    url: str
    wakes: Wakes
    observer: CommitObserver | None

    def write(self, function: Callable[[Unit], T]) -> T:
        """Run a unit and wait until it is durable. Not on the event loop. Raises: what the unit raises."""
        ...

    def write_each(self, functions: Sequence[Callable[[Unit], T]]) -> list[T]:
        """Run units that do not need each other, each durable or undone by itself, and wait for all of them.

        SQLite commits them together. On PostgreSQL each is a transaction of its own, so that none holds the rows
        of another while it waits for its own. Not on the event loop. Raises: what the first unit that failed raised,
        when all have ended.
        """
        ...

    async def write_async(self, function: Callable[[Unit], T], *, brief: bool = False) -> T:
        """Run a unit from the event loop, without waiting for the disk on it.

        `brief` says that the unit takes a millisecond or two: then it runs on the loop, like a point read, and on
        PostgreSQL is suspended whenever it waits. So it holds no lock of the process while the database answers.
        """
        ...

    def read(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        """Run a read-only unit on one snapshot. Raises: Unavailable DATABASE_DEADLINE."""
        ...

    async def read_async(self, function: Callable[[Unit], T], *, deadline_ms: int = READ_DEADLINE_MS) -> T:
        """Run a read-only unit from the event loop, in a reader thread."""
        ...

    async def point_read(self, function: Callable[[Unit], T]) -> T:
        """A read of well under a millisecond: on the loop, suspended while PostgreSQL answers."""
        ...

    async def brief_read(self, function: Callable[[Unit], T], *, is_one_statement: bool = False) -> T:
        """A read-only unit on one snapshot that is probably over at once; on the loop, like a point read.

        Others wait for it meanwhile, so it ends after BRIEF_MS; who gets the error asks again by `read_async`. One
        statement is a snapshot without a transaction around it.
        Raises: Unavailable DATABASE_DEADLINE.
        """
        ...

    def gather_statistics(self, changed_rows: int) -> None:
        """Tell the planner at once what a bulk change made of the tables, when it was one; not on the event loop.

        PostgreSQL keeps a statement's plan, and one made while a table was empty reads whole ranges of an index until
        autovacuum comes round. On SQLite the statements say themselves which index they mean.
        """
        ...

    def close(self) -> None:
        """Finish what was accepted, then let go of every connection."""
        ...
