"""Rows of composite parameters: every combination of the parts that one element has.

Shapes: a row is (key, hash, other, low, high, system, other system, unit, text, low2, high2); what a combination
lacks is 0 or empty.
"""

from collections.abc import Callable
from itertools import islice, product
from typing import Any

COMBINATIONS_MAX = 200
Row = tuple[Any, ...]
Adder = Callable[[Row], None]
# A part: the function that finds its rows, the element it looks in, its kind.
Part = tuple[Callable[..., Any], dict[str, Any], str]
# Which of a finding function's adders gets the rows of a kind.
_PLACES = {"token": 0, "reference": 1, "date": 2, "number": 3, "quantity": 3, "string": 4, "uri": 5}
_NOTHING = (0, 0.0, 0.0, 0, 0, "")


def combine(key: int, parts: tuple[Part, ...], composite: Adder) -> None:
    """Add the rows of one element: each value of its first part with each of its others."""
    found: list[list[Row]] = []
    for function, element, kind in reversed(parts):  # the value first: it is what most elements lack
        values: list[Row] = []
        adders: list[Adder] = [_nowhere] * 6
        adders[_PLACES[kind]] = values.append
        function(element, *adders)
        if not values:
            return
        found.append([_filled(kind, row) for row in values] if len(found) < len(parts) - 1 else values)
    firsts, *others = reversed(found)
    for (_, code, system), *rest in islice(product(firsts, *others), COMBINATIONS_MAX):
        other, low, high, other_system, unit, text = rest[0]
        low2, high2 = (rest[1][1], rest[1][2]) if len(rest) > 1 else (0.0, 0.0)
        composite((key, code, other, low, high, system, other_system, unit, text, low2, high2))


def _filled(kind: str, row: Row) -> Row:
    """(other, low, high, system, unit, text) of a second or third part."""
    if kind == "token":
        return (row[1], 0.0, 0.0, row[2], 0, "")
    if kind == "reference":
        return (row[1], *_NOTHING[1:])
    if kind == "date":
        return (0, float(row[1]), float(row[2]), 0, 0, "")
    if kind == "string":
        return (*_NOTHING[:5], row[1])
    return (0, row[1], row[2], row[3], row[4], "")


def _nowhere(_: Row) -> None:
    """What a part's element says beside its kind is not asked about."""
