"""Order between values of one kind: numbers, dates of any precision, quantities whose units can be compared."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from kiungo.formats.ucum import find_measure

UCUM = "http://unitsofmeasure.org"


def compared(one: Any, other: Any) -> int | None:
    """-1, 0 or 1 as one is less, equal or more; None when that cannot be said."""
    if one.__class__ is dict and other.__class__ is dict:
        return _quantities(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return _texts(one, other)
    left, right = _number(one), _number(other)
    return None if left is None or right is None else _order(left, right)


def _order(one: Any, other: Any) -> int:
    return 1 if one > other else -1 if one < other else 0


def _number(value: Any) -> Fraction | None:
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    try:
        return Fraction(Decimal(str(value)))
    except (InvalidOperation, ValueError):
        return None


def _texts(one: str, other: str) -> int:
    """Dates and times are ordered as far as both say; what is more precise but begins alike is later."""
    return _order(one, other)


def _quantities(one: dict[str, Any], other: dict[str, Any]) -> int | None:
    left, right = _number(one.get("value")), _number(other.get("value"))
    if left is None or right is None:
        return None
    if one.get("system") == other.get("system") and one.get("code") == other.get("code"):
        return _order(left, right) if one.get("code") is not None else None
    if one.get("system") != UCUM or other.get("system") != UCUM:
        return None
    measure, measured = find_measure(str(one.get("code"))), find_measure(str(other.get("code")))
    if measure is None or measured is None or measure.dimension != measured.dimension:
        return None
    return _order(left * measure.factor + measure.offset, right * measured.factor + measured.offset)
