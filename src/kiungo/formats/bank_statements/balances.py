"""What must hold in every statement, whichever format brought it."""

from kiungo.base.errors import Detail
from kiungo.formats.bank_statements.model import Entry, Statement


def validate(statement: Statement) -> tuple[Detail, ...]:
    """Problems of a statement: currencies that differ, parts or entries that do not add up. Changes nothing."""
    problems: list[Detail] = []
    currency = statement.opening.currency
    if not statement.account:
        problems.append(Detail("account", "the statement names no account"))
    if statement.closing.currency != currency:
        problems.append(Detail("closing", f"the closing balance is not in {currency}", "currency"))
    if statement.closing_on < statement.opening_on:
        problems.append(Detail("closing_on", "the statement ends before it begins"))
    for number, entry in enumerate(statement.entries):
        problems.extend(_entry_problems(entry, f"entries.{number}", currency))
    if problems:
        return tuple(problems)
    booked = sum(entry.signed.minor for entry in statement.entries if not entry.is_pending)
    difference = statement.closing.minor - statement.opening.minor - booked
    if difference:
        problems.append(
            Detail("closing", f"opening and entries miss the closing balance by {difference} minor units", "sum")
        )
    return tuple(problems)


def _entry_problems(entry: Entry, field: str, currency: str) -> list[Detail]:
    problems = []
    if entry.amount.currency != currency:
        return [Detail(f"{field}.amount", f"the entry is not in {currency}", "currency")]
    if entry.amount.minor < 0:
        problems.append(Detail(f"{field}.amount", "the amount is negative; the direction says which way it went"))
    if len(entry.parts) > 1:
        if any(part.amount.currency != currency for part in entry.parts):
            problems.append(Detail(f"{field}.parts", f"a part is not in {currency}", "currency"))
        elif sum(part.amount.minor for part in entry.parts) != entry.amount.minor:
            problems.append(Detail(f"{field}.parts", "the parts do not add up to the entry", "sum"))
    return problems
