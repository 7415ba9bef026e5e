"""Where a read runs: most searches are over in less time than handing them to a thread takes.

Such a one runs on the event loop, as reads of one record do, and ends with its budget; it then runs again in a reader
thread, and for a while all that are asked like it go there at once.
"""

import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar

from kiungo.base.errors import Unavailable
from kiungo.kernel.database.interface import BRIEF_MS
from kiungo.kernel.database.unit import DATABASE_DEADLINE

if TYPE_CHECKING:
    from kiungo.kernel.database import Database, Unit

T = TypeVar("T")
SLOW_FOR_S = 20.0
SLOW_MAX = 2_000


class Pace:
    """Runs searches by what was learnt of those asked alike; for use on the event loop."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._slow_until: dict[Hashable, float] = {}

    async def read(self, shape: Hashable, function: Callable[["Unit"], T], *, deadline_ms: int) -> T:
        """Run a read-only unit. Raises: Unavailable DATABASE_DEADLINE, and what the unit raises."""
        if deadline_ms > BRIEF_MS[self._database.engine] and not self.is_slow(shape):
            try:
                return await self._database.brief_read(function)
            except Unavailable as error:
                self._learn(shape, error)
        return await self._database.read_async(function, deadline_ms=deadline_ms)

    async def try_statement(self, shape: Hashable, function: Callable[["Unit"], T]) -> T | None:
        """Run a unit that is one statement, where that is over at once; None where it was not."""
        if self.is_slow(shape):
            return None
        try:
            return await self._database.brief_read(function, is_one_statement=True)
        except Unavailable as error:
            self._learn(shape, error)
            return None

    def _learn(self, shape: Hashable, error: Unavailable) -> None:
        """Note that it was slow. Raises: the error, when it is another one."""
        if error.code != DATABASE_DEADLINE:
            raise error
        self.remember(shape)

    def is_slow(self, shape: Hashable) -> bool:
        """Whether searches asked like this one were slow a moment ago."""
        until = self._slow_until.get(shape)
        return until is not None and time.monotonic() < until

    def remember(self, shape: Hashable) -> None:
        """Note that one asked like this was slow."""
        while len(self._slow_until) >= SLOW_MAX:
            del self._slow_until[next(iter(self._slow_until))]
        self._slow_until.pop(shape, None)
        self._slow_until[shape] = time.monotonic() + SLOW_FOR_S
