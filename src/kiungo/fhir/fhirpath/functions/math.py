"""Math: abs, ceiling, exp, floor, ln, log, power, round, sqrt, truncate.

Source: FHIRPath N1, 5.7.
"""

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    localcontext,
)

from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.arguments import integer_argument, number_of
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, function
from kiungo.fhir.fhirpath.quantity import Quantity
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.values import Collection, Value, quantity_of

Number = int | Decimal
_PRECISE = Context(prec=28, Emax=400, Emin=-400)


def _math(name: str, compute: Callable[[Number], Number | None], *, of_quantities: bool = False) -> None:
    """Register a function of one number; a result beyond all bounds is empty."""

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        item = singleton(items, f"{name}()")
        if item is None:
            return []
        amount = quantity_of(item) if of_quantities else None
        found = _computed(compute, amount.value if amount else number_of(item, name))
        if found is None:
            return []
        return [Quantity(Decimal(found), amount.unit) if amount else found]

    function(name)(lambda arguments: step)


def _computed(compute: Callable[[Number], Number | None], number: Number) -> Number | None:
    with localcontext(_PRECISE):
        try:
            found = compute(number)
        except (DecimalException, OverflowError):
            return None
    return None if isinstance(found, Decimal) and not found.is_finite() else found


def _exact(value: Decimal) -> Decimal:
    """Without the zeros that a series leaves behind, so that e to the 0 is 1."""
    rounded = value.quantize(Decimal("1e-20")) if abs(value.adjusted()) < 5 else value
    return rounded.normalize() if rounded == rounded.to_integral_value() else value


_math("abs", lambda x: x.copy_abs() if isinstance(x, Decimal) else abs(x), of_quantities=True)
_math("ceiling", lambda x: int(Decimal(x).to_integral_value(rounding=ROUND_CEILING)), of_quantities=True)
_math("floor", lambda x: int(Decimal(x).to_integral_value(rounding=ROUND_FLOOR)), of_quantities=True)
_math("truncate", lambda x: int(Decimal(x).to_integral_value(rounding=ROUND_DOWN)), of_quantities=True)
_math("exp", lambda x: Decimal(x).exp())
_math("ln", lambda x: Decimal(x).ln() if x > 0 else None)
_math("sqrt", lambda x: Decimal(x).sqrt() if x >= 0 else None)


def _with_number(name: str, arguments: Arguments, compute: Callable[[Number, Number], Number | None]) -> Step:
    other = arguments[0].items

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        item, second = singleton(items, f"{name}()"), singleton(other(run, this), f"{name}()")
        if item is None or second is None:
            return []
        wanted = number_of(second, name)
        found = _computed(lambda number: compute(number, wanted), number_of(item, name))
        return [] if found is None else [found]

    return step


def _log(number: Number, base: Number) -> Number | None:
    if number <= 0 or base <= 0 or base == 1:
        return None
    return _exact(Decimal(number).ln() / Decimal(base).ln())


def _power(number: Number, exponent: Number) -> Number | None:
    if isinstance(number, int) and isinstance(exponent, int) and exponent >= 0:
        if abs(number) > 1 and exponent > 64:
            return None
        found = number**exponent
        return found if abs(found) < 2**31 else None
    if number < 0 and Decimal(exponent) % 1 != 0:
        return None
    return Decimal(number) ** Decimal(exponent)


@function("log", 1)
def _logarithm(arguments: Arguments) -> Step:
    return _with_number("log", arguments, _log)


@function("power", 1)
def _raise_to(arguments: Arguments) -> Step:
    return _with_number("power", arguments, _power)


@function("round", 0, 1)
def _round(arguments: Arguments) -> Step:
    digits = integer_argument(arguments[0], "round") if arguments else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        item = singleton(items, "round()")
        places = (digits(run, this) if digits else None) or 0
        if item is None:
            return []
        if not 0 <= places <= 28:
            raise failed("round() takes a precision from 0 to 28")
        amount = quantity_of(item)
        number = Decimal(amount.value if amount else number_of(item, "round"))
        found: Value = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=Context(prec=60))
        return [Quantity(Decimal(str(found)), amount.unit) if amount else found]

    return step
