"""Synthetic reference data: the plan, member and provider of the provider guide, and two plans that show more.

The guide's plan pays 80 % of the charge and has no fee schedule; its filing limit lets the guide's 2024 dates
through. Descriptions are our own words.
"""

from collections.abc import Iterator

from kiungo.base.money import Money
from kiungo.domains.payor.book import (
    Benefit,
    Exclusion,
    Fee,
    Limit,
    ListedCode,
    Pair,
    Plan,
    Provider,
    UnitLimit,
)
from kiungo.domains.payor.model import Authorization, Coverage, Member
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.snapshot import Reference
from kiungo.domains.payor.store.reference import find_plan
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

PAYOR_ID = "PAY001"
STANDARD, FAMILY_PLUS, NATIONAL = "STANDARD", "FAMILY-PLUS", "NATIONAL"
FAMILY_FEES, NATIONAL_TARIFF = "FAMILY-FEES-2024", "NATIONAL-TARIFF-2024"


def _usd(text: str) -> Money:
    return Money.parse(text, "USD")


def _kes(text: str) -> Money:
    return Money.parse(text, "KES")


DIAGNOSES = {
    "J20.9": "Bronchitis, acute, cause not stated",
    "Z00.00": "Routine examination of an adult, nothing found",
    "I25.10": "Coronary artery disease",
    "E11.9": "Diabetes, type 2, without complications",
    "I10": "High blood pressure",
    "J45.9": "Asthma",
    "R51": "Headache",
    "N39.0": "Infection of the urinary tract",
    "K21.9": "Acid reflux without inflammation of the gullet",
    "M54.5": "Pain in the lower back",
}
PROCEDURES = {
    "99213": "Visit of a known patient, simple",
    "99214": "Visit of a known patient, moderately complex",
    "85025": "Blood count",
    "80053": "Blood chemistry panel",
    "93000": "Electrocardiogram at rest",
    "36415": "Taking blood from a vein",
    "99396": "Preventive visit, age 40 to 64",
    "76700": "Ultrasound of the abdomen",
}
NATIONAL_SERVICES = {"F8735": "CT scan with contrast", "F8736": "MRI scan, whole body"}
EXCLUDED = "15775-15879"

PLANS = (
    Plan(
        plan_id=STANDARD,
        name="Standard cover",
        currency="USD",
        payor_id=PAYOR_ID,
        coinsurance_bp=2_000,
        filing_days=3_650,
        suspect_within_bp=1_000,
        four_eyes_above=_usd("10000.00"),
        review_above=_usd("25000.00"),
    ),
    Plan(
        plan_id=FAMILY_PLUS,
        name="Family plus",
        currency="USD",
        payor_id=PAYOR_ID,
        coinsurance_bp=1_000,
        filing_days=90,
        deductible_member=_usd("500.00"),
        deductible_family=_usd("1000.00"),
        out_of_pocket_member=_usd("2000.00"),
        out_of_pocket_family=_usd("4000.00"),
        benefits=(
            Benefit("Preventive", ("99396",), copay=_usd("0.00"), coinsurance_bp=0, deductible=False),
            Benefit("Office visits", ("99213", "99214"), copay=_usd("25.00")),
            Benefit("Imaging", ("76700", "70551"), coinsurance_bp=2_000),
        ),
        fee_schedule=FAMILY_FEES,
        no_fee="review",
        authorization_codes=("70551",),
        out_of_network_coinsurance_bp=4_000,
        four_eyes_above=_usd("2000.00"),
        review_above=_usd("10000.00"),
    ),
    Plan(
        plan_id=NATIONAL,
        name="National scheme",
        currency="KES",
        payor_id=PAYOR_ID,
        diagnosis_system="icd-11",
        procedure_systems=("national",),
        procedure_pattern="[A-Z][0-9]{4}|SHA-[0-9]{2}-[0-9]{3}",
        filing_days=90,
        fee_schedule=NATIONAL_TARIFF,
        no_fee="review",
        payment_method="EFT",
        time_zone="Africa/Nairobi",
    ),
)

