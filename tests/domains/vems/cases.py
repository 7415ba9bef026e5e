"""The documents' values, as tests use them."""

from typing import Any

from kiungo.base.time import parse_instant, to_us
from kiungo.domains.vems import sample
from kiungo.domains.vems.model import BookingRequest, FacilityBook, PaymentMode, RequestedService

FR_CODE = "FID-32-121583-3"
CLAIM_ID = "3663-gdhs-TAIFA-CARE"
PATIENT = "CR1234567"
CT_AT = "2025-11-02T10:51:00.000Z"
MRI_AT = "2025-11-03T14:30:00.000Z"


def book() -> FacilityBook:
    contracts: dict[str, tuple[Any, ...]] = {}
    for contract in sample.CONTRACTS:
        contracts[contract.service] = (*contracts.get(contract.service, ()), contract)
    return FacilityBook(
        facility=sample.FACILITY,
        contracts=contracts,
        vendors={vendor.code: vendor for vendor in sample.VENDORS},
        lots={lot.number: lot for lot in sample.LOTS},
        services={service.code: service for service in sample.SERVICES},
    )


def body(**changes: Any) -> dict[str, Any]:
    """The guide's request of section 5.2, with changes."""
    return {
        "patientCR": PATIENT,
        "paymentMode": "sha",
        "facilityFrCode": FR_CODE,
        "claimID": CLAIM_ID,
        "services": [
            {"serviceCode": "F8735", "serviceDate": CT_AT},
            {"serviceCode": "F8736", "serviceDate": MRI_AT},
        ],
    } | changes


def request(*services: tuple[str, str], mode: PaymentMode = "sha") -> BookingRequest:
    chosen = services or (("F8735", CT_AT), ("F8736", MRI_AT))
    return BookingRequest(
        facility=FR_CODE,
        claim_id=CLAIM_ID,
        patient=PATIENT,
        mode=mode,
        services=tuple(RequestedService(code, to_us(parse_instant(at))) for code, at in chosen),
    )
