"""The organisation's statement as the portal exports it: CSV with a preamble, newest first, some rows without money.

    Organization Name:,Kiungo ...        who it is about, and the time it covers
    Receipt No.,Completion Time,...      the header; what stands before it is not read
    UCB21AAAA2,02-03-2026 11:05:40,...   a row each for a payment and for its charge, of one receipt

Only completed rows are lines. A charge carries its payment's receipt and reference, so that its line has a name of its
own; its amount is not the payment's, and it waits for a person or a standing explanation.
"""

import csv
import io
from collections import Counter
from itertools import pairwise
from typing import Final

from kiungo.formats.bank_statements import csv_profile
from kiungo.formats.bank_statements.model import Statement, malformed
from kiungo.ports.payment import AccountStatement, StatementLine

STANDARD: Final = "organisation statement"
RECEIPT: Final = "Receipt No."
STATUS: Final = "Transaction Status"
BALANCE: Final = "Balance"
COMPLETED: Final = "completed"
PREAMBLE_ROWS_MAX: Final = 20
ROWS_MAX: Final = 200_000
_PROFILE = csv_profile.Profile(
    name=STANDARD,
    delimiter=",",
    encoding="utf-8",
    header=True,
    extension="csv",
    date_format="%d-%m-%Y %H:%M:%S",
    columns=(),
    statement={
        "booked_on": "Completion Time",
        "paid_in": "Paid In",
        "paid_out": "Withdrawn",
        "balance": BALANCE,
        "reference": RECEIPT,
        "end_to_end": "A/C No.",
        "party": "Other Party",
        "text": "Details",
    },
    answer={},
    answer_words={},
)


def read(body: bytes, shortcode: str) -> AccountStatement:
    """The export as a statement, oldest line first. Raises: Incorrect BANK_FILE_MALFORMED."""
    parsed = csv_profile.parse_statement(_in_order(body), _PROFILE, account=shortcode, currency="KES")
    seen: Counter[str] = Counter()
    lines = []
    for entry in parsed.entries:
        part, place = entry.parts[0], seen[entry.reference]
        seen[entry.reference] += 1
        line_id = entry.reference if place == 0 else f"{entry.reference}/{place}"
        lines.append(
            StatementLine(
                line_id, entry.booked_on, entry.signed, (part.end_to_end, entry.reference), part.party, part.text
            )
        )
    return _statement(parsed, tuple(lines), shortcode)


def _statement(parsed: Statement, lines: tuple[StatementLine, ...], shortcode: str) -> AccountStatement:
    # The export has no number of its own; its first and last receipt say which one it is.
    statement_id = f"{lines[0].line_id}-{lines[-1].line_id}"
    return AccountStatement(
        shortcode, statement_id, parsed.opening, parsed.closing, parsed.opening_on, parsed.closing_on, lines
    )


def _in_order(body: bytes) -> bytes:
    """Header and completed rows alone, oldest first. Raises: Incorrect BANK_FILE_MALFORMED."""
    rows = _rows(body)
    start = next((n for n, row in enumerate(rows[:PREAMBLE_ROWS_MAX]) if RECEIPT in map(str.strip, row)), None)
    if start is None:
        raise malformed(STANDARD, f"it has no column {RECEIPT!r}", field=RECEIPT)
    header = [title.strip() for title in rows[start]]
    found = [row for row in rows[start + 1 :] if any(cell.strip() for cell in row)]
    if STATUS in header:
        place = header.index(STATUS)
        found = [row for row in found if len(row) > place and row[place].strip().lower() == COMPLETED]
    if not found:
        raise malformed(STANDARD, "it has no completed transaction")
    output = io.StringIO(newline="")
    csv.writer(output).writerows([header, *(found if _is_oldest_first(header, found) else reversed(found))])
    return output.getvalue().encode()


def _is_oldest_first(header: list[str], rows: list[list[str]]) -> bool:
    """By the running balance, which tells even within one second: it fits the rows in one direction only."""
    places = [header.index(title) if title in header else -1 for title in (BALANCE, "Paid In", "Withdrawn")]
    if -1 in places or len(rows) < 2:
        return True
    try:
        figures = [[_cents(row[place]) for place in places] for row in rows]
    except (IndexError, ValueError):
        return True  # the profile says what is wrong with it
    return all(
        balance == before + paid_in - abs(paid_out) for (before, *_), (balance, paid_in, paid_out) in pairwise(figures)
    )


def _cents(text: str) -> int:
    """An amount as the portal writes it. Units: minor. Raises: ValueError."""
    plain = text.replace(",", "").strip()
    whole, _, part = plain.lstrip("-").partition(".")
    minor = int(whole or "0") * 100 + int((part + "00")[:2])
    return -minor if plain.startswith("-") else minor


def _rows(body: bytes) -> list[list[str]]:
    if len(body) > csv_profile.BYTES_MAX:
        raise malformed(STANDARD, f"it has more than {csv_profile.BYTES_MAX} bytes")
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error):
        raise malformed(STANDARD, "it is not comma-separated text in utf-8") from None
    if len(rows) > ROWS_MAX:
        raise malformed(STANDARD, f"it has more than {ROWS_MAX} rows")
    return rows
