"""What a payer says it sent for a booking's claim in all: booked once, kept back for other claims, or taken back.

    sent    more than before    money arrived at the rail; what is beyond the approval waits in suspense
            less than before    what no statement shows yet did not come; what one shows stays until a line takes it
    kept    for other claims    those claims' money is this one's now, as far as we know that they got too much

A booking with several vendors settles in parts: each is filled up to its approval in turn, the last takes the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.domains.vems.settlement import accounts, excess, funding, store
from kiungo.domains.vems.settlement.model import SettlementRow
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger.model import LEDGER_BALANCE_TOO_LOW


@dataclass(frozen=True, slots=True)
class Told:
    """What a payer says it sent and kept back for a claim, each in all. `version` is its word's, of this claim."""

    sent: Money
    kept: Money
    version: int


def apply_told(
    settlements: Settlements, unit: Unit, tenant: int, rows: Sequence[SettlementRow], told: Told, *, rail: str
) -> None:
    """Bring the settlements of a booking up to what its payer says it sent; said again it changes nothing."""
    if not rows:
        return
    waiting = excess.sources(unit, tenant, rows[0].payer, told.sent.currency) if told.kept.minor else []
    settlements.take(unit, tenant, [*rows, *waiting])
    rows = [store.get_settlement(unit, tenant, row.booking_no) for row in rows]
    shares = _share_out([row.approved_minor for row in rows], told)
    received = [excess.received(unit, tenant, row) for row in rows]
    new = told.sent.minor - sum(received)
    if new < 0:
        _take_back(unit, tenant, rows, Money(-new, told.sent.currency), rail)
    for row, (sent, _), before in zip(rows, shares, received, strict=True):
        # Money told before may be another settlement's share by now, and yet has come only once.
        amount = min(sent - before, new)
        if amount > 0:
            new -= amount
            # The version too: what arrived for a part can be lowered and rise to the same sum again.
            settlements.remit(
                unit, tenant, row.booking_no, rail=rail, amount=Money(amount, told.sent.currency),
                key=f"{row.booking_no}/{told.version}:{before + amount}",
            )  # fmt: skip
    for row, (_, kept) in zip(rows, shares, strict=True):
        excess.keep(unit, tenant, row, kept)
    settlements.cover_kept(unit, tenant, [row.booking_no for row in rows], [row.booking_no for row in waiting])


def _share_out(approved: Sequence[int], told: Told) -> list[tuple[int, int]]:
    """What each settlement gets of what was sent, and of what was kept; the last one takes what is left of both."""
    sent, kept = told.sent.minor, told.kept.minor
    shares = []
    for place, wanted in enumerate(approved):
        is_last = place == len(approved) - 1
        part = sent if is_last else min(sent, wanted)
        held = kept if is_last else min(kept, wanted - part)
        sent, kept = sent - part, kept - held
        shares.append((part, held))
    return shares


def _take_back(unit: Unit, tenant: int, rows: Sequence[SettlementRow], less: Money, rail: str) -> None:
    """The payer says it sent less than it had told: what no statement shows is not there after all."""
    left = less.minor
    for row in rows:
        sums = funding.unseen(unit, tenant, rail, row.booking_no, less.currency)
        # What pays another claim by now is not this one's to lose.
        there = max(row.remitted_minor, 0) + excess.spare(unit, tenant, row)
        part = min(left, there, sum(rest for _, rest in sums))
        if part and _unbook(unit, tenant, row, Money(part, less.currency), rail):
            funding.mark_seen(unit, tenant, sums, part)
            left -= part
    if left:
        said = f"the payer says it sent {Money(left, less.currency)} less than is booked at {rail}"
        why = "a statement shows it, or the float does not cover it: it stays until a line takes it back"
        store.step(unit, tenant, rows[0].booking_no, "recoupment", detail=f"{said}; {why}")


def _unbook(unit: Unit, tenant: int, row: SettlementRow, amount: Money, rail: str) -> bool:
    try:
        with unit.savepoint():
            give_back(unit, tenant, row, amount, rail=rail, key=f"told/{row.booking_no}/{row.version}/{unit.now_us}")
    except Conflict as refusal:
        if refusal.code != LEDGER_BALANCE_TOO_LOW:
            raise
        return False
    return True


def give_back(unit: Unit, tenant: int, row: SettlementRow, amount: Money, *, rail: str, key: str) -> None:
    """Money for a booking left the rail again: first what waited in suspense, then what the payer owes once more.

    Raises: Conflict LEDGER_BALANCE_TOO_LOW when the float does not have it.
    """
    spare = min(amount.minor, excess.spare(unit, tenant, row))
    owed = amount - Money(spare, amount.currency)
    accounts.move(
        unit, tenant, key=key, kind=accounts.REMITTANCE, memo=row.booking_no,
        moves=[
            (accounts.SUSPENSE, accounts.cash(rail), Money(spare, amount.currency)),
            (accounts.receivable(row.payer), accounts.cash(rail), owed),
        ],
    )  # fmt: skip
    excess.add_remitted(unit, tenant, row, -owed.minor, f"{amount} taken back at {rail}")
