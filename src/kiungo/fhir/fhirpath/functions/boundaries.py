"""The least and greatest value an inexact one can mean: lowBoundary, highBoundary, precision, comparable.

Precision counts digits: those after the point of a decimal; those of a date, date-time or time without its marks.
Source: FHIRPath 3.0.0-ballot (boundaries, precision, comparable).
"""

from calendar import monthrange
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from kiungo.fhir.fhirpath import quantity
from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.arguments import integer_argument
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, TruthStep, condition, function
from kiungo.fhir.fhirpath.quantity import Quantity
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.temporal import EARLIEST_OFFSET_MIN, LATEST_OFFSET_MIN, Parts, Temporal, rendered
from kiungo.fhir.fhirpath.values import Collection, Value, described, quantity_of, unwrap

DECIMAL_DIGITS_DEFAULT, DECIMAL_DIGITS_MAX = 8, 28
# How many parts are known at so many digits.
_DATE_PARTS = {4: 1, 6: 2, 8: 3}
_DATE_TIME_PARTS = {**_DATE_PARTS, 10: 4, 12: 5, 14: 6, 17: 6}
_TIME_PARTS = {2: 1, 4: 2, 6: 3, 9: 3}
_PARTS = {"Date": _DATE_PARTS, "DateTime": _DATE_TIME_PARTS, "Time": _TIME_PARTS}
_WIDE = Context(prec=80)


def _decimal_boundary(value: Decimal, digits: int | None, *, high: bool) -> Decimal | None:
    places = DECIMAL_DIGITS_DEFAULT if digits is None else digits
    if not 0 <= places <= DECIMAL_DIGITS_MAX:
        return None
    half = Decimal(5).scaleb(-_places(value) - 1)
    edge = _WIDE.add(value, half if high else -half)
    return edge.quantize(Decimal(1).scaleb(-places), rounding=ROUND_CEILING if high else ROUND_FLOOR, context=_WIDE)


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _temporal_boundary(value: Temporal, digits: int | None, *, high: bool) -> Temporal | None:
    known = _PARTS[value.kind]
    wanted = max(known) if digits is None else digits
    if wanted not in known:
        return None
    parts = _completed(value.parts, value.kind, high=high)[: known[wanted]]
    second = 2 if value.kind == "Time" else 5
    if len(parts) > second:
        step = Decimal("0.001") if wanted in (9, 17) else Decimal(1)
        parts = (*parts[:second], Decimal(parts[second]).quantize(step, rounding=ROUND_FLOOR))
    offset = value.offset_min
    if value.kind == "DateTime" and len(parts) > 3 and offset is None:
        # Without an offset the earliest moment is the furthest east, the latest the furthest west.
        offset = EARLIEST_OFFSET_MIN if high else LATEST_OFFSET_MIN
    made = Temporal(value.kind, parts, offset if len(parts) > 3 else None)
    return Temporal(made.kind, made.parts, made.offset_min, rendered(made))


def _completed(parts: Parts, kind: str, *, high: bool) -> Parts:
    """All parts, those not known at their lowest or highest; a second is known to its digits."""
    low: Parts = (0, 0, Decimal(0)) if kind == "Time" else (1, 1, 1, 0, 0, Decimal(0))
    if not high:
        return (*parts, *low[len(parts) :])
    clock: Parts = (23, 59, Decimal("59.999"))
    if kind == "Time":
        made = (*parts, *clock[len(parts) :])
    else:
        month = int(parts[1]) if len(parts) > 1 else 12
        made = (*parts, *(0, month, monthrange(int(parts[0]), month)[1], *clock)[len(parts) :])
    last = Decimal(made[-1])
    if len(parts) == len(made):
        last = min(Decimal("59.999"), last + Decimal(1).scaleb(-_places(last)) - Decimal("0.001"))
        last = max(last, Decimal(made[-1]))
    return (*made[:-1], last)


def _boundary(name: str, *, high: bool) -> None:
    def build(arguments: Arguments) -> Step:
        digits = integer_argument(arguments[0], name) if arguments else None

        def step(run: Run, items: Collection, this: Collection) -> Collection:
            item = singleton(items, f"{name}()")
            wanted = digits(run, this) if digits else None
            found = None if item is None else _edge(item, wanted, name, high=high)
            return [] if found is None else [found]

        return step

    function(name, 0, 1)(build)


def _edge(item: Value, digits: int | None, name: str, *, high: bool) -> Value | None:
    value = unwrap(item)
    if isinstance(value, Temporal):
        return _temporal_boundary(value, digits, high=high)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _decimal_boundary(Decimal(value), digits, high=high)
    amount = quantity_of(value)
    if amount is None:
        raise failed(f"{name}() takes a number, quantity, date or time and was given {described(item)}")
    edge = _decimal_boundary(amount.value, digits, high=high)
    return None if edge is None else Quantity(edge, amount.unit)


_boundary("lowBoundary", high=False)
_boundary("highBoundary", high=True)


@function("precision")
def _precision(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        item = singleton(items, "precision()")
        if item is None:
            return []
        value = unwrap(item)
        if isinstance(value, Temporal):
            digits = (*((2,) * 3 if value.kind == "Time" else (4, *(2,) * 5)),)[: len(value.parts)]
            second = 2 if value.kind == "Time" else 5
            fraction = _places(Decimal(value.parts[second])) if len(value.parts) > second else 0
            return [sum(digits) + fraction]
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return [_places(Decimal(value))]
        raise failed(f"precision() takes a number, date or time and was given {described(item)}")

    return step


@condition("comparable", 1)
def _comparable(arguments: Arguments) -> TruthStep:
    other = arguments[0].items

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        item, second = singleton(items, "comparable()"), singleton(other(run, this), "comparable()")
        if item is None or second is None:
            return None
        one, two = quantity_of(item), quantity_of(second)
        if one is None or two is None:
            raise failed("comparable() takes quantities on both sides")
        return quantity.comparable(one, two)

    return step
