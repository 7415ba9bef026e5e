"""Deliveries in the database: added with their cause, taken in order, settled after an attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.kernel.database import Unit
from kiungo.kernel.webhooks.model import Cause, Due, LaneKey
from kiungo.kernel.webhooks.settle import Settlement
from kiungo.kernel.webhooks.signatures import unsigned_body


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to add. Shapes: `members` is the payload rendered as a JSON object."""

    tenant: int
    id: str
    endpoint: str
    event: str
    subject: str
    cause: Cause
    members: bytes


def add(unit: Unit, new: NewDelivery) -> None:
    """Add a delivery, due at once, numbered after the subject's earlier ones to this endpoint."""
    unit.lock(f"webhook/{new.tenant}/{new.endpoint}/{new.subject}")
    last = unit.value(
        "SELECT MAX(sequence) FROM webhook_delivery WHERE tn = ? AND endpoint = ? AND subject = ?",
        (new.tenant, new.endpoint, new.subject),
    )
    sequence = (last or 0) + 1
    unit.execute(
        "INSERT INTO webhook_delivery"
        " (tn, id, endpoint, event, subject, sequence, body, state, cause, due_us, created_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'due', ?, ?, ?)",
        (
            new.tenant, new.id, new.endpoint, new.event, new.subject, sequence,
            unsigned_body(new.members, sequence), new.cause, unit.now_us, unit.now_us,
        ),
    )  # fmt: skip


def due(unit: Unit, lane: LaneKey, limit: int) -> list[Due]:
    """What a lane owes now, oldest first; one subject's deliveries in their order."""
    rows = unit.rows(
        "SELECT id, subject, cause, attempts, tries, body FROM webhook_delivery"
        " WHERE state = 'due' AND tn = ? AND endpoint = ? AND due_us <= ? ORDER BY due_us, sequence LIMIT ?",
        (*lane, unit.now_us, limit),
    )
    return [Due(row[0], row[1], row[2], row[3], row[4], bytes(row[5])) for row in rows]


def next_due_us(unit: Unit, lane: LaneKey) -> int | None:
    """When the lane's next delivery is due; None when it owes nothing."""
    moment: int | None = unit.value(
        "SELECT due_us FROM webhook_delivery WHERE state = 'due' AND tn = ? AND endpoint = ? ORDER BY due_us LIMIT 1",
        lane,
    )
    return moment


def lanes_with_work(unit: Unit) -> list[tuple[LaneKey, int]]:
    """Every active endpoint that owes something, with when it is due: one probe of the index for each."""
    rows: list[tuple[Any, ...]] = unit.rows(
        "SELECT e.tn, e.id, (SELECT d.due_us FROM webhook_delivery AS d WHERE d.state = 'due' AND d.tn = e.tn"
        " AND d.endpoint = e.id ORDER BY d.due_us LIMIT 1) AS due_us FROM webhook_endpoint AS e WHERE e.active = 1"
    )
    return [((tenant, endpoint_id), due_us) for tenant, endpoint_id, due_us in rows if due_us is not None]


def take_lease(unit: Unit, lane: LaneKey, holder: str, until_us: int) -> bool:
    """Be the one process that delivers to an endpoint; False when another holds it."""
    return (
        unit.execute(
            "UPDATE webhook_endpoint SET lease_holder = ?, lease_until_us = ?"
            " WHERE tn = ? AND id = ? AND (lease_until_us <= ? OR lease_holder = ?)",
            (holder, until_us, *lane, unit.now_us, holder),
        )
        == 1
    )


def release_leases(unit: Unit, holder: str) -> None:
    """Let other processes deliver at once; on SQLite nobody else does, so leases of the dead go too."""
    if unit.engine == "sqlite":
        unit.execute("UPDATE webhook_endpoint SET lease_until_us = 0 WHERE lease_until_us > 0")
    else:
        unit.execute("UPDATE webhook_endpoint SET lease_until_us = 0 WHERE lease_holder = ?", (holder,))


def record(unit: Unit, tenant: int, settlements: Sequence[Settlement]) -> None:
    """Write what became of deliveries, and their attempts.

    A delivery that changed since it was read (another process settled or replayed it) keeps what it has.
    """
    unit.many(
        "UPDATE webhook_delivery SET state = ?, attempts = ?, tries = ?, due_us = ?, settled_us = ?,"
        " last_status = ?, reason = ? WHERE tn = ? AND id = ? AND state = 'due' AND attempts = ?",
        [
            (
                one.state, one.number, one.tries, one.due_us, None if one.state == "due" else unit.now_us,
                one.attempt.status, one.reason, tenant, one.due.id, one.due.attempts,
            )
            for one in settlements
        ],
    )  # fmt: skip
    unit.many(
        "INSERT INTO webhook_attempt (tn, delivery, number, cause, started_us, duration_us, status, error, snippet)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (
                tenant, one.due.id, one.number, one.due.cause, one.attempt.started_us, one.attempt.duration_us,
                one.attempt.status, one.attempt.error, one.attempt.snippet,
            )
            for one in settlements
        ],
    )  # fmt: skip
