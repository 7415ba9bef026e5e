"""The values of the reports. Money is in minor units of the contract currency; days are calendar days in Nairobi."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from kiungo.base.time import to_us
from kiungo.domains.vems.model import CONTRACT_ZONE

DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Period:
    """From a day until a day, both included. Units: `since_us` and `before_us` are microseconds UTC."""

    since: date
    until: date

    @property
    def since_us(self) -> int:
        """The first moment of the period."""
        return _midnight_us(self.since)

    @property
    def before_us(self) -> int:
        """The first moment after the period."""
        return _midnight_us(self.until + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """How often a service was booked and delivered, and for how much."""

    service_code: str
    service_name: str
    booked: int
    completed: int
    cancelled: int
    total_minor: int
    completed_minor: int


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """What became of the bookings of one payment mode. `approved_minor` counts what was approved, also in parts."""

    mode: str
    bookings: int
    approved: int
    partially_paid: int
    rejected: int
    pending: int
    total_minor: int
    approved_minor: int

    @property
    def rate_bp(self) -> int | None:
        """Approvals, whole or in part, of all decisions; None before the first. Units: basis points."""
        decided = self.approved + self.partially_paid + self.rejected
        return None if decided == 0 else round(10_000 * (self.approved + self.partially_paid) / decided)


@dataclass(frozen=True, slots=True)
class Days:
    """How long a stretch took, over the payments that took it. Units: tenths of a day."""

    count: int
    mean: int
    median: int
    slowest_tenth: int


@dataclass(frozen=True, slots=True)
class CycleRow:
    """How long bookings of a month took from one station to the next. Shapes: `month` is the payment's, or all."""

    month: str
    booked_to_claimed: Days
    claimed_to_decided: Days
    decided_to_paid: Days
    claimed_to_paid: Days


@dataclass(frozen=True, slots=True)
class StakeholderRow:
    """What a side was owed and paid. Units: minor. `open_minor` waits or is on its way.

    Shapes: `role` is vendor, facility, fee, or "vendor and facility".
    """

    role: str
    payee_id: str
    name: str
    owed_minor: int
    paid_minor: int
    open_minor: int
    unknown_minor: int
    claimed_back_minor: int


def days_of(spans_us: Iterable[int]) -> Days:
    """Count, mean, median and the ninth decile of some stretches, in tenths of a day."""
    counted = Counter(round(10 * max(span, 0) / DAY_US) for span in spans_us)
    total = counted.total()
    if total == 0:
        return Days(0, 0, 0, 0)
    mean = round(sum(tenths * times for tenths, times in counted.items()) / total)
    return Days(total, mean, _at(counted, (total + 1) // 2), _at(counted, -(-9 * total // 10)))


def _at(counted: Counter[int], place: int) -> int:
    """The value at a place, counted from 1, of all values in order."""
    for tenths in sorted(counted):
        place -= counted[tenths]
        if place <= 0:
            return tenths
    return max(counted)


def _midnight_us(day: date) -> int:
    return to_us(datetime.combine(day, time(), CONTRACT_ZONE))
