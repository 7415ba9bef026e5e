"""The job table: enqueue, claim with lease and fence, acknowledge, fail, dead letters."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import NotFound, define
from kiungo.base.time import SECOND_US
from kiungo.kernel import json
from kiungo.kernel.database.unit import IntegrityViolation, Unit

DEAD_JOB_NOT_FOUND = define("DEAD_JOB_NOT_FOUND", NotFound, "No dead letter has this id.")

CHANNEL = "jobs"
DEFAULT_LANE = "default"
ATTEMPTS_MAX = 12
LEASE_US = 60 * SECOND_US
REASON_LENGTH_MAX = 500
CANDIDATES_FACTOR = 4

_COLUMNS = "id, tn, kind, key, lane, args, attempt, attempts_max, created_us, deadline_us, fence"
_INSERT = (
    "INSERT INTO job (tn, kind, key, lane, args, state, run_at_us, created_us, attempts_max, deadline_us) "
    "VALUES (?, ?, ?, ?, ?, 'ready', ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
# A key's next job waits for the one that runs: whoever gave a key counts on one at a time.
_KEY_IS_FREE = (
    "NOT EXISTS (SELECT 1 FROM job AS other WHERE other.state = 'running' AND other.key IS NOT NULL"
    " AND other.tn = job.tn AND other.kind = job.kind AND other.key = job.key)"
)


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

    One that runs already does not count: it may have read the database before this unit. Nor does a dead letter.
    Returns whether a job was added. Units: `run_at_us`, `deadline_us` microseconds UTC; None means now, and never.
    """
    row = (
        tenant, kind, key, lane, json.dumps(args), unit.now_us if run_at_us is None else run_at_us, unit.now_us,
        attempts_max, deadline_us,
    )  # fmt: skip
    added = unit.execute(_INSERT, row) == 1
    while not added and not _hold_waiting(unit, tenant, kind, key):
        added = unit.execute(_INSERT, row) == 1
    unit.wake(CHANNEL)
    return added


def _hold_waiting(unit: Unit, tenant: int, kind: str, key: str | None) -> bool:
    """Keep the waiting job of a key from being taken before this unit commits; False when it was just taken."""
    locking = " FOR UPDATE" if unit.engine == "postgresql" else ""
    row = unit.row(
        f"SELECT id FROM job WHERE state = 'ready' AND tn = ? AND kind = ? AND key = ?{locking}", (tenant, kind, key)
    )
    return row is not None


def claim(unit: Unit, *, count: int, allowance: Callable[[str], int], full_lanes: Collection[str] = ()) -> list[Job]:
    """Take due jobs, oldest first, with a lease and a new fence; each lane gives at most its allowance."""
    _release_expired(unit)
    excluded = f"AND lane NOT IN ({', '.join('?' * len(full_lanes))})" if full_lanes else ""
    locking = " FOR UPDATE SKIP LOCKED" if unit.engine == "postgresql" else ""
    candidates = unit.rows(
        f"SELECT id, lane FROM job WHERE state = 'ready' AND run_at_us <= ? AND {_KEY_IS_FREE} {excluded} "
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
    """Let a failed job run again later, or give way to a newer one of its key that waits already."""
    _make_ready(
        unit,
        job.id,
        "state = 'ready', run_at_us = ?, reason = ?, lease_until_us = NULL",
        (run_at_us, reason[:REASON_LENGTH_MAX]),
        "fence = ? AND state = 'running'",
        (job.fence,),
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
    """Give a dead letter all its attempts again, from now; a job of its key that waits runs for both.

    Raises: NotFound.
    """
    changed = _make_ready(
        unit,
        job_id,
        "state = 'ready', attempt = 0, run_at_us = ?, deadline_us = NULL",
        (unit.now_us,),
        "tn = ? AND state = 'dead'",
        (tenant,),
    )
    if not changed:
        raise NotFound(
            DEAD_JOB_NOT_FOUND, f"No dead letter has the id {job_id}", hint="List the dead letters: kiungo jobs dead"
        )
    unit.wake(CHANNEL)


def discard(unit: Unit, tenant: int, job_id: int) -> None:
    """Remove a dead letter for good. Raises: NotFound."""
    if not unit.execute("DELETE FROM job WHERE id = ? AND tn = ? AND state = 'dead'", (job_id, tenant)):
        raise NotFound(
            DEAD_JOB_NOT_FOUND, f"No dead letter has the id {job_id}", hint="List the dead letters: kiungo jobs dead"
        )


def next_due_us(unit: Unit) -> int | None:
    """When the next ready job can be taken; None when none waits, or each waits for one of its key that runs."""
    due: int | None = unit.value(
        f"SELECT run_at_us FROM job WHERE state = 'ready' AND {_KEY_IS_FREE} ORDER BY run_at_us, id LIMIT 1"
    )
    return due


def next_expiry_us(unit: Unit) -> int | None:
    """When the next lease runs out; None when nothing is running."""
    expiry: int | None = unit.value("SELECT min(lease_until_us) FROM job WHERE state = 'running'")
    return expiry


def lag_s(unit: Unit) -> float:
    """For how many seconds the oldest due job has been waiting; 0 when none is late."""
    due = unit.value("SELECT run_at_us FROM job WHERE state = 'ready' ORDER BY run_at_us, id LIMIT 1")
    return 0.0 if due is None else max(0, unit.now_us - due) / SECOND_US


def _release_expired(unit: Unit) -> None:
    """A lease that ran out means its worker died: the job is ready again, or dead when its attempts are used up."""
    locking = " FOR UPDATE SKIP LOCKED" if unit.engine == "postgresql" else ""
    expired = unit.rows(f"SELECT id FROM job WHERE state = 'running' AND lease_until_us < ?{locking}", (unit.now_us,))
    for (job_id,) in expired:
        _make_ready(
            unit,
            job_id,
            "state = CASE WHEN attempt >= attempts_max THEN 'dead' ELSE 'ready' END, "
            "reason = 'the worker stopped during the attempt', lease_until_us = NULL",
            (),
            "state = 'running'",
            (),
        )


def _make_ready(
    unit: Unit, job_id: int, change: str, values: Sequence[Any], condition: str, expected: Sequence[Any]
) -> bool:
    """Change a job so that it waits again; when a newer one of its key waits, that one runs for both.

    Returns whether the job was as expected. The newer one carries the attempts on, so that its handler knows that
    something may have been begun. The index decides, not a look before: another unit may enqueue meanwhile.
    """
    try:
        with unit.savepoint():
            return (
                unit.execute(f"UPDATE job SET {change} WHERE id = ? AND {condition}", (*values, job_id, *expected)) == 1
            )
    except IntegrityViolation:
        removed = unit.row(
            f"DELETE FROM job WHERE id = ? AND {condition} RETURNING tn, kind, key, attempt, state", (job_id, *expected)
        )
    if removed is None:
        return False
    tenant, kind, key, attempt, state = removed
    if state == "running":
        unit.execute(
            "UPDATE job SET attempt = ? WHERE state = 'ready' AND tn = ? AND kind = ? AND key = ? AND attempt < ?",
            (attempt, tenant, kind, key, attempt),
        )
    return True


def _job(row: tuple[Any, ...]) -> Job:
    job_id, tenant, kind, key, lane, args, attempt, attempts_max, created_us, deadline_us, fence = row
    return Job(job_id, tenant, kind, key, lane, json.loads(args), attempt, attempts_max, created_us, deadline_us, fence)
