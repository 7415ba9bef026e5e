"""Paths and identifier systems of the authority's interface, by version; drafts differ, so code names none of them."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """One version. Shapes: `bundle_type` is how a claim's bundle calls itself."""

    token: str
    bundle: str
    responses: str
    payments: str
    bundle_type: str
    claim_system: str
    booking_system: str
    patient_system: str
    facility_system: str
    intervention_system: str
    diagnosis_system: str


PROFILES = MappingProxyType(
    {
        "eclaims-0.1.0": Profile(
            token="/oauth2/token",  # noqa: S106 - a path
            bundle="/v1/shr-med/bundle",
            responses="/fhir/ClaimResponse",
            payments="/fhir/PaymentNotice",
            bundle_type="message",
            claim_system="https://fhir.dha.go.ke/eclaims/identifier/claim",
            booking_system="https://fhir.dha.go.ke/eclaims/identifier/vems-booking",
            patient_system="https://fhir.dha.go.ke/eclaims/identifier/client-registry",
            facility_system="https://fhir.dha.go.ke/eclaims/identifier/facility-registry",
            intervention_system="https://fhir.dha.go.ke/eclaims/CodeSystem/intervention",
            diagnosis_system="http://id.who.int/icd/release/11/mms",
        )
    }
)
