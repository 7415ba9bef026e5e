"""Which contract serves each requested service, and which steps a booking may take from where it is."""

from collections.abc import Callable, Iterable
from typing import Final

from kiungo.base.money import Money
from kiungo.domains.vems.errors import service_not_contracted, service_not_found
from kiungo.domains.vems.model import (
    BookedLine,
    BookingRequest,
    BookingState,
    Contract,
    Distribution,
    FacilityBook,
    RequestedService,
    contract_day,
)
from kiungo.domains.vems.rules.distribution import distribute

NEXT: Final[dict[BookingState, tuple[BookingState, ...]]] = {
    "pending": ("confirmed", "completed", "cancelled"),
    "confirmed": ("completed", "cancelled"),
    "completed": (),
    "cancelled": (),
}


def price(book: FacilityBook, request: BookingRequest, new_id: Callable[[], str] = str) -> tuple[BookedLine, ...]:
    """The lines of a booking, each with the terms of the contract that holds on its day, and an id of its own.

    Raises: NotFound SERVICE_NOT_FOUND, Incorrect SERVICE_NOT_CONTRACTED.
    """
    return tuple(
        _line(book, request.mode, number, service, new_id()) for number, service in enumerate(request.services, 1)
    )


def contract_for(book: FacilityBook, code: str, day: str) -> Contract | None:
    """The one contract in force for a service on a day; overlaps were refused when contracts were made."""
    for contract in book.contracts.get(code, ()):
        if contract.active and contract.holds_on(day):
            return contract
    return None


def total_of(lines: Iterable[BookedLine], currency: str) -> Money:
    """What the lines cost together."""
    return sum((line.share.total for line in lines), Money.zero(currency))


def may_become(state: BookingState, wanted: BookingState) -> bool:
    """Whether a booking may go from one state to another."""
    return wanted in NEXT[state]


def _shares(book: FacilityBook, contract: Contract, mode: str) -> Distribution | None:
    """What `distribute` says, found once for each contract of a book."""
    key = (contract.contract_id, mode)
    try:
        return book.shares[key]
    except KeyError:
        return book.shares.setdefault(key, distribute(contract, mode))


def _line(book: FacilityBook, mode: str, number: int, service: RequestedService, line_id: str) -> BookedLine:
    where = f"services.{number - 1}.serviceCode"
    known = book.services.get(service.code)
    if known is None:
        raise service_not_found(service.code, where)
    contract = contract_for(book, service.code, contract_day(service.at_us))
    distribution = _shares(book, contract, mode) if contract else None
    if contract is None or distribution is None:
        raise service_not_contracted(service.code, where)
    vendor, lot = book.vendors[contract.vendor], book.lots[contract.lot]
    return BookedLine(
        number=number,
        service_code=service.code,
        service_name=known.name,
        at_us=service.at_us,
        vendor_code=vendor.code,
        vendor_name=vendor.name,
        lot_number=lot.number,
        lot_name=lot.name,
        contract_id=contract.contract_id,
        contract_version=contract.version,
        sha_rate=contract.sha_rate,
        share=distribution,
        capitated=contract.capitated,
        vendor_payee=contract.vendor_payee,
        facility_payee=contract.facility_payee,
        line_id=line_id,
    )
