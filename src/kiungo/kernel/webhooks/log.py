"""The delivery log: deliveries, their attempts, dead letters; replay, requeue and forgetting."""

from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import Conflict, NotFound, define
from kiungo.kernel.database import Unit
from kiungo.kernel.webhooks.model import Delivery, State

WEBHOOK_DELIVERY_NOT_FOUND = define(
    "WEBHOOK_DELIVERY_NOT_FOUND", NotFound, "There is no delivery with this id for this endpoint."
)
WEBHOOK_DELIVERY_NOT_DEAD = define(
    "WEBHOOK_DELIVERY_NOT_DEAD", Conflict, "Only a dead letter can be queued again; replay a period for others."
)

REPLAY_MAX = 10_000
LIST_MAX = 500
FORGET_BATCH = 1_000
_COLUMNS = (
    "tn, id, endpoint, event, subject, sequence, state, cause, attempts, tries, due_us, created_us, settled_us,"
    " last_status, reason"
)


@dataclass(frozen=True, slots=True)
class LoggedAttempt:
    """One attempt as the log keeps it. Units: microseconds."""

    number: int
    cause: str
    started_us: int
    duration_us: int
    status: int | None
    error: str | None
    snippet: str | None


def deliveries(
    unit: Unit,
    tenant: int,
    *,
    endpoint: str,
    state: State | None = None,
    subject: str | None = None,
    before: str = "",
    limit: int = 100,
) -> list[Delivery]:
    """An endpoint's deliveries, newest first. Shapes: `before` is the id to go on from."""
    conditions, parameters = "tn = ? AND endpoint = ?", [tenant, endpoint]
    for column, wanted in (("state", state), ("subject", subject)):
        if wanted is not None:
            conditions += f" AND {column} = ?"
            parameters.append(wanted)
    if before:
        found = get(unit, tenant, endpoint, before)
        conditions += " AND (created_us < ? OR (created_us = ? AND id < ?))"
        parameters += [found.created_us, found.created_us, before]
    rows = unit.rows(
        f"SELECT {_COLUMNS} FROM webhook_delivery WHERE {conditions} ORDER BY created_us DESC, id DESC LIMIT ?",
        (*parameters, min(limit, LIST_MAX)),
    )
    return [Delivery(*row) for row in rows]


def get(unit: Unit, tenant: int, endpoint: str, delivery_id: str) -> Delivery:
    """One delivery of an endpoint. Raises: NotFound WEBHOOK_DELIVERY_NOT_FOUND."""
    row = unit.row(
        f"SELECT {_COLUMNS} FROM webhook_delivery WHERE tn = ? AND id = ? AND endpoint = ?",
        (tenant, delivery_id, endpoint),
    )
    if row is None:
        raise NotFound(
            WEBHOOK_DELIVERY_NOT_FOUND,
            f"There is no delivery {delivery_id[:64]!r} for this webhook",
            field="delivery_id",
            hint="List them with GET /api/webhooks/{id}/deliveries",
        )
    return Delivery(*row)


def attempts(unit: Unit, tenant: int, delivery_id: str) -> list[LoggedAttempt]:
    """A delivery's attempts in order, over replays too."""
    rows = unit.rows(
        "SELECT number, cause, started_us, duration_us, status, error, snippet FROM webhook_attempt"
        " WHERE tn = ? AND delivery = ? ORDER BY number",
        (tenant, delivery_id),
    )
    return [LoggedAttempt(*row) for row in rows]


def dead_letters(
    unit: Unit, tenant: int, *, owner: str | None = None, endpoint: str | None = None, limit: int = 100
) -> list[Delivery]:
    """Deliveries given up, newest first, with their reason; of one owner or endpoint, or all."""
    conditions, parameters = "tn = ? AND state = 'dead'", [tenant]
    given: list[Any] = parameters
    if endpoint is not None:
        conditions += " AND endpoint = ?"
        given.append(endpoint)
    if owner is not None:
        conditions += " AND endpoint IN (SELECT id FROM webhook_endpoint WHERE tn = ? AND owner = ?)"
        given += [tenant, owner]
    rows = unit.rows(
        f"SELECT {_COLUMNS} FROM webhook_delivery WHERE {conditions} ORDER BY settled_us DESC, id DESC LIMIT ?",
        (*given, min(limit, LIST_MAX)),
    )
    return [Delivery(*row) for row in rows]


def requeue(unit: Unit, tenant: int, endpoint: str, delivery_id: str) -> Delivery:
    """Give a dead letter all its attempts again. Raises: NotFound; Conflict WEBHOOK_DELIVERY_NOT_DEAD."""
    found = get(unit, tenant, endpoint, delivery_id)
    if found.state != "dead":
        raise Conflict(
            WEBHOOK_DELIVERY_NOT_DEAD,
            f"This delivery is {found.state}, not dead",
            field="delivery_id",
            hint="Replay a period to send delivered and held ones",
        )
    unit.execute(
        "UPDATE webhook_delivery SET state = 'due', cause = 'requeue', tries = 0, due_us = ?, settled_us = NULL"
        " WHERE tn = ? AND id = ?",
        (unit.now_us, tenant, delivery_id),
    )
    return get(unit, tenant, endpoint, delivery_id)


def replay(unit: Unit, tenant: int, endpoint: str, *, since_us: int, until_us: int) -> int:
    """Send again what was created in a period, and what was held, ends included, with the same ids; returns how many.

    The oldest 10,000 at most: replay the rest from where this ended. What is still due is left alone, and what
    follows it waits for it.
    """
    return unit.execute(
        "UPDATE webhook_delivery SET state = 'due', cause = 'replay', tries = 0, settled_us = NULL, due_us = COALESCE("
        "(SELECT MAX(e.due_us) FROM webhook_delivery AS e WHERE e.state = 'due'"
        " AND e.endpoint || '/' || e.subject = webhook_delivery.endpoint || '/' || webhook_delivery.subject"
        " AND e.sequence < webhook_delivery.sequence AND e.due_us > ?), ?)"
        " WHERE tn = ? AND id IN (SELECT id FROM webhook_delivery WHERE tn = ? AND endpoint = ?"
        " AND created_us >= ? AND created_us <= ? AND state <> 'due' AND event <> 'ping'"
        " ORDER BY created_us, id LIMIT ?)",
        (unit.now_us, unit.now_us, tenant, tenant, endpoint, since_us, until_us, REPLAY_MAX),
    )


def forget(unit: Unit, tenant: int, *, created_before_us: int, limit: int = FORGET_BATCH) -> int:
    """Delete delivered and held deliveries older than a moment, with their attempts; returns how many.

    Bodies hold data of persons, so they are not kept longer than replays need. Dead letters stay.
    """
    rows = unit.rows(
        "SELECT id FROM webhook_delivery WHERE tn = ? AND state IN ('delivered', 'held') AND created_us < ? LIMIT ?",
        (tenant, created_before_us, limit),
    )
    unit.many("DELETE FROM webhook_attempt WHERE tn = ? AND delivery = ?", [(tenant, id) for (id,) in rows])
    unit.many("DELETE FROM webhook_delivery WHERE tn = ? AND id = ?", [(tenant, id) for (id,) in rows])
    return len(rows)
