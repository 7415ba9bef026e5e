"""Does a claim for booked equipment agree with its booking?"""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding
from kiungo.domains.payor.rules.case import Case, Sheet
from kiungo.ports.bookings import Booking

STEP = "booking"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """The booking exists, was not claimed before, is live, and is for this patient, place and sum."""
    number, booking = case.claim.booking_no, case.booking
    if number is None:
        return
    if booking is None:
        text = f"booking_no {number} is not a booking we can find"
        yield Finding(STEP, "refuse", text, reason="16", field="booking_no")
        return
    if case.booking_used_by is not None:
        text = f"Booking {number} was already claimed"
        for line_sheet in sheet.open_lines():
            line, amount = line_sheet.line.number, sheet.money(line_sheet.left)
            yield Finding(STEP, "deny", text, line=line, group="CO", reason="18", amount=amount)
        return
    for problem in _differences(case, booking):
        yield Finding(
            STEP,
            "pend",
            f"Booking {number} {problem}",
            reason="16",
            review="The claim differs from its booking",
            resolve="Correct the claim or the booking",
        )


def _differences(case: Case, booking: Booking) -> Iterator[str]:
    claim = case.claim
    if not booking.live:
        yield "is no longer live"
    if booking.patient not in (case.member.member_id, *case.member.identifiers):
        yield "is for another patient"
    provider = case.provider
    facility = (provider.provider_id, provider.facility) if provider else (claim.provider_id,)
    if booking.facility not in facility:
        yield "is for another facility"
    if sorted(line.procedure or "" for line in claim.lines) != sorted(s.code for s in booking.services):
        yield "is for other services"
    if booking.total != claim.total:
        yield f"is for {booking.total}, the claim for {claim.total}"
