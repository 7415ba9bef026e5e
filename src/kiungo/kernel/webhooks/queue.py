"""Deliveries in the database: added with their cause, taken in order, settled after an attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.kernel.database import Unit
from kiungo.kernel.webhooks.model import Cause, Due, LaneKey, State
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
    state: State = "due"


# The index's expression and no plain column: how many rows are due changes faster than PostgreSQL's statistics, and
# with more to choose from it walks over all of them for each.
_SAME_SUBJECT = (
    "FROM webhook_delivery AS e WHERE e.state = 'due'"
    " AND e.endpoint || '/' || e.subject = d.endpoint || '/' || d.subject"
)
# A subject's first delivery still to be made; no other may go, or it would overtake. One probe of an index each.
_FIRST = f"d.sequence = (SELECT MIN(e.sequence) {_SAME_SUBJECT})"
_DUE = "id, d.subject, d.sequence, d.cause, d.attempts, d.tries, d.body"


def add(unit: Unit, new: NewDelivery) -> None:
    """Add a delivery, numbered after the subject's earlier ones to this endpoint, and due at once or after them."""
    unit.lock(f"webhook/{new.tenant}/{new.endpoint}/{new.subject}")
    ((last, waits_us),) = unit.rows(
        "SELECT (SELECT MAX(sequence) FROM webhook_delivery WHERE tn = ? AND endpoint = ? AND subject = ?),"
        " (SELECT due_us FROM webhook_delivery WHERE state = 'due' AND endpoint || '/' || subject = ?"
        " ORDER BY sequence DESC LIMIT 1)",
        (new.tenant, new.endpoint, new.subject, f"{new.endpoint}/{new.subject}"),
    )
    sequence = (last or 0) + 1
    due_us = max(unit.now_us, waits_us or 0)
    unit.execute(
        "INSERT INTO webhook_delivery"
        " (tn, id, endpoint, event, subject, sequence, body, state, cause, due_us, created_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.tenant, new.id, new.endpoint, new.event, new.subject, sequence,
            unsigned_body(new.members, sequence), new.state, new.cause, due_us, unit.now_us,
        ),
    )  # fmt: skip


def due(unit: Unit, lane: LaneKey, limit: int) -> list[Due]:
    """What a lane may send now: each subject's first delivery, oldest first, then what follows those.

    A subject's deliveries come in their order. One whose earlier one waits for a retry is not among them.
    """
    rows = unit.rows(
        f"SELECT d.{_DUE}, d.sequence < (SELECT MAX(e.sequence) {_SAME_SUBJECT}) FROM webhook_delivery AS d"
        f" WHERE d.state = 'due' AND d.tn = ? AND d.endpoint = ? AND d.due_us <= ? AND {_FIRST}"
        " ORDER BY d.due_us, d.sequence LIMIT ?",
        (*lane, unit.now_us, limit),
    )
    followed = [row[1] for row in rows if row[-1]]
    if followed and len(rows) < limit:
        rows += unit.rows(
            f"SELECT d.{_DUE}, 0 FROM webhook_delivery AS d WHERE d.state = 'due' AND d.tn = ? AND d.endpoint = ?"
            f" AND d.subject IN ({', '.join('?' * len(followed))}) AND d.due_us <= ?"
            f" AND EXISTS (SELECT 1 {_SAME_SUBJECT} AND e.sequence < d.sequence)"
            f" AND NOT EXISTS (SELECT 1 {_SAME_SUBJECT} AND e.sequence < d.sequence AND e.due_us > ?)"
            " ORDER BY d.subject, d.sequence LIMIT ?",
            (*lane, *followed, unit.now_us, unit.now_us, limit - len(rows)),
        )
    return [Due(row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6])) for row in rows]


def next_due_us(unit: Unit, lane: LaneKey) -> int | None:
    """When the lane's next delivery is due; None when it owes nothing."""
    moment: int | None = unit.value(
        "SELECT d.due_us FROM webhook_delivery AS d WHERE d.state = 'due' AND d.tn = ? AND d.endpoint = ?"
        f" AND {_FIRST} ORDER BY d.due_us, d.sequence LIMIT 1",
        lane,
    )
    return moment


def lanes_with_work(unit: Unit) -> list[tuple[LaneKey, int]]:
    """Every active endpoint that owes something, with when it is due: one probe of the index for each."""
    rows: list[tuple[Any, ...]] = unit.rows(
        "SELECT e.tn, e.id, e.resume_us, (SELECT d.due_us FROM webhook_delivery AS d WHERE d.state = 'due'"
        f" AND d.tn = e.tn AND d.endpoint = e.id AND {_FIRST} ORDER BY d.due_us, d.sequence LIMIT 1) AS due_us"
        " FROM webhook_endpoint AS e WHERE e.active = 1"
    )
    return [
        ((tenant, endpoint_id), max(due_us, resume_us))
        for tenant, endpoint_id, resume_us, due_us in rows
        if due_us is not None
    ]


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


def record(unit: Unit, lane: LaneKey, settlements: Sequence[Settlement]) -> None:
    """Write what became of deliveries, and their attempts.

    A delivery that changed since it was read (another process settled or replayed it) keeps what it has.
    """
    # CASE, so that PostgreSQL finds the row by its id and not among all that are due.
    unit.many(
        "UPDATE webhook_delivery SET state = ?, attempts = ?, tries = ?, due_us = ?, settled_us = ?,"
        " last_status = ?, reason = ? WHERE tn = ? AND id = ? AND CASE WHEN state = 'due' THEN attempts END = ?",
        [
            (
                one.state, one.number, one.tries, one.due_us, None if one.state == "due" else unit.now_us,
                one.attempt.status, one.reason, lane[0], one.due.id, one.due.attempts,
            )
            for one in settlements
        ],
    )  # fmt: skip
    unit.many(
        "INSERT INTO webhook_attempt (tn, delivery, number, cause, started_us, duration_us, status, error, snippet)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (
                lane[0], one.due.id, one.number, one.due.cause, one.attempt.started_us, one.attempt.duration_us,
                one.attempt.status, one.attempt.error, one.attempt.snippet,
            )
            for one in settlements
        ],
    )  # fmt: skip
    # What waits behind a retry gets its time, so that reading what is due does not walk over what cannot go.
    unit.many(
        "UPDATE webhook_delivery SET due_us = ? WHERE state = 'due' AND endpoint || '/' || subject = ?"
        " AND sequence > ? AND due_us < ?",
        [
            (one.due_us, f"{lane[1]}/{one.due.subject}", one.due.sequence, one.due_us)
            for one in settlements
            if one.state == "due"
        ],
    )
