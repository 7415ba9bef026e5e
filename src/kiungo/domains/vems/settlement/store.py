"""Settlements, shares, legs and their steps in the database."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kiungo.base.errors import Conflict, NotFound
from kiungo.base.money import Money
from kiungo.domains.vems.rules.settlement_states import LOWERED, SELF_MENDING, UNCOVERED, allows, settlement_state
from kiungo.domains.vems.settlement.errors import LEG_NOT_FOUND, LEG_STATE, SETTLEMENT_NOT_FOUND
from kiungo.domains.vems.settlement.model import Leg, LegState, SettlementRow, ShareRow
from kiungo.kernel import json
from kiungo.kernel.database import Unit
from kiungo.kernel.database.unit import Row
from kiungo.ports.payment import Destination

WAITING_MAX = 100_000
_LEG = (
    "l.reference, l.booking_no, l.payee_id, l.currency, l.due_minor, l.amount_minor, l.state, l.reason, l.cause,"
    " l.rail, l.destination, l.hold_journal, l.paid_journal, l.submit_job, l.attempt, l.rail_ids, l.receipt,"
    " l.proposed_outcome, l.proposed_by, l.submitted_us, l.updated_us, p.name"
)
# Word for word the condition of the index of open legs: only then SQLite may use it, and else it reads every leg.
_OPEN = "l.state NOT IN ('posted', 'carried', 'cancelled', 'replaced')"
_CLOSED = frozenset({"posted", "carried", "cancelled", "replaced"})
_FROM = " FROM settlement_leg AS l LEFT JOIN settlement_payee AS p ON p.tn = l.tn AND p.payee_id = l.payee_id"


def find_settlement(unit: Unit, tenant: int, booking_no: str) -> SettlementRow | None:
    """A settlement with its shares, or None."""
    row = unit.row(
        "SELECT booking_no, claim_ref, payer, mode, currency, pays_on, total_minor, approved_minor, remitted_minor,"
        " version, state, reason, kept_minor FROM settlement WHERE tn = ? AND booking_no = ?",
        (tenant, booking_no),
    )
    if row is None:
        return None
    shares = unit.rows(
        "SELECT payee_id, role, contract_minor, accrued_minor, committed_minor FROM settlement_share"
        " WHERE tn = ? AND booking_no = ? ORDER BY seq",
        (tenant, booking_no),
    )
    return replace(SettlementRow(*row), shares=tuple(ShareRow(*share) for share in shares))


def get_settlement(unit: Unit, tenant: int, booking_no: str) -> SettlementRow:
    """A settlement with its shares. Raises: NotFound."""
    found = find_settlement(unit, tenant, booking_no)
    if found is None:
        raise _not_settled(booking_no)
    return found


def find_leg(unit: Unit, tenant: int, reference: str) -> Leg | None:
    """A leg by our reference, locked on PostgreSQL until the unit ends."""
    locking = " FOR UPDATE OF l" if unit.engine == "postgresql" else ""
    row = unit.row(f"SELECT {_LEG}{_FROM} WHERE l.tn = ? AND l.reference = ?{locking}", (tenant, reference))
    return None if row is None else _leg(row)


def peek_leg(unit: Unit, tenant: int, reference: str) -> Leg | None:
    """A leg without a lock, for reading."""
    row = unit.row(f"SELECT {_LEG}{_FROM} WHERE l.tn = ? AND l.reference = ?", (tenant, reference))
    return None if row is None else _leg(row)


def take_legs(unit: Unit, tenant: int, references: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """Lock legs on PostgreSQL; where there are several, their payees by rail and currency."""
    if unit.engine != "postgresql" or len(references) < 2:
        return []
    rows = unit.rows(
        "SELECT rail, currency, payee_id FROM settlement_leg WHERE tn = ? AND rail IS NOT NULL"
        " AND reference IN (SELECT jsonb_array_elements_text(CAST(? AS jsonb))) ORDER BY reference FOR UPDATE",
        (tenant, json.dumps(list(references)).decode()),
    )
    payees: dict[tuple[str, str], set[str]] = {}
    for rail, currency, payee_id in rows:
        payees.setdefault((rail, currency), set()).add(payee_id)
    return [(*key, sorted(names)) for key, names in sorted(payees.items())]


def get_leg(unit: Unit, tenant: int, reference: str) -> Leg:
    """A leg by our reference. Raises: NotFound."""
    leg = find_leg(unit, tenant, reference)
    if leg is None:
        raise NotFound(LEG_NOT_FOUND, f"No leg has the reference {reference}", field="reference", hint="Check it")
    return leg


def legs_of(unit: Unit, tenant: int, booking_no: str) -> list[Leg]:
    """The legs of a booking, oldest first."""
    return _legs(unit, "l.tn = ? AND l.booking_no = ?", (tenant, booking_no))


def legs_in(unit: Unit, tenant: int, states: Sequence[LegState], *, rail: str | None = None, limit: int) -> list[Leg]:
    """The oldest legs in some states; a leg that waits has no rail yet."""
    where = [f"l.tn = ? AND l.state IN ({', '.join('?' * len(states))})"]
    if not _CLOSED.intersection(states):
        where.append(_OPEN)
    if rail is not None:
        where.append("l.rail = ?")
    parameters = (tenant, *states) if rail is None else (tenant, *states, rail)
    # Several states are sorted: the plus keeps SQLite from reading every leg in the wanted order instead.
    return _legs(unit, " AND ".join(where), parameters, limit=limit, order="+l.created_us" if len(states) > 1 else None)


def waiting_legs(unit: Unit, tenant: int, *, payee: str | None = None) -> list[tuple[str, str]]:
    """Reference and payee of every leg that waits, oldest first: none is so old that it hides another."""
    one, parameters = (" AND l.payee_id = ?", (payee,)) if payee is not None else ("", ())
    rows = unit.rows(
        "SELECT l.reference, l.payee_id FROM settlement_leg AS l WHERE l.tn = ? AND l.rail = '' AND l.state = 'waiting'"
        f" AND {_OPEN}{one} ORDER BY l.created_us, l.reference LIMIT ?",
        (tenant, *parameters, WAITING_MAX),
    )
    return [(reference, payee_id) for reference, payee_id in rows]


def add_leg(
    unit: Unit,
    tenant: int,
    *,
    reference: str,
    booking_no: str,
    payee_id: str,
    due: Money,
    reason: str,
    stopped: str | None = None,
) -> None:
    """Insert a waiting leg; with the cause that `stopped` what it stands for, a failed one that a person pays again."""
    unit.execute(
        "INSERT INTO settlement_leg (tn, reference, booking_no, payee_id, currency, due_minor, amount_minor, state,"
        " reason, cause, rail, destination, attempt, rail_ids, receipt, created_us, updated_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, 0, ?, '', ?, ?)",
        (
            tenant, reference, booking_no, payee_id, due.currency, due.minor, 0 if stopped is None else due.minor,
            "waiting" if stopped is None else "failed", reason, stopped or "", json.dumps({}), json.dumps({}),
            unit.now_us, unit.now_us,
        ),
    )  # fmt: skip


def taken_back(unit: Unit, tenant: int, booking_no: str, payee_id: str) -> list[Leg]:
    """Legs that failed or came back, were taken back by a lower approval, and that nobody has seen to since."""
    healing = ", ".join("?" * len(SELF_MENDING))
    return _legs(
        unit,
        "l.tn = ? AND l.booking_no = ? AND l.payee_id = ? AND l.state = 'replaced' AND l.reason = ?"
        f" AND l.replaced_by IS NULL AND l.cause NOT IN ({healing})",
        (tenant, booking_no, payee_id, LOWERED, *SELF_MENDING),
    )


def uncovered(unit: Unit, tenant: int) -> list[str]:
    """Legs whose money moved without our float covering it, oldest first."""
    rows = unit.rows(
        "SELECT reference FROM settlement_leg WHERE tn = ? AND state IN ('failed', 'replaced') AND cause = ?"
        " AND paid_journal IS NULL ORDER BY updated_us, reference",
        (tenant, UNCOVERED),
    )
    return [reference for (reference,) in rows]


def stand_for(unit: Unit, tenant: int, legs: Sequence[Leg], reference: str) -> None:
    """Write down that a new leg stands for what is left of others."""
    unit.many(
        "UPDATE settlement_leg SET replaced_by = ?, updated_us = ? WHERE tn = ? AND reference = ?",
        [(reference, unit.now_us, tenant, leg.reference) for leg in legs],
    )


def is_claimed(unit: Unit, tenant: int, leg: Leg) -> bool:
    """Whether the payee is still to give back something of the leg's settlement."""
    found = unit.value(
        "SELECT 1 FROM settlement_clawback WHERE tn = ? AND payee_id = ? AND booking_no = ? AND currency = ?"
        " AND recovered_minor < amount_minor LIMIT 1",
        (tenant, leg.payee_id, leg.booking_no, leg.due.currency),
    )
    return found is not None


