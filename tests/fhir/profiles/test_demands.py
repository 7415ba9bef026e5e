"""What a profile asks of values: fixed, pattern, limits, codes, types, invariants, references, extensions."""

# ruff: noqa: E501 - tables of cases, one a line

import time
from decimal import Decimal
from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.profiles.trees import tree_of
from tests.fhir.profiles.conftest import HERE, Json, Places, observation, patient, profile, validator

COLOURS = {
    "resourceType": "ValueSet",
    "url": "http://example.org/fhir/ValueSet/colours",
    "compose": {"include": [{"system": "http://example.org/colours", "concept": [{"code": "red"}, {"code": "blue"}]}]},
}
BASE = "http://hl7.org/fhir/StructureDefinition/"


def bound(strength: str) -> Json:
    return profile(
        "Observation", {"id": "Observation.method", "binding": {"strength": strength, "valueSet": COLOURS["url"]}}
    )


@pytest.mark.parametrize(
    ("element", "good", "bad", "place"),
    [
        ({"id": "Patient.gender", "fixedCode": "female"}, {"gender": "female"}, {"gender": "male"}, "Patient.gender"),
        (
            {"id": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"code": "M"}]}},
            {"maritalStatus": {"text": "x", "coding": [{"code": "S"}, {"code": "M"}]}},
            {"maritalStatus": {"text": "x"}},
            "Patient.maritalStatus",
        ),
        (
            {"id": "Patient.name", "fixedHumanName": {"family": "x"}},
            {"name": [{"family": "x"}]},
            {"name": [{"family": "x", "given": ["y"]}]},
            "Patient.name[0]",
        ),
        (
            {"id": "Patient.name.family", "maxLength": 3},
            {"name": [{"family": "abc"}]},
            {"name": [{"family": "abcd"}]},
            "Patient.name[0].family",
        ),
        (
            {"id": "Patient.birthDate", "minValueDate": "1900-01-01"},
            {"birthDate": "1900-01-01"},
            {"birthDate": "1899-12-31"},
            "Patient.birthDate",
        ),
        (
            {"id": "Patient.multipleBirth[x]", "maxValueInteger": 9},
            {"multipleBirthInteger": 9},
            {"multipleBirthInteger": 10},
            "Patient.multipleBirthInteger",
        ),
        (
            {"id": "Patient.deceased[x]", "type": [{"code": "boolean"}]},
            {"deceasedBoolean": True},
            {"deceasedDateTime": "2020"},
            "Patient.deceasedDateTime",
        ),
        ({"id": "Patient.photo", "max": "0"}, {}, {"photo": [{"title": "x"}]}, "Patient"),
        (
            {"id": "Patient.name.given", "min": 2},
            {"name": [{"given": ["a", "b"]}]},
            {"name": [{"given": ["a"]}]},
            "Patient.name[0]",
        ),
        (
            {"id": "Patient.contact.name.family", "min": 1},
            {"contact": [{"name": {"family": "x"}}]},
            {"contact": [{"name": {"text": "x"}}]},
            "Patient.contact[0].name",
        ),
        (
            {
                "id": "Patient",
                "constraint": [{"key": "t-1", "severity": "error", "expression": "name.given.count() = 1"}],
            },
            {},
            {"name": [{"given": ["a", "b"]}]},
            "Patient",
        ),
        (
            {
                "id": "Patient.name",
                "constraint": [
                    {"key": "t-2", "severity": "error", "expression": "family.exists() and %resource.id.empty()"}
                ],
            },
            {},
            {"name": [{"given": ["a"]}]},
            "Patient.name[0]",
        ),
    ],
)
def test_each_demand(places: Places, element: Json, good: Json, bad: Json, place: str) -> None:
    made = profile("Patient", element)
    assert places(patient(**good), made) == []
    assert places(patient(**bad), made) == [place]


