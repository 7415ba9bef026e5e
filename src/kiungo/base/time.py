"""Time as UTC microseconds, a clock that tests can turn, and the one way each API writes an instant."""

import re
import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from kiungo.base.errors import Incorrect, define

DATE_IMPOSSIBLE = define("DATE_IMPOSSIBLE", Incorrect, "A date is not YYYY-MM-DD or not in the calendar.")
INSTANT_IMPOSSIBLE = define("INSTANT_IMPOSSIBLE", Incorrect, "A time is not ISO 8601 with a zone.")

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.ASCII,
)


class Clock(Protocol):
    """What time it is. Units: `now_us` is microseconds since 1970-01-01 UTC."""

    def now(self) -> datetime: ...

    def now_us(self) -> int: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)

    def now_us(self) -> int:
        """The present moment in microseconds."""
        return time.time_ns() // 1_000


class TurnedClock:
    """A clock that stands still until it is turned, so that simulations replay exactly."""

    def __init__(self, start: datetime) -> None:
        self._now_us = to_us(start)

    def now(self) -> datetime:
        """The moment the clock was turned to."""
        return from_us(self._now_us)

    def now_us(self) -> int:
        """The moment the clock was turned to, in microseconds."""
        return self._now_us

    def turn(self, *, seconds: float = 0, days: float = 0) -> None:
        """Move forward."""
        self._now_us += int((seconds + days * 86_400) * SECOND_US)


def to_us(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970. Raises: ValueError for a datetime without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone is not a moment")
    return (moment - EPOCH) // _MICROSECOND


def from_us(moment_us: int) -> datetime:
    """Microseconds since 1970 as an aware UTC datetime."""
    return EPOCH + timedelta(microseconds=moment_us)


@lru_cache(256)
def _second(moment_s: int) -> str:
    """The text of a whole second; what is written now mostly falls into the same few."""
    return (EPOCH + timedelta(seconds=moment_s)).isoformat(timespec="seconds").removesuffix("+00:00")


def iso_seconds(moment_us: int) -> str:
    """2024-10-03T10:30:00Z"""
    return _second(moment_us // SECOND_US) + "Z"


def iso_millis(moment_us: int) -> str:
    """2024-10-03T10:30:00.000Z"""
    return f"{_second(moment_us // SECOND_US)}.{moment_us % SECOND_US // 1_000:03d}Z"


def iso_micros(moment_us: int) -> str:
    """2024-10-03T10:30:00.000000Z"""
    return f"{_second(moment_us // SECOND_US)}.{moment_us % SECOND_US:06d}Z"


@lru_cache(64)
def _day(number: int) -> date:
    return EPOCH.date() + timedelta(days=number)


def date_of(moment_us: int) -> date:
    """The UTC calendar date of a moment."""
    return _day(moment_us // DAY_US)


UTC_ZONE: Final = "UTC"


@lru_cache(64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Whether a name such as Africa/Nairobi is a time zone's."""
    try:
        return bool(_zone(name))
    except (KeyError, ValueError, OSError):
        return False


def day_in(zone: str, moment_us: int) -> date:
    """The calendar date of a moment in a time zone. Raises: KeyError for a name that is no zone's."""
    return date_of(moment_us) if zone == UTC_ZONE else from_us(moment_us).astimezone(_zone(zone)).date()


def iso_in(zone: str, moment_us: int) -> str:
    """2024-10-03T13:30:00+03:00, and 2024-10-03T10:30:00Z in UTC."""
    if zone == UTC_ZONE:
        return iso_seconds(moment_us)
    return from_us(moment_us).astimezone(_zone(zone)).isoformat(timespec="seconds")


def parse_date(text: object, *, field: str = "date") -> date:
    """Read YYYY-MM-DD and nothing else. Raises: Incorrect DATE_IMPOSSIBLE."""
    if isinstance(text, str) and _DATE.match(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # falls through to the one refusal below
    raise Incorrect(
        DATE_IMPOSSIBLE,
        f"{field} is not a date in the calendar",
        field=field,
        hint="Write it as YYYY-MM-DD, such as 2024-10-03",
    )


def parse_instant(text: object, *, field: str = "time") -> datetime:
    """Read an ISO 8601 instant with any fraction and `Z` or an offset; finer than a microsecond is cut.

    Raises: Incorrect INSTANT_IMPOSSIBLE.
    """
    match = _INSTANT.match(text) if isinstance(text, str) else None
    if match:
        seconds, fraction, zone = match.groups()
        micros = (fraction or "0")[:6].ljust(6, "0")
        try:
            return datetime.fromisoformat(f"{seconds}.{micros}{'+00:00' if zone == 'Z' else zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # falls through to the one refusal below
    raise Incorrect(
        INSTANT_IMPOSSIBLE,
        f"{field} is not an instant with a time zone",
        field=field,
        hint="Write it as 2024-10-03T10:30:00Z or with an offset such as +03:00",
    )
