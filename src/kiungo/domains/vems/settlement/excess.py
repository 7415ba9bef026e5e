"""Money that arrived beyond what was approved, and what it pays: other parts of a booking, or what a payer keeps back.

A payer sends one sum for a claim, and a booking with several vendors settles in parts: what arrived beyond one part's
approval is as well the other parts' money. It is drawn when a part is owed more than arrived for it:

    own suspense    ->  the parts' remitted beyond their approval  ->  the parts' suspense

A payer that wants money back for one claim sends less for the next: what it kept back of a settlement is covered by
what arrived too much for its other ones, and each such step is written down. What it keeps back for a claim whose
change nobody told us stays open until we learn of it.

Only what the same payer owes is shared; services a facility collects for are another debt.
"""

from collections.abc import Sequence

from kiungo.base.money import Money
from kiungo.domains.vems.settlement import accounts, store
from kiungo.domains.vems.settlement.model import SettlementRow
from kiungo.kernel import ledger
from kiungo.kernel.database import Unit

SOURCES_MAX = 50


def draw(unit: Unit, tenant: int, row: SettlementRow, missing_minor: int, of: SettlementRow | None = None) -> int:
    """Let what waits in suspense, of the settlement itself or `of` another part, pay what is missing; returns how much.

    Units: minor.
    """
    source = of or row
    if missing_minor <= 0:
        return 0
    drawn = Money(min(missing_minor, spare(unit, tenant, source)), row.currency)
    if not drawn.minor:
        return 0
    accounts.move(
        unit, tenant,
        key=f"suspense/{source.booking_no}/{row.booking_no}/{row.version}/{row.remitted_minor}/{unit.now_us}",
        kind=accounts.DRAWN, memo=source.booking_no,
        moves=[(accounts.SUSPENSE, accounts.receivable(row.payer), drawn)],
    )  # fmt: skip
    add_remitted(unit, tenant, row, drawn.minor, f"{drawn} that had arrived before" + _for(source, row))
    return drawn.minor


def spare(unit: Unit, tenant: int, row: SettlementRow) -> int:
    """What of a settlement's money waits in suspense and is still there. Units: minor."""
    there = accounts.suspense_of(unit, tenant, row.booking_no, row.currency)
    if there <= 0:
        return 0
    # What a person has sent back from the account since is not there any more, whosever it was.
    in_all = -ledger.balance(unit, tenant, accounts.SUSPENSE, row.currency).balance.net_dr
    return min(there, max(in_all, 0))


def even_out(unit: Unit, tenant: int, numbers: Sequence[str]) -> list[str]:
    """Let what parts of a booking got too much pay what others lack; returns the numbers of those that gained.

    The parts, their payees and accounts are held.
    """
    gained = []
    for number in numbers:
        before = store.get_settlement(unit, tenant, number)
        for other in numbers:
            row = store.get_settlement(unit, tenant, number)
            missing = row.approved_minor - row.remitted_minor
            source = store.get_settlement(unit, tenant, other)
            if missing <= 0 or other == number or source.payer != row.payer:
                continue
            missing -= _hand_over(unit, tenant, source, row, missing)
            draw(unit, tenant, store.get_settlement(unit, tenant, number), missing, source)
        if store.get_settlement(unit, tenant, number).remitted_minor > before.remitted_minor:
            gained.append(number)
    return gained


def _hand_over(unit: Unit, tenant: int, source: SettlementRow, row: SettlementRow, missing_minor: int) -> int:
    """Money booked for a part whose approval was lowered since is the other's: both are one payer's debt."""
    amount = Money(min(missing_minor, source.remitted_minor - source.approved_minor), row.currency)
    if amount.minor <= 0:
        return 0
    add_remitted(unit, tenant, source, -amount.minor, f"{amount} handed over to {row.booking_no}")
    add_remitted(unit, tenant, row, amount.minor, f"{amount} that had arrived before" + _for(source, row))
    return amount.minor


def received(unit: Unit, tenant: int, row: SettlementRow) -> int:
    """What the payer has sent for a settlement in all, whatever it pays now. Units: minor."""
    used, got = _offsets(unit, tenant, "source_no", row), _offsets(unit, tenant, "booking_no", row)
    return row.remitted_minor + accounts.suspense_of(unit, tenant, row.booking_no, row.currency) + used - got


