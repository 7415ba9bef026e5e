"""USCDI v3: the table is whole and right, and a record is told what it has, lacks and has wrong."""

from datetime import date
from typing import Any

import pytest

from kiungo.base.errors import NotFound
from kiungo.fhir import fhirpath
from kiungo.fhir.definitions import get_type
from kiungo.fhir.profiles.conformance import BaseSource, GivenSource, Layers
from kiungo.fhir.profiles.library import Library
from kiungo.fhir.profiles.membership import LocalTerminology
from kiungo.fhir.uscdi.assessing import HAS, LACKS, NOT_EXPECTED, WRONG, Finding, assess
from kiungo.fhir.uscdi.record import from_bundle
from kiungo.fhir.uscdi.showing import page, parameters
from kiungo.fhir.uscdi.table import TABLE
from kiungo.fhir.validation import find_problems
from tests.fhir.conftest import Server, observation, patient

TODAY = date(2024, 6, 1)
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"


def profile(name: str, kind: str, *elements: dict[str, Any]) -> dict[str, Any]:
    rows = [{"id": kind, "path": kind}, *({"path": one["id"], **one} for one in elements)]
    base = f"http://hl7.org/fhir/StructureDefinition/{kind}"
    head = {"resourceType": "StructureDefinition", "url": US_CORE + name, "type": kind, "kind": "resource"}
    return {**head, "derivation": "constraint", "baseDefinition": base, "differential": {"element": rows}}


PATIENT = profile("us-core-patient", "Patient", {"id": "Patient.identifier", "min": 1})
SMOKING = profile("us-core-smokingstatus", "Observation", {"id": "Observation.issued", "min": 1})


def library() -> Library:
    known = {row.profile: profile(row.profile, row.type) for row in TABLE}
    source = Layers(GivenSource([PATIENT, SMOKING]), GivenSource(known.values()), BaseSource())
    return Library(source, LocalTerminology(source))


def assessed(*resources: dict[str, Any]) -> dict[str, Finding]:
    entries = [{"fullUrl": f"urn:uuid:{n}", "resource": one} for n, one in enumerate(resources)]
    record = from_bundle({"resourceType": "Bundle", "type": "collection", "entry": entries})
    return {f"{one.element.group}: {one.element.name}": one for one in assess(record, library(), TODAY).findings}


def test_the_table_is_whole_and_can_be_asked() -> None:
    assert len(TABLE) == 94
    assert len({(row.group, row.name) for row in TABLE}) == 94
    assert len({row.group for row in TABLE}) == 19
    for row in TABLE:
        assert get_type(row.type).kind == "R"
        for expression in (row.path, row.where):
            if expression:
                fhirpath.compile(expression)({"resourceType": row.type})


def test_what_a_record_has_lacks_and_has_wrong() -> None:
    smoking = observation("Patient/p", "72166-2", id="s", valueCodeableConcept={"text": "never"})
    smoking.pop("valueQuantity")
    found = assessed(patient(id="p", telecom=[{"system": "phone", "value": "1", "use": "home"}]), smoking)
    person = "Patient Demographics/Information"
    assert found[f"{person}: Middle name"].status == HAS
    assert found[f"{person}: Kind of phone number"].examples == ("Patient/p",)
    assert found[f"{person}: Email address"].status == LACKS
    assert found["Health Status/Assessments: Smoking status"].status == WRONG
    assert "issued" in found["Health Status/Assessments: Smoking status"].problems[0]
    assert found["Vital Signs: BMI percentile (2 to 20 years)"].status == NOT_EXPECTED
    assert found["Vital Signs: Heart rate"].status == LACKS
    child = assessed(patient(id="p", birthDate="2020-01-01"))
    assert child["Vital Signs: BMI percentile (2 to 20 years)"].status == LACKS
    with pytest.raises(NotFound, match="no Patient"):
        assessed(smoking)


def test_references_are_followed_for_members_of_the_team() -> None:
    team = {
        "resourceType": "CareTeam",
        "id": "t",
        "subject": {"reference": "Patient/p"},
        "participant": [{"member": {"reference": "Practitioner/d"}, "role": [{"text": "physician"}]}],
    }
    doctor = {
        "resourceType": "Practitioner",
        "id": "d",
        "name": [{"family": "Otieno"}],
        "telecom": [{"value": "1", "system": "phone"}],
    }
    found = assessed(patient(id="p"), team, doctor)
    assert found["Care Team Members: Member's name"].status == HAS
    assert found["Care Team Members: Member's telecom"].status == HAS
    assert found["Care Team Members: Member's location"].status == LACKS


def test_the_operation_tells_what_the_caller_may_see(server: Server) -> None:
    one = server.create(patient())
    server.create(observation(f"Patient/{one['id']}"))
    answer = server.ask("GET", f"/Patient/{one['id']}/$uscdi")
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert find_problems(content) == ()
    values = {p["name"]: p.get("valueInteger") for p in content["parameter"] if p["name"] != "element"}
    elements = [
        {part["name"]: next(v for k, v in part.items() if k != "name") for part in p["part"]}
        for p in content["parameter"]
        if p["name"] == "element"
    ]
    assert values["has"] + values["lacks"] + values["wrong"] + values["notExpected"] == 94 == len(elements)
    rate = next(e for e in elements if e["name"] == "Heart rate")
    assert rate["withValue"] == 1
    assert server.ask("GET", "/Patient/nobody/$uscdi").status_code == 404
    other = server.new_key("system/*.rs", bindings={"patient": "somebody-else"})
    assert server.ask("GET", f"/Patient/{one['id']}/$uscdi", key=other).status_code in {403, 404}


def test_a_page_shows_classes_and_totals() -> None:
    record = from_bundle({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient(id="p")}]})
    found = assess(record, library(), TODAY)
    shown = page(found)
    assert shown["has"] + shown["lacks"] + shown["wrong"] + shown["not_expected"] == 94
    assert sum(len(one["elements"]) for one in shown["classes"]) == 94
    assert parameters(found)["parameter"][0]["valueReference"] == {"reference": "Patient/p"}
