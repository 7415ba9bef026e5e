"""The answers of the booking API, field for field as the guide prints them: two decimals, UTC to the millisecond."""

from collections.abc import Mapping, Sequence
from typing import Any

from kiungo.base.time import iso_millis
from kiungo.domains.vems.mapping.people import patient_view
from kiungo.domains.vems.model import BookedLine, FacilityBook
from kiungo.domains.vems.rules.distribution import distribute
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.kernel import json

Body = dict[str, Any]


def service_list(book: FacilityBook, mode: str, today: str) -> bytes:
    """What a facility offers today in a payment mode. Source: API guide section 5.1.

    A suspended contract is shown as not active; one that is not in its time is not shown.
    """
    known = book.lists.get((mode, today))
    if known is None:
        if len(book.lists) > 16:
            book.lists.clear()
        known = book.lists[(mode, today)] = json.dumps({"success": True, "data": _offers(book, mode, today)})
    return known


def _offers(book: FacilityBook, mode: str, today: str) -> list[Body]:
    offers = []
    for code, contracts in sorted(book.contracts.items()):
        for contract in contracts:
            shares = distribute(contract, mode)
            if shares is None or not contract.holds_on(today) or code not in book.services:
                continue
            vendor = book.vendors[contract.vendor]
            offers.append(
                {
                    "serviceCode": code,
                    "serviceName": book.services[code].name,
                    "vendorCode": vendor.code,
                    "vendorName": vendor.name,
                    "shaRate": contract.sha_rate,
                    "vendorShare": shares.vendor,
                    "facilityShare": shares.facility,
                    "serviceFee": shares.fee,
                    "isCapitated": contract.capitated,
                    "isActive": contract.active,
                }
            )
    return offers


def cost_distribution(row: BookingRow, lines: Sequence[BookedLine]) -> Body:
    """How a booking's cost is shared. Source: API guide section 5.2."""
    return {
        "success": True,
        "claimID": row.claim_id,
        "bookingNo": row.booking_no,
        "bookingStatus": row.state,
        "totalAmount": row.total,
        "services": [
            {
                "serviceCode": line.service_code,
                "serviceName": line.service_name,
                "serviceDate": iso_millis(line.at_us),
                "vendorCode": line.vendor_code,
                "vendorName": line.vendor_name,
                "vendorShare": line.share.vendor,
                "facilityShare": line.share.facility,
                "serviceFee": line.share.fee,
                "vemsTotal": line.share.total,
            }
            for line in lines
        ],
    }


def status(row: BookingRow, lines: Sequence[BookedLine], patient: Mapping[str, Any]) -> Body:
    """A booking as it now is. Source: API guide section 5.3."""
    return {
        "bookingId": row.booking_id,
        "bookingNo": row.booking_no,
        "bookingDate": iso_millis(row.booked_for_us),
        "bookingStatus": row.state,
        "approvalStatus": row.approval,
        "paymentMode": row.mode,
        "override": bool(row.overridden),
        "createdAt": iso_millis(row.created_us),
        "updatedAt": iso_millis(row.updated_us),
        "patient": patient_view(patient),
        "bookedServices": [
            {
                "serviceBookingId": line.line_id,
                "serviceDate": iso_millis(line.at_us),
                "serviceStatus": line.state,
                "vendorShare": line.share.vendor,
                "facilityShare": line.share.facility,
                "service": {
                    "name": line.service_name,
                    "code": line.service_code,
                    "shaRate": line.sha_rate,
                    "isCapitated": line.capitated,
                },
                "vendor": {"name": line.vendor_name, "code": line.vendor_code},
                "lot": {"number": line.lot_number, "name": line.lot_name},
            }
            for line in lines
        ],
    }


def summary(row: BookingRow) -> Body:
    """A booking in a list."""
    return {
        "bookingNo": row.booking_no,
        "claimID": row.claim_id,
        "facilityFrCode": row.facility,
        "bookingDate": iso_millis(row.booked_for_us),
        "bookingStatus": row.state,
        "approvalStatus": row.approval,
        "paymentMode": row.mode,
        "override": bool(row.overridden),
        "totalAmount": row.total,
        "revision": row.revision,
        "createdAt": iso_millis(row.created_us),
        "updatedAt": iso_millis(row.updated_us),
    }
