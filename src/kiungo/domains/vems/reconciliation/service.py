"""Reconciliation: every statement line is used once, what nobody can place waits for a person, and balances are proved.

A statement is the last word about money: a line with our reference and amount closes an unknown leg, a line that brings
it back marks the payment as returned.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from kiungo.base.errors import Conflict, Incorrect, NotFound
from kiungo.base.money import Money
from kiungo.domains.vems.model import contract_date
from kiungo.domains.vems.reconciliation.matching import Candidate, Suggestion, references_in, suggest
from kiungo.domains.vems.settlement import accounts, store
from kiungo.domains.vems.settlement.errors import (
    STATEMENT_LINE_NOT_FOUND,
    STATEMENT_LINE_USED,
    STATEMENT_WRONG,
)
from kiungo.domains.vems.settlement.legs import Legs
from kiungo.domains.vems.settlement.model import Leg
from kiungo.domains.vems.settlement.notices import apply_notice
from kiungo.kernel import audit, json
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Unit
from kiungo.kernel.database.unit import Row
from kiungo.ports.payment import AccountStatement, Answer, Notice, StatementLine

OPEN_MAX = 1_000
# Word for word the condition of the index of used lines: only then SQLite may use it.
PLACED = "used_as IN ('payment', 'return', 'funding')"
REFUSED = "suggestion_refused"


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a statement brought: lines not seen before, and how many of them found their payment."""

    new: int
    matched: int


def ingest(legs: Legs, unit: Unit, tenant: int, rail: str, statement: AccountStatement) -> Ingested:
    """Take a statement in; the same one again changes nothing.

    Raises: Incorrect STATEMENT_WRONG, also for another account's.
    """
    _check(statement)
    unit.lock(f"statement/{tenant}/{rail}")
    _check_account(unit, tenant, rail, statement)
    if not _keep_statement(unit, tenant, rail, statement):
        return Ingested(0, 0)
    legs.take(unit, tenant, [reference for line in statement.lines for reference in line.references])
    added = (_add_line(unit, tenant, rail, statement, line) for line in _told_apart(statement.lines))
    fresh = [line for line in added if line is not None]
    # A payment before its return: some banks list the newest line first.
    fresh.sort(key=lambda line: (line.booked_on, line.amount.minor > 0))
    return Ingested(len(fresh), sum(_match(legs, unit, tenant, rail, line) for line in fresh))


def _told_apart(lines: Sequence[StatementLine]) -> Iterator[StatementLine]:
    """Lines with ids of their own: two that say the same are two, such as two charges of one day."""
    seen: Counter[tuple[str, date, int]] = Counter()
    for line in lines:
        said = (line.line_id, line.booked_on, line.amount.minor)
        seen[said] += 1
        yield line if seen[said] == 1 else replace(line, line_id=f"{line.line_id}#{seen[said]}")


def _add_line(
    unit: Unit, tenant: int, rail: str, statement: AccountStatement, line: StatementLine
) -> StatementLine | None:
    """Keep a line, and return it as kept; None for one that another statement brought.

    A bank gives one reference to a payment, its charge and its return: another day or amount is another line.
    """
    for line_id in (line.line_id, f"{line.line_id}@{line.booked_on}:{line.amount.minor}"):
        added = unit.execute(
            "INSERT INTO bank_line (tn, rail, line_id, statement_id, booked_on, currency, amount_minor, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                tenant, rail, line_id, statement.statement_id, line.booked_on.isoformat(), line.amount.currency,
                line.amount.minor, json.dumps([list(line.references), line.party, line.text]),
            ),
        )  # fmt: skip
        if added:
            return replace(line, line_id=line_id)
        known = unit.row(
            "SELECT booked_on, amount_minor FROM bank_line WHERE tn = ? AND rail = ? AND line_id = ?",
            (tenant, rail, line_id),
        )
        if known is not None and tuple(known) == (line.booked_on.isoformat(), line.amount.minor):
            return None
    return None


def open_lines(unit: Unit, tenant: int, rail: str, currency: str | None = None) -> list[StatementLine]:
    """Lines that were not used yet, oldest first; those of one currency, or of all."""
    of_currency, more = ("", ()) if currency is None else (" AND currency = ?", (currency,))
    rows = unit.rows(
        "SELECT line_id, booked_on, amount_minor, currency, body FROM bank_line"
        f" WHERE tn = ? AND rail = ? AND used_as IS NULL{of_currency} ORDER BY booked_on, line_id LIMIT ?",
        (tenant, rail, *more, OPEN_MAX),
    )
    return [_line(row) for row in rows]


def suggestions(unit: Unit, tenant: int, rail: str) -> list[tuple[StatementLine, Sequence[Suggestion]]]:
    """The queue for a person: every open line with the payments it might be."""
    legs = store.legs_in(unit, tenant, ("submitted", "unknown", "posted", "returned"), rail=rail, limit=OPEN_MAX)
    candidates = [
        Candidate(leg.reference, -leg.amount, leg.payee_name, contract_date(leg.submitted_us or leg.updated_us))
        for leg in legs
        if not _is_used(unit, tenant, "payment", leg.reference)
    ] + [
        Candidate(leg.reference, leg.amount, leg.payee_name, contract_date(leg.updated_us))
        for leg in legs
        if leg.state == "returned" and not _is_used(unit, tenant, "return", leg.reference)
    ]
    bookings = {leg.reference: leg.booking_no for leg in legs}
    return [
        (line, [s for s in suggest(line, candidates) if not _is_refused(unit, tenant, bookings[s.reference], s)])
        for line in open_lines(unit, tenant, rail)
    ]


