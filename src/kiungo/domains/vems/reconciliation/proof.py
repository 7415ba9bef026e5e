"""The balance proof: our books at a rail against its statement, the difference explained line by line.

    books = closing - balance before the first statement - lines nobody placed
            + money we booked that no statement shows yet - payments no statement shows yet

Whatever is left over is a mistake, ours or the bank's.
"""

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
    newest = unit.row(
        "SELECT closing_minor FROM bank_statement WHERE tn = ? AND rail = ? AND currency = ?"
        " ORDER BY closed_on DESC, seq DESC LIMIT 1",
        (tenant, rail, currency),
    )
    first = unit.row(
        "SELECT statement_id, opening_minor FROM bank_statement WHERE tn = ? AND rail = ? AND currency = ?"
        " ORDER BY opened_on, seq LIMIT 1",
        (tenant, rail, currency),
    )
    statement = Money(newest[0] if newest else 0, currency)
    items = []
    if first is not None and first[1]:
        items.append(Item("balance before the first statement", first[0], Money(-first[1], currency)))
    for line in open_lines(unit, tenant, rail):
        items.append(Item("line without a payment", line.line_id, -line.amount))
    items += _not_on_a_statement(unit, tenant, rail, currency)
    explained = sum(item.amount.minor for item in items)
    return BalanceProof(
        rail, books, statement, tuple(items), Money(books.minor - statement.minor - explained, currency)
    )


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
        "SELECT f.key, f.amount_minor FROM settlement_funding AS f WHERE f.tn = ? AND f.rail = ? AND f.currency = ?"
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
