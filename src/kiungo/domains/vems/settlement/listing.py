"""Settlements, legs and claims on payees as lists for people: filtered, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.base.money import Money
from kiungo.domains.vems.settlement import store
from kiungo.domains.vems.settlement.model import Leg, LegState, SettlementRow
from kiungo.kernel.database import Unit

# A settlement's number is its booking's, or that and "/" and a part.
NUMBER_LENGTH = 14


@dataclass(frozen=True, slots=True)
class Listed:
    """A settlement in a list, and when it was opened. Units: microseconds UTC."""

    row: SettlementRow
    created_us: int
    updated_us: int


@dataclass(frozen=True, slots=True)
class Clawback:
    """What a payee owes us back, and how much of it was kept back already. Units: microseconds UTC."""

    id: int
    number: str
    payee_id: str
    amount: Money
    recovered: Money
    reason: str
    created_us: int


def settlements_page(
    unit: Unit,
    tenant: int,
    *,
    state: str | None = None,
    payer: str | None = None,
    mode: str | None = None,
    facility: str | None = None,
    payee: str | None = None,
    booking_no: str | None = None,
    before: tuple[int, str] | None = None,
    limit: int,
) -> list[Listed]:
    """Settlements, newest first, from before one."""
    conditions: list[str] = ["s.tn = ?"]
    values: list[Any] = [tenant]
    given: list[tuple[str, Any]] = [("s.state = ?", state), ("s.payer = ?", payer), ("s.mode = ?", mode)]
    given.append((f"substr(s.booking_no, 1, {NUMBER_LENGTH}) = ?", booking_no))
    given.append(
        (
            "EXISTS (SELECT 1 FROM vems_booking AS b WHERE b.tn = s.tn AND b.facility = ?"
            f" AND b.booking_no = substr(s.booking_no, 1, {NUMBER_LENGTH}))",
            facility,
        )
    )
    given.append(
        (
            "EXISTS (SELECT 1 FROM settlement_share AS p WHERE p.tn = s.tn AND p.booking_no = s.booking_no"
            " AND p.payee_id = ?)",
            payee,
        )
    )
    for condition, value in given:
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if before is not None:
        conditions.append("(s.created_us, s.booking_no) < (?, ?)")
        values += before
    found = unit.rows(
        "SELECT s.booking_no, s.created_us, s.updated_us FROM settlement AS s"
        f" WHERE {' AND '.join(conditions)} ORDER BY s.created_us DESC, s.booking_no DESC LIMIT ?",
        (*values, limit),
    )
    return [
        Listed(store.get_settlement(unit, tenant, number), created_us, updated_us)
        for number, created_us, updated_us in found
    ]


def times_of(unit: Unit, tenant: int, number: str) -> tuple[int, int]:
    """When a settlement was opened and last changed. Units: microseconds UTC."""
    row = unit.row("SELECT created_us, updated_us FROM settlement WHERE tn = ? AND booking_no = ?", (tenant, number))
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def numbers_of(unit: Unit, tenant: int, booking_no: str) -> list[str]:
    """The settlements of a booking: under its own number, and under its parts."""
    rows = unit.rows(
        "SELECT booking_no FROM settlement WHERE tn = ? AND (booking_no = ? OR (booking_no > ? AND booking_no < ?))"
        " ORDER BY booking_no",
        (tenant, booking_no, f"{booking_no}/", f"{booking_no}0"),  # "/" is followed by "0"
    )
    return [number for (number,) in rows]


def legs_page(
    unit: Unit,
    tenant: int,
    *,
    states: Sequence[LegState] = (),
    payee: str | None = None,
    rail: str | None = None,
    after: tuple[int, str] | None = None,
    limit: int,
) -> list[tuple[int, Leg]]:
    """Legs with the moment they were made, oldest first, from after one: what waits longest comes first."""
    conditions: list[str] = ["tn = ?"]
    values: list[Any] = [tenant]
    if states:
        conditions.append(f"state IN ({', '.join('?' * len(states))})")
        values += states
    for column, value in (("payee_id", payee), ("rail", rail)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if after is not None:
        conditions.append("(created_us, reference) > (?, ?)")
        values += after
    found = unit.rows(
        f"SELECT created_us, reference FROM settlement_leg WHERE {' AND '.join(conditions)}"
        " ORDER BY created_us, reference LIMIT ?",
        (*values, limit),
    )
    legs = ((created_us, store.peek_leg(unit, tenant, reference)) for created_us, reference in found)
    return [(created_us, leg) for created_us, leg in legs if leg is not None]


def clawbacks(
    unit: Unit,
    tenant: int,
    *,
    payee: str | None = None,
    number: str | None = None,
    open_only: bool = False,
    after: int = 0,
    limit: int,
) -> list[Clawback]:
    """What payees owe us back, oldest first, from after one."""
    conditions: list[str] = ["tn = ?"]
    values: list[Any] = [tenant]
    for column, value in (("payee_id", payee), ("booking_no", number)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if open_only:
        conditions.append("recovered_minor < amount_minor")
    if after:
        conditions.append("id > ?")
        values.append(after)
    rows = unit.rows(
        "SELECT id, booking_no, payee_id, currency, amount_minor, recovered_minor, reason, created_us"
        f" FROM settlement_clawback WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?",
        (*values, limit),
    )
    return [
        Clawback(id, number, payee_id, Money(amount, currency), Money(recovered, currency), reason, created_us)
        for id, number, payee_id, currency, amount, recovered, reason, created_us in rows
    ]


def sums_of(unit: Unit, tenant: int, currency: str) -> dict[str, tuple[int, Money]]:
    """How many payments are in each state, and what is due in them."""
    rows = unit.rows(
        "SELECT state, count(*), cast(coalesce(sum(due_minor), 0) AS BIGINT) FROM settlement_leg"
        " WHERE tn = ? AND currency = ? GROUP BY state",
        (tenant, currency),
    )
    return {state: (count, Money(int(minor), currency)) for state, count, minor in rows}


def counts_of(unit: Unit, tenant: int, *, payee: str | None = None) -> dict[str, int]:
    """How many payments are in each state."""
    condition, values = (" AND payee_id = ?", (payee,)) if payee is not None else ("", ())
    rows = unit.rows(
        f"SELECT state, count(*) FROM settlement_leg WHERE tn = ?{condition} GROUP BY state", (tenant, *values)
    )
    return dict(rows)
