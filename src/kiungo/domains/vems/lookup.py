"""Our bookings as a payer asks for them, through `ports/bookings.py`."""

from kiungo.domains.vems.store import bookings
from kiungo.kernel.database import Unit
from kiungo.ports.bookings import BookedService, Booking


class BookingLookup:
    """Finds bookings in the payer's own unit of work."""

    def find(self, unit: Unit, tenant: int, booking_no: str) -> Booking | None:
        """The booking of a number, or None."""
        row = bookings.find(unit, tenant, booking_no)
        if row is None:
            return None
        lines = bookings.lines_of(unit, tenant, booking_no)
        return Booking(
            booking_no=row.booking_no,
            patient=row.patient_cr,
            facility=row.facility,
            live=row.state != "cancelled",
            services=tuple(BookedService(line.service_code, line.share.total) for line in lines),
            total=row.total,
        )
