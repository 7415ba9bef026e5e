"""Where extensions may stand: elements and their types, profiles' elements, queries, and conditions beside them."""

from typing import Any

import pytest

from tests.fhir.profiles.conftest import HERE, observation, patient, validator

Json = dict[str, Any]
CORE = "http://hl7.org/fhir/StructureDefinition/"
URL = HERE + "note"


def extension(*contexts: tuple[str, str], conditions: tuple[str, ...] = ()) -> Json:
    """An extension of text that may stand at some places."""
    return {
        "resourceType": "StructureDefinition",
        "url": URL,
        "name": "note",
        "status": "draft",
        "kind": "complex-type",
        "abstract": False,
        "type": "Extension",
        "context": [{"type": kind, "expression": expression} for kind, expression in contexts],
        **({"contextInvariant": list(conditions)} if conditions else {}),
        "baseDefinition": CORE + "Extension",
        "derivation": "constraint",
        "differential": {
            "element": [
                {"id": "Extension", "path": "Extension"},
                {"id": "Extension.url", "path": "Extension.url", "fixedUri": URL},
                {"id": "Extension.value[x]", "path": "Extension.value[x]", "type": [{"code": "string"}]},
            ]
        },
    }


NOTE = {"url": URL, "valueString": "so"}
BESIDE = {"extension": [NOTE]}


def problems(resource: Json, definition: Json) -> list[str]:
    found = validator(definition).check(resource, [])
    return [f"{one.location}: {one.message}" for one in found.findings if one.severity in ("error", "warning")
            and "narrative" not in one.message and "dom-6" not in one.message]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "resource", "is_allowed"),
    [
        ("string", patient(_gender=BESIDE, gender="female"), True),
        ("string", patient(_birthDate=BESIDE, birthDate="1990-01-01"), False),
        ("code", patient(_gender=BESIDE, gender="female"), True),
        ("uri", patient(identifier=[{"system": "urn:x", "_system": BESIDE, "value": "1"}]), True),
        ("integer", patient(multipleBirthInteger=2, _multipleBirthInteger=BESIDE), True),
        ("Element", patient(contact=[{"telecom": [{"system": "phone", "value": "1"}], "extension": [NOTE]}]), True),
        (
            "BackboneElement",
            patient(contact=[{"telecom": [{"system": "phone", "value": "1"}], "extension": [NOTE]}]),
            True,
        ),
        ("BackboneElement", patient(extension=[NOTE]), False),
        (CORE + "Patient", patient(extension=[NOTE]), True),
        (CORE + "Patient", patient(name=[{"family": "A", "extension": [NOTE]}]), False),
        (HERE + "p#Patient.name", patient(name=[{"family": "A", "extension": [NOTE]}]), True),
        (HERE + "p#Patient.name:official", patient(name=[{"family": "A", "extension": [NOTE]}]), True),
        (HERE + "p#Patient.contact.name", patient(name=[{"family": "A", "extension": [NOTE]}]), False),
    ],
)
def test_an_element_is_called_by_its_path_its_type_or_what_is_above(
    expression: str, resource: Json, is_allowed: bool
) -> None:
    assert (problems(resource, extension(("element", expression))) == []) is is_allowed


@pytest.mark.parametrize(
    ("query", "resource", "is_allowed"),
    [
        ("Patient.name.where(use = 'official')", patient(name=[{"use": "official", "extension": [NOTE]}]), True),
        ("Patient.name.where(use = 'official')", patient(name=[{"use": "nickname", "extension": [NOTE]}]), False),
        ("Patient.birthDate", patient(birthDate="1990-01-01", _birthDate=BESIDE), True),
        ("Patient.birthDate", patient(gender="female", _gender=BESIDE), False),
        ("Patient", patient(extension=[NOTE]), True),
        ("%resource.contact", patient(extension=[NOTE]), False),
    ],
)
def test_a_query_says_where(query: str, resource: Json, is_allowed: bool) -> None:
    assert (problems(resource, extension(("fhirpath", query))) == []) is is_allowed


