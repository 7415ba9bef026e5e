"""Contracts and master data as the admin API, the CSV import and the rows write them: one JSON form for all."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kiungo.base.errors import Detail, KiungoError
from kiungo.base.money import Money
from kiungo.base.time import parse_date
from kiungo.domains.vems.model import (
    CURRENCY,
    Amounts,
    Contract,
    Equipment,
    Facility,
    Lot,
    MasterItem,
    Percentages,
    Service,
    Terms,
    Vendor,
)

KINDS: Mapping[str, type[MasterItem]] = {"vendor": Vendor, "lot": Lot, "service": Service, "equipment": Equipment}
_KIND_OF = {kind: name for name, kind in KINDS.items()}
TEXT_MAX = 200


class Problems:
    """Collects what is wrong, so that the sender learns it all from one answer."""

    def __init__(self) -> None:
        self.found: list[Detail] = []

    def add(self, field: str, message: str) -> None:
        """One more wrong field."""
        self.found.append(Detail(field, message))


def kind_of(item: MasterItem) -> str:
    """The name of a master item's kind."""
    return _KIND_OF[type(item)]


def code_of(item: MasterItem) -> str:
    """What a master item is called by."""
    match item:
        case Lot():
            return item.number
        case Equipment():
            return item.equipment_id
        case Vendor() | Service():
            return item.code


def master_wire(item: MasterItem) -> dict[str, Any]:
    """A vendor, lot, service or machine."""
    match item:
        case Lot():
            return {"number": item.number, "name": item.name}
        case Vendor() | Service():
            return {"code": item.code, "name": item.name}
        case Equipment():
            return {
                "equipmentId": item.equipment_id,
                "name": item.name,
                "vendor": item.vendor,
                "facility": item.facility,
                "lot": item.lot,
                "services": list(item.services),
                "serialNumber": item.serial_number,
                "inUse": item.in_use,
            }


def read_master(kind: str, sent: Mapping[str, Any], problems: Problems) -> MasterItem:
    """A master item as sent; what is wrong goes to `problems`."""
    name = text(sent, "name", problems)
    if kind == "lot":
        return Lot(text(sent, "number", problems), name)
    if kind == "vendor":
        return Vendor(text(sent, "code", problems), name)
    if kind == "service":
        return Service(text(sent, "code", problems), name)
    services = sent.get("services", [])
    if not isinstance(services, list) or not all(isinstance(code, str) for code in services):
        problems.add("services", "must be a list of service codes")
        services = []
    return Equipment(
        equipment_id=text(sent, "equipmentId", problems),
        name=name,
        vendor=text(sent, "vendor", problems),
        facility=text(sent, "facility", problems),
        lot=text(sent, "lot", problems),
        services=tuple(services),
        serial_number=text(sent, "serialNumber", problems, required=False),
        in_use=boolean(sent, "inUse", problems, default=True),
    )


def facility_wire(facility: Facility) -> dict[str, Any]:
    """A facility enabled for bookings."""
    return {
        "frCode": facility.fr_code,
        "name": facility.name,
        "county": facility.county,
        "isActive": facility.active,
        "organization": facility.organization_fhir,
        "location": facility.location_fhir,
    }


def read_facility(sent: Mapping[str, Any], problems: Problems) -> Facility:
    """A facility as sent or stored."""
    return Facility(
        fr_code=text(sent, "frCode", problems),
        name=text(sent, "name", problems),
        county=text(sent, "county", problems, required=False),
        active=boolean(sent, "isActive", problems, default=True),
        organization_fhir=text(sent, "organization", problems, required=False),
        location_fhir=text(sent, "location", problems, required=False),
    )


def contract_wire(contract: Contract) -> dict[str, Any]:
    """A contract with its terms. Units: amounts in the currency, percentages in percent."""
    return {
        "contractId": contract.contract_id,
        "version": contract.version,
        "facility": contract.facility,
        "vendor": contract.vendor,
        "lot": contract.lot,
        "service": contract.service,
        "effectiveFrom": contract.effective_from,
        "effectiveUntil": contract.effective_until,
        "currency": contract.sha_rate.currency,
        "shaRate": contract.sha_rate,
        "terms": {mode: _terms_wire(terms) for mode, terms in contract.terms.items()},
        "isCapitated": contract.capitated,
        "vendorPayee": contract.vendor_payee,
        "facilityPayee": contract.facility_payee,
        "isActive": contract.active,
    }


