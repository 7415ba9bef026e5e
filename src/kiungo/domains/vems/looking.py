"""What pages show of bookings and contracts: everything about one thing, read in one unit of work."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kiungo.domains.vems import correcting, overriding, trail
from kiungo.domains.vems.correcting import Proposal
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.model import Contract, Distribution
from kiungo.domains.vems.rules.distribution import distribute
from kiungo.domains.vems.settlement import listing
from kiungo.domains.vems.settlement import store as settlement_store
from kiungo.domains.vems.settlement.model import Leg
from kiungo.domains.vems.store import bookings, claims, contracts
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.domains.vems.wire import code_of
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

FACILITIES_MAX: Final = 200
_NUMBER: Final = re.compile(r"VB[0-9A-F]{12}\Z", re.ASCII)
Named = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class BookingSheet:
    """A booking with its claim, its payments, its trail, and what waits for a second person."""

    booked: Booked
    claim: ClaimRow | None
    settlements: Sequence[str]
    legs: Sequence[Leg]
    trail: Sequence[dict[str, Any]]
    proposal: Proposal | None
    override: overriding.Proposal | None


@dataclass(frozen=True, slots=True)
class Names:
    """Codes with their names, as a form offers them."""

    vendors: Named
    lots: Named
    services: Named
    facilities: Named


def find_bookings(
    unit: Unit,
    call: Call,
    *,
    asked: str = "",
    facility: str | None = None,
    state: str | None = None,
    approval: str | None = None,
    before: tuple[int, str] | None = None,
    limit: int,
) -> list[BookingRow]:
    """Bookings the caller may see, newest first. Shapes: `asked` is a booking's number or a claim's."""
    facility = call.principal.bindings.get("facility", facility)
    if _NUMBER.match(asked.upper()):
        row = bookings.find(unit, call.tenant, asked.upper())
        return [row] if row is not None and facility in (None, row.facility) else []
    return bookings.page(
        unit, call.tenant, facility=facility, state=state, approval=approval, claim_id=asked or None, before=before,
        limit=limit,
    )  # fmt: skip


def sheet_of(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, *, with_money: bool) -> BookingSheet:
    """Everything about one booking. Raises: NotFound BOOKING_NOT_FOUND, also for another facility's."""
    booked = desk.find(unit, call, booking_no)
    numbers = listing.numbers_of(unit, call.tenant, booking_no) if with_money else []
    return BookingSheet(
        booked=booked,
        claim=claims.find(unit, call.tenant, booking_no),
        settlements=numbers,
        legs=[leg for number in numbers for leg in settlement_store.legs_of(unit, call.tenant, number)],
        trail=trail.read(unit, call.tenant, booking_no),
        proposal=correcting.waiting(unit, call.tenant, booking_no),
        override=overriding.waiting(unit, call.tenant, booking_no),
    )


def find_contracts(
    unit: Unit, call: Call, *, facility: str | None, vendor: str | None, after: str, limit: int
) -> list[Contract]:
    """Contracts by their ids, from after one; those of the facility the caller is bound to."""
    facility = call.principal.bindings.get("facility", facility)
    return contracts.page_of_contracts(unit, call.tenant, facility=facility, vendor=vendor, after=after, limit=limit)


def versions_of(unit: Unit, call: Call, contract_id: str) -> list[tuple[int, str, Contract]]:
    """Every version of a contract, newest first: when, by whom, and what it said."""
    return list(reversed(contracts.contract_versions(unit, call.tenant, contract_id)))


def shares_of(contract: Contract, mode: str) -> Distribution | None:
    """What each side gets by a contract, or None when it does not cover the mode."""
    return distribute(contract, mode)


def names_of(unit: Unit, call: Call) -> Names:
    """What a contract can name."""

    def master(kind: str) -> Named:
        return [(code_of(item), item.name) for item in contracts.master_items(unit, call.tenant, kind)]

    places = contracts.facilities(unit, call.tenant, after="", limit=FACILITIES_MAX)
    return Names(
        master("vendor"), master("lot"), master("service"), [(place.fr_code, place.name) for place in places]
    )  # fmt: skip
