"""Single interactions: read, create, update, transactions of a person's record, and $validate."""

import json
from random import Random

from benchmarks.fhir.driving import Request
from benchmarks.fhir.population import coded, person, quantity

READ = "read a patient"
CREATE = "create an Observation"
UPDATE = "update a Patient"
BUNDLE = "transaction of a person's record"
VALIDATE = "$validate an Observation"
SAMPLES = 500
BUNDLES = 40


def interactions(people: int) -> dict[str, list[Request]]:
    """The requests of each."""
    rng = Random(2)
    someone = [rng.randrange(people) for _ in range(SAMPLES)]
    return {
        READ: [("GET", f"/fhir/Patient/p{n}", "") for n in someone],
        CREATE: [("POST", "/fhir/Observation", _observation(n)) for n in someone],
        UPDATE: [("PUT", f"/fhir/Patient/p{n}", _changed(n, people)) for n in someone],
        BUNDLE: [("POST", "/fhir", bundle(n, people)[0]) for n in range(BUNDLES)],
        VALIDATE: [("POST", "/fhir/Observation/$validate", _observation(n)) for n in someone],
    }


def bundle(number: int, people: int) -> tuple[str, int]:
    """A new person's whole record as a transaction, and how many resources it has."""
    entries, names = [], {}
    resources = list(person(number, people))
    for position, resource in enumerate(resources):
        names[f"{resource['resourceType']}/{resource.pop('id')}"] = f"urn:uuid:00000000-0000-4000-8000-{position:012d}"
    for resource, urn in zip(resources, names.values(), strict=True):
        request = {"method": "POST", "url": resource["resourceType"]}
        entries.append({"fullUrl": urn, "resource": resource, "request": request})
    text = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}, separators=(",", ":"))
    for name, urn in names.items():
        text = text.replace(f'"reference":"{name}"', f'"reference":"{urn}"')
    return text, len(resources)


def _observation(number: int) -> str:
    return json.dumps(
        {
            "resourceType": "Observation",
            "status": "final",
            "category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")],
            "code": coded("http://loinc.org", "8867-4"),
            "subject": {"reference": f"Patient/p{number}"},
            "effectiveDateTime": "2024-05-01T10:00:00Z",
            "valueQuantity": quantity(50 + number % 70, "/min"),
            "note": [{"text": "Measurement @N@"}],
        },
        separators=(",", ":"),
    )


def _changed(number: int, people: int) -> str:
    patient = next(iter(person(number, people)))
    patient["telecom"] = [{"system": "phone", "value": "@N@"}]
    return json.dumps(patient, separators=(",", ":"))
