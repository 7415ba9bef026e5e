"""Columns of rows as PostgreSQL arrays, written out here: the driver asks each element for its type, ten times slower.

Source: PostgreSQL 15 documentation, 8.15.2 (array value input).
"""

from collections.abc import Iterable
from typing import Any


def array_text(values: Iterable[Any], *, quoted: bool) -> str:
    """One column as the text of an array; `quoted` for texts. Shapes: numbers, or texts and None."""
    if not quoted:
        return "{" + ",".join(map(repr, values)) + "}"
    return "{" + ",".join(map(_quoted, values)) + "}"


def array_cast(kind: str) -> str:
    """The place of such a parameter in a statement. Shapes: `kind` is an SQL type."""
    return f"?::{kind}[]"


def _quoted(text: str | None) -> str:
    if text is None:
        return "NULL"
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
