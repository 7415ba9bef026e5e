"""Parts of dates and times, and the time between two of them.

Source: FHIRPath 3.0.0-ballot (date/time components, duration, difference).
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.arguments import text_argument
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, function
from kiungo.fhir.fhirpath.quantity import CALENDAR_UNITS
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.temporal import Temporal, moment_of, rendered
from kiungo.fhir.fhirpath.values import Collection, Value, described, unwrap

_NAMES = ("year", "month", "day", "hour", "minute", "second")
# How many parts of a date-time must be known to count in a unit.
_NEEDS = {"year": 1, "month": 2, "week": 3, "day": 3, "hour": 4, "minute": 5, "second": 6, "millisecond": 6}
_UNIT = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "second": timedelta(seconds=1)}
_UNIT["millisecond"] = timedelta(milliseconds=1)


def _component(name: str, take: Callable[[Temporal], Value | None]) -> None:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        item = singleton(items, f"{name}()")
        value = None if item is None else unwrap(item)
        found = take(value) if isinstance(value, Temporal) else None
        return [] if found is None else [found]

    function(name)(lambda arguments: step)


def _part(position: int) -> Callable[[Temporal], int | None]:
    def take(value: Temporal) -> int | None:
        place = position - 3 if value.kind == "Time" else position
        return int(value.parts[place]) if 0 <= place < len(value.parts) else None

    return take


def _millisecond(value: Temporal) -> int | None:
    place = 2 if value.kind == "Time" else 5
    second = value.parts[place] if len(value.parts) > place else None
    return int(second % 1 * 1000) if isinstance(second, Decimal) and second.as_tuple().exponent != 0 else None


def _offset(value: Temporal) -> Decimal | None:
    return None if value.offset_min is None else Decimal(value.offset_min) / 60


def _date(value: Temporal) -> Temporal | None:
    return None if value.kind == "Time" else _made("Date", value.parts[:3])


def _time(value: Temporal) -> Temporal | None:
    return _made("Time", value.parts[3:]) if value.kind == "DateTime" and len(value.parts) > 3 else None


def _made(kind: str, parts: tuple[int | Decimal, ...]) -> Temporal:
    made = Temporal(kind, parts)
    return Temporal(kind, parts, None, rendered(made))


for _position, _name in enumerate(_NAMES):
    _component(f"{_name}Of", _part(_position))
_component("millisecondOf", _millisecond)
_component("timezoneOffsetOf", _offset)
_component("dateOf", _date)
_component("timeOf", _time)


def _between(name: str, count: Callable[[datetime, datetime, str], int]) -> None:
    def build(arguments: Arguments) -> Step:
        other, precision = arguments[0].items, text_argument(arguments[1], name)

        def step(run: Run, items: Collection, this: Collection) -> Collection:
            first, second = singleton(items, f"{name}()"), singleton(other(run, this), f"{name}()")
            word = precision(run, this)
            if first is None or second is None or word is None:
                return []
            unit = CALENDAR_UNITS.get(word)
            if unit is None:
                raise failed(f"{word!r} is no unit of time", hint="Use year, month, week, day, hour, minute, second")
            pair = _moments(first, second, unit, name)
            return [] if pair is None else [count(*pair, unit)]

        return step

    function(name, 2)(build)


def _moments(first: Value, second: Value, unit: str, name: str) -> tuple[datetime, datetime] | None:
    """Both as moments, None where one does not know the unit; offsets matter for hours and below."""
    one, two = unwrap(first), unwrap(second)
    if (
        not isinstance(one, Temporal)
        or not isinstance(two, Temporal)
        or (one.kind == "Time") is not (two.kind == "Time")
    ):
        raise failed(f"{name}() takes two dates or two times, not {described(first)} and {described(second)}")
    known = [(2000, 1, 1, *value.parts) if value.kind == "Time" else value.parts for value in (one, two)]
    if any(len(parts) < _NEEDS[unit] for parts in known) or (one.kind == "Time" and unit not in _UNIT):
        return None
    found = []
    for value, parts in zip((one, two), known, strict=True):
        fraction = parts[5] % 1 if len(parts) > 5 else 0
        moment = moment_of(parts) + timedelta(milliseconds=int(fraction * 1000))
        shift = value.offset_min if unit in _UNIT else 0
        found.append(moment - timedelta(minutes=shift or 0))
    return found[0], found[1]


def _duration(one: datetime, two: datetime, unit: str) -> int:
    """Whole units that have passed; negative when the first is the later."""
    if two < one:
        return -_duration(two, one, unit)
    if unit in ("year", "month"):
        months = (two.year - one.year) * 12 + two.month - one.month
        if (two.day, two.time()) < (one.day, one.time()):
            months -= 1
        return months // 12 if unit == "year" else months
    step = {"week": timedelta(weeks=1), "day": timedelta(days=1), **_UNIT}[unit]
    return (two - one) // step


def _difference(one: datetime, two: datetime, unit: str) -> int:
    """Boundaries crossed: a new year, a Sunday, a full hour."""
    if unit == "year":
        return two.year - one.year
    if unit == "month":
        return (two.year - one.year) * 12 + two.month - one.month
    if unit == "week":
        return (_sunday(two) - _sunday(one)).days // 7
    if unit == "day":
        return (two.date() - one.date()).days
    start = datetime(1, 1, 1)
    return (two - start) // _UNIT[unit] - (one - start) // _UNIT[unit]


def _sunday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.isoweekday() % 7)


_between("duration", _duration)
_between("difference", _difference)
