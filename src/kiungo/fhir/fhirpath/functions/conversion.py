"""Conversion: toInteger, toDecimal, toString, toDate and their convertsTo tests.

Source: FHIRPath N1, 5.5.
"""

import re
from collections.abc import Callable
from decimal import Decimal

from kiungo.fhir.fhirpath.functions.arguments import text_argument
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, TruthStep, condition, function
from kiungo.fhir.fhirpath.quantity import CALENDAR_UNITS, Quantity, converted
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.temporal import Temporal
from kiungo.fhir.fhirpath.values import Collection, Node, TypeInfo, Value, quantity_of, unwrap

INTEGER_MIN, INTEGER_MAX = -(2**31), 2**31 - 1
NUMBER_LENGTH_MAX = 100
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_QUANTITY = re.compile(r"(?P<value>[+-]?[0-9]+(?:\.[0-9]+)?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[a-zA-Z]+))?")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def to_boolean(value: Value) -> bool | None:
    """The boolean a value spells."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return True if value == 1 else False if value == 0 else None
    if isinstance(value, str):
        text = value.lower()
        return True if text in _TRUE else False if text in _FALSE else None
    return None


def to_integer(value: Value) -> int | None:
    """The integer a value spells; a decimal has none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and len(value) <= NUMBER_LENGTH_MAX and _INTEGER.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and INTEGER_MIN <= value <= INTEGER_MAX else None


def to_decimal(value: Value) -> Decimal | None:
    """The decimal a value spells."""
    if isinstance(value, bool):
        return Decimal(1) if value else Decimal(0)
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and len(value) <= NUMBER_LENGTH_MAX and _DECIMAL.fullmatch(value):
        return Decimal(value)
    return None


def to_text(value: Value) -> str | None:
    """The text of a value; elements with children have none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int | str | Temporal):
        return str(value)
    amount = quantity_of(value)
    return None if amount is None or isinstance(value, TypeInfo) else str(amount)


def _temporal(value: Value, kind: str) -> Temporal | None:
    if isinstance(value, Temporal):
        if value.kind == kind:
            return value
        if value.kind == "Time" or kind == "Time":
            return None
        parts = value.parts[:3] if kind == "Date" else value.parts
        text = value.text[:10] if kind == "Date" else value.text
        return Temporal(kind, parts, None if kind == "Date" else value.offset_min, text)
    if isinstance(value, str):
        found = Temporal.parse(
            value.removeprefix("T") if kind == "Time" else value, "Time" if kind == "Time" else "DateTime"
        )
        return _temporal(found, kind) if found is not None and found.kind != kind else found
    return None


def to_date(value: Value) -> Temporal | None:
    """The date a value spells; of a date-time the date part."""
    return _temporal(value, "Date")


def to_date_time(value: Value) -> Temporal | None:
    """The date-time a value spells."""
    return _temporal(value, "DateTime")


def to_time(value: Value) -> Temporal | None:
    """The time a value spells."""
    return _temporal(value, "Time")


def to_quantity(value: Value) -> Quantity | None:
    """The quantity a value spells: a number has the unit 1."""
    if isinstance(value, bool):
        return Quantity(Decimal(1 if value else 0))
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value))
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value) if len(value) <= NUMBER_LENGTH_MAX else None
        if match is None:
            return None
        word = match["word"]
        if word is not None and word not in CALENDAR_UNITS:
            return None
        return Quantity(Decimal(match["value"]), CALENDAR_UNITS[word] if word else match["unit"] or "1")
    return quantity_of(value)


_CONVERSIONS: dict[str, Callable[[Value], Value | None]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "String": to_text,
    "Date": to_date,
    "DateTime": to_date_time,
    "Time": to_time,
}


def _converted(name: str, convert: Callable[[Value], Value | None]) -> Callable[[Collection], Value | None]:
    def value(items: Collection) -> Value | None:
        item = singleton(items, name)
        return None if item is None else convert(_plain(item))

    return value


def _plain(item: Value) -> Value:
    value = unwrap(item)
    if isinstance(value, Node) and value.value is not None:
        return quantity_of(value) or value
    return value


def _register(type_name: str, convert: Callable[[Value], Value | None]) -> None:
    one = _converted(f"to{type_name}()", convert)

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        found = one(items)
        return [] if found is None else [found]

    def asked(run: Run, items: Collection, this: Collection) -> bool | None:
        return None if not items else one(items) is not None

    function(f"to{type_name}")(lambda arguments: step)
    condition(f"convertsTo{type_name}")(lambda arguments: asked)


for _name, _convert in _CONVERSIONS.items():
    _register(_name, _convert)


def _quantity_in(
    run: Run, items: Collection, this: Collection, unit: Callable[..., str | None] | None
) -> Quantity | None:
    item = singleton(items, "toQuantity()")
    amount = None if item is None else to_quantity(_plain(item))
    wanted = unit(run, this) if unit else None
    return amount if amount is None or wanted is None else converted(amount, CALENDAR_UNITS.get(wanted, wanted))


@function("toQuantity", 0, 1)
def _to_quantity(arguments: Arguments) -> Step:
    unit = text_argument(arguments[0], "toQuantity") if arguments else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        found = _quantity_in(run, items, this, unit)
        return [] if found is None else [found]

    return step


@condition("convertsToQuantity", 0, 1)
def _converts_to_quantity(arguments: Arguments) -> TruthStep:
    unit = text_argument(arguments[0], "convertsToQuantity") if arguments else None

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        return None if not items else _quantity_in(run, items, this, unit) is not None

    return step
