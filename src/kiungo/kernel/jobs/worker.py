"""The worker: claims due jobs, runs their handlers, and commits effects with their acknowledgement."""

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import cast

import structlog

from kiungo.base.errors import KiungoError, Unavailable
from kiungo.base.time import SECOND_US
from kiungo.kernel import schedule
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.jobs import queue
from kiungo.kernel.jobs.backoff import full_jitter_s
from kiungo.kernel.jobs.handler import Dead, Effect, Handler, Retry, handler_of
from kiungo.kernel.jobs.queue import Job

SLOTS = 64
THREADS = 8
IDLE_S = 1.0
HEARTBEAT_S = 20.0
PAUSE_AFTER_ERROR_S = 1.0
LANE_LIMIT = 4

_log = structlog.get_logger("kiungo.jobs")


class LeaseLost(Exception):
    """Another worker has the job; what this one wanted to commit is dropped."""


class Worker:
    """Runs jobs on the event loop (async handlers) and in threads (the others), until stopped."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        rng: Random | None = None,
        slots: int = SLOTS,
        lane_limits: Callable[[str], int] | None = None,
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._rng = rng or random.SystemRandom()
        self._slots = slots
        self._lane_limits = lane_limits or _usual_lane_limit
        self._running: dict[asyncio.Task[None], Job] = {}
        self._lanes: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._stopping = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="job")

    async def run(self) -> None:
        """Work until `stop`; jobs already begun are finished."""
        loop = asyncio.get_running_loop()
        unsubscribe = self._database.wakes.subscribe(queue.CHANNEL, self._wake_from_thread(loop))
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            while not self._stopping:
                await self._claim_and_start()
                await self._wait()
        finally:
            heartbeat.cancel()
            unsubscribe()
            if self._running:
                await asyncio.wait(self._running)
            self._threads.shutdown(wait=True)

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is running has finished."""
        self._stopping = True
        self._wake.set()

    def _wake_from_thread(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        def wake() -> None:
            if not self._wake.is_set():
                loop.call_soon_threadsafe(self._wake.set)

        return wake

    async def _claim_and_start(self) -> None:
        self._wake.clear()
        free = self._slots - len(self._running)
        if free <= 0:
            return
        full = [lane for lane, running in self._lanes.items() if running >= self._lane_limits(lane)]
        try:
            due_us = await self._database.point_read(_next_work_us)
            if due_us is None or due_us > self._database.clock.now_us():
                return
            jobs = await self._database.write_async(lambda unit: self._claim(unit, free, full))
        except Unavailable as error:
            _log.warning("claim_failed", code=error.code)
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            return
        for job in jobs:
            task = asyncio.create_task(self._run_job(job))
            self._running[task] = job
            self._lanes[job.lane] += 1
            task.add_done_callback(self._finished)
        if len(jobs) == free:
            self._wake.set()

    def _claim(self, unit: Unit, free: int, full: list[str]) -> list[Job]:
        schedule.fire_due(unit)
        return queue.claim(unit, count=free, allowance=self._allowance, full_lanes=full)

    def _allowance(self, lane: str) -> int:
        return self._lane_limits(lane) - self._lanes[lane]

    def _finished(self, task: asyncio.Task[None]) -> None:
        job = self._running.pop(task)
        self._lanes[job.lane] -= 1
        if not self._lanes[job.lane]:
            del self._lanes[job.lane]
        self._wake.set()

    async def _wait(self) -> None:
        """Until a wake; or the next due time, or a second: wakes of other processes on SQLite do not reach us."""
        if self._wake.is_set():
            await asyncio.sleep(0)
            return
        due_us = await self._database.point_read(_next_work_us)
        wait_s = IDLE_S
        if due_us is not None:
            wait_s = min(IDLE_S, max(0.0, (due_us - self._database.clock.now_us()) / SECOND_US))
            if wait_s == 0.0:
                wait_s = IDLE_S if len(self._running) >= self._slots or self._lanes else 0.01
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=wait_s)
        except TimeoutError:
            return

    async def _run_job(self, job: Job) -> None:
        try:
            effect = await self._call_handler(job)
            await self._database.write_async(lambda unit: _finish(unit, job, effect))
        except LeaseLost:
            _log.warning("lease_lost", kind=job.kind, job=job.id)
        except Exception as error:  # a handler may fail in any way; the queue must learn of it
            await self._record_failure(job, error)

    async def _call_handler(self, job: Job) -> Effect | None:
        handler = self._handler(job)
        if inspect.iscoroutinefunction(handler):
            return cast(Effect | None, await handler(job))
        loop = asyncio.get_running_loop()
        return cast(Effect | None, await loop.run_in_executor(self._threads, handler, job))

    def _handler(self, job: Job) -> Handler:
        return handler_of(self._handlers, job, self._database.clock.now_us())

    async def _record_failure(self, job: Job, error: Exception) -> None:
        try:
            await self._database.write_async(lambda unit: _fail(unit, job, error, self._rng))
        except Unavailable as unavailable:  # the lease runs out by itself and the job is tried again
            _log.warning("failure_not_recorded", kind=job.kind, job=job.id, code=unavailable.code)

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            jobs = tuple(self._running.values())
            if jobs:
                try:
                    await self._database.write_async(partial(queue.extend, jobs=jobs))
                except Unavailable as error:
                    _log.warning("heartbeat_failed", code=error.code)


