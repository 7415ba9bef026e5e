"""FHIRPath Patch: each operation, primitives with extensions, choices, parts, and refusals that help."""

from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.patch import fhirpath_patch
from kiungo.fhir.patch.errors import PATCH_MALFORMED, PATCH_NOT_APPLICABLE, copied
from kiungo.fhir.validation import find_problems

Part = dict[str, Any]
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"family": "Otieno", "given": ["Amina", "Zawadi"], "_given": [None, {"id": "g2"}]},
        {"text": "Mama Amina"},
    ],
    "gender": "female",
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "Brother"}}],
    "maritalStatus": {"text": "married"},
}


def _operation(type_: str, path: str, **parts: Any) -> Part:
    """One operation; a part given as a dict is its value[x] or parts, an integer or text is wrapped."""
    made: list[Part] = [{"name": "type", "valueCode": type_}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        body = (
            value if isinstance(value, dict) else {"valueInteger" if isinstance(value, int) else "valueString": value}
        )
        made.append({"name": name, **body})
    return {"name": "operation", "part": made}


def _patched(*operations: Part, resource: dict[str, Any] = PATIENT) -> dict[str, Any]:
    before = copied(resource)
    found = fhirpath_patch(resource, {"resourceType": "Parameters", "parameter": list(operations)})
    assert resource == before
    assert find_problems(found) == ()
    return found


def test_add_sets_what_is_not_there_and_appends_to_lists() -> None:
    found = _patched(
        _operation("add", "Patient", name="birthDate", value={"valueDate": "1980-02-01"}),
        _operation("add", "Patient", name="telecom", value={"valueContactPoint": {"system": "phone", "value": "1"}}),
        _operation("add", "Patient.name[0]", name="given", value={"valueString": "N."}),
        _operation("add", "Patient.name[1]", name="use", value={"valueString": "nickname"}),
    )
    assert found["birthDate"] == "1980-02-01"
    assert found["telecom"] == [{"system": "phone", "value": "1"}]
    assert found["name"][0]["given"] == ["Amina", "Zawadi", "N."]
    assert found["name"][0]["_given"] == [None, {"id": "g2"}, None]
    assert found["name"][1]["use"] == "nickname"


def test_what_is_added_comes_after_a_longer_list_of_extensions() -> None:
    name = {"given": ["Amina"], "_given": [None, {"id": "g2"}]}
    patient = {"resourceType": "Patient", "name": [name]}
    operation = _operation("add", "Patient.name[0]", name="given", value={"valueString": "N."})
    found = _patched(operation, resource=patient)
    assert found["name"] == [{"given": ["Amina", None, "N."], "_given": [None, {"id": "g2"}, None]}]


def test_add_makes_an_element_of_parts() -> None:
    parts = {
        "part": [
            {"name": "gender", "valueCode": "male"},
            {"name": "name", "valueHumanName": {"text": "Uncle"}},
            {"name": "telecom", "valueContactPoint": {"system": "email", "value": "u@example.org"}},
        ]
    }
    found = _patched(_operation("add", "Patient", name="contact", value=parts))
    assert found["contact"][1] == {
        "gender": "male",
        "name": {"text": "Uncle"},
        "telecom": [{"system": "email", "value": "u@example.org"}],
    }


def test_extensions_stand_beside_primitives() -> None:
    extension = {"valueExtension": {"url": "urn:x", "valueString": "y"}}
    found = _patched(
        _operation("add", "Patient.gender", name="extension", value=extension),
        _operation("add", "Patient.name[0].given[0]", name="extension", value=extension),
    )
    assert found["_gender"] == {"extension": [extension["valueExtension"]]}
    assert found["name"][0]["_given"] == [{"extension": [extension["valueExtension"]]}, {"id": "g2"}]
    again = _patched(_operation("delete", "Patient.gender.extension('urn:x')"), resource=found)
    assert "_gender" not in again
    assert again["gender"] == "female"


def test_insert_puts_before_the_index() -> None:
    found = _patched(
        _operation("insert", "Patient.name", value={"valueHumanName": {"text": "First"}}, index=0),
        _operation("insert", "Patient.name[1].given", value={"valueString": "X"}, index=1),
        _operation("insert", "Patient.telecom", value={"valueContactPoint": {"value": "2"}}, index=0),
    )
    assert [name.get("text") for name in found["name"]] == ["First", None, "Mama Amina"]
    assert found["name"][1]["given"] == ["Amina", "X", "Zawadi"]
    assert found["name"][1]["_given"] == [None, None, {"id": "g2"}]
    assert found["telecom"] == [{"value": "2"}]


def test_delete_takes_one_and_leaves_nothing_empty() -> None:
    found = _patched(
        _operation("delete", "Patient.maritalStatus.text"),
        _operation("delete", "Patient.name[0].given[0]"),
        _operation("delete", "Patient.contact[0]"),
        _operation("delete", "Patient.photo"),
    )
    assert "maritalStatus" not in found
    assert "contact" not in found
    assert found["name"][0]["given"] == ["Zawadi"]
    assert found["name"][0]["_given"] == [{"id": "g2"}]


def test_replace_may_change_the_type_of_a_choice() -> None:
    found = _patched(
        _operation("replace", "Patient.deceased", value={"valueDateTime": "2026-01-02"}),
        _operation("replace", "Patient.name[0].given[1]", value={"valueString": "Z."}),
        _operation("replace", "Patient.name.where(text = 'Mama Amina')", value={"valueHumanName": {"text": "M"}}),
        _operation("replace", "Patient.gender", value={"valueCode": "unknown"}),
    )
    assert found["deceasedDateTime"] == "2026-01-02"
    assert "deceasedBoolean" not in found
    assert found["name"][0]["given"] == ["Amina", "Z."]
    assert "_given" not in found["name"][0]
    assert found["name"][1] == {"text": "M"}
    assert found["gender"] == "unknown"


def test_move_within_one_list() -> None:
    found = _patched(_operation("move", "Patient.name[0].given", source=1, destination=0))
    assert found["name"][0]["given"] == ["Zawadi", "Amina"]
    assert found["name"][0]["_given"] == [{"id": "g2"}, None]
    found = _patched(_operation("move", "Patient.name", source=0, destination=1))
    assert found["name"][0] == {"text": "Mama Amina"}


@pytest.mark.parametrize(
    ("operation", "code", "said"),
    [
        (_operation("add", "Patient", name="gender", value={"valueCode": "male"}), PATCH_NOT_APPLICABLE, "Use replace"),
        (
            _operation("add", "Patient", name="sex", value={"valueCode": "m"}),
            PATCH_NOT_APPLICABLE,
            "has no element sex",
        ),
        (_operation("add", "Patient.name", name="use", value={"valueCode": "old"}), PATCH_NOT_APPLICABLE, "2 elements"),
        (_operation("add", "Patient.photo", name="url", value={"valueUrl": "u"}), PATCH_NOT_APPLICABLE, "nothing"),
        (_operation("add", "Patient", name="birthDate", value={"valueInteger": 3}), PATCH_NOT_APPLICABLE, "takes date"),
        (_operation("add", "Patient", name="active"), PATCH_MALFORMED, "needs value"),
        (_operation("insert", "Patient.name", value={"valueHumanName": {}}, index=9), PATCH_NOT_APPLICABLE, "no place"),
        (_operation("insert", "Patient.gender", value={"valueCode": "x"}, index=0), PATCH_NOT_APPLICABLE, "not repeat"),
        (_operation("move", "Patient.name", source=0, destination=2), PATCH_NOT_APPLICABLE, "no place"),
        (_operation("delete", "Patient.name"), PATCH_NOT_APPLICABLE, "finds 2 elements"),
        (_operation("delete", "Patient"), PATCH_NOT_APPLICABLE, "DELETE"),
        (_operation("delete", "Patient.name.count()"), PATCH_NOT_APPLICABLE, "not an element"),
        (_operation("delete", "Patient.name["), PATCH_MALFORMED, "cannot be read"),
        (_operation("merge", "Patient.name"), PATCH_MALFORMED, "no operation"),
        ({"name": "operation"}, PATCH_MALFORMED, "no operation"),
        ({"name": "other"}, PATCH_MALFORMED, "only parameters named operation"),
    ],
)
def test_refusals_name_the_operation_and_the_way_out(operation: Part, code: str, said: str) -> None:
    first = _operation("replace", "Patient.active", value={"valueBoolean": False})
    with pytest.raises(Incorrect) as error:
        fhirpath_patch(PATIENT, {"resourceType": "Parameters", "parameter": [first, operation]})
    assert error.value.code == code
    assert said in error.value.told
    assert "parameter[1]" in error.value.told
    assert PATIENT["active"] is True


def test_what_is_no_patch_is_refused() -> None:
    for document in ({}, {"resourceType": "Patient"}, {"resourceType": "Parameters", "parameter": {}}):
        with pytest.raises(Incorrect) as error:
            fhirpath_patch(PATIENT, document)
        assert error.value.code == PATCH_MALFORMED
