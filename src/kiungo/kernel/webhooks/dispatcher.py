"""Delivers what is due: one lane for each endpoint, all lanes at once, so that a dead receiver delays nobody.

A lane reads a batch of its endpoint's due deliveries, sends different subjects side by side and one subject's
in order until one fails, then writes the whole batch's outcome in one unit of work. Between reading and writing
it holds the endpoint's lease: a lane that dies leaves its deliveries due, and they are sent again with the same ids.
"""

import asyncio
import os
import random
import socket
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from random import Random

import structlog

from kiungo.base.errors import Unavailable
from kiungo.base.time import SECOND_US
from kiungo.kernel.clients import Poster
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.secrets import Secrets
from kiungo.kernel.webhooks import endpoints, queue
from kiungo.kernel.webhooks.model import Due, LaneKey, Target
from kiungo.kernel.webhooks.schedule import RetrySchedule
from kiungo.kernel.webhooks.sender import attempt
from kiungo.kernel.webhooks.settle import Settlement, settle

CHANNEL = "webhooks"
BATCH = 64
WIDTH_MIN = 2
WIDTH_MAX = 16
LEASE_S = 30.0
LEASE_ATTEMPTS = 3
"""A lease lasts at least so many attempts. A batch begins with three quarters of it to come and sends nothing
new after the next quarter; the last attempt takes at most a third, and a sixth is left to write the outcome."""
SWEEP_S = 5.0
BUSY_S = 1.0
RESCAN_S = 0.05
PAUSE_AFTER_ERROR_S = 1.0

_log = structlog.get_logger("kiungo.webhooks")


