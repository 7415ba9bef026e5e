"""References, identifiers, systems and extensions as they are written; what is contained, and what a document holds."""

import pytest

from kiungo.fhir.profiles.canonicals import UNSAID_MAX
from tests.fhir.profiles.conftest import Json, Places, patient, profile, validator

URIS = "urn:ietf:rfc:3986"
MARITAL = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"


def errors(resource: Json) -> list[str]:
    return [one.location for one in validator().check(resource).errors]


def observed(**more: object) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **more}


@pytest.mark.parametrize(
    ("reference", "is_right"),
    [
        ({"reference": "Patient/1"}, True),
        ({"reference": "Patient/1/_history/2", "type": "Patient"}, True),
        ({"reference": "Patient?identifier=x"}, True),
        ({"reference": "http://example.org/anything"}, True),
        ({"reference": "urn:uuid:0b8a1c0e-5a53-4f7a-9d43-1f7f24a1c001", "type": "Patient"}, True),
        ({"reference": "Patient/1", "type": "Group"}, False),
        ({"reference": "Nothing/1"}, False),
        ({"reference": "1"}, False),
        ({"reference": "Patient/a b"}, False),
    ],
)
def test_references(reference: Json, is_right: bool) -> None:
    assert errors(observed(subject=reference)) == ([] if is_right else ["Observation.subject"])


def test_identifiers_and_systems() -> None:
    assert errors(patient(identifier=[{"system": URIS, "value": "urn:oid:1.2.3"}, {"value": "x"}])) == []
    found = errors(patient(identifier=[{"system": URIS, "value": "1.2.3"}, {"system": "mrn", "value": "x"}]))
    assert found == ["Patient.identifier[0].value", "Patient.identifier[1].system"]
    for system in ("marital", "http://hl7.org/fhir/ValueSet/marital-status"):
        coded = patient(maritalStatus={"coding": [{"system": system, "code": "M"}]})
        assert errors(coded) == ["Patient.maritalStatus.coding[0]"]
    assert errors(patient(maritalStatus={"coding": [{"system": MARITAL, "code": "M"}]})) == []


def test_an_extension_has_a_value_or_parts() -> None:
    part = {"url": "part", "valueString": "x"}
    for extension, is_right in (
        ({"valueString": "x"}, True),
        ({"extension": [part]}, True),
        ({"_valueString": {"extension": [{"url": "http://example.org/why", "valueCode": "x"}]}}, True),
        ({"valueString": "x", "extension": [part]}, False),
        ({}, False),
    ):
        found = errors(patient(extension=[{"url": "http://example.org/any", **extension}]))
        assert found == ([] if is_right else ["Patient.extension[0]"]), extension


def test_contained_resources_have_ids_of_their_own() -> None:
    held = [{"resourceType": "Patient", "id": "a"}, {"resourceType": "Group", "id": "a"}]
    found = errors(observed(contained=held, subject={"reference": "#a"}))
    assert "Observation.contained[1]" in found
    assert "Observation.contained[0]" not in found


def test_what_nothing_links_with_its_composition_is_no_part_of_a_document() -> None:
    def address(number: int) -> str:
        return f"urn:uuid:0b8a1c0e-5a53-4f7a-9d43-1f7f24a1c00{number}"

    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "x"},
        "date": "2026",
        "title": "x",
        "author": [{"reference": address(2)}],
    }
    about = {
        "resourceType": "Provenance",
        "recorded": "2026-01-01T00:00:00Z",
        "target": [{"reference": address(1)}],
        "agent": [{"who": {"display": "x"}}],
    }
    style = {"resourceType": "Binary", "contentType": "text/css", "data": "AAAA"}
    parts = [composition, {"resourceType": "Practitioner"}, about, style, {"resourceType": "Patient"}]
    document = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:x", "value": "1"},
        "timestamp": "2026-01-01T00:00:00Z",
        "link": [{"relation": "stylesheet", "url": address(4)}],
        "entry": [{"fullUrl": address(n), "resource": one} for n, one in enumerate(parts, 1)],
    }
    assert errors(document) == ["Bundle.entry[4]"]


@pytest.mark.parametrize(
    ("versioning", "right", "wrong"), [("specific", 1, 0), ("independent", 0, 1), ("either", 0, None)]
)
def test_a_profile_may_ask_for_versions(places: Places, versioning: str, right: int, wrong: int | None) -> None:
    kind = {"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}
    asked = profile("Observation", {"id": "Observation.subject", "type": [{**kind, "versioning": versioning}]})
    written = ("Patient/1", "Patient/1/_history/2")
    assert places(observed(subject={"reference": written[right]}), asked) == []
    if wrong is not None:
        assert places(observed(subject={"reference": written[wrong]}), asked) == ["Observation.subject"]


FORM = "http://example.org/fhir/Questionnaire/intake"
CODES = "http://example.org/colours"
VALUES: Json = {"resourceType": "ValueSet", "url": CODES, "status": "active", "version": "2"}
FORMS: Json = {"resourceType": "Questionnaire", "url": FORM, "status": "active"}


def answered(questionnaire: str, **more: object) -> Json:
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": questionnaire, **more}


@pytest.mark.parametrize(
    ("address", "is_right"),
    [
        (FORM, True),
        ("http://example.org/fhir/Questionnaire/another", True),
        ("http://example.org/unknown", True),
        (CODES, False),
        (CODES + "|2", False),
        (CODES + "|3", True),
        ("http://hl7.org/fhir/ValueSet/administrative-gender", False),
        ("http://hl7.org/fhir/StructureDefinition/bp", False),
        ("#v", False),
        ("#q", True),
    ],
)
def test_an_address_names_what_may_stand_there_as_far_as_it_is_known(address: str, is_right: bool) -> None:
    inside = {"#v": {**VALUES, "id": "v"}, "#q": {**FORMS, "id": "q"}}.get(address)
    response = answered(address, **({"contained": [inside]} if inside else {}))
    found = [one.location for one in validator(VALUES, FORMS).check(response).errors]
    assert found == ([] if is_right else ["QuestionnaireResponse.questionnaire"])


def test_addresses_that_do_not_say_their_type_are_looked_for_so_many_times() -> None:
    plan = {"resourceType": "ActivityDefinition", "status": "draft"}
    for count, is_found in ((UNSAID_MAX - 1, True), (UNSAID_MAX, False)):
        libraries = [f"http://example.org/{n}" for n in range(count)]
        found = validator(VALUES).check({**plan, "library": [*libraries, CODES]}).errors
        places = [f"ActivityDefinition.library[{count}]"] if is_found else []
        assert [one.location for one in found if "names a" in one.message] == places


def test_a_profile_narrows_what_an_address_may_name(places: Places) -> None:
    type_ = {"code": "canonical", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/PlanDefinition"]}
    plans = profile("CarePlan", {"id": "CarePlan.instantiatesCanonical", "type": [type_]})
    plan = {"resourceType": "PlanDefinition", "url": "http://example.org/p", "status": "active"}
    care = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/1"},
        "instantiatesCanonical": ["http://example.org/p", FORM, "http://example.org/unknown"],
    }
    assert places(care, plans, plan, FORMS) == ["CarePlan.instantiatesCanonical[1]"]
    assert [one.location for one in validator(plan, FORMS, VALUES).check(care).errors] == []
