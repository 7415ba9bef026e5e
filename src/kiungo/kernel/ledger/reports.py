"""What the ledger says: balances, journals, statements, the trial balance, and whether it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from kiungo.base.errors import Incorrect, NotFound, define
from kiungo.base.money import Money
from kiungo.kernel.database import Unit
from kiungo.kernel.database.unit import Row
from kiungo.kernel.ledger.model import Account, Balance, Journal, Posting, missing_account

LEDGER_JOURNAL_NOT_FOUND = define("LEDGER_JOURNAL_NOT_FOUND", NotFound, "There is no journal with this id.")
LEDGER_STATEMENT_TOO_LONG = define(
    "LEDGER_STATEMENT_TOO_LONG", Incorrect, "A statement has more lines than one answer may have."
)

STATEMENT_LINES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One posting seen from one account. Units: `net_dr_minor` is the running balance, debits less credits."""

    journal_id: int
    kind: str
    memo: str
    effective: date
    posted_us: int
    side: Literal["debit", "credit"]
    other_account: str
    amount: Money
    net_dr_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An account over a period, by effective date. Units: opening and closing are debits less credits."""

    account: str
    currency: str
    opening_net_dr_minor: int
    closing_net_dr_minor: int
    lines: tuple[StatementLine, ...]


@dataclass(frozen=True, slots=True)
class TrialBalanceLine:
    """An account's posted totals. Units: minor units."""

    account: str
    currency: str
    debit_minor: int
    credit_minor: int


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """An account whose cached balance is not what its postings add up to."""

    account: str
    currency: str
    cached: Balance
    added_up: Balance


def account_of(unit: Unit, tenant: int, id: str, currency: str) -> Account:
    """An account with its cached balance. Raises: NotFound LEDGER_ACCOUNT_NOT_FOUND."""
    row = unit.row(
        "SELECT rule, posted_dr, posted_cr, pending_dr, pending_cr FROM ledger_account"
        " WHERE tn = ? AND id = ? AND currency = ?",
        (tenant, id, currency),
    )
    if row is None:
        raise missing_account((id, currency))
    return Account(id, currency, row[0], Balance(*row[1:]))


def balance(unit: Unit, tenant: int, id: str, currency: str) -> Account:
    """An account's balance now, with `.available()`. Raises: NotFound LEDGER_ACCOUNT_NOT_FOUND."""
    return account_of(unit, tenant, id, currency)


def find_journal(unit: Unit, tenant: int, journal_id: int) -> Journal:
    """A journal with its postings. Raises: NotFound LEDGER_JOURNAL_NOT_FOUND."""
    row = unit.row(
        "SELECT id, key, kind, phase, effective, posted_us, memo, settles, reverses FROM ledger_journal"
        " WHERE id = ? AND tn = ?",
        (journal_id, tenant),
    )
    if row is None:
        raise NotFound(
            LEDGER_JOURNAL_NOT_FOUND, f"There is no journal {journal_id}", field="journal_id", hint="Check the id"
        )
    postings = unit.rows(
        "SELECT debit, credit, amount_minor, currency FROM ledger_posting WHERE tn = ? AND journal = ? ORDER BY seq",
        (tenant, journal_id),
    )
    return Journal(
        row[0], row[1], row[2], row[3], date.fromisoformat(row[4]), row[5], row[6], row[7], row[8],
        tuple(Posting(debit, credit, Money(minor, currency)) for debit, credit, minor, currency in postings),
    )  # fmt: skip


def journals_about(unit: Unit, tenant: int, memo: str, *, limit: int = 1_000) -> list[Journal]:
    """The journals whose memo names one thing, and those that settle its holds, oldest first."""
    ids = unit.rows(
        "SELECT id FROM ledger_journal WHERE tn = ? AND memo = ? AND memo <> ''"
        " UNION SELECT s.id FROM ledger_journal AS h JOIN ledger_journal AS s ON s.tn = h.tn AND s.settles = h.id"
        " WHERE h.tn = ? AND h.memo = ? AND h.memo <> '' AND h.phase = 'held' ORDER BY id LIMIT ?",
        (tenant, memo, tenant, memo, limit),
    )
    return [find_journal(unit, tenant, journal_id) for (journal_id,) in ids]


def journal_by(unit: Unit, tenant: int, relation: Literal["settles", "reverses"], journal_id: int) -> int | None:
    """The journal that settles or reverses another, if there is one."""
    found: int | None = unit.value(
        f"SELECT id FROM ledger_journal WHERE tn = ? AND {relation} = ?", (tenant, journal_id)
    )
    return found


