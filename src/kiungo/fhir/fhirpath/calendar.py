"""Dates, date-times and times moved by an amount of time.

Whole amounts only above seconds; a month that has no such day ends on its last. Amounts smaller than the value's
precision count as whole units of that precision.
Source: FHIRPath N1, 6.7 (date/time arithmetic).
"""

from calendar import monthrange
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.quantity import CALENDAR_UNITS, UCUM_TO_CALENDAR, Quantity
from kiungo.fhir.fhirpath.temporal import Parts, Temporal, moment_of, rendered

_SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
_MONTHS = {"year": 12, "month": 1}
# Seconds in one unit of the last known part of a date-time of so many parts.
_STEP_S = {3: 86_400, 4: 3_600, 5: 60}
DAY_MS = 86_400_000


def moved(value: Temporal, amount: Quantity, sign: int) -> Temporal | None:
    """The value later (1) or earlier (-1) by an amount; None beyond the years 1 to 9999.

    Raises: Incorrect when the unit is not one of time, or is a UCUM month or year, whose length is an average.
    """
    unit = _calendar_unit(amount.unit)
    number = amount.value * sign
    if value.kind == "Time":
        if unit in ("year", "month", "week", "day"):
            raise failed(f"A time cannot be moved by {unit}s", hint="Use hours, minutes, seconds or milliseconds")
        return _moved_time(value, unit, number)
    if value.kind == "Date" and unit not in ("year", "month", "week", "day"):
        unit, number = _whole_days(unit, number)
    try:
        parts = _moved_parts(value.parts, unit, number)
    except (OverflowError, ValueError):
        return None
    made = Temporal(value.kind, parts, value.offset_min)
    return Temporal(made.kind, parts, made.offset_min, rendered(made))


def _calendar_unit(unit: str) -> str:
    if unit in CALENDAR_UNITS:
        return CALENDAR_UNITS[unit]
    if unit in ("a", "mo"):
        word = UCUM_TO_CALENDAR[unit]
        raise failed(f"'{unit}' is an average length, not a calendar {word}", hint=f"Write: + 1 {word}")
    if unit not in UCUM_TO_CALENDAR:
        raise failed(f"'{unit}' is not a unit of time that dates can be moved by", hint="Write: + 7 days")
    return UCUM_TO_CALENDAR[unit]


def _whole_days(unit: str, number: Decimal) -> tuple[str, Decimal]:
    seconds = _in_seconds(unit, number)
    return "day", Decimal(int(seconds / 86_400))


def _in_seconds(unit: str, number: Decimal) -> Decimal:
    if unit == "millisecond":
        return number / 1000
    return number * _SECONDS[unit] if unit == "second" else _whole(number) * _SECONDS[unit]


def _whole(number: Decimal) -> Decimal:
    return number.to_integral_value(rounding=ROUND_DOWN)


def _moved_parts(parts: Parts, unit: str, number: Decimal) -> Parts:
    if unit in _MONTHS:
        return _moved_months(parts, int(_whole(number)) * _MONTHS[unit])
    seconds = _in_seconds(unit, number)
    if len(parts) < 3:
        # A year or month moves by whole years or months of 365 or 30 days.
        length = 365 if len(parts) == 1 else 30
        return _moved_months(parts, int(seconds / 86_400 / length) * (12 if len(parts) == 1 else 1))
    if len(parts) < 6:
        step = _STEP_S[len(parts)]
        moment = moment_of(parts) + timedelta(seconds=int(seconds / step) * step)
        return (moment.year, moment.month, moment.day, moment.hour, moment.minute)[: len(parts)]
    last = Decimal(parts[5])
    whole, fraction = int(last), last % 1
    total = fraction + seconds
    carried = int(total // 1) if total >= 0 or total % 1 == 0 else int(total // 1) - 1
    rest = total - carried
    moment = moment_of((*parts[:5], whole)) + timedelta(seconds=carried)
    return (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second + _fitted(rest, last))


def _fitted(rest: Decimal, last: Decimal) -> Decimal:
    """A fraction of a second with at least the digits the value had."""
    exponent = last.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    return rest.quantize(Decimal(1).scaleb(-max(places, 3 if rest % 1 else places)), rounding=ROUND_DOWN)


def _moved_months(parts: Parts, months: int) -> Parts:
    if len(parts) == 1:
        years = int(parts[0]) + int(Decimal(months) / 12)
        if not 1 <= years <= 9999:
            raise OverflowError
        return (years,)
    year, month = int(parts[0]), int(parts[1])
    count = year * 12 + month - 1 + months
    year, month = count // 12, count % 12 + 1
    if not 1 <= year <= 9999:
        raise OverflowError
    if len(parts) == 2:
        return (year, month)
    day = min(int(parts[2]), monthrange(year, month)[1])
    return (year, month, day, *parts[3:])


def _moved_time(value: Temporal, unit: str, number: Decimal) -> Temporal:
    """A time moves round the clock."""
    seconds = _in_seconds(unit, number)
    known = value.parts
    moved_ = _moved_parts((2000, 1, 15, *known), "second", seconds % 86_400) if len(known) == 3 else None
    if moved_ is None:
        step = 3_600 if len(known) == 1 else 60
        minutes = (int(known[0]) * 60 + (int(known[1]) if len(known) > 1 else 0)) * 60 + int(seconds / step) * step
        clock: Parts = (minutes // 3_600 % 24, minutes // 60 % 60)[: len(known)]
    else:
        clock = moved_[3:]
    made = Temporal("Time", clock)
    return Temporal("Time", clock, None, rendered(made))
