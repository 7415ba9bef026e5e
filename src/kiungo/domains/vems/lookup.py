"""Our bookings as a payer asks for them, through `ports/bookings.py`."""

from kiungo.domains.vems.rules.claimable import claimable, claimable_total
from kiungo.domains.vems.store import bookings
from kiungo.kernel.database import Unit
from kiungo.ports.bookings import BookedService, Booking


class BookingLookup:
    """Finds bookings in the payer's own unit of work."""

    def find(self, unit: Unit, tenant: int, booking_no: str) -> Booking | None:
        """The booking of a number, with what of it can be claimed, or None."""
        row = bookings.find(unit, tenant, booking_no)
        if row is None:
            return None
        booked = bookings.lines_of(unit, tenant, booking_no)
        lines = claimable(booked)
        return Booking(
            booking_no=row.booking_no,
            patient=row.patient_cr,
            facility=row.facility,
            live=row.state != "cancelled",
            services=tuple(BookedService(line.service_code, line.share.total) for line in lines),
            total=claimable_total(booked),
        )
