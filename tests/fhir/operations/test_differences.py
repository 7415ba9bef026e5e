"""$diff: what it says, applied to the older version, gives the newer."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.fhir.operations.differences import differences
from kiungo.fhir.patch.fhirpath_patch import fhirpath_patch
from tests.fhir.conftest import Server, patient

OLD: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [{"family": "Mwangi", "given": ["Amina", "Zuri"]}, {"text": "x"}],
    "deceasedBoolean": False,
    "contact": [{"gender": "male"}],
}


def changed(**more: Any) -> dict[str, Any]:
    new = {**copy.deepcopy(OLD), **more}
    return {name: value for name, value in new.items() if value is not None}


CHANGES = [
    {"active": False},
    {"active": None},
    {"birthDate": "2000-01"},
    {"name": [{"family": "Otieno", "given": ["Amina"]}]},
    {"name": [*OLD["name"], {"family": "Third", "use": "old"}]},
    {"name": None},
    {"deceasedBoolean": None, "deceasedDateTime": "2020-01-01"},
    {"contact": [{"gender": "female", "name": {"family": "A"}, "telecom": [{"value": "1"}, {"value": "2"}]}]},
    {"contact": [*OLD["contact"], {"gender": "other", "relationship": [{"text": "aunt"}]}]},
    {"communication": [{"language": {"text": "Kiswahili"}, "preferred": True}]},
    {"extension": [{"url": "http://e", "valueString": "x"}]},
]


def applied(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return fhirpath_patch(old, {"resourceType": "Parameters", "parameter": differences(old, new)})


@pytest.mark.parametrize("change", CHANGES)
def test_the_difference_applied_gives_the_newer(change: dict[str, Any]) -> None:
    new = changed(**change)
    assert applied(OLD, new) == new
    assert applied(new, OLD) == OLD


NAMES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={"family": st.sampled_from("abc"), "given": st.lists(st.sampled_from("xyz"), min_size=1, max_size=3)},
    ).filter(bool),
    min_size=1,
    max_size=3,
)
PATIENTS = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "active": st.booleans(),
        "gender": st.sampled_from(["male", "female"]),
        "name": NAMES,
        "maritalStatus": st.fixed_dictionaries({"text": st.sampled_from("mn")}),
    },
)


@settings(max_examples=40, deadline=None)
@given(PATIENTS, PATIENTS)
def test_any_difference_applied_gives_the_newer(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert applied(old, new) == new


def test_diff_and_convert_over_http(server: Server) -> None:
    one = server.create(patient())
    assert server.ask("GET", f"/Patient/{one['id']}/$diff").status_code == 400
    server.ask("PUT", f"/Patient/{one['id']}", {**one, "gender": "other"})
    found = server.ask("GET", f"/Patient/{one['id']}/$diff").json()["parameter"]
    assert found[0]["part"] == [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.gender"},
        {"name": "value", "valueCode": "other"},
    ]
    back = server.ask("GET", f"/Patient/{one['id']}/$diff?fromVersion=2&toVersion=1").json()["parameter"]
    assert back[0]["part"][2] == {"name": "value", "valueCode": "female"}

    xml = server.ask("POST", "/$convert", patient(), headers={"Accept": "application/fhir+xml"})
    assert (xml.status_code, b"<Patient " in xml.content) == (200, True)
    again = server.ask("POST", "/$convert", xml.content, headers={"Content-Type": "application/fhir+xml"})
    assert again.json() == patient()
    assert server.ask("POST", "/$convert", {"resourceType": "Patient", "nme": 1}).status_code == 400
