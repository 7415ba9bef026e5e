"""Money that arrived beyond what was approved, and what it pays once more is approved.

A payer sends one sum for a claim, and a booking with several vendors settles in parts: what arrived beyond one part's
approval is as well the other parts' money. It is drawn when a part is owed more than arrived for it:

    own suspense    ->  the parts' remitted beyond their approval  ->  the parts' suspense

Only parts that the same payer owes share; services a facility collects for are another debt.
"""

from collections.abc import Sequence

from kiungo.base.money import Money
from kiungo.domains.vems.settlement import accounts, store
from kiungo.domains.vems.settlement.model import SettlementRow
from kiungo.kernel import ledger
from kiungo.kernel.database import Unit


def draw(unit: Unit, tenant: int, row: SettlementRow, missing_minor: int, of: SettlementRow | None = None) -> int:
    """Let what waits in suspense, of the settlement itself or `of` another part, pay what is missing; returns how much.

    Units: minor.
    """
    source = of or row
    if missing_minor <= 0:
        return 0
    there = accounts.suspense_of(unit, tenant, source.booking_no, row.currency)
    if there <= 0:
        return 0
    # What a person has sent back from the account since is not there any more, whosever it was.
    in_all = -ledger.balance(unit, tenant, accounts.SUSPENSE, row.currency).balance.net_dr
    drawn = Money(min(missing_minor, there, max(in_all, 0)), row.currency)
    if not drawn.minor:
        return 0
    accounts.move(
        unit, tenant, key=f"suspense/{source.booking_no}/{row.booking_no}/{row.version}/{row.remitted_minor}",
        kind=accounts.DRAWN, memo=source.booking_no,
        moves=[(accounts.SUSPENSE, accounts.receivable(row.payer), drawn)],
    )  # fmt: skip
    _remitted(unit, tenant, row, drawn.minor, f"{drawn} that had arrived before" + _for(source, row))
    return drawn.minor


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
    _remitted(unit, tenant, source, -amount.minor, f"{amount} handed over to {row.booking_no}")
    _remitted(unit, tenant, row, amount.minor, f"{amount} that had arrived before" + _for(source, row))
    return amount.minor


def _remitted(unit: Unit, tenant: int, row: SettlementRow, more_minor: int, detail: str) -> None:
    unit.execute(
        "UPDATE settlement SET remitted_minor = remitted_minor + ?, updated_us = ? WHERE tn = ? AND booking_no = ?",
        (more_minor, unit.now_us, tenant, row.booking_no),
    )
    store.step(unit, tenant, row.booking_no, "remitted", detail=detail)


def _for(source: SettlementRow, row: SettlementRow) -> str:
    return "" if source.booking_no == row.booking_no else f" for {source.booking_no}"
