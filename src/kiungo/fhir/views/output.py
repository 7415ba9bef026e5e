"""Rows as text, a chunk at a time: CSV, NDJSON and JSON."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from kiungo.fhir.views.model import View
from kiungo.kernel import json

Format = Literal["csv", "ndjson", "json", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "ndjson", "json", "parquet")
MEDIA_TYPES: dict[str, bytes] = {
    "csv": b"text/csv; charset=utf-8",
    "ndjson": b"application/x-ndjson",
    "json": b"application/json",
    "parquet": b"application/vnd.apache.parquet",
}
ROWS_PER_CHUNK = 500
Rows = Iterable[list[Any]]


def csv_chunks(view: View, rows: Rows, *, header: bool = True) -> Iterator[bytes]:
    """Comma-separated values as RFC 4180 has them; lists and objects as JSON, no value as nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if header:
        writer.writerow([column.name for column in view.columns])
    for number, row in enumerate(rows, 1):
        writer.writerow([_cell(value) for value in row])
        if number % ROWS_PER_CHUNK == 0:
            yield _taken(text)
    yield _taken(text)


def ndjson_chunks(view: View, rows: Rows) -> Iterator[bytes]:
    """One JSON object for each row and line."""
    names = [column.name for column in view.columns]
    waiting: list[bytes] = []
    for row in rows:
        waiting.append(json.dumps(dict(zip(names, row, strict=True))) + b"\n")
        if len(waiting) >= ROWS_PER_CHUNK:
            yield b"".join(waiting)
            waiting.clear()
    yield b"".join(waiting)


def json_chunks(view: View, rows: Rows) -> Iterator[bytes]:
    """One JSON array of objects."""
    mark = b"["
    for chunk in ndjson_chunks(view, rows):
        if chunk:
            yield mark + chunk.rstrip(b"\n").replace(b"\n", b",")
            mark = b","
    yield b"]" if mark == b"," else b"[]"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value).decode()
    return value


def _taken(text: io.StringIO) -> bytes:
    found = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return found
