"""The values bookings speak in: master data, contracts with their terms, booked services, bookings.

Contract days are texts YYYY-MM-DD: they sort as dates do. Moments are microseconds UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, timezone
from functools import lru_cache
from typing import Final, Literal

from kiungo.base.money import Money
from kiungo.base.time import SECOND_US, date_of

PaymentMode = Literal["sha", "cash", "mpesa", "other_insurances"]
PAYMENT_MODES: Final[tuple[PaymentMode, ...]] = ("sha", "cash", "mpesa", "other_insurances")
ANY_MODE: Final = "any"
BookingState = Literal["pending", "confirmed", "completed", "cancelled"]
ApprovalState = Literal["pending", "approved", "partially_paid", "rejected"]
ServiceState = Literal["booked", "completed", "cancelled"]

CURRENCY: Final = "KES"
CONTRACT_ZONE: Final = timezone(timedelta(hours=3), "Africa/Nairobi")
_AHEAD_US: Final = 3 * 3_600 * SECOND_US
WHOLE_BP: Final = 10_000


def contract_day(moment_us: int) -> str:
    """The calendar day a moment falls on where the contracts apply. Source: API guide 6.1, EAT is UTC+3 all year."""
    return _text(contract_date(moment_us))


def contract_date(moment_us: int) -> date:
    """The same day as a date: what banks execute on, and the books are dated by."""
    return date_of(moment_us + _AHEAD_US)


@lru_cache(maxsize=1_024)
def _text(day: date) -> str:
    return day.isoformat()


@dataclass(frozen=True, slots=True)
class Distribution:
    """What each side gets of one service: vendor + facility + fee = total, to the cent."""

    vendor: Money
    facility: Money
    fee: Money

    @property
    def total(self) -> Money:
        """The whole that was shared. Source: API guide 7.1."""
        return self.vendor + self.facility + self.fee


@dataclass(frozen=True, slots=True)
class Amounts:
    """Terms that name the three shares as amounts."""

    vendor: Money
    facility: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class Percentages:
    """Terms that share a total by percentages. Units: basis points; `total` None shares the whole SHA rate."""

    vendor_bp: int
    facility_bp: int
    fee_bp: int
    total: Money | None = None


Terms = Amounts | Percentages


@dataclass(frozen=True, slots=True)
class Contract:
    """What a vendor and a facility agreed for one service of one lot, between two days, both included.

    Shapes: `terms` by payment mode, or "any" for every mode without its own; `until` None is open;
    a contract that is not `active` is suspended. A change is a new `version`; bookings keep what they were made by.
    """

    contract_id: str
    facility: str
    vendor: str
    lot: str
    service: str
    effective_from: str
    effective_until: str | None
    sha_rate: Money
    terms: Mapping[str, Terms]
    capitated: bool = False
    vendor_payee: str = ""
    facility_payee: str = ""
    active: bool = True
    version: int = 1

    def holds_on(self, day: str) -> bool:
        """Whether the contract is in its time on a day."""
        return self.effective_from <= day and (self.effective_until is None or day <= self.effective_until)

    def terms_for(self, mode: str) -> Terms | None:
        """The terms of a payment mode, or None when the contract does not cover it."""
        return self.terms.get(mode) or self.terms.get(ANY_MODE)


@dataclass(frozen=True, slots=True)
class Vendor:
    """Who owns the equipment."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Lot:
    """A tender lot that contracts belong to."""

    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service that can be contracted."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Equipment:
    """A machine: whose it is, where it stands, and what it can do."""

    equipment_id: str
    name: str
    vendor: str
    facility: str
    lot: str
    services: tuple[str, ...] = ()
    serial_number: str = ""
    in_use: bool = True


@dataclass(frozen=True, slots=True)
class Facility:
    """A facility enabled for bookings. Shapes: `fr_code` is its facility registry code."""

    fr_code: str
    name: str
    county: str = ""
    active: bool = True
    organization_fhir: str = ""
    location_fhir: str = ""


MasterItem = Vendor | Lot | Service | Equipment


@dataclass(frozen=True, slots=True)
class RequestedService:
    """One service as asked for. Units: `at_us` microseconds UTC."""

    code: str
    at_us: int


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """A cost distribution request as it was understood: well formed, nothing looked up yet."""

    facility: str
    claim_id: str
    patient: str
    mode: PaymentMode
    services: tuple[RequestedService, ...]
    diagnosis: str | None = None


@dataclass(frozen=True, slots=True)
class BookedLine:
    """One booked service with everything agreed for it, copied so that no later change reaches it."""

    number: int
    service_code: str
    service_name: str
    at_us: int
    vendor_code: str
    vendor_name: str
    lot_number: str
    lot_name: str
    contract_id: str
    contract_version: int
    sha_rate: Money
    share: Distribution
    capitated: bool
    vendor_payee: str
    facility_payee: str
    line_id: str = ""
    state: ServiceState = "booked"


@dataclass(frozen=True, slots=True)
class FacilityBook:
    """One facility with its contracts and the names they need: one version of them, shared and never changed."""

    facility: Facility
    contracts: Mapping[str, tuple[Contract, ...]]
    vendors: Mapping[str, Vendor]
    lots: Mapping[str, Lot]
    services: Mapping[str, Service]
    lists: dict[tuple[str, str], bytes] = field(default_factory=dict, compare=False)
    shares: dict[tuple[str, str], Distribution | None] = field(default_factory=dict, compare=False)