def run_due(database: Database, handlers: Mapping[str, Handler], rng: Random, *, steps_max: int = 10_000) -> int:
    """Stepped mode: run every job due now in the calling thread, one by one; returns how many ran.

    Raises: RuntimeError when jobs keep coming beyond `steps_max`.
    """
    for step in range(steps_max):
        jobs = database.write(_claim_one)
        if not jobs:
            return step
        job = jobs[0]
        try:
            handler = handler_of(handlers, job, database.clock.now_us())
            answer = handler(job)
            effect = asyncio.run(answer) if inspect.iscoroutine(answer) else answer
            database.write(partial(_finish, job=job, effect=cast(Effect | None, effect)))
        except Exception as error:  # a handler may fail in any way; the queue must learn of it
            database.write(partial(_fail, job=job, error=error, rng=rng))
    raise RuntimeError(f"jobs still due after {steps_max} steps")


def _claim_one(unit: Unit) -> list[Job]:
    schedule.fire_due(unit)
    return queue.claim(unit, count=1, allowance=lambda lane: 1)


def _finish(unit: Unit, job: Job, effect: Effect | None) -> None:
    if not queue.acknowledge(unit, job):
        raise LeaseLost
    if effect is not None:
        effect(unit)


def _fail(unit: Unit, job: Job, error: Exception, rng: Random) -> None:
    reason = error.reason if isinstance(error, Retry | Dead) else _reason(error)
    if isinstance(error, Dead) or job.attempt >= job.attempts_max:
        queue.bury(unit, job, reason)
        _log.error("job_dead", kind=job.kind, job=job.id, attempt=job.attempt)
    else:
        after_s = error.after_s if isinstance(error, Retry) else None
        wait_s = full_jitter_s(job.attempt, rng) if after_s is None else after_s
        queue.put_back(unit, job, run_at_us=unit.now_us + int(wait_s * SECOND_US), reason=reason)
        _log.info("job_retried", kind=job.kind, job=job.id, attempt=job.attempt, wait_s=round(wait_s, 3))
    if isinstance(error, Retry | Dead) and error.effect is not None:
        error.effect(unit)


def _reason(error: Exception) -> str:
    """Category and code of our own errors; only the type of others, whose text may hold data of persons."""
    return f"{error.code}: {error.message}" if isinstance(error, KiungoError) else type(error).__name__


def _next_work_us(unit: Unit) -> int | None:
    moments = [queue.next_due_us(unit), queue.next_expiry_us(unit), schedule.next_us(unit)]
    return min((moment for moment in moments if moment is not None), default=None)


def _usual_lane_limit(lane: str) -> int:
    return SLOTS if lane == queue.DEFAULT_LANE else LANE_LIMIT
