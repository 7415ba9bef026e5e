"""Two worker processes on one PostgreSQL, one of them killed in the middle: every job once to effect."""

import signal
import subprocess
import sys

import pytest

from kiungo.kernel.database import Database
from kiungo.kernel.jobs import enqueue

from .running import ROOT, until

JOBS = 600


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_two_workers_and_a_kill_never_run_a_job_twice_to_effect(database: Database) -> None:
    database.write(lambda unit: unit.execute("CREATE TABLE effect (n INTEGER NOT NULL, worker TEXT NOT NULL)"))
    database.write(lambda unit: [enqueue(unit, "count", {"n": n}, tenant=1) for n in range(JOBS)])

    def done() -> int:
        return int(database.read(lambda unit: unit.value("SELECT count(*) FROM effect")))

    workers = [
        subprocess.Popen([sys.executable, "-m", "tests.faults.work", database.url, name], cwd=ROOT)
        for name in ("doomed", "other")
    ]
    try:
        by_doomed = "SELECT count(*) FROM effect WHERE worker = 'doomed'"
        until(lambda: database.read(lambda unit: unit.value(by_doomed)) > 50, timeout_s=60, what="work by both")
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        until(lambda: done() >= JOBS, timeout_s=60, what="the rest")
        until(lambda: not database.read(lambda unit: unit.value("SELECT count(*) FROM job")), what="an empty queue")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    rows = database.read(lambda unit: unit.rows("SELECT n, worker FROM effect ORDER BY n"))
    assert [n for n, _ in rows] == list(range(JOBS))
    assert {name for _, name in rows} == {"doomed", "other"}
