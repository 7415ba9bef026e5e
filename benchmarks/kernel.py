"""The kernel's own paths, without HTTP: units of work alone and in groups, jobs through enqueue, claim and effect."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kiungo.kernel.database import Database, Unit
from kiungo.kernel.jobs import Job, enqueue
from kiungo.kernel.jobs.worker import Worker

AT_ONCE = 32
BODY = b"x" * 500


def _unit(unit: Unit) -> None:
    unit.execute(
        "INSERT INTO outbox (tn, topic, aggregate, at_us, payload) VALUES (1, 'bench', 'b', ?, ?)", (unit.now_us, BODY)
    )


def units_alone_per_s(database: Database, seconds: float) -> float:
    """Durable units one after the other: each waits for its own commit."""
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        database.write(_unit)
        done += 1
    return done / (time.perf_counter() - begun)


def units_together_per_s(database: Database, seconds: float) -> float:
    """Durable units from many callers on one event loop, committed in groups."""

    async def scenario() -> float:
        done, begun = 0, time.perf_counter()

        async def caller() -> None:
            nonlocal done
            while time.perf_counter() - begun < seconds:
                await database.write_async(_unit)
                done += 1

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return done / (time.perf_counter() - begun)

    return asyncio.run(scenario())


def jobs_per_s(database: Database, count: int) -> float:
    """Jobs from claim to acknowledged effect, with one worker on the event loop."""

    async def handle(job: Job) -> Callable[[Unit], object]:
        return _unit

    def add(first: int) -> None:
        database.write(lambda unit: [enqueue(unit, "bench", {"n": n}, tenant=1) for n in range(first, first + 500)])

    async def scenario() -> float:
        worker = Worker(database, {"bench": handle})
        begun = time.perf_counter()
        running = asyncio.create_task(worker.run())
        while await database.read_async(_waiting):  # noqa: ASYNC110 - counting is the only sign of the last effect
            await asyncio.sleep(0.02)
        rate = count / (time.perf_counter() - begun)
        worker.stop()
        await running
        return rate

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(0, count, 500)))
    return asyncio.run(scenario())


def _waiting(unit: Unit) -> int:
    count: int = unit.value("SELECT count(*) FROM job WHERE kind = 'bench'")
    return count


def measure(database: Database, *, seconds: float) -> dict[str, float]:
    """All of them on a fresh database."""
    return {
        "units alone": units_alone_per_s(database, seconds),
        f"units, {AT_ONCE} callers": units_together_per_s(database, seconds),
        "jobs": jobs_per_s(database, int(1_000 * seconds)),
    }
