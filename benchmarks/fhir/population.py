"""A synthetic population: about thirty resources for each person, the same for the same seed, nobody real.

Codes are skewed as in a hospital: everybody has a weight, few have a rare allergy. Ids say whose they are, so that
queries can be made without asking the server.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

SEED = 7
PEOPLE_OF_PRACTITIONER = 50
FIRST_DAY = date(2018, 1, 1)
DAYS = 2_500
FAMILIES = (
    "Mwangi",
    "Otieno",
    "Sato",
    "Silva",
    "Schmidt",
    "Smith",
    "Bakker",
    "Brown",
    "Njoroge",
    "Garcia",
    "Kim",
    "Abebe",
)
GIVEN = ("Amina", "Ana", "Anders", "Ben", "Chidi", "Dana", "Elif", "Farid", "Grace", "Hiro", "Ines", "Jonas")
CITIES = ("Nairobi", "Kisumu", "Mombasa", "Nakuru", "Eldoret")
CONDITIONS = ("38341003", "44054006", "195662009", "10509002", "40055000", "271737000", "59621000", "55822004")
MEDICATIONS = ("314076", "860975", "197361", "308136", "313782", "310798")
PROCEDURES = ("430193006", "73761001", "710824005", "428191000124101")
VACCINES = ("140", "113", "33", "52")
ALLERGIES = ("300913006", "419474003", "232350006")
VITALS = (
    ("8302-2", "cm", 150, 195),
    ("29463-7", "kg", 45, 110),
    ("8867-4", "/min", 55, 110),
    ("8310-5", "Cel", 36, 39),
)
LABS = (("2339-0", "mg/dL", 65, 220), ("2160-0", "mg/dL", 1, 4), ("718-7", "g/dL", 9, 17), ("4548-4", "%", 5, 11))
Resource = dict[str, Any]


def shared(people: int) -> Iterator[Resource]:
    """The hospital and who works there."""
    yield {"resourceType": "Organization", "id": "org", "name": "Kiungo Bench Hospital"}
    for number in range(_practitioners(people)):
        name = [{"family": FAMILIES[number % len(FAMILIES)], "given": [GIVEN[number % len(GIVEN)]]}]
        yield {"resourceType": "Practitioner", "id": f"dr{number}", "name": name}
        yield {"resourceType": "Location", "id": f"loc{number}", "name": f"Ward {number}", "status": "active"}


def person(number: int, people: int, seed: int = SEED) -> Iterator[Resource]:
    """One person and everything about them."""
    rng = Random(f"{seed}:{number}")
    own, subject = f"p{number}", {"reference": f"Patient/p{number}"}
    yield _patient(rng, number)
    for visit in range(3):
        day = FIRST_DAY + timedelta(days=rng.randrange(DAYS))
        doctor = rng.randrange(_practitioners(people))
        encounter = {"reference": f"Encounter/{own}-e{visit}"}
        yield _encounter(rng, f"{own}-e{visit}", subject, day, doctor)
        for position, (code, unit, low, high) in enumerate(VITALS):
            about = {"subject": subject, "encounter": encounter}
            yield _observation(rng, f"{own}-v{visit}{position}", about, day, "vital-signs", code, unit, low, high)
        yield _pressure(rng, f"{own}-b{visit}", {"subject": subject, "encounter": encounter}, day)
        code = CONDITIONS[min(int(rng.expovariate(0.5)), len(CONDITIONS) - 1)]
        yield _condition(f"{own}-c{visit}", subject, encounter, day, code)
    day = FIRST_DAY + timedelta(days=rng.randrange(DAYS))
    for position, (code, unit, low, high) in enumerate(LABS):
        yield _observation(rng, f"{own}-l{position}", {"subject": subject}, day, "laboratory", code, unit, low, high)
    yield _report(f"{own}-r", own, subject, day)
    yield _prescription(rng, f"{own}-m", subject, day)
    yield _procedure(rng, f"{own}-x", subject, day)
    yield _immunization(rng, f"{own}-i", subject, day)
    if rng.random() < 0.2:
        yield _allergy(rng, f"{own}-a", subject)


def everybody(people: int, seed: int = SEED) -> Iterator[Resource]:
    """The whole population."""
    yield from shared(people)
    for number in range(people):
        yield from person(number, people, seed)


def write(path: Path, people: int, seed: int = SEED) -> int:
    """The population as NDJSON; returns how many resources it has."""
    count = 0
    with path.open("w") as file:
        for resource in everybody(people, seed):
            file.write(json.dumps(resource, separators=(",", ":")) + "\n")
            count += 1
    return count


def _practitioners(people: int) -> int:
    return max(1, people // PEOPLE_OF_PRACTITIONER)


def coded(system: str, code: str) -> Resource:
    """A concept with one coding."""
    return {"coding": [{"system": system, "code": code}]}


def _patient(rng: Random, number: int) -> Resource:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": "urn:bench:mrn", "value": f"MRN-{number:07d}"}],
        "active": True,
        "name": [{"use": "official", "family": f"{rng.choice(FAMILIES)}{number % 97}", "given": [rng.choice(GIVEN)]}],
        "telecom": [{"system": "phone", "value": f"+254700{number:06d}"}],
        "gender": rng.choice(("female", "male")),
        "birthDate": str(date(1930, 1, 1) + timedelta(days=rng.randrange(33_000))),
        "address": [{"city": rng.choice(CITIES), "country": "KE", "postalCode": f"{rng.randrange(100):05d}"}],
        "managingOrganization": {"reference": "Organization/org"},
    }


def _encounter(rng: Random, id: str, subject: Resource, day: date, doctor: int) -> Resource:
    kind = rng.choice(("AMB", "AMB", "AMB", "EMER", "IMP"))
    return {
        "resourceType": "Encounter",
        "id": id,
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind},
        "type": [coded("http://snomed.info/sct", "185349003")],
        "subject": subject,
        "participant": [{"individual": {"reference": f"Practitioner/dr{doctor}"}}],
        "period": {"start": f"{day}T09:00:00Z", "end": f"{day}T09:{rng.randrange(10, 59)}:00Z"},
        "location": [{"location": {"reference": f"Location/loc{doctor}"}}],
        "serviceProvider": {"reference": "Organization/org"},
    }


def _base(id: str, about: Resource, day: date, category: str, code: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", category)],
        "code": coded("http://loinc.org", code),
        **about,
        "effectiveDateTime": f"{day}T09:05:00Z",
        "issued": f"{day}T09:06:00.000Z",
    }


def quantity(value: float, unit: str) -> Resource:
    """A measured value."""
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _observation(
    rng: Random, id: str, about: Resource, day: date, category: str, code: str, unit: str, low: int, high: int
) -> Resource:
    value = quantity(round(rng.uniform(low, high), 1), unit)
    return {**_base(id, about, day, category, code), "valueQuantity": value}


def _pressure(rng: Random, id: str, about: Resource, day: date) -> Resource:
    parts = [("8480-6", rng.randrange(95, 180)), ("8462-4", rng.randrange(55, 110))]
    component = [{"code": coded("http://loinc.org", c), "valueQuantity": quantity(v, "mm[Hg]")} for c, v in parts]
    return {**_base(id, about, day, "vital-signs", "85354-9"), "component": component}


def _condition(id: str, subject: Resource, encounter: Resource, day: date, code: str) -> Resource:
    return {
        "resourceType": "Condition",
        "id": id,
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "code": coded("http://snomed.info/sct", code),
        "subject": subject,
        "encounter": encounter,
        "onsetDateTime": str(day),
        "recordedDate": str(day),
    }


def _report(id: str, own: str, subject: Resource, day: date) -> Resource:
    return {
        "resourceType": "DiagnosticReport",
        "id": id,
        "status": "final",
        "category": [coded("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB")],
        "code": coded("http://loinc.org", "51990-0"),
        "subject": subject,
        "effectiveDateTime": f"{day}T09:05:00Z",
        "result": [{"reference": f"Observation/{own}-l{position}"} for position in range(len(LABS))],
    }


def _prescription(rng: Random, id: str, subject: Resource, day: date) -> Resource:
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": rng.choice(("active", "stopped")),
        "intent": "order",
        "medicationCodeableConcept": coded("http://www.nlm.nih.gov/research/umls/rxnorm", rng.choice(MEDICATIONS)),
        "subject": subject,
        "authoredOn": str(day),
    }


def _procedure(rng: Random, id: str, subject: Resource, day: date) -> Resource:
    code = coded("http://snomed.info/sct", rng.choice(PROCEDURES))
    return {
        "resourceType": "Procedure",
        "id": id,
        "status": "completed",
        "code": code,
        "subject": subject,
        "performedDateTime": str(day),
    }


def _immunization(rng: Random, id: str, subject: Resource, day: date) -> Resource:
    return {
        "resourceType": "Immunization",
        "id": id,
        "status": "completed",
        "vaccineCode": coded("http://hl7.org/fhir/sid/cvx", rng.choice(VACCINES)),
        "patient": subject,
        "occurrenceDateTime": str(day),
    }


def _allergy(rng: Random, id: str, subject: Resource) -> Resource:
    return {
        "resourceType": "AllergyIntolerance",
        "id": id,
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"),
        "code": coded("http://snomed.info/sct", rng.choice(ALLERGIES)),
        "patient": subject,
    }
