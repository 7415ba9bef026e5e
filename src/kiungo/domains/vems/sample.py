"""The documents' sample data: one facility, its vendor and lot, two services with their rates and shares.

More services show what else a contract can say. The patient is made up, as all of this is.
"""

from typing import Final

from kiungo.base.money import Money
from kiungo.domains.vems.model import (
    ANY_MODE,
    CURRENCY,
    Amounts,
    Contract,
    Equipment,
    Facility,
    Lot,
    Percentages,
    Service,
    Vendor,
)

FACILITY: Final = Facility("FID-32-121583-3", "Harbour County Hospital", "Mombasa")
VENDOR: Final = Vendor("V364", "Medical Imaging Solutions Ltd")
RENAL_VENDOR: Final = Vendor("V412", "Lakeland Renal Care Ltd")
LOT: Final = Lot("LOT-2024-001", "Diagnostic Imaging Services")
RENAL_LOT: Final = Lot("LOT-2024-002", "Renal Services")
PATIENT: Final = "CR1234567"

SERVICES: Final = (
    Service("F8735", "CT Scan - Contrast Enhanced"),
    Service("F8736", "MRI Scan - Full Body"),
    Service("F8740", "Haemodialysis Session"),
    Service("F8751", "Digital X-Ray"),
)
EQUIPMENT: Final = (
    Equipment("EQ-0001", "CT scanner, 128 slices", "V364", FACILITY.fr_code, LOT.number, ("F8735",), "CT-128-77"),
    Equipment("EQ-0002", "MRI scanner, 1.5 tesla", "V364", FACILITY.fr_code, LOT.number, ("F8736",), "MR-15-031"),
)


def _kes(text: str) -> Money:
    return Money.parse(text, CURRENCY)


def _contract(
    contract_id: str, service: str, rate: str, terms: Amounts | Percentages, *, capitated: bool = False
) -> Contract:
    renal = service == "F8740"
    return Contract(
        contract_id=contract_id,
        facility=FACILITY.fr_code,
        vendor=RENAL_VENDOR.code if renal else VENDOR.code,
        lot=RENAL_LOT.number if renal else LOT.number,
        service=service,
        effective_from="2024-01-01",
        effective_until=None,
        sha_rate=_kes(rate),
        terms={ANY_MODE: terms},
        capitated=capitated,
        vendor_payee=RENAL_VENDOR.code if renal else VENDOR.code,
        facility_payee=FACILITY.fr_code,
    )


# The first is the guide's 5.1. The guide gives the MRI's shares but not its SHA rate: it is taken to be their sum.
CT_CONTRACT: Final = _contract("CON-0001", "F8735", "15000.00", Amounts(_kes("10000"), _kes("4500"), _kes("500")))
MRI_CONTRACT: Final = _contract("CON-0002", "F8736", "16000.00", Amounts(_kes("11000"), _kes("4500"), _kes("500")))
RENAL_CONTRACT: Final = _contract(
    "CON-0003", "F8740", "10650.00", Percentages(6_667, 3_000, 333, _kes("10000.01")), capitated=True
)
CONTRACTS: Final = (CT_CONTRACT, MRI_CONTRACT, RENAL_CONTRACT)
VENDORS: Final = (VENDOR, RENAL_VENDOR)
LOTS: Final = (LOT, RENAL_LOT)
