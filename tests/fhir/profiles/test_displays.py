"""A code's display is one of its own words, or worth a warning: the code is what counts."""

from typing import Any

import pytest

from tests.fhir.profiles.conftest import HERE, observation, profile, validator

Json = dict[str, Any]
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OWN = {
    "resourceType": "CodeSystem",
    "url": "http://example.org/fhir/CodeSystem/wards",
    "status": "draft",
    "content": "complete",
    "concept": [
        {
            "code": "icu",
            "display": "Intensive Care",
            "definition": "Beds with ventilators",
            "designation": [{"language": "sw", "value": "Wagonjwa mahututi"}],
        }
    ],
}


def warnings(coding: Json, times: int = 1) -> list[str]:
    judge = validator(OWN)
    for _ in range(times):
        found = judge.check(observation(category=[{"coding": [coding]}]), [])
    assert not [one for one in found.errors if "category" in one.location]
    return [f"{one.location}: {one.message}" for one in found.findings if ".display" in one.location]


@pytest.mark.parametrize("times", [1, 2])
def test_another_display_is_a_warning_that_names_the_right_one(times: int) -> None:
    (found,) = warnings({"system": CATEGORY, "code": "laboratory", "display": "Radiology"}, times)
    assert found.startswith("Observation.category[0].coding[0].display: ")
    assert "'Radiology'; the code's own is 'Laboratory'" in found


@pytest.mark.parametrize("display", ["Laboratory", "laboratory", "LABOratory"])
def test_its_own_display_may_be_spaced_and_capitalised_otherwise(display: str) -> None:
    assert warnings({"system": CATEGORY, "code": "laboratory", "display": display}) == []


def test_every_designation_is_a_display_and_a_definition_is_none() -> None:
    own = {"system": OWN["url"], "code": "icu"}
    assert warnings(own | {"display": "Wagonjwa mahututi"}) == []
    assert len(warnings(own | {"display": "Beds with ventilators"})) == 1


def test_a_code_that_is_not_known_here_and_a_unit_have_no_display_to_compare() -> None:
    assert warnings({"system": "http://snomed.info/sct", "code": "386661006", "display": "anything"}) == []
    assert warnings({"system": "http://unitsofmeasure.org", "code": "mg", "display": "milligrams"}) == []


def test_a_required_binding_that_cannot_be_judged_is_said_not_to_be() -> None:
    bound = profile(
        "Observation",
        {"id": "Observation.method", "binding": {"strength": "required", "valueSet": "http://example.org/methods"}},
    )
    method = {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}
    found = validator(bound).check(observation(method=method), [HERE + "test"])
    assert not found.errors
    (said,) = [one for one in found.findings if "http://example.org/methods" in one.message]
    assert (said.severity, said.location) == ("warning", "Observation.method")
