"""Quantities: a decimal with a UCUM unit or a calendar duration.

A calendar unit keeps its word ("year"); a UCUM unit is its code. Days, weeks, hours, minutes, seconds and milliseconds
mean the same in both; a calendar year or month is not the UCUM year or month of a fixed length.
Source: FHIRPath N1, 4.1.8 (quantity), 6.1 (equality).
"""

from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from functools import lru_cache

from kiungo.formats.ucum import Measure, find_measure

_WORDS = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
CALENDAR_UNITS = {form: word for word in _WORDS for form in (word, word + "s")}
# The UCUM code that a calendar word means where its length is fixed.
FIXED = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
_LOOSE = {**FIXED, "year": "a", "month": "mo"}
_EXACT = Context(prec=100, traps=[Inexact, Overflow, InvalidOperation])
UCUM_TO_CALENDAR = {code: word for word, code in _LOOSE.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """A value and its unit: "1" for none, a UCUM code, or a calendar word in the singular."""

    value: Decimal
    unit: str = "1"

    @property
    def is_calendar(self) -> bool:
        """Whether the unit is a calendar word."""
        return self.unit in _LOOSE

    def __str__(self) -> str:
        if self.is_calendar:
            return f"{self.value} {self.unit}" + ("" if self.value == 1 else "s")
        return f"{self.value} '{self.unit}'"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and equal(self, other) is True

    def __hash__(self) -> int:
        measure = _measure(self)
        return hash((Fraction(self.value) * measure.factor, measure.dimension) if measure else (self.value, self.unit))


def compare(left: Quantity, right: Quantity) -> int | None:
    """-1, 0 or 1, or None when the units cannot be compared."""
    if left.unit == right.unit:
        return (left.value > right.value) - (left.value < right.value)
    scales = _scales(left.unit, right.unit)
    if scales is not None:
        try:
            one, other = _EXACT.multiply(left.value, scales[0]), _EXACT.multiply(right.value, scales[1])
            return (one > other) - (one < other)
        except DecimalException:
            pass  # too many digits to stay exact: fractions have no such bound
    pair = _in_common(left, right)
    return None if pair is None else (pair[0] > pair[1]) - (pair[0] < pair[1])


@lru_cache(maxsize=1024)
def _scales(one: str, other: str) -> tuple[Decimal, Decimal] | None:
    """What to multiply each amount with so that they compare; None where that is not all there is to it."""
    left, right = _measure(Quantity(Decimal(0), one)), _measure(Quantity(Decimal(0), other))
    if left is None or right is None or left.dimension != right.dimension or left.offset or right.offset:
        return None
    ratio = left.factor / right.factor
    return Decimal(ratio.numerator), Decimal(ratio.denominator)


def equal(left: Quantity, right: Quantity) -> bool | None:
    """Whether both are the same amount; None when the units cannot be compared."""
    order = compare(left, right)
    return None if order is None else order == 0


def equivalent(left: Quantity, right: Quantity) -> bool:
    """The same amount to the precision of the less precise one; a calendar year is then also a UCUM year."""
    pair = _in_common(left, right, loose=True)
    if pair is None:
        return False
    one, other = _measure(left, loose=True), _measure(right, loose=True)
    # What the last written digit of each is worth: the larger one is the precision of both.
    left_step = Fraction(1, 10 ** _places(left.value)) * (one.factor if one else 1)
    right_step = Fraction(1, 10 ** _places(right.value)) * (other.factor if other else 1)
    step = max(left_step, right_step)
    return _rounded(pair[0] / step) == _rounded(pair[1] / step)


def comparable(left: Quantity, right: Quantity) -> bool:
    """Whether the units measure the same thing."""
    return _in_common(left, right) is not None


def _in_common(left: Quantity, right: Quantity, *, loose: bool = False) -> tuple[Fraction, Fraction] | None:
    """Both amounts in the same unit."""
    one, other = _measure(left, loose=loose), _measure(right, loose=loose)
    if one is not None and other is not None and one.dimension == other.dimension:
        return Fraction(left.value) * one.factor + one.offset, Fraction(right.value) * other.factor + other.offset
    if left.unit == right.unit:
        return Fraction(left.value), Fraction(right.value)
    return _in_calendar(left, right) if left.is_calendar and right.is_calendar else None


def _in_calendar(left: Quantity, right: Quantity) -> tuple[Fraction, Fraction]:
    """Two calendar durations of which one is in years or months: 12 months a year, else 365 and 30 days."""
    if {left.unit, right.unit} == {"year", "month"}:
        months = [Fraction(q.value) * (12 if q.unit == "year" else 1) for q in (left, right)]
        return months[0], months[1]
    day = find_measure("d")
    assert day is not None
    seconds = []
    for one in (left, right):
        measure = _measure(one)
        days = {"year": 365, "month": 30}.get(one.unit, 0)
        seconds.append(Fraction(one.value) * (measure.factor if measure else days * day.factor))
    return seconds[0], seconds[1]


def _measure(quantity: Quantity, *, loose: bool = False) -> Measure | None:
    names = _LOOSE if loose else FIXED
    if quantity.is_calendar and quantity.unit not in names:
        return None
    return find_measure(names.get(quantity.unit, quantity.unit))


def _places(value: Decimal) -> int:
    """Digits after the point, without trailing zeros."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rounded(value: Fraction) -> int:
    """Half away from zero."""
    return int(value + Fraction(1, 2)) if value >= 0 else -int(-value + Fraction(1, 2))


def summed(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    """Left plus (or minus) right, in left's unit; None when the units do not fit together."""
    if left.unit == right.unit:
        return Quantity(left.value + sign * right.value, left.unit)
    one, other = _measure(left), _measure(right)
    if one is None or other is None or one.dimension != other.dimension:
        return None
    ratio = other.factor / one.factor
    return Quantity(left.value + sign * right.value * ratio.numerator / ratio.denominator, left.unit)


def multiplied(left: Quantity, right: Quantity) -> Quantity | None:
    """The product, its unit being the product of the units."""
    return _with_unit(left.value * right.value, _product(_coded(left), _coded(right), "."))


def divided(left: Quantity, right: Quantity) -> Quantity | None:
    """The quotient; of two amounts of the same kind it is a plain number."""
    one, other = _measure(left), _measure(right)
    if one is not None and other is not None and one.dimension == other.dimension and not (one.offset or other.offset):
        ratio = one.factor / other.factor
        return Quantity(left.value * ratio.numerator / (right.value * ratio.denominator))
    return _with_unit(left.value / right.value, _product(_coded(left), _coded(right), "/"))


def _coded(quantity: Quantity) -> str:
    return _LOOSE.get(quantity.unit, quantity.unit)


def _product(one: str, other: str, sign: str) -> str:
    if other == "1":
        return one
    grouped = f"({other})" if "/" in other or "." in other else other
    if one == "1":
        return other if sign == "." else f"/{grouped}"
    return f"{one}{sign}{grouped}"


def _with_unit(value: Decimal, unit: str) -> Quantity | None:
    return Quantity(value, unit) if find_measure(unit) is not None else None


def converted(quantity: Quantity, unit: str) -> Quantity | None:
    """The same amount in another unit, or None when it measures something else."""
    if unit in (quantity.unit, "") or quantity.unit == "1":
        return Quantity(quantity.value, unit or "1")
    if quantity.is_calendar and unit in UCUM_TO_CALENDAR:
        # Within the calendar, then under the unit's UCUM name.
        same = converted(quantity, UCUM_TO_CALENDAR[unit])
        return None if same is None else Quantity(same.value, unit)
    if quantity.is_calendar and unit in _LOOSE:
        pair = _in_common(quantity, Quantity(Decimal(1), unit))
        return None if pair is None else Quantity(_decimal(pair[0] / pair[1]), unit)
    one, other = _measure(quantity), _measure(Quantity(Decimal(0), unit))
    if one is None or other is None or one.dimension != other.dimension:
        return None
    base = Fraction(quantity.value) * one.factor + one.offset - other.offset
    amount = base / other.factor
    return Quantity(_decimal(amount), unit)


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
