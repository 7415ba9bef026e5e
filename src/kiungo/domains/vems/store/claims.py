"""The one row of each followed claim, and what its payer said, version by version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from kiungo.kernel import json
from kiungo.kernel.database import Unit

TAKEN_US = 120 * 1_000_000
"""For how long whoever took a claim to ask about it has it alone."""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A row of vems_claim. Shapes: `next_poll_us` None means nobody asks any more; `note` why it is overdue.

    `split` is what was approved of each service (see rules/following.py), `kept_minor` what of the payment the payer
    kept back for earlier claims.
    """

    booking_no: str
    payer: str
    claim_id: str
    reference: str | None
    state: str
    status: str
    version: int
    currency: str
    approved_minor: int | None
    paid_minor: int | None
    decided_on: str | None
    payment_date: str | None
    reason: str | None
    failures: int
    next_poll_us: int | None
    last_poll_us: int | None
    deadline_us: int
    note: str | None
    split: str | None = None
    kept_minor: int | None = None


COLUMNS = tuple(field.name for field in fields(ClaimRow))
_ALL = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO vems_claim (tn, {_ALL}) VALUES (?{', ?' * len(COLUMNS)})"
_UPDATE = f"UPDATE vems_claim SET {', '.join(f'{name} = ?' for name in COLUMNS)} WHERE tn = ? AND booking_no = ?"


def insert(unit: Unit, tenant: int, row: ClaimRow) -> None:
    """Begin to follow a claim."""
    unit.execute(_INSERT, (tenant, *_values(row)))


def update(unit: Unit, tenant: int, row: ClaimRow) -> None:
    """Write all of a row anew."""
    unit.execute(_UPDATE, (*_values(row), tenant, row.booking_no))


def remove(unit: Unit, tenant: int, booking_no: str) -> None:
    """Follow no longer: the booking is paid in another way now."""
    unit.execute("DELETE FROM vems_claim WHERE tn = ? AND booking_no = ?", (tenant, booking_no))


def find(unit: Unit, tenant: int, booking_no: str) -> ClaimRow | None:
    """The followed claim of a booking."""
    row = unit.row(f"SELECT {_ALL} FROM vems_claim WHERE tn = ? AND booking_no = ?", (tenant, booking_no))
    return ClaimRow(*row) if row else None


def is_of_another(unit: Unit, tenant: int, payer: str, reference: str, booking_no: str) -> bool:
    """Whether another booking's claim has this number at the payer."""
    sql = "SELECT 1 FROM vems_claim WHERE tn = ? AND payer = ? AND reference = ? AND booking_no <> ? LIMIT 1"
    return unit.value(sql, (tenant, payer, reference, booking_no)) is not None


def take_due(unit: Unit, tenant: int, payer: str, limit: int) -> list[ClaimRow]:
    """Claims to ask about now, each taken by one caller only for a while."""
    locking = " FOR UPDATE SKIP LOCKED" if unit.engine == "postgresql" else ""
    due = unit.rows(
        "SELECT booking_no FROM vems_claim WHERE tn = ? AND payer = ? AND next_poll_us <= ?"
        f" ORDER BY next_poll_us LIMIT ?{locking}",
        (tenant, payer, unit.now_us, limit),
    )
    if not due:
        return []
    rows = unit.rows(
        f"UPDATE vems_claim SET next_poll_us = ? WHERE tn = ? AND booking_no IN ({', '.join('?' * len(due))})"
        f" RETURNING {_ALL}",
        (unit.now_us + TAKEN_US, tenant, *(booking_no for (booking_no,) in due)),
    )
    return sorted((ClaimRow(*row) for row in rows), key=lambda row: row.booking_no)


def put_off(unit: Unit, tenant: int, polls: Sequence[tuple[str, int, int]]) -> None:
    """When to ask again about claims nothing changed for. Shapes: booking number, failures, moment."""
    unit.many(
        "UPDATE vems_claim SET failures = ?, next_poll_us = ?, last_poll_us = ? WHERE tn = ? AND booking_no = ?"
        " AND next_poll_us IS NOT NULL",
        [(failures, at_us, unit.now_us, tenant, booking_no) for booking_no, failures, at_us in polls],
    )


def has_open(unit: Unit, tenant: int, payer: str) -> bool:
    """Whether any claim of a payer is still asked about."""
    found = unit.value(
        "SELECT 1 FROM vems_claim WHERE tn = ? AND payer = ? AND next_poll_us IS NOT NULL LIMIT 1", (tenant, payer)
    )
    return found is not None


def page(unit: Unit, tenant: int, *, state: str | None, after: str, limit: int) -> list[ClaimRow]:
    """Followed claims by booking number, from after one."""
    condition, values = (" AND state = ?", (state,)) if state else ("", ())
    rows = unit.rows(
        f"SELECT {_ALL} FROM vems_claim WHERE tn = ? AND booking_no > ?{condition} ORDER BY booking_no LIMIT ?",
        (tenant, after, *values, limit),
    )
    return [ClaimRow(*row) for row in rows]


def add_report(unit: Unit, tenant: int, booking_no: str, version: int, source: str, body: dict[str, Any]) -> None:
    """Keep what the payer said, for ever."""
    unit.execute(
        "INSERT INTO vems_claim_report (tn, booking_no, version, at_us, source, body) VALUES (?, ?, ?, ?, ?, ?)",
        (tenant, booking_no, version, unit.now_us, source, json.dumps(body)),
    )


def reports_of(unit: Unit, tenant: int, booking_no: str) -> list[tuple[int, int, str, Any]]:
    """Every version: number, when, from where, and what."""
    rows = unit.rows(
        "SELECT version, at_us, source, body FROM vems_claim_report WHERE tn = ? AND booking_no = ? ORDER BY version",
        (tenant, booking_no),
    )
    return [(version, at_us, source, json.loads(body)) for version, at_us, source, body in rows]


_values: Callable[[ClaimRow], tuple[Any, ...]] = attrgetter(*COLUMNS)