def accept(legs: Legs, unit: Unit, call: Call, rail: str, line_id: str, reference: str) -> None:
    """A person says which payment a line is, or which payment it brings back; amounts must be equal.

    Raises: NotFound; Conflict STATEMENT_LINE_USED; Incorrect STATEMENT_WRONG.
    """
    line = open_line(unit, call.tenant, rail, line_id)
    leg = store.get_leg(unit, call.tenant, reference)
    if leg.rail != rail or line.amount not in (leg.amount, -leg.amount):
        raise Incorrect(
            STATEMENT_WRONG,
            f"The line is {line.amount}, the payment {leg.amount}",
            field="reference",
            hint="Check both",
        )
    is_return = line.amount == leg.amount
    if _is_used(unit, call.tenant, "return" if is_return else "payment", reference):
        raise Conflict(STATEMENT_LINE_USED, f"{reference} was found on another line", hint="Read both lines again")
    place = _return if is_return else _pay
    if not place(legs, unit, call.tenant, rail, line, leg, who=call.principal.id):
        raise Incorrect(
            STATEMENT_WRONG,
            f"The payment {reference} is {leg.state}: it cannot be what line {line_id} says",
            field="reference",
            hint="Read the payment's trail",
        )
    audit.record(unit, call, "match", kind="BankLine", id=line_id, detail=reference)


def refuse(unit: Unit, call: Call, rail: str, line_id: str, reference: str) -> None:
    """A person says that a line is not this payment: it is not suggested again, and the trail of the payment says so.

    Raises: NotFound; Conflict STATEMENT_LINE_USED.
    """
    open_line(unit, call.tenant, rail, line_id)
    leg = store.get_leg(unit, call.tenant, reference)
    store.step(
        unit, call.tenant, leg.booking_no, REFUSED, reference=reference, who=call.principal.name, detail=line_id
    )  # fmt: skip
    audit.record(unit, call, "refuse_match", kind="BankLine", id=line_id, detail=reference)


def explain(unit: Unit, call: Call, rail: str, line_id: str, *, account: str, memo: str) -> None:
    """Book a line that is no payment of ours, such as bank charges, against an account.

    Raises: NotFound; Conflict STATEMENT_LINE_USED, LEDGER_BALANCE_TOO_LOW.
    """
    line = open_line(unit, call.tenant, rail, line_id)
    cash = accounts.cash(rail)
    out = line.amount.minor < 0
    move = (account, cash, -line.amount) if out else (cash, account, line.amount)
    accounts.move(
        unit, call.tenant, key=f"line/{rail}/{line_id}", kind="reconciliation.explained", memo=memo, moves=[move]
    )
    use_line(unit, call.tenant, rail, line_id, "explained", account, who=call.principal.id)
    audit.record(unit, call, "explain", kind="BankLine", id=line_id)


def _match(legs: Legs, unit: Unit, tenant: int, rail: str, line: StatementLine) -> bool:
    for reference in references_in(line):
        leg = store.find_leg(unit, tenant, reference)
        if leg is None or leg.rail != rail:
            continue
        if line.amount == -leg.amount and not _is_used(unit, tenant, "payment", reference):
            return _pay(legs, unit, tenant, rail, line, leg, who="reference")
        if line.amount == leg.amount and not _is_used(unit, tenant, "return", reference):
            return _return(legs, unit, tenant, rail, line, leg, who="reference")
    return line.amount.minor > 0 and _match_funding(unit, tenant, rail, line)


def _pay(legs: Legs, unit: Unit, tenant: int, rail: str, line: StatementLine, leg: Leg, *, who: str) -> bool:
    answer = Answer("paid", receipt=line.line_id)
    outcome = apply_notice(legs, unit, tenant, rail, Notice(leg.reference, answer, leg.amount), source="statement")
    if outcome.startswith("refused"):
        return False
    use_line(unit, tenant, rail, line.line_id, "payment", leg.reference, who=who)
    return True


def _return(legs: Legs, unit: Unit, tenant: int, rail: str, line: StatementLine, leg: Leg, *, who: str) -> bool:
    answer = Answer("failed", line.text or "the bank returned the payment", "payee", receipt=line.line_id)
    notice = Notice(leg.reference, answer, leg.amount, returned=True)
    if apply_notice(legs, unit, tenant, rail, notice, source="statement") not in ("applied", "repeated"):
        return False
    use_line(unit, tenant, rail, line.line_id, "return", leg.reference, who=who)
    return True