def test_every_condition_has_to_hold_at_the_element_around() -> None:
    definition = extension(("element", "Patient.contact"), conditions=("name.exists()", "%extension.value = 'so'"))
    assert problems(patient(contact=[{"name": {"text": "A"}, "extension": [NOTE]}]), definition) == []
    (found,) = problems(
        patient(contact=[{"telecom": [{"system": "phone", "value": "1"}], "extension": [NOTE]}]), definition
    )
    assert found.startswith("Patient.contact[0].extension[0]: ")
    assert "name.exists() does not hold" in found
    other = {"url": URL, "valueString": "no"}
    (found,) = problems(patient(contact=[{"name": {"text": "A"}, "extension": [other]}]), definition)
    assert "%extension.value = 'so' does not hold" in found


def test_a_condition_at_a_primitive_sees_its_value() -> None:
    definition = extension(("element", "date"), conditions=("$this < @2000-01-01",))
    assert problems(patient(birthDate="1990-01-01", _birthDate=BESIDE), definition) == []
    assert len(problems(patient(birthDate="2010-01-01", _birthDate=BESIDE), definition)) == 1


def test_a_condition_that_cannot_be_read_is_a_warning_and_no_verdict() -> None:
    definition = extension(("element", "Patient"), conditions=("name.where(",))
    found = validator(definition).check(patient(extension=[NOTE]), [])
    assert not found.errors
    assert any("could not be judged" in one.message for one in found.findings)


def test_what_r4_s_own_definitions_use_beyond_their_contexts_may_stand_there() -> None:
    should = {"url": CORE + "capabilitystatement-expectation", "valueCode": "SHOULD"}
    capability = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "requirements",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "_format": [{"extension": [should]}],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": "Patient",
                        "extension": [should],
                        "supportedProfile": [CORE + "Patient"],
                        "_supportedProfile": [{"extension": [should]}],
                    }
                ],
            }
        ],
    }
    found = validator().check(capability, [])
    assert [one.message for one in found.errors if "may not stand" in one.message] == []
    elsewhere = validator().check(patient(extension=[should]), [])
    assert any("may not stand" in one.message for one in elsewhere.errors)


ADULT = {"value": 33, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
DOSED = {
    "resourceType": "MedicationStatement",
    "status": "active",
    "medicationReference": {"reference": "Medication/1"},
    "subject": {"reference": "Patient/1"},
}


@pytest.mark.parametrize(
    ("expression", "resource"),
    [
        ("Quantity.value", observation(referenceRange=[{"low": {"value": 3, "_value": BESIDE}}])),
        (
            "Quantity.value",
            {
                "resourceType": "Condition",
                "subject": {"reference": "Patient/1"},
                "onsetAge": {**ADULT, "_value": BESIDE},
            },
        ),
        ("BackboneElement", {**DOSED, "dosage": [{"text": "one", "extension": [NOTE]}]}),
        ("BackboneElement", {**DOSED, "dosage": [{"timing": {"extension": [NOTE], "code": {"text": "daily"}}}]}),
        ("Resource.language", patient(language="en", _language=BESIDE)),
    ],
)
def test_what_a_type_has_from_its_base_is_called_by_the_base(expression: str, resource: Json) -> None:
    assert problems(resource, extension(("element", expression))) == []


def asked(item: Json, name: str, **value: Any) -> list[str]:
    """What is said of an extension of R4 at a form's item."""
    marked = {"linkId": "1", "text": "?", "extension": [{"url": CORE + name, **value}], **item}
    found = validator().check({"resourceType": "Questionnaire", "status": "draft", "item": [marked]}, [])
    return [one.message for one in found.errors]


def test_conditions_that_r4_wrote_by_mistake_are_read_as_meant() -> None:
    once, never = {"valueInteger": 1}, {"valueInteger": 0}
    assert asked({"type": "string"}, "questionnaire-maxOccurs", **once) == []
    assert asked({"type": "string", "repeats": True}, "questionnaire-maxOccurs", valueInteger=3) == []
    assert len(asked({"type": "string"}, "questionnaire-maxOccurs", valueInteger=3)) == 1
    assert len(asked({"type": "display"}, "questionnaire-maxOccurs", **once)) == 1
    assert asked({"type": "string"}, "questionnaire-minOccurs", **never) == []
    assert len(asked({"type": "string"}, "questionnaire-minOccurs", **once)) == 1
    instructions = {"valueCodeableConcept": {"text": "Instructions"}}
    assert asked({"type": "display"}, "questionnaire-displayCategory", **instructions) == []