def advance(
    unit: Unit, tenant: int, leg: Leg, after: LegState, *, reason: str = "", changes: dict[str, Any] | None = None
) -> None:
    """Take one step with a leg, and say so in the trail. Raises: Conflict LEG_STATE."""
    if not allows(leg.state, after):
        raise Conflict(
            LEG_STATE, f"Leg {leg.reference} is {leg.state} and cannot become {after}", hint="Read the leg again"
        )
    columns = {"state": after, "reason": reason, "updated_us": unit.now_us, **(changes or {})}
    assignments = ", ".join(f"{column} = ?" for column in columns)
    changed = unit.execute(
        f"UPDATE settlement_leg SET {assignments} WHERE tn = ? AND reference = ? AND state = ?",
        (*columns.values(), tenant, leg.reference, leg.state),
    )
    if changed != 1:
        raise Conflict(LEG_STATE, f"Leg {leg.reference} changed meanwhile", hint="Read the leg again")
    step(unit, tenant, leg.booking_no, after, reference=leg.reference, detail=reason)


def note(unit: Unit, tenant: int, leg: Leg, *, reason: str) -> None:
    """Change why a leg is where it is."""
    unit.execute(
        "UPDATE settlement_leg SET reason = ?, updated_us = ? WHERE tn = ? AND reference = ?",
        (reason, unit.now_us, tenant, leg.reference),
    )


