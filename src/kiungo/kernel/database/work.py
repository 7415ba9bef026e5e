"""A unit function on its way to the writer, and its answer on the way back."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import structlog

from kiungo.kernel.database.interface import Wakes
from kiungo.kernel.database.unit import Unit

T = TypeVar("T")

_log = structlog.get_logger("kiungo.database")


class Work(Generic[T]):
    """One function, its result or error, and how to hand that back once it is durable."""

    __slots__ = ("_answer", "_error", "_function", "_result", "actions", "brief", "channels", "loop")

    def __init__(
        self,
        function: Callable[..., T],
        answer: Callable[[T | None, BaseException | None], None],
        loop: asyncio.AbstractEventLoop | None,
        *,
        brief: bool = False,
    ) -> None:
        self._function = function
        self._answer = answer
        self.loop = loop
        self.brief = brief
        self.reset()

    def reset(self) -> None:
        """Forget a run that was rolled back."""
        self._result: T | None = None
        self._error: BaseException | None = None
        self.actions: list[Callable[[], None]] = []
        self.channels: dict[str, None] = {}

    def run(self, unit: Unit) -> None:
        """Run the function; its wakes and actions wait for `deliver`."""
        self._result = self._function(unit)
        self.actions = unit.actions
        self.channels = unit.channels

    def run_plain(self) -> None:
        """Run a function that takes no unit, in a thread, and answer at once."""
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error
        deliver([self], None)

    def fail(self, error: BaseException) -> None:
        """Remember why the unit failed; what it did is rolled back."""
        self.reset()
        self._error = error

    def answer(self) -> None:
        """Hand the result or error to whoever waits."""
        self._answer(self._result, self._error)


def sync_work(function: Callable[[Unit], T]) -> tuple[Work[T], Future[T]]:
    """Work whose answer a thread waits for."""
    future: Future[T] = Future()

    def answer(result: T | None, error: BaseException | None) -> None:
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    return Work(function, answer, None), future


def async_work(function: Callable[..., T], *, brief: bool = False) -> tuple[Work[T], asyncio.Future[T]]:
    """Work whose answer the running event loop awaits."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def answer(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    return Work(function, answer, loop, brief=brief), future


def deliver(group: list[Work[Any]], wakes: Wakes | None) -> None:
    """After the commit: `finish`, then answers, one hop per event loop."""
    finish(group, wakes)
    by_loop: dict[asyncio.AbstractEventLoop, list[Work[Any]]] = {}
    for work in group:
        if work.loop is None:
            work.answer()
        else:
            by_loop.setdefault(work.loop, []).append(work)
    for loop, works in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_answer_all, works)


def finish(group: list[Work[Any]], wakes: Wakes | None) -> None:
    """After the commit: actions, then wakes once per channel."""
    channels: dict[str, None] = {}
    for work in group:
        for action in work.actions:
            try:
                action()
            except Exception as error:
                _log.error("after_commit_failed", error=type(error).__name__)
        channels.update(work.channels)
    if wakes is not None:
        for channel in channels:
            wakes.wake(channel)


def _answer_all(works: list[Work[Any]]) -> None:
    for work in works:
        work.answer()