def read_contract(sent: Mapping[str, Any], problems: Problems, *, contract_id: str = "", version: int = 1) -> Contract:
    """A contract as sent or stored; what cannot be read goes to `problems`. Payees default to the parties."""
    currency = text(sent, "currency", problems, required=False) or CURRENCY
    terms = sent.get("terms")
    if not isinstance(terms, dict) or not terms:
        problems.add("terms", "must hold the shares by payment mode, or of any")
        terms = {}
    facility, vendor = text(sent, "facility", problems), text(sent, "vendor", problems)
    until = sent.get("effectiveUntil")
    return Contract(
        contract_id=contract_id or text(sent, "contractId", problems, required=False),
        version=version,
        facility=facility,
        vendor=vendor,
        lot=text(sent, "lot", problems),
        service=text(sent, "service", problems),
        effective_from=day(sent.get("effectiveFrom"), "effectiveFrom", problems),
        effective_until=None if until in (None, "") else day(until, "effectiveUntil", problems),
        sha_rate=amount(sent.get("shaRate"), currency, "shaRate", problems),
        terms={str(mode): _read_terms(item, currency, f"terms.{mode}", problems) for mode, item in terms.items()},
        capitated=boolean(sent, "isCapitated", problems, default=False),
        vendor_payee=text(sent, "vendorPayee", problems, required=False) or vendor,
        facility_payee=text(sent, "facilityPayee", problems, required=False) or facility,
        active=boolean(sent, "isActive", problems, default=True),
    )


def text(sent: Mapping[str, Any], field: str, problems: Problems, *, required: bool = True) -> str:
    """A short printable text."""
    value = sent.get(field)
    if value is None or value == "":
        if required:
            problems.add(field, "is required")
        return ""
    if not isinstance(value, str) or not value.strip() or len(value) > TEXT_MAX or not value.isprintable():
        problems.add(field, f"must be a text of 1 to {TEXT_MAX} characters")
        return ""
    return value.strip()


def boolean(sent: Mapping[str, Any], field: str, problems: Problems, *, default: bool) -> bool:
    """true or false."""
    value = sent.get(field)
    if value is None:
        return default
    if not isinstance(value, bool):
        problems.add(field, "must be true or false")
        return default
    return value


def day(value: Any, field: str, problems: Problems) -> str:
    """A day of the calendar."""
    try:
        return parse_date(value, field=field).isoformat()
    except KiungoError as error:
        problems.add(field, error.message.removeprefix(f"{field} "))
        return ""


def amount(value: Any, currency: str, field: str, problems: Problems) -> Money:
    """An amount of a currency."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            problems.add(field, "must be an amount, such as 15000.00")
            return Money(0, currency)
        return Money.parse(value, currency, field=field)
    except KiungoError as error:
        problems.add(field, error.message)
        return Money(0, currency)


def basis_points(value: Any, field: str, problems: Problems) -> int:
    """A percentage with at most two decimals, as basis points."""
    try:
        percent = Decimal(str(value)) if isinstance(value, int | Decimal | str) and value != "" else None
    except ArithmeticError:
        percent = None
    if percent is None or not percent.is_finite() or abs(percent) > 1_000 or percent * 100 != int(percent * 100):
        problems.add(field, "must be a percentage with at most two decimals, such as 66.67")
        return 0
    return int(percent * 100)


def _terms_wire(terms: Terms) -> dict[str, Any]:
    match terms:
        case Amounts(vendor, facility, fee):
            return {"vendorShare": vendor, "facilityShare": facility, "serviceFee": fee}
        case Percentages(vendor_bp, facility_bp, fee_bp, total):
            wire: dict[str, Any] = {
                "vendorPercent": Decimal(vendor_bp).scaleb(-2),
                "facilityPercent": Decimal(facility_bp).scaleb(-2),
                "feePercent": Decimal(fee_bp).scaleb(-2),
            }
            return wire if total is None else wire | {"total": total}


def _read_terms(item: Any, currency: str, where: str, problems: Problems) -> Terms:
    if not isinstance(item, dict):
        problems.add(where, "must be an object with the three shares")
        return Amounts(Money.zero(currency), Money.zero(currency), Money.zero(currency))
    total = item.get("total")
    percents, shares = ({name for name in item if name.endswith(end)} for end in ("Percent", ("Share", "Fee")))
    if percents and shares:
        problems.add(where, "has shares both as amounts and as percentages; say them in one way")
    if percents:
        vendor_bp, facility_bp, fee_bp = (
            basis_points(item.get(name), f"{where}.{name}", problems)
            for name in ("vendorPercent", "facilityPercent", "feePercent")
        )
        whole = None if total in (None, "") else amount(total, currency, f"{where}.total", problems)
        return Percentages(vendor_bp, facility_bp, fee_bp, whole)
    vendor, facility, fee = (
        amount(item.get(name), currency, f"{where}.{name}", problems)
        for name in ("vendorShare", "facilityShare", "serviceFee")
    )
    if total not in (None, "") and amount(total, currency, f"{where}.total", problems) != vendor + facility + fee:
        problems.add(f"{where}.total", "is not the sum of the three shares; leave it out, or correct them")
    return Amounts(vendor, facility, fee)
