"""The job table: enqueue, claim with lease and fence, acknowledge, fail, dead letters."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import NotFound, define
from kiungo.base.time import SECOND_US
from kiungo.kernel import json
from kiungo.kernel.database.unit import Unit

DEAD_JOB_NOT_FOUND = define("DEAD_JOB_NOT_FOUND", NotFound, "No dead letter has this id.")

CHANNEL = "jobs"
DEFAULT_LANE = "default"
ATTEMPTS_MAX = 12
LEASE_US = 60 * SECOND_US
REASON_LENGTH_MAX = 500
CANDIDATES_FACTOR = 4

_COLUMNS = "id, tn, kind, key, lane, args, attempt, attempts_max, created_us, deadline_us, fence"


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job. Units: times in microseconds UTC; `attempt` counts from 1."""

    id: int
    tenant: int
    kind: str
    key: str | None
    lane: str
    args: Mapping[str, Any]
    attempt: int
    attempts_max: int
    created_us: int
    deadline_us: int | None
    fence: int


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that will not run again unless somebody requeues it, and why."""

    id: int
    kind: str
    lane: str
    attempt: int
    reason: str
    created_us: int
    args: Mapping[str, Any]


def enqueue(
    unit: Unit,
    kind: str,
    args: Mapping[str, Any],
    *,
    tenant: int,
    key: str | None = None,
    lane: str = DEFAULT_LANE,
    run_at_us: int | None = None,
    attempts_max: int = ATTEMPTS_MAX,
    deadline_us: int | None = None,
) -> bool:
    """Add a job to the unit that causes it; with a `key`, a job of that kind and key waits only once.

    Returns whether a job was added. Units: `run_at_us`, `deadline_us` microseconds UTC; None means now, and never.
    """
    added = unit.execute(
        "INSERT INTO job (tn, kind, key, lane, args, state, run_at_us, created_us, attempts_max, deadline_us) "
        "VALUES (?, ?, ?, ?, ?, 'ready', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            tenant,
            kind,
            key,
            lane,
            json.dumps(args),
            unit.now_us if run_at_us is None else run_at_us,
            unit.now_us,
            attempts_max,
            deadline_us,
        ),
    )
    unit.wake(CHANNEL)
    return added == 1


def claim(unit: Unit, *, count: int, allowance: Callable[[str], int], full_lanes: Collection[str] = ()) -> list[Job]:
    """Take due jobs, oldest first, with a lease and a new fence; each lane gives at most its allowance."""
    _release_expired(unit)
    excluded = f"AND lane NOT IN ({', '.join('?' * len(full_lanes))})" if full_lanes else ""
    locking = " FOR UPDATE SKIP LOCKED" if unit.engine == "postgresql" else ""
    candidates = unit.rows(
        f"SELECT id, lane FROM job WHERE state = 'ready' AND run_at_us <= ? {excluded} "
        f"ORDER BY run_at_us, id LIMIT ?{locking}",
        (unit.now_us, *full_lanes, count * CANDIDATES_FACTOR),
    )
    taken: dict[str, int] = {}
    chosen: list[int] = []
    for job_id, lane in candidates:
        if len(chosen) < count and taken.get(lane, 0) < allowance(lane):
            taken[lane] = taken.get(lane, 0) + 1
            chosen.append(job_id)
    if not chosen:
        return []
    rows = unit.rows(
        "UPDATE job SET state = 'running', attempt = attempt + 1, fence = fence + 1, lease_until_us = ? "
        f"WHERE id IN ({', '.join('?' * len(chosen))}) RETURNING {_COLUMNS}",
        (unit.now_us + LEASE_US, *chosen),
    )
    order = {job_id: position for position, job_id in enumerate(chosen)}
    return sorted((_job(row) for row in rows), key=lambda job: order[job.id])


def acknowledge(unit: Unit, job: Job) -> bool:
    """Remove a finished job; False when its lease was lost meanwhile, and the unit must then be given up."""
    return unit.execute("DELETE FROM job WHERE id = ? AND fence = ? AND state = 'running'", (job.id, job.fence)) == 1


def put_back(unit: Unit, job: Job, *, run_at_us: int, reason: str) -> None:
    """Let a failed job run again later."""
    unit.execute(
        "UPDATE job SET state = 'ready', run_at_us = ?, reason = ?, lease_until_us = NULL "
        "WHERE id = ? AND fence = ? AND state = 'running'",
        (run_at_us, reason[:REASON_LENGTH_MAX], job.id, job.fence),
    )


def bury(unit: Unit, job: Job, reason: str) -> None:
    """Make a job a dead letter."""
    unit.execute(
        "UPDATE job SET state = 'dead', reason = ?, lease_until_us = NULL "
        "WHERE id = ? AND fence = ? AND state = 'running'",
        (reason[:REASON_LENGTH_MAX], job.id, job.fence),
    )


def extend(unit: Unit, jobs: Collection[Job]) -> None:
    """Renew the leases of jobs still at work."""
    unit.many(
        "UPDATE job SET lease_until_us = ? WHERE id = ? AND fence = ? AND state = 'running'",
        [(unit.now_us + LEASE_US, job.id, job.fence) for job in jobs],
    )


def dead_letters(unit: Unit, tenant: int, *, kind: str | None = None, limit: int = 100) -> list[DeadJob]:
    """The newest dead letters of a tenant."""
    condition, parameters = ("AND kind = ?", (kind,)) if kind else ("", ())
    rows = unit.rows(
        "SELECT id, kind, lane, attempt, reason, created_us, args FROM job "
        f"WHERE state = 'dead' AND tn = ? {condition} ORDER BY id DESC LIMIT ?",
        (tenant, *parameters, limit),
    )
    return [
        DeadJob(job_id, of_kind, lane, attempt, reason, created_us, json.loads(args))
        for job_id, of_kind, lane, attempt, reason, created_us, args in rows
    ]


def requeue(unit: Unit, tenant: int, job_id: int) -> None:
    """Give a dead letter all its attempts again, from now. Raises: NotFound."""
    changed = unit.execute(
        "UPDATE job SET state = 'ready', attempt = 0, run_at_us = ?, deadline_us = NULL "
        "WHERE id = ? AND tn = ? AND state = 'dead'",
        (unit.now_us, job_id, tenant),
    )
    if not changed:
        raise NotFound(DEAD_JOB_NOT_FOUND, f"No dead letter has the id {job_id}", hint="List the dead letters")
    unit.wake(CHANNEL)


def discard(unit: Unit, tenant: int, job_id: int) -> None:
    """Remove a dead letter for good. Raises: NotFound."""
    if not unit.execute("DELETE FROM job WHERE id = ? AND tn = ? AND state = 'dead'", (job_id, tenant)):
        raise NotFound(DEAD_JOB_NOT_FOUND, f"No dead letter has the id {job_id}", hint="List the dead letters")


def next_due_us(unit: Unit) -> int | None:
    """When the next ready job is due; None when none waits."""
    due: int | None = unit.value("SELECT run_at_us FROM job WHERE state = 'ready' ORDER BY run_at_us, id LIMIT 1")
    return due


def next_expiry_us(unit: Unit) -> int | None:
    """When the next lease runs out; None when nothing is running."""
    expiry: int | None = unit.value("SELECT min(lease_until_us) FROM job WHERE state = 'running'")
    return expiry


def lag_s(unit: Unit) -> float:
    """For how many seconds the oldest due job has been waiting; 0 when none is late."""
    due = next_due_us(unit)
    return 0.0 if due is None else max(0, unit.now_us - due) / SECOND_US


def _release_expired(unit: Unit) -> None:
    """A lease that ran out means its worker died: the job is ready again, or dead when its attempts are used up."""
    unit.execute(
        "UPDATE job SET state = CASE WHEN attempt >= attempts_max THEN 'dead' ELSE 'ready' END, "
        "reason = 'the worker stopped during the attempt', lease_until_us = NULL "
        "WHERE state = 'running' AND lease_until_us < ?",
        (unit.now_us,),
    )


def _job(row: tuple[Any, ...]) -> Job:
    job_id, tenant, kind, key, lane, args, attempt, attempts_max, created_us, deadline_us, fence = row
    return Job(job_id, tenant, kind, key, lane, json.loads(args), attempt, attempts_max, created_us, deadline_us, fence)
