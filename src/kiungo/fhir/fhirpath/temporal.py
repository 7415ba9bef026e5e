"""Dates, date-times and times of any precision, compared in three values.

Seconds and milliseconds are one precision. A date-time without an offset may stand anywhere between -12:00 and +14:00,
so comparing it with one that has an offset only has an answer where that cannot matter.
Source: FHIRPath N1, 4.1.6-8 (literals), 6.1, 6.2 (equality, comparison).
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

_PATTERN = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
    r"(?:T(?P<clock>[0-9:.]+)?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_CLOCK = re.compile(r"([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))?)?")
EARLIEST_OFFSET_MIN, LATEST_OFFSET_MIN = -12 * 60, 14 * 60
Parts = tuple[int | Decimal, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Temporal:
    """A Date, DateTime or Time as it was written.

    Shapes: `kind` is "Date", "DateTime" or "Time"; `parts` are year, month, day, hour, minute, second (a time begins
    at hour) as far as they are known. Units: `offset_min` in minutes east of UTC, None when it is not written.
    """

    kind: str
    parts: Parts
    offset_min: int | None = None
    text: str = ""

    @staticmethod
    def parse(text: str, kind: str) -> "Temporal | None":
        """A value from its text, or None when that is not one of this kind."""
        if kind == "Time":
            clock = _clock(text)
            return None if clock is None else Temporal("Time", clock, None, text)
        match = _PATTERN.fullmatch(text)
        if match is None or (kind == "Date" and "T" in text):
            return None
        named = match.groupdict()
        parts: Parts = tuple(int(named[name]) for name in ("year", "month", "day") if named[name] is not None)
        if named["clock"] is not None:
            clock = _clock(named["clock"])
            if clock is None or len(parts) < 3:
                return None
            parts += clock
        elif named["offset"] is not None:
            return None
        if not _exists(parts):
            return None
        return Temporal(kind, parts, _offset(named["offset"]), text)

    def __str__(self) -> str:
        return self.text or rendered(self)

    def __repr__(self) -> str:
        return f"@{'T' if self.kind == 'Time' else ''}{self}"

    def __eq__(self, other: object) -> bool:
        """Same kind, same precision, same moment: what a set or a test needs."""
        return isinstance(other, Temporal) and self.kind == other.kind and equal(self, other) is True

    def __hash__(self) -> int:
        return hash((self.kind, _in_utc(self)[:3]))


def equal(left: Temporal, right: Temporal) -> bool | None:
    """Whether two moments are the same; None when their precision does not tell."""
    order = compare(left, right)
    return None if order is None else order == 0


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1, or None when precision or a missing offset leave it open. Both must be times, or both not."""
    if (left.offset_min is None) is not (right.offset_min is None) and left.kind != "Time":
        return _compare_unplaced(left, right)
    return _compare_parts(_in_utc(left), _in_utc(right))


def equivalent(left: Temporal, right: Temporal) -> bool:
    """The same to the same precision."""
    return len(left.parts) == len(right.parts) and compare(left, right) == 0


def _compare_parts(left: Parts, right: Parts) -> int | None:
    for one, other in zip(left, right, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left) == len(right) else None


def _compare_unplaced(left: Temporal, right: Temporal) -> int | None:
    """One has an offset, the other may have any: an answer only where the two spans do not meet."""
    try:
        (left_low, left_high), (right_low, right_high) = _span(left), _span(right)
    except OverflowError:
        return None  # at the ends of the calendar
    if left_high < right_low:
        return -1
    return 1 if right_high < left_low else None


def _span(value: Temporal) -> tuple[datetime, datetime]:
    """The first and last moment, in UTC, that a date or date-time of this precision and offset can mean."""
    known = value.parts
    low = moment_of(known)
    if len(known) == 1:
        high = datetime(low.year, 12, 31, 23, 59, 59)
    elif len(known) == 2:
        high = (low.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(seconds=1)
    else:
        high = low + (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))[len(known) - 3]
        high -= timedelta(seconds=1)
    if value.offset_min is not None:
        shift = timedelta(minutes=value.offset_min)
        return low - shift, high - shift
    return low - timedelta(minutes=LATEST_OFFSET_MIN), high - timedelta(minutes=EARLIEST_OFFSET_MIN)


def moment_of(parts: Parts) -> datetime:
    """The first whole second of a date or date-time. Raises: ValueError, OverflowError when there is none."""
    year, month, day, hour, minute, second = (*(int(part) for part in parts), *(1, 1, 0, 0, 0)[len(parts) - 1 :])
    return datetime(year, month, day, hour, minute, second)


def _in_utc(value: Temporal) -> Parts:
    if not value.offset_min or len(value.parts) < 5:
        return value.parts
    try:
        moment = moment_of(value.parts[:5]) - timedelta(minutes=value.offset_min)
    except OverflowError:
        return value.parts
    return (moment.year, moment.month, moment.day, moment.hour, moment.minute, *value.parts[5:])


def _clock(text: str) -> Parts | None:
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = match.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or Decimal(second or 0) >= 60:
        return None
    parts: Parts = (int(hour),)
    if minute is not None:
        parts += (int(minute),)
    if second is not None:
        parts += (Decimal(second),)
    return parts


def _exists(parts: Parts) -> bool:
    year, month, day = (*(int(p) for p in parts[:3]), 1, 1)[:3]
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def rendered(value: Temporal) -> str:
    """The text of a computed value, to its precision."""
    if value.kind == "Time":
        return _clock_text(value.parts)
    year, *rest = value.parts[:3]
    text = "-".join([f"{year:04d}", *(f"{int(part):02d}" for part in rest)])
    clock = value.parts[3:]
    if not clock:
        return text
    return f"{text}T{_clock_text(clock)}{_offset_text(value.offset_min)}"


def _clock_text(parts: Parts) -> str:
    shown = [f"{int(part):02d}" for part in parts[:2]]
    if len(parts) > 2:
        whole, _, fraction = str(parts[2]).partition(".")
        shown.append(f"{int(whole):02d}" + (f".{fraction}" if fraction else ""))
    return ":".join(shown)


def _offset_text(offset_min: int | None) -> str:
    if offset_min is None:
        return ""
    if offset_min == 0:
        return "Z"
    hours, minutes = divmod(abs(offset_min), 60)
    return f"{'-' if offset_min < 0 else '+'}{hours:02d}:{minutes:02d}"
