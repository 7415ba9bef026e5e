"""`+ - * / div mod &` on numbers, texts, quantities and dates.

Source: FHIRPath N1, 6.6 (math) and 6.7 (date/time arithmetic).
"""

from collections.abc import Callable
from decimal import ROUND_DOWN, Context, Decimal, DecimalException, localcontext

from kiungo.fhir.fhirpath.calendar import moved
from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.quantity import Quantity, divided, multiplied, summed
from kiungo.fhir.fhirpath.run import singleton
from kiungo.fhir.fhirpath.temporal import Temporal
from kiungo.fhir.fhirpath.values import Collection, Value, described, quantity_of, unwrap

INTEGER_MIN, INTEGER_MAX = -(2**31), 2**31 - 1
TEXT_MAX = 1_000_000
# Beyond 10**400 there is no number; the digits of one would fill the memory.
_PRECISE = Context(prec=34, Emax=400, Emin=-400)
Number = int | Decimal


class _Unfit(Exception):
    """The operator does not take these two."""


def negated(items: Collection) -> Collection:
    """`-x`. Raises: Incorrect FHIRPATH_EXECUTION."""
    item = singleton(items, "-")
    if item is None:
        return []
    value = unwrap(item)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _in_range(-value)
    amount = quantity_of(value)
    if amount is None:
        raise failed(f"- needs a number and was given {described(item)}")
    return [Quantity(-amount.value, amount.unit)]


def _operator(
    sign: str, compute: Callable[[Value, Value], Value | None]
) -> Callable[[Collection, Collection], Collection]:
    def run(left: Collection, right: Collection) -> Collection:
        one, other = singleton(left, sign), singleton(right, sign)
        if one is None or other is None:
            return []
        with localcontext(_PRECISE):
            try:
                found = compute(_operand(one), _operand(other))
            except (DecimalException, OverflowError):
                return []  # overflow has no value
            except _Unfit:
                raise failed(
                    f"{sign} cannot take {described(one)} and {described(other)}", hint="Convert one of them first"
                ) from None
        return [] if found is None else _in_range(found)

    return run


def _operand(item: Value) -> Value:
    value = unwrap(item)
    return quantity_of(value) or value


def _in_range(value: Value) -> Collection:
    if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        return []
    if isinstance(value, str) and len(value) > TEXT_MAX:
        raise failed(f"A text would become longer than {TEXT_MAX:,} characters")
    return [value]


def _numbers(one: Value, other: Value) -> tuple[Number, Number] | None:
    if isinstance(one, bool) or isinstance(other, bool):
        return None
    return (one, other) if isinstance(one, int | Decimal) and isinstance(other, int | Decimal) else None


def _plus(one: Value, other: Value) -> Value | None:
    pair = _numbers(one, other)
    if pair:
        return pair[0] + pair[1]
    if isinstance(one, str) and isinstance(other, str):
        return one + other
    if isinstance(one, Temporal) and isinstance(other, Quantity):
        return moved(one, other, 1)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        return summed(one, other, 1)
    raise _Unfit


def _minus(one: Value, other: Value) -> Value | None:
    pair = _numbers(one, other)
    if pair:
        return pair[0] - pair[1]
    if isinstance(one, Temporal) and isinstance(other, Quantity):
        return moved(one, other, -1)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        return summed(one, other, -1)
    raise _Unfit


def _times(one: Value, other: Value) -> Value | None:
    pair = _numbers(one, other)
    if pair:
        return pair[0] * pair[1]
    first, second = _amounts(one, other)
    if first is None or second is None:
        raise _Unfit
    return multiplied(first, second)


def _over(one: Value, other: Value) -> Value | None:
    pair = _numbers(one, other)
    if pair:
        return None if pair[1] == 0 else Decimal(pair[0]) / Decimal(pair[1])
    first, second = _amounts(one, other)
    if first is None or second is None:
        raise _Unfit
    return None if second.value == 0 else divided(first, second)


def _amounts(one: Value, other: Value) -> tuple[Quantity | None, Quantity | None]:
    """Both as quantities; a plain number has the unit 1."""

    def amount(item: Value) -> Quantity | None:
        if isinstance(item, int | Decimal) and not isinstance(item, bool):
            return Quantity(Decimal(item))
        return quantity_of(item)

    return amount(one), amount(other)


def _div(one: Value, other: Value) -> Value | None:
    pair = _numbers(one, other)
    if pair is None:
        raise _Unfit
    if pair[1] == 0:
        return None
    return int((Decimal(pair[0]) / Decimal(pair[1])).to_integral_value(rounding=ROUND_DOWN))


def _mod(one: Value, other: Value) -> Value | None:
    pair = _numbers(one, other)
    if pair is None:
        raise _Unfit
    if pair[1] == 0:
        return None
    rest = Decimal(pair[0]) % Decimal(pair[1])
    return int(rest) if isinstance(pair[0], int) and isinstance(pair[1], int) else rest


def _joined(left: Collection, right: Collection) -> Collection:
    """`&`: nothing is the empty text."""
    texts = []
    for items in (left, right):
        item = singleton(items, "&")
        value = "" if item is None else unwrap(item)
        if not isinstance(value, str):
            raise failed(f"& joins texts and was given {described(value)}", hint="Use toString()")
        texts.append(value)
    return _in_range("".join(texts))


OPERATORS: dict[str, Callable[[Collection, Collection], Collection]] = {
    "+": _operator("+", _plus),
    "-": _operator("-", _minus),
    "*": _operator("*", _times),
    "/": _operator("/", _over),
    "div": _operator("div", _div),
    "mod": _operator("mod", _mod),
    "&": _joined,
}