def statement(unit: Unit, tenant: int, id: str, currency: str, *, since: date, until: date) -> Statement:
    """An account's postings with effective dates in a period, both ends included, with a running balance.

    Raises: NotFound LEDGER_ACCOUNT_NOT_FOUND; Incorrect LEDGER_STATEMENT_TOO_LONG.
    """
    account_of(unit, tenant, id, currency)
    period = (since.isoformat(), until.isoformat())
    opening = int(
        unit.value(
            f"SELECT COALESCE(SUM(amount), 0) FROM ({_SIDES}) AS sides WHERE effective < ?",
            (tenant, id, currency, tenant, id, currency, period[0]),
        )
    )
    rows = unit.rows(
        "SELECT s.journal, j.kind, j.memo, s.effective, j.posted_us, s.other, s.amount"
        f" FROM ({_SIDES}) AS s JOIN ledger_journal AS j ON j.id = s.journal"
        " WHERE s.effective >= ? AND s.effective <= ? ORDER BY s.effective, s.journal, s.seq LIMIT ?",
        (tenant, id, currency, tenant, id, currency, *period, STATEMENT_LINES_MAX + 1),
    )
    if len(rows) > STATEMENT_LINES_MAX:
        raise Incorrect(
            LEDGER_STATEMENT_TOO_LONG,
            f"The statement has more than {STATEMENT_LINES_MAX} lines",
            field="until",
            hint="Ask for a shorter period",
        )
    lines = _running(rows, currency, opening)
    closing = lines[-1].net_dr_minor if lines else opening
    return Statement(id, currency, opening, closing, lines)


def trial_balance(unit: Unit, tenant: int, *, until: date | None = None) -> list[TrialBalanceLine]:
    """Posted debits and credits of every account; for each currency both columns add up to the same sum.

    `until` counts only journals effective on or before that day.
    """
    if until is None:
        rows = unit.rows(
            "SELECT id, currency, posted_dr, posted_cr FROM ledger_account WHERE tn = ? ORDER BY id, currency",
            (tenant,),
        )
    else:
        rows = unit.rows(
            "SELECT account, currency, SUM(dr), SUM(cr) FROM ("
            " SELECT debit AS account, currency, amount_minor AS dr, 0 AS cr FROM ledger_posting"
            " WHERE tn = ? AND phase = 'posted' AND effective <= ? UNION ALL"
            " SELECT credit, currency, 0, amount_minor FROM ledger_posting"
            " WHERE tn = ? AND phase = 'posted' AND effective <= ?"
            ") AS sides GROUP BY account, currency ORDER BY account, currency",
            (tenant, until.isoformat(), tenant, until.isoformat()),
        )
    return [TrialBalanceLine(row[0], row[1], int(row[2]), int(row[3])) for row in rows]


def verify(unit: Unit, tenant: int) -> list[Discrepancy]:
    """Accounts whose cached balances differ from their postings; an empty list means the ledger is whole."""
    rows = unit.rows(
        "SELECT a.id, a.currency, a.posted_dr, a.posted_cr, a.pending_dr, a.pending_cr,"
        " COALESCE(s.posted_dr, 0), COALESCE(s.posted_cr, 0),"
        " COALESCE(s.pending_dr, 0), COALESCE(s.pending_cr, 0)"
        " FROM ledger_account AS a LEFT JOIN ("
        " SELECT account, currency, SUM(posted_dr) AS posted_dr, SUM(posted_cr) AS posted_cr,"
        " SUM(pending_dr) AS pending_dr, SUM(pending_cr) AS pending_cr"
        f" FROM ({_ADDED_UP}) AS sides GROUP BY account, currency"
        ") AS s ON s.account = a.id AND s.currency = a.currency WHERE a.tn = ? ORDER BY a.id, a.currency",
        (tenant, tenant, tenant),
    )
    found = []
    for row in rows:
        cached = Balance(*(int(total) for total in row[2:6]))
        added_up = Balance(*(int(total) for total in row[6:10]))
        if cached != added_up:
            found.append(Discrepancy(row[0], row[1], cached, added_up))
    return found


def _running(rows: Sequence[Row], currency: str, opening: int) -> tuple[StatementLine, ...]:
    lines = []
    net = opening
    for journal, kind, memo, effective, posted_us, other, amount in rows:
        net += amount
        lines.append(
            StatementLine(
                journal, kind, memo, date.fromisoformat(effective), posted_us,
                "debit" if amount > 0 else "credit", other, Money(abs(amount), currency), net,
            )
        )  # fmt: skip
    return tuple(lines)


_SIDES = (
    "SELECT journal, seq, effective, credit AS other, amount_minor AS amount FROM ledger_posting"
    " WHERE phase = 'posted' AND tn = ? AND debit = ? AND currency = ? UNION ALL"
    " SELECT journal, seq, effective, debit, -amount_minor FROM ledger_posting"
    " WHERE phase = 'posted' AND tn = ? AND credit = ? AND currency = ?"
)
_OPEN = (
    "p.phase = 'held' AND NOT EXISTS"
    " (SELECT 1 FROM ledger_journal AS later WHERE later.tn = p.tn AND later.settles = p.journal)"
)
_ADDED_UP = " UNION ALL ".join(
    f"SELECT p.{side} AS account, p.currency AS currency,"
    f" CASE WHEN p.phase = 'posted' THEN p.amount_minor * {dr} ELSE 0 END AS posted_dr,"
    f" CASE WHEN p.phase = 'posted' THEN p.amount_minor * {1 - dr} ELSE 0 END AS posted_cr,"
    f" CASE WHEN {_OPEN} THEN p.amount_minor * {dr} ELSE 0 END AS pending_dr,"
    f" CASE WHEN {_OPEN} THEN p.amount_minor * {1 - dr} ELSE 0 END AS pending_cr"
    " FROM ledger_posting AS p WHERE p.tn = ?"
    for side, dr in (("debit", 1), ("credit", 0))
)
