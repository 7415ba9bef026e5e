"""What a payer asks of whoever keeps equipment bookings: does this booking exist, and what does it say?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kiungo.base.money import Money

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit


@dataclass(frozen=True, slots=True)
class BookedService:
    """One booked service and the total agreed for it."""

    code: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as its keeper knows it.

    Shapes: `patient` is the client registry number, `facility` the facility registry code; `live` is false
    once it was cancelled or expired.
    """

    booking_no: str
    patient: str
    facility: str
    live: bool
    services: tuple[BookedService, ...]
    total: Money


class Bookings(Protocol):
    """Finds bookings inside the caller's unit of work, so that a claim and its booking are read at one time."""

    def find(self, unit: "Unit", tenant: int, booking_no: str) -> Booking | None:
        """The booking, or None when there is no booking of that number."""
        ...


def lock_name(tenant: int, booking_no: str) -> str:
    """The named lock under which a claim takes a booking, and a booking is revised: one of them comes first."""
    return f"payor:booking:{tenant}:{booking_no}"