CODES_BY_PLAN: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    STANDARD: (DIAGNOSES, PROCEDURES),
    FAMILY_PLUS: (
        DIAGNOSES,
        PROCEDURES | {"97110": "Exercise therapy, 15 minutes", "70551": "MRI of the head"},
    ),
    NATIONAL: ({}, NATIONAL_SERVICES),
}

FEES = {
    FAMILY_FEES: [
        Fee(code, _usd(amount))
        for code, amount in {
            "99213": "110.00",
            "99214": "160.00",
            "85025": "18.50",
            "80053": "24.00",
            "93000": "45.00",
            "36415": "9.00",
            "99396": "210.00",
            "76700": "190.00",
            "97110": "42.00",
            "70551": "620.00",
        }.items()
    ],
    NATIONAL_TARIFF: [Fee("F8735", _kes("15000.00")), Fee("F8736", _kes("16000.00"))],
}

PROVIDERS = (
    Provider("PROV-001", "City Medical Center", npi="1234567893"),
    Provider("PROV-002", "Lakeside Clinic", npi="1245319599", networks=(STANDARD, FAMILY_PLUS)),
    Provider("PROV-003", "Hilltop Hospital", npi="1679576722", networks=(STANDARD,)),
    Provider("PROV-004", "Harbour County Hospital", facility="FID-32-121583-3", networks=(NATIONAL,)),
)


def _covered(plan_id: str, since: str = "2020-01-01") -> tuple[Coverage, ...]:
    return (Coverage(plan_id, since),)


MEMBERS = (
    Member("BC-789-456", "FAM-789", "John Doe", _covered(STANDARD), "1985-06-15", "male", identifiers=("P-12345",)),
    Member("BC-789-457", "FAM-789", "Jane Doe", _covered(STANDARD), "1987-02-11", "female"),
    Member("BC-200-001", "FAM-200", "Amina Otieno", _covered(FAMILY_PLUS), "1980-09-30", "female"),
    Member("BC-200-002", "FAM-200", "Peter Otieno", _covered(FAMILY_PLUS), "1978-01-17", "male"),
    Member("BC-200-003", "FAM-200", "Grace Otieno", _covered(FAMILY_PLUS), "2012-05-03", "female"),
    Member(
        "CR1234567",
        "FAM-300",
        "John Kamau Mwangi",
        _covered(NATIONAL),
        "1985-05-15",
        "male",
        identifiers=("CR1234567",),
    ),
)
AUTHORIZATIONS = (Authorization("AUTH-123456", "BC-200-001", ("70551",), "2024-01-01", "2035-12-31", units=2),)


def reference() -> Iterator[Reference]:
    """Every sample row that is not a plan, a member or an authorization."""
    for plan_id, (diagnoses, procedures) in CODES_BY_PLAN.items():
        for code, text in diagnoses.items():
            yield Reference(plan_id, ListedCode("diagnosis", code, text))
        for code, text in procedures.items():
            yield Reference(plan_id, ListedCode("procedure", code, text))
    yield Reference(STANDARD, Exclusion("procedure", EXCLUDED))
    yield Reference(FAMILY_PLUS, Exclusion("procedure", EXCLUDED, "deny"))
    yield Reference(FAMILY_PLUS, Limit("PHYSIO", "97110", "visits", "year", 20))
    for schedule, fees in FEES.items():
        for fee in fees:
            yield Reference(schedule, fee)
    yield Reference("", Pair("80053", "36415", bypass=True))
    yield Reference("", UnitLimit("97110", 4))
    yield Reference("", UnitLimit("85025", 2))
    for provider in PROVIDERS:
        yield Reference("", provider)


def load(registers: Registers, unit: Unit, call: Call) -> None:
    """Write all sample data, unless it is there already: what was changed since stays changed."""
    if find_plan(unit, call.tenant, STANDARD) is not None:
        return
    for plan in PLANS:
        registers.put_plan(unit, call, plan)
    registers.put_items(unit, call, reference())
    for member in MEMBERS:
        registers.put_member(unit, call, member)
    for authorization in AUTHORIZATIONS:
        registers.put_authorization(unit, call, authorization)
