"""Small units of work on the event loop, a few lanes at a time, each lane on one connection of the pool."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import psycopg
from greenlet import GreenletExit, getcurrent
from psycopg_pool import ConnectionPool, PoolTimeout

from kiungo.kernel.database.interface import Wakes
from kiungo.kernel.database.suspending import Connection, Suspendable
from kiungo.kernel.database.unit import Unit
from kiungo.kernel.database.work import Work, async_work, finish

T = TypeVar("T")

AT_ONCE_S = 0.001
Pool = ConnectionPool[Connection]
Run = Callable[[psycopg.Cursor[Any], Work[Any]], None]


class Lanes:
    """Runs units in the order they come, on the event loop that awaits them; a lone unit waits for nothing.

    A lane that finds no connection free asks for one in a thread, so that the loop goes on. Units that may wait for
    locks have lanes of their own, so that nobody else waits with them. `readable` makes a driver's error ours.
    """

    def __init__(
        self,
        pool: Pool,
        threads: ThreadPoolExecutor,
        wakes: Wakes,
        *,
        lanes_max: int,
        readable: Callable[[Exception], Exception],
    ) -> None:
        self._pool = pool
        self._lanes_max = lanes_max
        self._readable = readable
        self._threads = threads
        self._wakes = wakes
        self._queues: dict[asyncio.AbstractEventLoop, _Queue] = {}

    async def run(self, function: Callable[[Unit], T], run: Run) -> T:
        """The function's result. `run` does its work on a cursor, and leaves the result or error in it."""
        work, future = async_work(function)
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue(loop)
            queue.guard = self._until_closed(queue)
            await anext(queue.guard)
        queue.waiting.append((work, run))
        self._open_lane(queue)
        return await future

    async def _until_closed(self, queue: "_Queue") -> AsyncGenerator[None]:
        """An event loop closes its generators before itself: then what is under way is undone, and nobody waits."""
        try:
            yield
        finally:
            del self._queues[queue.loop]
            queue.waiting.clear()
            for lane in tuple(queue.lanes):
                lane.throw(GreenletExit)

    def _open_lane(self, queue: "_Queue") -> None:
        if queue.waiting and len(queue.lanes) < self._lanes_max and not queue.asking:
            try:
                connection = self._pool.getconn(timeout=AT_ONCE_S)
            except PoolTimeout:
                queue.asking = True
                self._threads.submit(self._ask, queue)
            except psycopg.Error as error:
                self._fail_all(queue, error)
            else:
                self._begin(queue, connection)

    def _ask(self, queue: "_Queue") -> None:
        """In a thread: wait for a connection, as long as anybody waits for one."""
        then: Callable[[], None]
        connection: Connection | None = None
        try:
            connection = self._pool.getconn()
            then = partial(self._begin, queue, connection)
        except psycopg.Error as error:
            then = partial(self._fail_all, queue, error)
        try:
            queue.loop.call_soon_threadsafe(self._asked, queue, then)
        except RuntimeError:  # the loop is closed, so nobody waits
            if connection is not None:
                self._pool.putconn(connection)

    def _asked(self, queue: "_Queue", then: Callable[[], None]) -> None:
        queue.asking = False
        then()
        self._open_lane(queue)

    def _begin(self, queue: "_Queue", connection: Connection) -> None:
        lane = Suspendable(partial(self._lane, queue, connection), queue.loop)
        queue.lanes.add(lane)
        lane.switch()

    def _lane(self, queue: "_Queue", connection: Connection) -> None:
        lane = getcurrent()
        assert isinstance(lane, Suspendable)
        try:
            with connection.cursor(binary=True) as cursor:
                while queue.waiting and not connection.closed:
                    work, run = queue.waiting.popleft()
                    run(cursor, work)
                    finish([work], self._wakes)
                    work.answer()
        finally:
            queue.lanes.discard(lane)
            lane.unwatch()
            self._pool.putconn(connection)
        queue.loop.call_soon(self._open_lane, queue)

    def _fail_all(self, queue: "_Queue", error: Exception) -> None:
        while queue.waiting:
            work, _ = queue.waiting.popleft()
            work.fail(self._readable(error))
            work.answer()


class _Queue:
    """What waits on one event loop. Shapes: `asking` says that a thread waits for a connection."""

    __slots__ = ("asking", "guard", "lanes", "loop", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: deque[tuple[Work[Any], Run]] = deque()
        self.lanes: set[Suspendable] = set()
        self.guard: AsyncGenerator[None] | None = None
        self.asking = False
