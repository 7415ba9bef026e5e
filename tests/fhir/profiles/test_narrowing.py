"""A profile only narrows its base: what takes a demand back is an error of the profile."""

from typing import Any

import pytest

from tests.fhir.profiles.conftest import HERE, profile, validator

Json = dict[str, Any]
LEAN = profile("Patient", {"id": "Patient.name", "min": 1, "max": "2"}, name="lean")


def errors(structure: Json, *others: Json) -> list[str]:
    found = validator(*others).check({"id": "p", **structure}, [])
    return [
        f"{one.location}: {one.message}" for one in found.findings
        if "differential" in one.location and one.code == "invalid"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("element", "place", "says"),
    [
        ({"id": "Observation.status", "min": 0}, "element[1].min", "at least 1"),
        ({"id": "Observation.status", "max": "*"}, "element[1].max", "at most 1"),
        ({"id": "Observation.category", "min": 3, "max": "2"}, "element[1].min", "more than the max of 2"),
        ({"id": "Observation.status", "type": [{"code": "string"}]}, "element[1].type[0]", "allows code"),
        ({"id": "Observation.value[x]", "type": [{"code": "Money"}]}, "element[1].type[0]", "is Money"),
        ({"id": "Observation.status", "fixedString": "final"}, "element[1].fixedString", "the element has not"),
        ({"id": "Observation.code", "patternCoding": {"code": "a"}}, "element[1].patternCoding", "CodeableConcept"),
        (
            {"id": "Observation.status", "binding": {"strength": "extensible", "valueSet": "http://x.org/v"}},
            "element[1].binding.strength",
            "the base's binding is required",
        ),
        ({"id": "Observation.component.code", "min": 0}, "element[1].min", "at least 1"),
    ],
)  # fmt: skip
def test_what_is_wider_than_the_base_type(element: Json, place: str, says: str) -> None:
    (found,) = errors(profile("Observation", element))
    assert f"differential.{place}" in found
    assert says in found


@pytest.mark.parametrize(
    "element",
    [
        {"id": "Observation.category", "min": 1, "max": "3"},
        {"id": "Observation.referenceRange.low", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]", "type": [{"code": "Quantity"}], "patternQuantity": {"unit": "kg"}},
        {"id": "Observation.valueQuantity", "min": 1},
        {"id": "Observation.status", "fixedCode": "final"},
        {"id": "Observation.subject", "type": [{"code": "Reference", "targetProfile": [HERE + "lean"]}]},
        {"id": "Observation.code", "binding": {"strength": "required", "valueSet": "http://x.org/v"}},
        {"id": "Observation.component:one", "sliceName": "one", "min": 0, "max": "1"},
        {"id": "Observation.extension:one", "sliceName": "one", "type": [{"code": "Extension"}]},
    ],
)
def test_what_narrows_is_right(element: Json) -> None:
    assert errors(profile("Observation", element)) == []


def test_a_profile_on_a_profile_narrows_that_one() -> None:
    wider = profile("Patient", {"id": "Patient.name", "min": 0, "max": "5"}, base=HERE + "lean")
    assert [one.partition(": ")[2].partition(" is ")[2][:25] for one in errors(wider, LEAN)] == [
        "0, and the base asks for ",
        "5, and the base allows at",
    ]
    narrower = profile("Patient", {"id": "Patient.name", "min": 2, "max": "2"}, base=HERE + "lean")
    assert errors(narrower, LEAN) == []
    assert errors(wider) == [], "a base that is not here cannot be compared with"


CONCEPT = "patternCodeableConcept"
SLICED = profile(
    "Patient",
    {"id": "Patient.name", "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"}},
    {"id": "Patient.name:legal", "sliceName": "legal", "min": 1, "max": "2"},
    {"id": "Patient.name:legal.use", "min": 1, "fixedCode": "official"},
    {"id": "Patient.gender", "fixedCode": "female"},
    {"id": "Patient.maritalStatus", CONCEPT: {"coding": [{"code": "M"}]}},
    name="sliced",
)


@pytest.mark.parametrize(
    ("element", "place"),
    [
        ({"id": "Patient.name:legal", "sliceName": "legal", "min": 0}, "min"),
        ({"id": "Patient.name:legal", "sliceName": "legal", "max": "3"}, "max"),
        ({"id": "Patient.name:legal", "sliceName": "legal", "min": 1, "max": "1"}, None),
        ({"id": "Patient.name:legal.use", "min": 0}, "min"),
        ({"id": "Patient.name:other", "sliceName": "other", "min": 0, "max": "5"}, None),
        ({"id": "Patient.name:other.use", "min": 0}, None),
        ({"id": "Patient.gender", "fixedCode": "male"}, "fixedCode"),
        ({"id": "Patient.gender", "fixedCode": "female"}, None),
        ({"id": "Patient.gender", "patternCode": "male"}, "patternCode"),
        ({"id": "Patient.maritalStatus", CONCEPT: {"coding": [{"code": "S"}]}}, CONCEPT),
        ({"id": "Patient.maritalStatus", CONCEPT: {"coding": [{"code": "M", "system": "urn:x"}]}}, None),
        ({"id": "Patient.maritalStatus", "fixedCodeableConcept": {"text": "M"}}, "fixedCodeableConcept"),
    ],
)  # fmt: skip
def test_slices_fixed_values_and_patterns_of_a_base_hold(element: Json, place: str | None) -> None:
    found = errors(profile("Patient", element, base=HERE + "sliced"), SLICED)
    assert [one.partition(": ")[0].rpartition(".")[2] for one in found] == ([place] if place else [])


def test_references_point_where_the_base_lets_them() -> None:
    def pointing(*types: str) -> Json:
        listed = [f"http://hl7.org/fhir/StructureDefinition/{one}" if ":" not in one else one for one in types]
        return {"id": "Observation.subject", "type": [{"code": "Reference", "targetProfile": listed}]}

    assert errors(profile("Observation", pointing("Patient", HERE + "lean", HERE + "unknown")), LEAN) == []
    (found,) = errors(profile("Observation", pointing("Patient", "Medication")))
    assert "points to Medication" in found
    of_patients = profile("Observation", pointing("Patient"), name="of-patients")
    (found,) = errors(profile("Observation", pointing("Group"), base=HERE + "of-patients"), of_patients)
    assert "points to Group" in found


def test_a_profile_with_a_snapshot_only_is_judged_by_that() -> None:
    structure = profile("Observation", {"id": "Observation.status", "min": 0, "max": "1"})
    structure["snapshot"] = structure.pop("differential")
    found = validator().check(structure, []).errors
    assert "StructureDefinition.snapshot.element[1].min" in [one.location for one in found]
