"""Rows as CSV that a spreadsheet can open without running anything, and as JSON."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from kiungo.base.money import Money
from kiungo.domains.vems.analytics.tables import Cell, Row
from kiungo.kernel import json

# A cell that begins with one of these is a formula for a spreadsheet. Source: OWASP, CSV Injection.
FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def header(row: Row) -> bytes:
    """The first line of a CSV file, with the mark by which spreadsheets know UTF-8."""
    return BYTE_ORDER_MARK + _line(list(row))


def lines(rows: Iterable[Row]) -> bytes:
    """Rows as lines of a CSV file."""
    return b"".join(_line([cell(value) for value in row.values()]) for row in rows)


def csv_of(rows: Sequence[Row]) -> bytes:
    """A whole CSV file; of no rows at all, an empty one."""
    return header(rows[0]) + lines(rows) if rows else BYTE_ORDER_MARK


def cell(value: Cell) -> str:
    """One cell: amounts as they are, texts so that none is taken for a formula."""
    match value:
        case None:
            return ""
        case Money():
            return value.text()
        case int() | Decimal():
            return str(value)
        case _:
            return f"'{value}" if value.lstrip(" ").startswith(FORMULA_BEGINS) else value


def json_items(rows: Sequence[Row], *, is_first: bool) -> bytes:
    """Rows as items of a JSON list that is written piece by piece."""
    items = b",".join(json.dumps(dict(row)) for row in rows)
    return items if is_first or not items else b"," + items


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