def _match_funding(unit: Unit, tenant: int, rail: str, line: StatementLine) -> bool:
    """Our own money coming in: its key stands in the line's text."""
    rows = unit.rows(
        "SELECT key FROM settlement_funding WHERE tn = ? AND rail = ? AND currency = ? AND amount_minor = ?"
        " ORDER BY at_us, key",
        (tenant, rail, line.amount.currency, line.amount.minor),
    )
    for (key,) in rows:
        # As a word: the key T1 does not stand in the text "T10".
        said = re.compile(rf"(?<!\w){re.escape(key.partition('/')[2])}(?!\w)")
        found = any(said.search(text) for text in (*line.references, line.text))
        if found and not _is_used(unit, tenant, "funding", key):
            use_line(unit, tenant, rail, line.line_id, "funding", key, who="reference")
            return True
    return False


def use_line(unit: Unit, tenant: int, rail: str, line_id: str, used_as: str, used_for: str, *, who: str) -> None:
    """Use a line for what it is, once. Raises: Conflict STATEMENT_LINE_USED."""
    changed = unit.execute(
        "UPDATE bank_line SET used_as = ?, used_for = ?, used_by = ?, used_us = ?"
        " WHERE tn = ? AND rail = ? AND line_id = ? AND used_as IS NULL",
        (used_as, used_for, who, unit.now_us, tenant, rail, line_id),
    )
    if changed != 1:
        raise Conflict(STATEMENT_LINE_USED, f"Line {line_id} was used before", field="line_id", hint="Read it again")


def _is_used(unit: Unit, tenant: int, used_as: str, used_for: str) -> bool:
    found = unit.value(
        f"SELECT 1 FROM bank_line WHERE tn = ? AND used_as = ? AND used_for = ? AND {PLACED}",
        (tenant, used_as, used_for),
    )
    return found is not None


def _is_refused(unit: Unit, tenant: int, booking_no: str, suggestion: Suggestion) -> bool:
    found = unit.value(
        "SELECT 1 FROM settlement_step WHERE tn = ? AND booking_no = ? AND reference = ? AND what = ? AND detail = ?",
        (tenant, booking_no, suggestion.reference, REFUSED, suggestion.line_id),
    )
    return found is not None


def open_line(unit: Unit, tenant: int, rail: str, line_id: str) -> StatementLine:
    """A line nobody used yet. Raises: NotFound STATEMENT_LINE_NOT_FOUND; Conflict STATEMENT_LINE_USED."""
    row = unit.row(
        "SELECT line_id, booked_on, amount_minor, currency, body, used_as FROM bank_line"
        " WHERE tn = ? AND rail = ? AND line_id = ?",
        (tenant, rail, line_id),
    )
    if row is None:
        raise NotFound(STATEMENT_LINE_NOT_FOUND, f"No line {line_id} at {rail}", field="line_id", hint="Check the id")
    if row[5] is not None:
        raise Conflict(STATEMENT_LINE_USED, f"Line {line_id} was used before", field="line_id", hint="Read it again")
    return _line(row)


def _line(row: Row) -> StatementLine:
    references, party, text = json.loads(row[4])
    return StatementLine(row[0], date.fromisoformat(row[1]), Money(row[2], row[3]), tuple(references), party, text)


def _keep_statement(unit: Unit, tenant: int, rail: str, statement: AccountStatement) -> bool:
    values = (
        statement.account, statement.opening.currency, statement.opening.minor, statement.closing.minor,
        statement.opened_on.isoformat(), statement.closed_on.isoformat(),
    )  # fmt: skip
    known = unit.row(
        "SELECT account, currency, opening_minor, closing_minor, opened_on, closed_on FROM bank_statement"
        " WHERE tn = ? AND rail = ? AND statement_id = ?",
        (tenant, rail, statement.statement_id),
    )
    if known is not None and tuple(known) != values:
        raise Incorrect(
            STATEMENT_WRONG, f"Statement {statement.statement_id} was received before with other balances",
            field="statement_id", hint="Ask the bank which one counts",
        )  # fmt: skip
    if known is None:
        unit.execute(
            "INSERT INTO bank_statement (tn, rail, statement_id, account, currency, opening_minor, closing_minor,"
            " opened_on, closed_on, received_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (tenant, rail, statement.statement_id, *values, unit.now_us),
        )
    return known is None


def _check_account(unit: Unit, tenant: int, rail: str, statement: AccountStatement) -> None:
    """A rail is one account for each currency: a statement of another one would spoil its balance."""
    known = unit.value(
        "SELECT account FROM bank_statement WHERE tn = ? AND rail = ? AND currency = ? ORDER BY seq LIMIT 1",
        (tenant, rail, statement.opening.currency),
    )
    if known is not None and known != statement.account:
        raise Incorrect(
            STATEMENT_WRONG,
            f"The statement is of account {statement.account[:40]}; {rail} is account {known}",
            field="account",
            hint="Give it to the rail of that account",
        )


def _check(statement: AccountStatement) -> None:
    total = sum(line.amount.minor for line in statement.lines)
    if statement.opening.minor + total != statement.closing.minor:
        raise Incorrect(
            STATEMENT_WRONG,
            f"Statement {statement.statement_id} of {statement.account} does not add up to its closing balance",
            field="closing",
            hint="Ask the bank for the whole statement",
        )