def test_codes_are_held_to_their_value_set_as_strongly_as_it_says(places: Places) -> None:
    red, green = ({"coding": [{"system": "http://example.org/colours", "code": code}]} for code in ("red", "green"))
    for strength, expected in (("required", ["Observation.method"]), ("extensible", []), ("preferred", [])):
        assert places(observation(method=red), bound(strength), COLOURS) == []
        assert places(observation(method=green), bound(strength), COLOURS) == expected
    report = validator(bound("extensible"), COLOURS).check(observation(method=green), [HERE + "test"])
    assert [f.severity for f in report.findings if f.code == "code-invalid"] == ["warning"]
    assert places(observation(method={"text": "red"}), bound("required"), COLOURS) == ["Observation.method"]
    assert places(observation(method=green), bound("required")) == []  # nobody knows the value set, so nobody objects


def test_limits_of_quantities_are_compared_in_their_units(places: Places) -> None:
    least = {"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"}
    made = profile(
        "Observation", {"id": "Observation.value[x]", "type": [{"code": "Quantity"}], "minValueQuantity": least}
    )
    for amount, expected in (("1000", []), ("999.9", ["Observation.valueQuantity"])):
        quantity = {"value": Decimal(amount), "system": "http://unitsofmeasure.org", "code": "g"}
        assert places(observation(valueQuantity=quantity), made) == expected


def test_profiles_stand_on_profiles_and_the_base_is_judged_with_them(places: Places) -> None:
    lower = profile("Patient", {"id": "Patient.name", "min": 1}, name="lower")
    upper = profile("Patient", {"id": "Patient.birthDate", "min": 1}, base=HERE + "lower")
    assert places({"resourceType": "Patient", "active": True}, upper, lower) == ["Patient", "Patient"]
    with pytest.raises(Incorrect, match="stands on"):
        tree_of(upper, lambda _url: None)
    circle = profile("Patient", base=HERE + "test")
    with pytest.raises(Incorrect, match="never end"):
        tree_of(circle, lambda _url: circle)


def test_references_point_to_allowed_types_and_profiles(places: Places) -> None:
    target = [{"code": "Reference", "targetProfile": [HERE + "named", BASE + "Group"]}]
    made = profile("Observation", {"id": "Observation.subject", "type": target})
    named = profile("Patient", {"id": "Patient.name", "min": 1}, name="named")
    good, bad = patient(id="good"), {"resourceType": "Patient", "id": "bad", "active": True}
    for reference, expected in (
        ("Patient/good", []),
        ("Patient/bad", ["Observation.subject"]),
        ("Patient/elsewhere", []),
        ("Group/1", []),
        ("Device/1", ["Observation.subject"]),
        ("https://example.org/fhir/Device/1", ["Observation.subject"]),
    ):
        resource = observation(subject={"reference": reference})
        assert places(resource, made, named, others=(good, bad)) == expected
    inside = observation(subject={"reference": "#p"}, contained=[{**bad, "id": "p"}])
    assert places(inside, made, named) == ["Observation.subject"]
    only_inside = profile(
        "Observation", {"id": "Observation.subject", "type": [{"code": "Reference", "aggregation": ["contained"]}]}
    )
    assert places(observation(subject={"reference": "Patient/1"}), only_inside) == ["Observation.subject"]
    assert places(observation(subject={"reference": "Medication/1"}), profile("Observation")) == ["Observation.subject"]


def test_references_in_a_circle_end(places: Places) -> None:
    made = profile(
        "Patient", {"id": "Patient.link.other", "type": [{"code": "Reference", "targetProfile": [HERE + "test"]}]}
    )
    link = [{"other": {"reference": "Patient/b"}, "type": "seealso"}]
    one, other = (
        patient(id="a", link=link),
        patient(id="b", link=[{"other": {"reference": "Patient/a"}, "type": "seealso"}]),
    )
    assert places(one, made, others=(one, other)) == []