def keep(unit: Unit, tenant: int, row: SettlementRow, kept_minor: int) -> None:
    """Write down what a payer kept back of a settlement's money in all. Units: minor."""
    if kept_minor == row.kept_minor:
        return
    unit.execute(
        "UPDATE settlement SET kept_minor = ?, updated_us = ? WHERE tn = ? AND booking_no = ?",
        (kept_minor, unit.now_us, tenant, row.booking_no),
    )
    detail = f"{row.payer} kept back {Money(kept_minor, row.currency)} for other claims"
    store.step(unit, tenant, row.booking_no, "kept_back", detail=detail)


def uncovered(unit: Unit, tenant: int, payer: str, currency: str) -> list[SettlementRow]:
    """Settlements of which a payer kept money back for claims we do not know of, oldest first."""
    rows = unit.rows(
        "SELECT s.booking_no FROM settlement AS s WHERE s.tn = ? AND s.payer = ? AND s.currency = ?"
        " AND s.kept_minor > 0 AND s.kept_minor > (SELECT coalesce(sum(o.amount_minor), 0) FROM settlement_offset AS o"
        " WHERE o.tn = s.tn AND o.booking_no = s.booking_no) ORDER BY s.created_us, s.booking_no LIMIT ?",
        (tenant, payer, currency, SOURCES_MAX),
    )
    return [store.get_settlement(unit, tenant, number) for (number,) in rows]


def sources(unit: Unit, tenant: int, payer: str, currency: str) -> list[SettlementRow]:
    """Settlements a payer sent too much for, oldest first: booked for them, or waiting in suspense."""
    rows = unit.rows(
        "SELECT s.booking_no FROM settlement AS s WHERE s.tn = ? AND s.payer = ? AND s.currency = ?"
        " AND (s.remitted_minor > s.approved_minor OR s.booking_no IN (SELECT j.memo FROM ledger_journal AS j"
        " JOIN ledger_posting AS p ON p.tn = j.tn AND p.journal = j.id WHERE j.tn = s.tn AND j.kind = ?"
        " AND p.credit = ?)) ORDER BY s.created_us, s.booking_no LIMIT ?",
        (tenant, payer, currency, accounts.REMITTANCE, accounts.SUSPENSE, SOURCES_MAX),
    )
    return [store.get_settlement(unit, tenant, number) for (number,) in rows]


def cover(unit: Unit, tenant: int, number: str, others: Sequence[str]) -> bool:
    """Let what arrived too much for other settlements be what a payer kept back of this one; says whether any did.

    All of them, their payees and accounts are held.
    """
    covered = False
    for other in others:
        row, source = store.get_settlement(unit, tenant, number), store.get_settlement(unit, tenant, other)
        open_minor = row.kept_minor - _offsets(unit, tenant, "booking_no", row)
        missing = min(open_minor, row.approved_minor - row.remitted_minor)
        if missing <= 0 or other == number or source.payer != row.payer:
            continue
        found = _hand_over(unit, tenant, source, row, missing)
        found += draw(unit, tenant, store.get_settlement(unit, tenant, number), missing - found, source)
        if found:
            unit.execute(
                "INSERT INTO settlement_offset (tn, source_no, booking_no, amount_minor, at_us) VALUES (?, ?, ?, ?, ?)",
                (tenant, other, number, found, unit.now_us),
            )
            covered = True
    return covered


def _offsets(unit: Unit, tenant: int, side: str, row: SettlementRow) -> int:
    found = unit.value(
        f"SELECT coalesce(sum(amount_minor), 0) FROM settlement_offset WHERE tn = ? AND {side} = ?",
        (tenant, row.booking_no),
    )
    return int(found)


def add_remitted(unit: Unit, tenant: int, row: SettlementRow, more_minor: int, detail: str) -> None:
    """Count money as arrived for a settlement, or no longer, and say so in its trail. Units: minor."""
    unit.execute(
        "UPDATE settlement SET remitted_minor = remitted_minor + ?, updated_us = ? WHERE tn = ? AND booking_no = ?",
        (more_minor, unit.now_us, tenant, row.booking_no),
    )
    store.step(unit, tenant, row.booking_no, "remitted", detail=detail)


def _for(source: SettlementRow, row: SettlementRow) -> str:
    return "" if source.booking_no == row.booking_no else f" for {source.booking_no}"
