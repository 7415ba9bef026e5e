"""Bank statements as SWIFT MT940 text: one or more statements, with or without the FIN blocks around them.

Source: SWIFT Standards MT, category 9, MT940 Customer Statement; fields 20, 25, 28C, 60a, 61, 86, 62a.
"""

import re
from datetime import date

from kiungo.base.errors import Detail
from kiungo.base.money import EXPONENTS, Money
from kiungo.formats.bank_statements import balances
from kiungo.formats.bank_statements.model import Direction, Entry, Part, Statement, malformed
from kiungo.formats.bank_statements.mt940_information import read_information, write_information

STANDARD = "MT940"
BYTES_MAX = 20_000_000
REFERENCE_LENGTH_MAX = 16
_TAG = re.compile(r"^:([0-9]{2}[A-Z]?):", re.MULTILINE)
_BALANCE = re.compile(r"([CD])([0-9]{6})([A-Z]{3})([0-9]{1,15},[0-9]{0,3})\Z")
_LINE = re.compile(
    r"(?P<value>[0-9]{6})(?P<entry>[0-9]{4})?(?P<mark>R?[CD]|E[CD])(?P<funds>[A-Z])?(?P<amount>[0-9]{1,15},[0-9]{0,3})"
    r"(?P<code>[NFS][A-Z0-9]{3})(?P<ours>[^\n/]{0,16}(?:/[^\n/][^\n/]*)*)(?://(?P<theirs>[^\n]{0,16}))?"
    r"(?:\n(?P<more>[^\n]{0,34}))?\Z"
)
_NO_REFERENCE = ("NONREF", "")


def parse(body: bytes) -> tuple[Statement, ...]:
    """The statements of a file. Raises: Incorrect BANK_FILE_MALFORMED."""
    if len(body) > BYTES_MAX:
        raise malformed(STANDARD, f"it has more than {BYTES_MAX} bytes")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    fields = _fields(text.replace("\r\n", "\n").replace("\r", "\n"))
    statements: list[Statement] = []
    current: list[tuple[str, str]] = []
    for tag, content in fields:
        if tag == "20" and current:
            statements.append(_statement(current))
            current = []
        current.append((tag, content))
    if not current or current[0][0] != "20":
        raise malformed(STANDARD, "it does not begin with field :20:")
    return (*statements, _statement(current))


def validate(statement: Statement) -> tuple[Detail, ...]:
    """Problems of a statement, those of the format's lengths included. Changes nothing."""
    problems = list(balances.validate(statement))
    if len(statement.statement_id) > REFERENCE_LENGTH_MAX:
        problems.append(Detail("statement_id", f"has more than {REFERENCE_LENGTH_MAX} characters"))
    for number, entry in enumerate(statement.entries):
        if len(entry.parts) > 1:
            problems.append(Detail(f"entries.{number}.parts", "the format has one payment for each entry"))
        if len(entry.reference) > REFERENCE_LENGTH_MAX:
            problems.append(Detail(f"entries.{number}.reference", f"has more than {REFERENCE_LENGTH_MAX} characters"))
    return tuple(problems)


def render(statements: tuple[Statement, ...]) -> bytes:
    """Write the text block of each statement, with the line ends the standard asks for."""
    lines: list[str] = []
    for statement in statements:
        lines += [f":20:{statement.statement_id}", f":25:{statement.account}", f":28C:{statement.number}"]
        lines.append(f":60F:{_balance_text(statement.opening, statement.opening_on)}")
        for entry in statement.entries:
            lines += _entry_lines(entry)
        lines += [f":62F:{_balance_text(statement.closing, statement.closing_on)}", "-"]
    return ("\r\n".join(lines) + "\r\n").encode()


def _fields(text: str) -> list[tuple[str, str]]:
    fields = []
    matches = list(_TAG.finditer(text))
    for match, following in zip(matches, [*matches[1:], None], strict=False):
        content = text[match.end() : following.start() if following else len(text)]
        content = re.split(r"^-\}?$", content, maxsplit=1, flags=re.MULTILINE)[0]
        fields.append((match.group(1), content.rstrip("\n")))
    return fields


