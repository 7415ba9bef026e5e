"""Reads of records, audited without holding the answer: buffered, and written together within 50 ms.

A read notes its entry and goes on; the buffer writes all noted entries in one unit through the group
commit. The buffer is bounded: when it is full the caller waits or is refused, as the setting says. A
strict buffer makes every caller wait for the commit.
"""

import asyncio
import threading
from asyncio import Future
from functools import partial
from typing import TYPE_CHECKING, Literal

import structlog

from kiungo.base.errors import Unavailable, define
from kiungo.kernel.audit.entries import Entry, Outcome, insert_entries
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Database

AUDIT_UNAVAILABLE = define(
    "AUDIT_UNAVAILABLE", Unavailable, "Reads cannot be audited at the moment, so they are refused."
)

WhenFull = Literal["wait", "refuse"]
BRIEF_ENTRIES = 256
RETRY_DELAY_S_MAX = 5.0
CLOSE_TIMEOUT_S = 15.0

log = structlog.get_logger(__name__)


class Reads:
    """The buffer of noted reads. Make one per process, `start()` it on the event loop, `close()` it last.

    Units: `flush_ms` is how long an entry may wait for others; `waiting_max` bounds the entries held.
    """

    def __init__(
        self,
        database: "Database",
        *,
        flush_ms: int = 20,
        waiting_max: int = 20_000,
        when_full: WhenFull = "wait",
        strict: bool = False,
    ) -> None:
        self._database = database
        self._clock = database.clock
        self._flush_s = flush_ms / 1_000
        self._waiting_max = waiting_max
        self._when_full = when_full
        self._strict = strict
        self._waiting: list[Entry] = []
        self._in_flight = 0
        self._scheduled = False
        self._committed: Future[None] | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self.failures = 0

    @property
    def is_full(self) -> bool:
        """Whether the buffer holds all it may; readiness says so."""
        return self.waiting >= self._waiting_max

    @property
    def waiting(self) -> int:
        """How many entries are not yet written."""
        return len(self._waiting) + self._in_flight

    def start(self) -> None:
        """Take the running event loop as the one that flushes."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def note(
        self,
        call: Call,
        action: str,
        kind: str,
        id: str,
        person: str | None = None,
        *,
        outcome: Outcome = "success",
        detail: str | None = None,
    ) -> None:
        """Remember that this call read this record (or was refused); from any thread.

        When the caller must wait (strict, or the buffer is full), `call.pending` is set and the HTTP
        pipeline waits for it before the answer leaves.
        Raises: Unavailable AUDIT_UNAVAILABLE when the buffer is full and set to refuse.
        """
        principal = call.principal
        full = self.is_full
        if full and self._when_full == "refuse":
            raise Unavailable(
                AUDIT_UNAVAILABLE,
                "The audit trail cannot take this read at the moment",
                hint="Try again in a few seconds",
                retry_after_s=2,
            )
        entry = Entry(
            self._clock.now_us(), principal.tenant, principal.id, principal.kind, action, kind, id, person,
            call.request_id, call.origin, outcome, detail,
        )  # fmt: skip
        waiter = call if full or self._strict else None
        if self._loop is None or threading.get_ident() == self._loop_thread:
            self._take(entry, waiter)
        else:
            self._loop.call_soon_threadsafe(self._take, entry, waiter)

    def _take(self, entry: Entry, waiter: Call | None) -> None:
        self._waiting.append(entry)
        if not self._scheduled or waiter is not None:
            self._noted(waiter)

    def _noted(self, waiter: Call | None) -> None:
        loop = self._loop
        if loop is None:
            return
        if waiter is not None:
            if self._committed is None:
                self._committed = loop.create_future()
            waiter.pending = self._committed
        if not self._scheduled:
            self._scheduled = True
            if self._strict:
                loop.call_soon(self._flush_soon)
            else:
                loop.call_later(self._flush_s, self._flush_soon)

    def _flush_soon(self) -> None:
        if self._flushing is None or self._flushing.done():
            assert self._loop is not None
            self._flushing = self._loop.create_task(self._flush())

    async def _flush(self) -> None:
        """Write until nothing waits; a failing database is tried again, the entries stay."""
        delay_s = self._flush_s
        while self._waiting:
            batch, self._waiting = self._waiting, []
            committed, self._committed = self._committed, None
            self._in_flight = len(batch)
            try:
                await self._database.write_async(
                    partial(insert_entries, entries=batch), brief=len(batch) <= BRIEF_ENTRIES
                )
            except Exception as problem:  # the reason is logged; the entries must survive any reason
                self.failures += 1
                self._in_flight = 0
                log.error("audit.flush_failed", waiting=len(batch), error=type(problem).__name__)
                self._waiting = batch + self._waiting
                self._committed = _join(committed, self._committed)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_DELAY_S_MAX)
            else:
                delay_s = self._flush_s
                self._in_flight = 0
                if committed is not None and not committed.done():
                    committed.set_result(None)
                if self._waiting and self._committed is None:
                    await asyncio.sleep(self._flush_s)
        self._scheduled = False

    async def flush(self) -> None:
        """Write everything noted so far, and wait for it."""
        self._flush_soon()
        if self._flushing is not None:
            await asyncio.shield(self._flushing)

    async def close(self, *, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Write what is left; the last thing before the database is closed.

        Entries a database did not take within the time are lost, and their number is logged.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting or self._in_flight:
                    await self.flush()
        except TimeoutError:
            log.error("audit.entries_lost", count=len(self._waiting) + self._in_flight)


def _join(first: "Future[None] | None", second: "Future[None] | None") -> "Future[None] | None":
    """One future for both groups of waiters: the earlier one, which releases the later."""
    if first is None or second is None:
        return first or second
    first.add_done_callback(lambda _: None if second.done() else second.set_result(None))
    return first