@pytest.mark.parametrize(
    ("more", "errors", "warnings"),
    [
        ({"extension": [{"url": "http://example.org/unknown", "valueString": "x"}]}, [], 1),
        ({"modifierExtension": [{"url": "http://example.org/unknown", "valueString": "x"}]}, ["Patient.modifierExtension[0]"], 0),
        ({"extension": [{"url": "relative", "valueString": "x"}]}, ["Patient.extension[0]"], 0),
        ({"extension": [{"url": BASE + "patient-birthPlace", "valueAddress": {"city": "x"}}]}, [], 0),
        ({"extension": [{"url": BASE + "patient-birthPlace", "valueString": "x"}]}, ["Patient.extension[0].valueString"], 0),
        ({"modifierExtension": [{"url": BASE + "patient-birthPlace", "valueAddress": {"city": "x"}}]}, ["Patient.modifierExtension[0]"], 0),
        ({"name": [{"family": "x", "extension": [{"url": BASE + "patient-birthPlace", "valueAddress": {"city": "x"}}]}]}, ["Patient.name[0].extension[0]"], 0),
        ({"name": [{"_family": {"extension": [{"url": BASE + "humanname-own-name", "valueString": "x"}]}}]}, [], 0),
        ({"extension": [{"url": BASE + "patient-animal", "extension": [{"url": "species", "valueCodeableConcept": {"text": "x"}}]}]}, [], 0),
        ({"extension": [{"url": BASE + "patient-animal", "extension": [{"url": "wings", "valueBoolean": True}]}]}, ["Patient.extension[0]", "Patient.extension[0].extension[0]"], 0),
        ({"extension": [{"url": BASE + "patient-birthPlace|4.0.1", "valueAddress": {"city": "x"}}]}, ["Patient.extension[0]"], 0),
    ],
)  # fmt: skip
def test_extensions(more: dict[str, Any], errors: list[str], warnings: int) -> None:
    report = validator().check(patient(**more))
    assert sorted({f.location for f in report.errors}) == errors
    assert sum(f.severity == "warning" and f.code == "extension" for f in report.findings) == warnings


def test_contained_resources_are_referred_to_and_plain() -> None:
    good = patient(
        managingOrganization={"reference": "#o"}, contained=[{"resourceType": "Organization", "id": "o", "name": "x"}]
    )
    assert validator().check(good).errors == ()
    for contained in (
        {"resourceType": "Organization", "id": "other", "name": "x"},
        {"resourceType": "Organization", "name": "x"},
        {"resourceType": "Organization", "id": "o", "name": "x", "meta": {"versionId": "1"}},
    ):
        report = validator().check({**good, "contained": [contained]})
        assert "Patient.contained[0]" in {f.location for f in report.errors}
    assert validator().check(patient(managingOrganization={"reference": "#missing"})).errors


def test_claimed_profiles_are_judged_and_unknown_ones_are_a_warning() -> None:
    made = profile("Patient", {"id": "Patient.photo", "min": 1})
    report = validator(made).check(patient(meta={"profile": [HERE + "test", HERE + "nowhere"]}))
    assert [f.rule for f in report.errors] == [HERE + "test"]
    assert [f.location for f in report.findings if f.severity == "warning"] == ["Patient.meta.profile[1]"]
    inside = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": patient(meta={"profile": [HERE + "test"]})}],
    }
    assert [f.location for f in validator(made).check(inside).errors] == ["Bundle.entry[0].resource"]


def test_a_broken_profile_is_said_and_breaks_nothing() -> None:
    for broken in (
        profile("Patient", {"id": "Patient.name", "max": "many"}),
        profile(
            "Patient", {"id": "Patient.name", "constraint": [{"key": "x", "severity": "error", "expression": "name.("}]}
        ),
        profile("Patient", {"id": "Patient.nme", "min": 1}),
        {**profile("Patient"), "differential": "nonsense"},
    ):
        validator(broken).check(patient(), [HERE + "test"])


def test_many_references_and_contained_resources_cost_no_more_than_their_number(places: Places) -> None:
    """Everyone is linked to everyone: each is judged once, not once for each way that leads to them."""
    made = profile(
        "Patient", {"id": "Patient.link.other", "type": [{"code": "Reference", "targetProfile": [HERE + "test"]}]}
    )
    names = [f"p{n}" for n in range(30)]
    people = tuple(
        patient(id=me, link=[{"other": {"reference": f"Patient/{other}"}, "type": "seealso"} for other in names])
        for me in names
    )
    started_s = time.process_time()
    assert places(people[0], made, others=people) == []
    inside = [{"resourceType": "Organization", "id": f"o{n}", "name": "x"} for n in range(2_000)]
    crowded = patient(contained=inside, generalPractitioner=[{"reference": f"#o{n}"} for n in range(2_000)])
    assert validator().check(crowded).errors == ()
    assert time.process_time() - started_s < 5