def _statement(fields: list[tuple[str, str]]) -> Statement:
    single = dict(fields)
    opening, opening_on = _balance(single.get("60F") or single.get("60M"), "60F")
    closing, closing_on = _balance(single.get("62F") or single.get("62M"), "62F")
    number, _, page = (part.strip() for part in single.get("28C", single.get("28", "0")).partition("/"))
    if not number.isdecimal():
        raise malformed(STANDARD, "its statement number is not a number", field="28C")
    entries: list[Entry] = []
    before = ""
    for tag, content in fields:
        if tag == "61":
            entries.append(_entry(content, opening.currency))
        elif tag == "86" and before == "61":  # after the closing balance it speaks of the whole statement
            entries[-1] = _with_information(entries[-1], content)
        before = tag
    page = page if page.isdecimal() and int(page) > 1 else ""  # a statement of several messages
    statement_id = single.get("20", "").strip() + (f":{int(page)}" if page else "")
    return Statement(
        single.get("25", "").strip(), statement_id, int(number), opening, opening_on, closing,
        closing_on, tuple(entries),
    )  # fmt: skip


def _balance(content: str | None, tag: str) -> tuple[Money, date]:
    match = _BALANCE.match(content.strip()) if content else None
    if match is None:
        raise malformed(STANDARD, f"its balance :{tag}: is missing or malformed", field=tag)
    sign, day, currency, amount = match.groups()
    money = _money(amount, currency)
    return (money if sign == "C" else -money), _day(day, tag)


def _entry(content: str, currency: str) -> Entry:
    match = _LINE.match(content.rstrip())
    if match is None:
        raise malformed(STANDARD, "a field :61: does not have the form of an entry", field="61")
    mark = match["mark"]
    is_reversal = mark.startswith("R")
    # A reversed credit takes money out: RC counts as a debit, RD as a credit.
    into = (mark[-1] == "C") != is_reversal
    direction: Direction = "credit" if into else "debit"
    value_on = _day(match["value"], "61")
    amount = _money(match["amount"], currency)
    ours = match["ours"].strip()
    return Entry(
        booked_on=_entry_day(match["entry"], value_on),
        value_on=value_on,
        amount=amount,
        direction=direction,
        reference=(match["theirs"] or "").strip(),
        code=match["code"],
        is_reversal=is_reversal,
        parts=(Part(amount, "" if ours in _NO_REFERENCE else ours, "", (match["more"] or "").strip()),),
    )


def _with_information(entry: Entry, content: str) -> Entry:
    information = read_information(content)
    part = entry.parts[0]
    complete = Part(
        part.amount, information.end_to_end or part.end_to_end, information.party, information.text or part.text
    )
    return Entry(
        entry.booked_on, entry.value_on, entry.amount, entry.direction, entry.reference, entry.code,
        entry.is_reversal, entry.is_pending, (complete,),
    )  # fmt: skip


def _entry_lines(entry: Entry) -> list[str]:
    part = entry.parts[0] if entry.parts else Part(entry.amount)
    into = entry.direction == "credit"
    mark = ("RD" if into else "RC") if entry.is_reversal else ("C" if into else "D")
    short = part.end_to_end if 0 < len(part.end_to_end) <= REFERENCE_LENGTH_MAX else "NONREF"
    line = (
        f":61:{entry.value_on:%y%m%d}{entry.booked_on:%m%d}{mark}{_amount_text(entry.amount)}"
        f"{entry.code or 'NMSC'}{short}"
    )
    line += f"//{entry.reference}" if entry.reference else ""
    return [line, *write_information(part.end_to_end, part.party, part.text)]


def _entry_day(text: str | None, value_on: date) -> date:
    """The entry date has no year: it is the one that brings it nearest to the value date."""
    if text is None:
        return value_on
    days = []
    for year in (value_on.year - 1, value_on.year, value_on.year + 1):
        try:
            days.append(date(year, int(text[:2]), int(text[2:])))
        except ValueError:
            continue  # the 29th of February of another year
    if not days:
        raise malformed(STANDARD, f"{text!r} is not a day", field="61")
    return min(days, key=lambda day: abs((day - value_on).days))


def _day(text: str, tag: str) -> date:
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        raise malformed(STANDARD, f"{text!r} is not a date", field=tag) from None


def _money(text: str, currency: str) -> Money:
    return Money.parse(text.replace(",", ".").rstrip("."), currency)


def _amount_text(amount: Money) -> str:
    text = amount.text().replace(".", ",")
    return text if EXPONENTS[amount.currency] else f"{text},"


def _balance_text(amount: Money, day: date) -> str:
    sign = "C" if amount.minor >= 0 else "D"
    return f"{sign}{day:%y%m%d}{amount.currency}{_amount_text(amount if amount.minor >= 0 else -amount)}"
