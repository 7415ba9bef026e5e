"""A worker process for a fault test: each job waits a moment, then leaves one row as its effect.

`python -m tests.faults.work DATABASE_URL NAME`, until it is killed.
"""

import asyncio
import sys

from kiungo.kernel.database import Unit, open_database
from kiungo.kernel.jobs import Effect, Job, queue
from kiungo.kernel.jobs.worker import Worker

SHORT_LEASE_US = 1_500_000
WORK_S = 0.02


def main(url: str, name: str) -> None:
    queue.LEASE_US = SHORT_LEASE_US

    async def handle(job: Job) -> Effect:
        await asyncio.sleep(WORK_S)

        def effect(unit: Unit) -> None:
            unit.execute("INSERT INTO effect (n, worker) VALUES (?, ?)", (job.args["n"], name))

        return effect

    asyncio.run(Worker(open_database(url), {"count": handle}, slots=8).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