class Dispatcher:
    """Runs the lanes on the event loop, until stopped; several processes may run one each on PostgreSQL."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        poster: Poster,
        schedule: RetrySchedule,
        *,
        lease_s: float = LEASE_S,
        rng: Random | None = None,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._poster = poster
        self._schedule = schedule
        self._lease_s = lease_s
        self._rng = rng or random.SystemRandom()
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._lanes: dict[LaneKey, asyncio.Task[None]] = {}
        self._again: set[LaneKey] = set()
        self._timers: dict[LaneKey, int] = {}
        self._widths: defaultdict[LaneKey, int] = defaultdict(lambda: WIDTH_MAX)
        self._leases_us: dict[LaneKey, int] = {}
        self._wake = asyncio.Event()
        self._scan = True
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Deliver until `stop`; what is being sent is finished and written."""
        self._loop = asyncio.get_running_loop()
        unsubscribe = self._database.wakes.subscribe(CHANNEL, self.rescan)
        try:
            await self._release()
            while not self._stopping:
                if self._scan:
                    await self._start_lanes_with_work()
                self._start_due_timers()
                await self._wait()
        finally:
            unsubscribe()
            if self._lanes:
                await asyncio.wait(self._lanes.values())
            await self._release()
            await self._poster.aclose()
            self._loop = None

    def stop(self) -> None:
        """Begin nothing more; from the loop's thread."""
        self._stopping = True
        self._wake.set()

    def hint(self, lane: LaneKey) -> None:
        """Tell, from any thread, that an endpoint has something due now."""
        if self._loop is not None and not self._stopping:
            self._loop.call_soon_threadsafe(self._start, lane)

    def rescan(self) -> None:
        """Tell, from any thread, that some endpoint may have something due."""
        if self._loop is not None and not self._stopping:
            self._loop.call_soon_threadsafe(self._rescan_soon)

    async def run_once(self) -> int:
        """Deliver everything due at this moment of the clock, then return how many attempts were made."""
        made = 0
        for lane, due_us in await self._database.point_read(queue.lanes_with_work):
            if due_us <= self._database.clock.now_us():
                made += await self._drain(lane)
        return made

    async def _start_lanes_with_work(self) -> None:
        self._scan = False
        now_us = self._database.clock.now_us()
        try:
            found = await self._database.read_async(queue.lanes_with_work)
        except Unavailable as error:
            _log.warning("webhook_scan_failed", code=error.code)
            self._scan = True
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            return
        for lane, due_us in found:
            if due_us <= now_us:
                self._start(lane)
            else:
                self._timers[lane] = due_us

    def _start_due_timers(self) -> None:
        now_us = self._database.clock.now_us()
        for lane in [lane for lane, due_us in self._timers.items() if due_us <= now_us]:
            self._start(lane)

    async def _wait(self) -> None:
        """Until woken, the next retry is due, or it is time to look everywhere again."""
        wait_s = SWEEP_S
        if self._timers:
            wait_s = (min(self._timers.values()) - self._database.clock.now_us()) / SECOND_US
        try:
            async with asyncio.timeout(min(max(wait_s, 0.001), SWEEP_S)):
                await self._wake.wait()
        except TimeoutError:
            self._scan = self._scan or wait_s >= SWEEP_S
        else:
            if self._scan:
                await asyncio.sleep(RESCAN_S)  # let several wakes share one look
        self._wake.clear()

    def _rescan_soon(self) -> None:
        self._scan = True
        self._wake.set()

    def _start(self, lane: LaneKey) -> None:
        self._timers.pop(lane, None)
        if lane in self._lanes:
            self._again.add(lane)
        elif not self._stopping:
            self._lanes[lane] = asyncio.create_task(self._run_lane(lane))

    async def _run_lane(self, lane: LaneKey) -> None:
        try:
            await self._drain(lane)
        except Unavailable as error:
            _log.warning("webhook_lane_failed", endpoint=lane[1], code=error.code)
            self._timers[lane] = self._database.clock.now_us() + int(PAUSE_AFTER_ERROR_S * SECOND_US)
        except Exception as error:  # one endpoint's trouble must not end the others
            _log.error("webhook_lane_fault", endpoint=lane[1], error=type(error).__name__)
            self._timers[lane] = self._database.clock.now_us() + int(SWEEP_S * SECOND_US)
        finally:
            del self._lanes[lane]
            if lane in self._again:
                self._again.discard(lane)
                self._start(lane)
            self._wake.set()

    async def _drain(self, lane: LaneKey) -> int:
        """Send batches until the lane owes nothing now; returns how many attempts were made."""
        made = 0
        while not self._stopping:
            target, batch, next_us = await self._database.point_read(lambda unit: self._owed(unit, lane))
            if target is None or not batch:
                if target is not None and next_us is not None:
                    self._timers[lane] = next_us
                break
            if not await self._hold(lane):
                self._timers[lane] = self._database.clock.now_us() + int(BUSY_S * SECOND_US)
                break
            settlements = await self._send(lane, target, batch)
            await self._database.write_async(partial(self._record, lane=lane, settlements=settlements))
            made += len(settlements)
            self._widths[lane] = _width(self._widths[lane], settlements)
        return made

    def _owed(self, unit: Unit, lane: LaneKey) -> tuple[Target | None, list[Due], int | None]:
        target = endpoints.target_of(unit, self._secrets, *lane)
        if target is None:
            return None, [], None
        batch = queue.due(unit, lane, BATCH) if target.resume_us <= unit.now_us else []
        next_us = None if batch else queue.next_due_us(unit, lane)
        return target, batch, None if next_us is None else max(next_us, target.resume_us)

    async def _hold(self, lane: LaneKey) -> bool:
        """Have the endpoint's lease, with most of its time still to come; usually it is held already."""
        now_us = self._database.clock.now_us()
        if self._leases_us.get(lane, 0) - now_us > self._lease_s * 3 / 4 * SECOND_US:
            return True
        until_us = now_us + int(self._lease_s * SECOND_US)
        held = await self._database.write_async(lambda unit: queue.take_lease(unit, lane, self._holder, until_us))
        self._leases_us[lane] = until_us if held else 0
        return held

    async def _send(self, lane: LaneKey, target: Target, batch: Sequence[Due]) -> list[Settlement]:
        """Send a batch: subjects side by side, each subject's deliveries in order until one fails.

        Nothing new is sent when it could outlast the lease, or once the receiver asks to be left alone; what is
        left is still due, for the next batch.
        """
        loop = asyncio.get_running_loop()
        stop_at_s = loop.time() + self._lease_s / 4
        width = asyncio.Semaphore(self._widths[lane])
        chains: dict[str, list[Due]] = defaultdict(list)
        for due in batch:
            chains[due.subject].append(due)
        settlements: list[Settlement] = []
        left_alone = asyncio.Event()

        async def send_chain(chain: Sequence[Due]) -> None:
            async with width:
                for due in chain:
                    if loop.time() > stop_at_s or left_alone.is_set():
                        return
                    result = await attempt(self._poster, target, due, self._database.clock)
                    settled = settle(due, result, self._schedule, self._rng)
                    settlements.append(settled)
                    if result.gone or result.resume_us:
                        left_alone.set()
                    if settled.state == "due":
                        return  # the next one would tell the receiver a later state than the one it missed

        await asyncio.gather(*(send_chain(chain) for chain in chains.values()))
        return settlements

    def _record(self, unit: Unit, *, lane: LaneKey, settlements: Sequence[Settlement]) -> None:
        queue.record(unit, lane, settlements)
        resume_us = max((one.attempt.resume_us for one in settlements), default=0)
        if resume_us:
            endpoints.pause(unit, *lane, resume_us)
        if any(one.attempt.gone for one in settlements):
            endpoints.disable(unit, *lane, "the receiver answered 410 Gone")

    async def _release(self) -> None:
        await self._database.write_async(lambda unit: queue.release_leases(unit, self._holder))


def _width(width: int, settlements: Sequence[Settlement]) -> int:
    """How many subjects to send side by side next: fewer when nothing succeeds, more again when it does."""
    if any(one.state == "delivered" for one in settlements):
        return min(width * 2, WIDTH_MAX)
    return max(width // 2, WIDTH_MIN)
