"""Codings and identifiers as FHIR writes them, and the systems this platform knows by name."""

from dataclasses import dataclass

ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD11 = "http://id.who.int/icd/release/11/mms"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "urn:oid:2.16.840.1.113883.6.285"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
NPI = "http://hl7.org/fhir/sid/us-npi"


@dataclass(frozen=True, slots=True)
class Coding:
    """A code and the system that gives it meaning. Source: FHIR R4, Coding."""

    system: str
    code: str
    display: str | None = None

    def fhir(self) -> dict[str, str]:
        """The FHIR JSON of this coding."""
        coding = {"system": self.system, "code": self.code}
        return coding | {"display": self.display} if self.display else coding


@dataclass(frozen=True, slots=True)
class Identifier:
    """A business identifier and who issues it. Source: FHIR R4, Identifier."""

    system: str
    value: str

    def fhir(self) -> dict[str, str]:
        """The FHIR JSON of this identifier."""
        return {"system": self.system, "value": self.value}
