"""The reports, each one query over its tables; nothing is kept beside what they are made of."""

from collections import defaultdict
from collections.abc import Iterator

from kiungo.base.time import from_us
from kiungo.domains.vems.analytics.model import (
    ApprovalRow,
    CycleRow,
    Period,
    ServiceRow,
    StakeholderRow,
    days_of,
)
from kiungo.domains.vems.model import CONTRACT_ZONE, PAYMENT_MODES
from kiungo.domains.vems.settlement.listing import NUMBER_LENGTH
from kiungo.domains.vems.settlement.model import FEE_PAYEE
from kiungo.domains.vems.store import contracts
from kiungo.domains.vems.wire import code_of
from kiungo.kernel.database import Unit

ALL = "all"
_SUM = "cast(coalesce(sum({0}), 0) AS BIGINT)"  # sums of BIGINT are NUMERIC on PostgreSQL
_SHARES = "l.vendor_minor + l.facility_minor + l.fee_minor"
_AMOUNT = "CASE WHEN l.amount_minor > 0 THEN l.amount_minor ELSE l.due_minor END"
_OF_BOOKING = f"substr(booking_no, 1, {NUMBER_LENGTH})"
_BOOKING = f"b.tn = s.tn AND b.booking_no = substr(s.booking_no, 1, {NUMBER_LENGTH})"


def services(unit: Unit, tenant: int, period: Period, facility: str | None = None) -> list[ServiceRow]:
    """Services whose day is in the period, the most booked first."""
    place, values = _facility(facility)
    rows = unit.rows(
        "SELECT l.service_code, count(*),"
        f" {_SUM.format('CASE WHEN l.state = ' + _q('completed') + ' THEN 1 ELSE 0 END')},"
        f" {_SUM.format('CASE WHEN l.state = ' + _q('cancelled') + ' THEN 1 ELSE 0 END')},"
        f" {_SUM.format(_SHARES)},"
        f" {_SUM.format('CASE WHEN l.state = ' + _q('completed') + f' THEN {_SHARES} ELSE 0 END')}"
        " FROM vems_booking_line AS l JOIN vems_booking AS b ON b.tn = l.tn AND b.booking_no = l.booking_no"
        f" WHERE l.tn = ? AND l.at_us >= ? AND l.at_us < ?{place}"
        " GROUP BY l.service_code ORDER BY count(*) DESC, l.service_code",
        (tenant, period.since_us, period.before_us, *values),
    )
    names: dict[str, str] = {code_of(item): item.name for item in contracts.master_items(unit, tenant, "service")}
    return [ServiceRow(code, names.get(str(code), str(code)), *counts) for code, *counts in rows]


def approvals(unit: Unit, tenant: int, period: Period, facility: str | None = None) -> list[ApprovalRow]:
    """What became of the bookings made in the period, by payment mode; cancelled ones do not count."""
    place, values = _facility(facility)
    rows = unit.rows(
        f"SELECT b.mode, b.approval, count(*), {_SUM.format('b.total_minor')}, {_SUM.format('a.approved_minor')}"
        f" FROM vems_booking AS b LEFT JOIN (SELECT tn, {_OF_BOOKING} AS booking_no,"
        f" sum(approved_minor) AS approved_minor FROM settlement WHERE tn = ? GROUP BY tn, {_OF_BOOKING})"
        " AS a ON a.tn = b.tn AND a.booking_no = b.booking_no"
        f" WHERE b.tn = ? AND b.created_us >= ? AND b.created_us < ? AND b.state <> 'cancelled'{place}"
        " GROUP BY b.mode, b.approval",
        (tenant, tenant, period.since_us, period.before_us, *values),
    )
    found = []
    for mode in PAYMENT_MODES:
        counts = {approval: count for m, approval, count, _, _ in rows if m == mode}
        if counts:
            found.append(
                ApprovalRow(
                    mode, sum(counts.values()), counts.get("approved", 0), counts.get("partially_paid", 0),
                    counts.get("rejected", 0), counts.get("pending", 0),
                    sum(total for m, _, _, total, _ in rows if m == mode),
                    sum(approved for m, _, _, _, approved in rows if m == mode),
                )
            )  # fmt: skip
    return found


def cycles(unit: Unit, tenant: int, period: Period, facility: str | None = None) -> list[CycleRow]:
    """How long settled bookings took from station to station, by the month of their last payment, then all together.

    A booking without a claim counts from its booking.
    """
    by_month: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    for booked_us, claimed_us, decided_us, paid_us in _paid(unit, tenant, period, facility):
        month = f"{from_us(paid_us).astimezone(CONTRACT_ZONE):%Y-%m}"
        by_month[month].append((booked_us, claimed_us, decided_us, paid_us))
    everything = [one for found in by_month.values() for one in found]
    return [
        *(_cycle(month, found) for month, found in sorted(by_month.items())),
        *([_cycle(ALL, everything)] if everything else []),
    ]


