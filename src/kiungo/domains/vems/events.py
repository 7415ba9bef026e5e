"""What bookings tell the world. Every booking's payload holds `bookingNo`, `claimID`, `facility` and `mode`.

    booking.created              a facility asked for a cost distribution the first time
    booking.revised              it asked again with another content, while the booking was pending
    booking.confirmed            the facility confirmed it
    booking.service_completed    one service was delivered (`line` names it)
    booking.completed            every service was delivered
    booking.cancelled            it will not happen (`reason`)
    booking.overridden           an administrator set it by hand (`reason`, `before`, `after`)
    booking.claim_submitted      a payer has its claim (`payer`, `reference`)
    booking.claim_approved       the payer approved all of it
    booking.claim_partially_paid the payer approved or paid a part of it
    booking.claim_rejected       the payer approved nothing (`reason`)
    booking.claim_paid           the payer says it sent money (`paidMinor`, `keptMinor`, `paymentDate`)
    booking.claim_overdue        the payer did not decide before the deadline; a person must look
    contract.changed             a contract was made or changed (its payload is the contract)

The four decisions hold `version` (a number per booking that grows with each change of the payer's answer),
`payer`, `reference`, `currency`, `approvedMinor`, `paidMinor` (null while unknown), `decidedOn`, `paymentDate`,
`reason`, and `lines`: each with `number`, `serviceCode`, `approvedMinor`, the booked shares `vendorMinor`,
`facilityMinor`, `feeMinor`, their sum `totalMinor`, `vendor`, `vendorPayee`, `facilityPayee` and `isCapitated`.
Amounts are cumulative: version 2 replaces version 1, it does not add to it. Units: minor units of the currency.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kiungo.domains.vems.model import BookedLine
from kiungo.domains.vems.store.bookings import BookingRow

TOPICS: Final = (
    "booking.created",
    "booking.revised",
    "booking.confirmed",
    "booking.service_completed",
    "booking.completed",
    "booking.cancelled",
    "booking.overridden",
    "booking.claim_submitted",
    "booking.claim_approved",
    "booking.claim_partially_paid",
    "booking.claim_rejected",
    "booking.claim_paid",
    "booking.claim_overdue",
    "contract.changed",
)
DECISIONS: Final = ("booking.claim_approved", "booking.claim_partially_paid", "booking.claim_rejected")

Payload = dict[str, Any]


def booking(row: BookingRow, lines: Sequence[BookedLine], more: Mapping[str, Any] | None = None) -> Payload:
    """The payload of an event about a booking."""
    return {
        "bookingNo": row.booking_no,
        "claimID": row.claim_id,
        "facility": row.facility,
        "mode": row.mode,
        "state": row.state,
        "approval": row.approval,
        "revision": row.revision,
        "currency": row.currency,
        "totalMinor": row.total_minor,
        "lines": [line_of(line) for line in lines],
        **(more or {}),
    }


def line_of(line: BookedLine, approved_minor: int | None = None) -> Payload:
    """One booked service with its shares, and what the payer approved of it."""
    found: Payload = {
        "number": line.number,
        "serviceCode": line.service_code,
        "vendor": line.vendor_code,
        "vendorPayee": line.vendor_payee,
        "facilityPayee": line.facility_payee,
        "isCapitated": line.capitated,
        "vendorMinor": line.share.vendor.minor,
        "facilityMinor": line.share.facility.minor,
        "feeMinor": line.share.fee.minor,
        "totalMinor": line.share.total.minor,
    }
    return found if approved_minor is None else found | {"approvedMinor": approved_minor}