def step(
    unit: Unit, tenant: int, booking_no: str, what: str, *, reference: str = "", who: str = "system", detail: str = ""
) -> None:
    """Write one line of a booking's trail."""
    unit.execute(
        "INSERT INTO settlement_step (tn, booking_no, reference, at_us, what, who, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (tenant, booking_no, reference, unit.now_us, what, who, detail),
    )


def steps_of(unit: Unit, tenant: int, booking_no: str) -> list[Row]:
    """The trail of a booking: at_us, what, reference, who, detail; oldest first."""
    return unit.rows(
        "SELECT at_us, what, reference, who, detail FROM settlement_step WHERE tn = ? AND booking_no = ? ORDER BY seq",
        (tenant, booking_no),
    )


def refresh(unit: Unit, tenant: int, booking_no: str) -> str:
    """Derive a settlement's state from its legs, and keep it; returns the state.

    Raises: NotFound SETTLEMENT_NOT_FOUND.
    """
    row = unit.row(
        "SELECT s.state, s.reason, s.version, s.currency, (SELECT coalesce(sum(p.accrued_minor - p.committed_minor), 0)"
        " FROM settlement_share AS p WHERE p.tn = s.tn AND p.booking_no = s.booking_no AND p.role <> 'fee')"
        " FROM settlement AS s WHERE s.tn = ? AND s.booking_no = ?",
        (tenant, booking_no),
    )
    if row is None:
        raise _not_settled(booking_no)
    known_state, known_reason, version, currency, outstanding = row
    # Not in an order: SQLite would rather read every leg along its key than sort two.
    legs = unit.rows("SELECT state, reason FROM settlement_leg WHERE tn = ? AND booking_no = ?", (tenant, booking_no))
    state, reason = settlement_state(
        [(state, reason) for state, reason in legs], outstanding=Money(int(outstanding), currency), version=version
    )
    if (state, reason) != (known_state, known_reason):
        unit.execute(
            "UPDATE settlement SET state = ?, reason = ?, updated_us = ? WHERE tn = ? AND booking_no = ?",
            (state, reason, unit.now_us, tenant, booking_no),
        )
    return state


def _not_settled(booking_no: str) -> NotFound:
    return NotFound(
        SETTLEMENT_NOT_FOUND, f"Nothing is settled for booking {booking_no}", field="bookingNo", hint="Check it"
    )


def _legs(
    unit: Unit, condition: str, parameters: Sequence[Any], *, limit: int = 1_000, order: str | None = None
) -> list[Leg]:
    rows = unit.rows(
        f"SELECT {_LEG}{_FROM} WHERE {condition} ORDER BY {order or 'l.created_us'}, l.reference LIMIT ?",
        (*parameters, limit),
    )
    return [_leg(row) for row in rows]


def _leg(row: Row) -> Leg:
    (
        reference, booking_no, payee_id, currency, due, amount, state, reason, cause, rail, destination, hold, paid,
        submit_job, attempt, rail_ids, receipt, proposed_outcome, proposed_by, submitted_us, updated_us, name,
    ) = row  # fmt: skip
    where = json.loads(destination)
    return Leg(
        reference, booking_no, payee_id, Money(due, currency), Money(amount, currency), state, reason, cause, rail,
        Destination(**where) if where else Destination("bank_account", ""), name or payee_id, hold, paid, submit_job,
        attempt, json.loads(rail_ids), receipt, proposed_outcome, proposed_by, submitted_us, updated_us,
    )  # fmt: skip
