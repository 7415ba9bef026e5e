"""The balance proof: our books at a rail against its statement, the difference explained line by line.

    books = closing - balance before the first statement - lines nobody placed
            + money we booked that no statement shows yet - payments no statement shows yet

Whatever is left over is a mistake, ours or the bank's.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kiungo.base.errors import NotFound
from kiungo.base.money import Money
from kiungo.domains.vems.reconciliation.service import PLACED, open_lines
from kiungo.domains.vems.settlement import accounts
from kiungo.kernel import ledger
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger.model import LEDGER_ACCOUNT_NOT_FOUND


@dataclass(frozen=True, slots=True)
class Item:
    """One reason why books and statement differ. Units: signed as it changes the books against the statement."""

    what: str
    reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class BalanceProof:
    """Both balances, every reason for their difference, and what no reason explains (zero when all is well)."""

    rail: str
    books: Money
    statement: Money
    items: tuple[Item, ...]
    unexplained: Money


def prove(unit: Unit, tenant: int, rail: str, currency: str) -> BalanceProof:
    """Compare our books at a rail with its newest statement."""
    books = _books(unit, tenant, rail, currency)
    statement = Money(_balance(unit, tenant, rail, currency, "closed_on DESC", _end), currency)
    before = Money(_balance(unit, tenant, rail, currency, "opened_on", _start), currency)
    items = []
    if before.minor:
        items.append(Item("balance before the first statement", "", -before))
    items += _unplaced(unit, tenant, rail, currency)
    items += _not_on_a_statement(unit, tenant, rail, currency)
    explained = sum(item.amount.minor for item in items)
    return BalanceProof(
        rail, books, statement, tuple(items), Money(books.minor - statement.minor - explained, currency)
    )


Movements = Sequence[tuple[int, int]]


def _balance(unit: Unit, tenant: int, rail: str, currency: str, order: str, choose: Callable[[Movements], int]) -> int:
    """The balance chosen from the statements of the first or last day, each an opening and a closing one."""
    column = order.partition(" ")[0]
    found = unit.rows(
        "SELECT opening_minor, closing_minor FROM bank_statement WHERE tn = ? AND rail = ? AND currency = ?"
        f" AND {column} = (SELECT {column} FROM bank_statement WHERE tn = ? AND rail = ? AND currency = ?"
        f" ORDER BY {order} LIMIT 1) ORDER BY seq",
        (tenant, rail, currency) * 2,
    )
    return choose([(int(opening), int(closing)) for opening, closing in found]) if found else 0


def _end(day: Movements) -> int:
    """What closes one statement and opens none; a bank may send those of one day in any order.

    Where one is missing there are several ends, and the statement that came last counts.
    """
    ends = Counter(closing for _, closing in day) - Counter(opening for opening, _ in day)
    return next(iter(ends)) if ends.total() == 1 else day[-1][1]


def _start(day: Movements) -> int:
    """What opens one statement and closes none."""
    starts = Counter(opening for opening, _ in day) - Counter(closing for _, closing in day)
    return next(iter(starts)) if starts.total() == 1 else day[0][0]


def _unplaced(unit: Unit, tenant: int, rail: str, currency: str) -> list[Item]:
    """The lines nobody placed: the oldest by name, the others as one sum."""
    listed = open_lines(unit, tenant, rail, currency)
    items = [Item("line without a payment", line.line_id, -line.amount) for line in listed]
    [(count, total)] = unit.rows(
        "SELECT count(*), coalesce(sum(amount_minor), 0) FROM bank_line"
        " WHERE tn = ? AND rail = ? AND currency = ? AND used_as IS NULL",
        (tenant, rail, currency),
    )
    if count > len(listed):
        rest = Money(int(total) - sum(line.amount.minor for line in listed), currency)
        items.append(Item(f"{count - len(listed):,} more lines without a payment", "", -rest))
    return items


def _books(unit: Unit, tenant: int, rail: str, currency: str) -> Money:
    try:
        return Money(ledger.balance(unit, tenant, accounts.cash(rail), currency).balance.net_dr, currency)
    except NotFound as missing:
        if missing.code != LEDGER_ACCOUNT_NOT_FOUND:
            raise
        return Money.zero(currency)


def _not_on_a_statement(unit: Unit, tenant: int, rail: str, currency: str) -> list[Item]:
    unseen = (
        " AND NOT EXISTS (SELECT 1 FROM bank_line AS b WHERE b.tn = f.tn AND b.used_as = '{used_as}'"
        f" AND b.used_for = f.{{key}} AND b.{PLACED})"
    )
    funding = unit.rows(
        "SELECT f.key, f.amount_minor - f.seen_minor FROM settlement_funding AS f"
        " WHERE f.tn = ? AND f.rail = ? AND f.currency = ? AND f.seen_minor < f.amount_minor"
        + unseen.format(used_as="funding", key="key") + " ORDER BY f.key",
        (tenant, rail, currency),
    )  # fmt: skip
    items = [Item("money in, on no statement yet", key, Money(minor, currency)) for key, minor in funding]
    for what, journal, used_as, sign in (
        ("payment, on no statement yet", "paid_journal", "payment", -1),
        ("return, on no statement yet", "return_journal", "return", 1),
    ):
        rows = unit.rows(
            "SELECT f.reference, f.amount_minor FROM settlement_leg AS f WHERE f.tn = ? AND f.rail = ?"
            f" AND f.currency = ? AND f.{journal} IS NOT NULL"
            + unseen.format(used_as=used_as, key="reference") + " ORDER BY f.reference",
            (tenant, rail, currency),
        )  # fmt: skip
        items += [Item(what, reference, Money(sign * minor, currency)) for reference, minor in rows]
    return items