def stakeholders(unit: Unit, tenant: int, period: Period, facility: str | None = None) -> list[StakeholderRow]:
    """What each side was owed and paid for bookings settled since in the period, the largest first.

    A payment is to a payee, whatever it is for: a facility with equipment of its own is one row with both its roles.
    """
    place, values = _facility(facility)
    within = f"s.tn = ? AND s.created_us >= ? AND s.created_us < ?{place}"
    given = (tenant, period.since_us, period.before_us, *values)
    owed = unit.rows(
        f"SELECT p.role, p.payee_id, {_SUM.format('p.accrued_minor')} FROM settlement_share AS p"
        f" JOIN settlement AS s ON s.tn = p.tn AND s.booking_no = p.booking_no JOIN vems_booking AS b ON {_BOOKING}"
        f" WHERE {within} GROUP BY p.role, p.payee_id",
        given,
    )
    moved = unit.rows(
        f"SELECT l.payee_id, l.state, {_SUM.format(_AMOUNT)}"
        " FROM settlement_leg AS l JOIN settlement AS s ON s.tn = l.tn AND s.booking_no = l.booking_no"
        f" JOIN vems_booking AS b ON {_BOOKING} WHERE {within} GROUP BY l.payee_id, l.state",
        given,
    )
    claimed: dict[str, int] = dict(
        unit.rows(
            f"SELECT c.payee_id, {_SUM.format('c.amount_minor')} FROM settlement_clawback AS c"
            " JOIN settlement AS s ON s.tn = c.tn AND s.booking_no = c.booking_no"
            f" JOIN vems_booking AS b ON {_BOOKING} WHERE {within} GROUP BY c.payee_id",
            given,
        )
    )
    names: dict[str, str] = dict(unit.rows("SELECT payee_id, name FROM settlement_payee WHERE tn = ?", (tenant,)))
    roles: dict[str, dict[str, int]] = defaultdict(dict)
    for role, payee_id, owed_minor in owed:
        roles[payee_id][role] = owed_minor
    found = [
        StakeholderRow(
            " and ".join(sorted(parts, reverse=True)), payee_id,
            "Our fee" if payee_id == FEE_PAYEE else names.get(payee_id, payee_id), sum(parts.values()),
            sum(parts.values()) if "fee" in parts else _moved(moved, payee_id, ("posted",)),
            _moved(moved, payee_id, ("waiting", "held", "submitting", "submitted", "failed", "returned")),
            _moved(moved, payee_id, ("unknown",)), int(claimed.get(payee_id, 0)),
        )
        for payee_id, parts in roles.items()
    ]  # fmt: skip
    return sorted(found, key=lambda row: (-row.owed_minor, row.payee_id))


def _moved(rows: list[tuple[object, ...]], payee_id: str, states: tuple[str, ...]) -> int:
    return sum(int(str(minor)) for payee, state, minor in rows if payee == payee_id and state in states)


def _paid(unit: Unit, tenant: int, period: Period, facility: str | None) -> Iterator[tuple[int, int, int, int]]:
    place, values = _facility(facility)
    rows = unit.rows(
        "SELECT b.created_us, coalesce(b.claimed_us, b.created_us), s.created_us, max(t.at_us) FROM settlement AS s"
        f" JOIN vems_booking AS b ON {_BOOKING}"
        " JOIN settlement_step AS t ON t.tn = s.tn AND t.booking_no = s.booking_no AND t.what = 'posted'"
        f" WHERE s.tn = ? AND s.state = 'settled' AND s.updated_us >= ? AND s.created_us < ?{place}"
        " GROUP BY s.tn, s.booking_no, b.created_us, b.claimed_us, s.created_us"
        " HAVING max(t.at_us) >= ? AND max(t.at_us) < ?",
        (tenant, period.since_us, period.before_us, *values, period.since_us, period.before_us),
    )
    for booked_us, claimed_us, decided_us, paid_us in rows:
        yield int(booked_us), int(claimed_us), int(decided_us), int(paid_us)


def _cycle(month: str, found: list[tuple[int, int, int, int]]) -> CycleRow:
    return CycleRow(
        month,
        days_of(claimed - booked for booked, claimed, _, _ in found),
        days_of(decided - claimed for _, claimed, decided, _ in found),
        days_of(paid - decided for _, _, decided, paid in found),
        days_of(paid - claimed for _, claimed, _, paid in found),
    )


def _facility(facility: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if facility is None else (" AND b.facility = ?", (facility,))


def _q(word: str) -> str:
    return f"'{word}'"
