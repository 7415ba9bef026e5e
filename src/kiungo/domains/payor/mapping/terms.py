"""The systems all mappings share, and what they say about money."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from kiungo.base import codes
from kiungo.base.money import Money
from kiungo.fhir.pieces import Resource, identifier

CLAIM_ID: Final = "urn:kiungo:payor:claim"
PROVIDER_CLAIM_ID: Final = "urn:kiungo:payor:provider-claim"
BOOKING_NO: Final = "urn:kiungo:booking"
INSURANCE_ID: Final = "urn:kiungo:payor:insurance-id"
PERSON_ID: Final = "urn:kiungo:person"
FAMILY_ID: Final = "urn:kiungo:payor:family"
PLAN_ID: Final = "urn:kiungo:payor:plan"
PAYOR_ID: Final = "urn:kiungo:payor"
PROVIDER_ID: Final = "urn:kiungo:provider"
FACILITY_ID: Final = "urn:kiungo:facility"
AUTHORIZATION: Final = "urn:kiungo:payor:authorization"
STATED: Final = "urn:kiungo:payor:stated"
PRIORITY: Final = "urn:kiungo:payor:priority"
FINDING: Final = "urn:kiungo:payor:finding"
STEP: Final = "urn:kiungo:payor:step"
AMOUNT: Final = "http://terminology.hl7.org/CodeSystem/adjudication"
OWN_AMOUNT: Final = "urn:kiungo:payor:amount"
"""Amounts R4 has no code for: `patient` is all the patient owes, `coinsurance` the part of it that is a share."""
NATIONAL_SERVICE: Final = "urn:kiungo:payor:national-service"
MODIFIER: Final = "urn:kiungo:payor:modifier"
PRIOR_PAID: Final = "urn:kiungo:payor:other-payer-paid"
DATA_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CLAIM_TYPE: Final = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}]}
DIAGNOSIS_SYSTEMS: Final[Mapping[str, str]] = {
    "icd-10-cm": codes.ICD10CM,
    "icd-10": codes.ICD10,
    "icd-11": codes.ICD11,
}
PROCEDURE_SYSTEMS: Final[Mapping[str, str]] = {
    "cpt": codes.CPT,
    "hcpcs": codes.HCPCS,
    "national": NATIONAL_SERVICE,
}


def money(amount: Money) -> Resource:
    """FHIR Money with exactly the currency's decimals."""
    return {"value": amount.decimal(), "currency": amount.currency}


def read_money(value: Mapping[str, Any]) -> Money:
    """The Money of a FHIR Money."""
    number: int | Decimal = value["value"]
    return Money.parse(number, value["currency"])


def provider_reference(provider_id: str, name: str | None, fhir_id: str | None) -> Resource:
    """Who sends the claim: an Organization we keep, or at least its id and name."""
    found: Resource = {"identifier": identifier(PROVIDER_ID, provider_id)}
    if fhir_id:
        found["reference"] = f"Organization/{fhir_id}"
    if name:
        found["display"] = name
    return found
