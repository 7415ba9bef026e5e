"""Thirty searches as clinical applications make them, with values drawn anew for each request.

Shapes: dense and rare codes, prefixes, ranges, compartments, references both ways, totals, orders, and one that
nothing matches.
"""

from collections.abc import Callable
from random import Random
from urllib.parse import quote

from benchmarks.fhir.population import CONDITIONS, FAMILIES, GIVEN, MEDICATIONS, PROCEDURES, VACCINES

LOINC = "http://loinc.org|"
SNOMED = "http://snomed.info/sct|"
SAMPLES = 200
Query = Callable[[Random, int], str]
NOTHING = "nothing matches, on the largest type"
FAMILY = "patients by family"
NEWEST = "observations of a patient by code, newest 20"


def _patient(rng: Random, people: int) -> str:
    return f"Patient/p{rng.randrange(people)}"


def _doctor(rng: Random, people: int) -> int:
    return rng.randrange(max(1, people // 50))


def _month(rng: Random, _: int) -> str:
    return f"20{rng.randrange(18, 24)}-{rng.randrange(1, 13):02d}"


MIX: dict[str, Query] = {
    "metadata": lambda r, n: "metadata",
    "observations, first page": lambda r, n: "Observation?_count=10",
    "observations, total": lambda r, n: "Observation?_count=1&_total=accurate",
    "height of everybody": lambda r, n: f"Observation?code={LOINC}8302-2&_count=5",
    "height of everybody, total": lambda r, n: f"Observation?code={LOINC}8302-2&_count=5&_total=accurate",
    "systolic as part of a panel": lambda r, n: f"Observation?combo-code={LOINC}8480-6&_count=5",
    NOTHING: lambda r, n: f"Observation?code={LOINC}8480-6&_count=5",
    "patients by gender": lambda r, n: f"Patient?gender={r.choice(('male', 'female'))}&_count=5",
    FAMILY: lambda r, n: f"Patient?family={r.choice(FAMILIES)[:3]}&_count=5",
    "patients by given name": lambda r, n: f"Patient?given={r.choice(GIVEN)[:2]}&_count=5",
    "patients by gender and family": lambda r, n: f"Patient?gender=female&family={r.choice(FAMILIES)[:1]}&_count=5",
    "patient by identifier": lambda r, n: f"Patient?identifier=urn:bench:mrn|MRN-{r.randrange(n):07d}",
    "patients born in a year": lambda r, n: f"Patient?birthdate={r.randrange(1931, 2019)}&_count=10",
    "patients by name, oldest first": lambda r, n: f"Patient?family={r.choice(FAMILIES)[:2]}&_sort=birthdate&_count=10",
    NEWEST: lambda r, n: f"Observation?patient={_patient(r, n)}&code={LOINC}29463-7&_sort=-date&_count=20",
    "vital signs of a patient": lambda r, n: f"Observation?patient={_patient(r, n)}&category=vital-signs&_count=50",
    "laboratory of a patient since": lambda r, n: (
        f"Observation?patient={_patient(r, n)}&category=laboratory&date=ge{_month(r, n)}"
    ),
    "conditions of a patient": lambda r, n: f"Condition?patient={_patient(r, n)}&clinical-status=active",
    "conditions by code": lambda r, n: f"Condition?code={SNOMED}{r.choice(CONDITIONS)}&_count=20",
    "procedures by code": lambda r, n: f"Procedure?code={SNOMED}{r.choice(PROCEDURES)}&_count=20",
    "prescriptions by code": lambda r, n: f"MedicationRequest?code={r.choice(MEDICATIONS)}&status=active&_count=20",
    "immunizations by several codes": lambda r, n: f"Immunization?vaccine-code={','.join(VACCINES[:3])}&_count=20",
    "encounters in a month": lambda r, n: f"Encounter?date={_month(r, n)}&_count=20",
    "encounters of a practitioner": lambda r, n: f"Encounter?participant=Practitioner/dr{_doctor(r, n)}&_count=20",
    "encounters of a place with patients": lambda r, n: (
        f"Encounter?location=Location/loc{_doctor(r, n)}&_include=Encounter:subject&_count=10"
    ),
    "a patient and what refers to them": lambda r, n: (
        f"Patient?_id=p{r.randrange(n)}&_revinclude=Observation:subject&_revinclude=Condition:subject"
    ),
    "observations by the patient's name": lambda r, n: (
        f"Observation?subject:Patient.family={r.choice(FAMILIES)}{r.randrange(97)}&_count=10"
    ),
    "patients who have a condition": lambda r, n: (
        f"Patient?_has:Condition:patient:code={r.choice(CONDITIONS)}&_count=10"
    ),
    "high glucose": lambda r, n: f"Observation?code={LOINC}2339-0&value-quantity=gt{r.randrange(180, 215)}&_count=10",
    "changed lately": lambda r, n: "Observation?_lastUpdated=ge2020-01-01&_sort=-_lastUpdated&_count=20",
}


def paths(query: Query, people: int, seed: int = 1) -> list[str]:
    """Requests of one kind, each with its own values."""
    rng = Random(seed)
    return [f"/fhir/{quote(query(rng, people), safe='/?=&:,$_-.')}" for _ in range(SAMPLES)]
