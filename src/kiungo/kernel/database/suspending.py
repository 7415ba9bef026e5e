"""Plain functions that wait without holding the event loop: while PostgreSQL works, the function is suspended.

A thread for each unit of work would do the same, but every answer of the server would then change hands between threads
twice, which costs a small unit more than its statements do.
"""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import psycopg
from greenlet import getcurrent, greenlet
from psycopg.abc import PQGen

READ, WRITE = 1, 2  # as psycopg.waiting names what a generator waits for


class Suspendable(greenlet):
    """A function on the event loop's thread. Its `switch()` begins it, and returns when it first waits or ends."""

    def __init__(self, function: Callable[[], None], loop: AbstractEventLoop) -> None:
        super().__init__(function)
        self.loop = loop
        self.gr_context = copy_context()
        self._watched: int | None = None
        self._waits = False

    def until_ready(self, socket: int, wanted: int) -> int:
        """Suspend until a socket is as wanted; which of READ and WRITE it is then."""
        if wanted & WRITE:
            self.loop.add_writer(socket, self.switch, WRITE)
        if self._watched != socket:
            self.unwatch()
            self.loop.add_reader(socket, self._readable)
            self._watched = socket
        self._waits = bool(wanted & READ)
        try:
            return self._suspend()
        finally:
            self._waits = False
            if wanted & WRITE:
                self.loop.remove_writer(socket)

    def unwatch(self) -> None:
        """Listen to no socket any more. A socket is watched across waits, which costs a third of doing it anew."""
        if self._watched is not None:
            self.loop.remove_reader(self._watched)
            self._watched = None

    def _readable(self) -> None:
        if self._waits:
            self.switch(READ)
        else:
            self.unwatch()  # what came unasked is read with the next answer

    def pause(self, seconds: float) -> None:
        """Suspend for a while."""
        self.loop.call_later(seconds, self.switch, 0)
        self._suspend()

    def _suspend(self) -> int:
        assert self.parent is not None
        given: int = self.parent.switch()
        return given


class Connection(psycopg.Connection[Any]):
    """A connection that suspends the function that waits for it, where that can be suspended."""

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Run one of psycopg's generators to its end."""
        current = getcurrent()
        if not isinstance(current, Suspendable):
            return super().wait(gen, interval, timeout)
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(current.until_ready(self.pgconn.socket, wanted))
        except StopIteration as ended:
            return ended.value


def can_suspend() -> bool:
    """Whether the caller is a function that can be suspended."""
    return isinstance(getcurrent(), Suspendable)


def pause(seconds: float) -> None:
    """Let others go on for a while: the event loop, or other threads."""
    current = getcurrent()
    if isinstance(current, Suspendable):
        current.pause(seconds)
    else:
        time.sleep(seconds)
