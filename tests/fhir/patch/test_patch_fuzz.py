"""Whatever is sent as a patch, the answer is a resource or an error of ours; the resource given stays as it was."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir.patch import fhirpath_patch, json_patch
from kiungo.fhir.patch.errors import copied
from tests.fhir.patch.test_fhirpath_patch import PATIENT

_scalars = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "0", "Amina", "2020"])
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["text", "given", "url"]), inner),
    max_leaves=5,
)
_pointers = st.lists(
    st.sampled_from(["name", "0", "1", "-", "given", "active", "none", "~1", "contact"]), max_size=4
).map(lambda parts: "".join("/" + part for part in parts))
_operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]), "path": _pointers | _json},
    optional={"value": _json, "from": _pointers},
)


def _outcome(patch: Any, apply: Any) -> str:
    """ "" or the code of the error."""
    before = copied(PATIENT)
    try:
        apply(PATIENT, patch)
    except Incorrect as error:
        return error.code
    finally:
        assert before == PATIENT
    return ""


@settings(max_examples=200, deadline=None)
@given(st.lists(_operations, max_size=4) | _json)
def test_json_patch(patch: Any) -> None:
    outcome = _outcome(patch, json_patch)
    assert outcome == "" or outcome.startswith("PATCH_")


_PATHS = """
Patient | Patient.name | Patient.name[0] | Patient.name[0].given | Patient.gender | Patient.deceased | 1 | %resource
Patient.name.given[3] | Patient.contact | Patient.text.div | Patient.photo | Patient.gender.extension | x(
Patient.descendants()[2] | Patient.name.where(use.empty()) | Patient.contact.name.text
"""
_paths = st.sampled_from([path.strip() for line in _PATHS.strip().splitlines() for path in line.split("|")])
_values = st.dictionaries(
    st.sampled_from(["valueString", "_valueString", "valueHumanName", "valueBoolean", "valueX", "part", "resource"]),
    _json,
)
_parts = st.one_of(
    st.builds(lambda name, value: {"name": name, **value}, st.sampled_from(["value", "name", "x"]), _values),
    st.builds(lambda path: {"name": "path", "valueString": path}, _paths),
    st.builds(
        lambda name: {"name": "name", "valueString": name}, st.sampled_from(["given", "contact", "deceased", "id"])
    ),
    st.builds(
        lambda name, number: {"name": name, "valueInteger": number},
        st.sampled_from(["index", "source", "destination"]),
        st.integers(-1, 3) | st.none(),
    ),
)
_types = st.sampled_from(["add", "insert", "delete", "replace", "move", "x"])
_operation = st.builds(
    lambda kind, parts: {"name": "operation", "part": [{"name": "type", "valueCode": kind}, *parts]},
    _types,
    st.lists(_parts, max_size=5, unique_by=lambda part: str(part.get("name"))) | st.lists(_json, max_size=2),
)


def _whole(kind: str, path: str, name: str, value: dict[str, Any], places: list[int]) -> dict[str, Any]:
    """An operation with every part, those it needs among them."""
    numbers = zip(("index", "source", "destination"), places, strict=True)
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    parts += [{"name": "name", "valueString": name}, {"name": "value", **value}]
    return {"name": "operation", "part": parts + [{"name": one, "valueInteger": number} for one, number in numbers]}


_names = st.sampled_from(["given", "contact", "deceased", "valueString", "extension", "id", "name", "none"])
_good_values = st.sampled_from(
    [
        {"valueString": "a"},
        {"valueHumanName": {"text": "b"}},
        {"valueBoolean": True},
        {"_valueCode": {"id": "x"}},
        {"part": [{"name": "name", "valueHumanName": {"text": "c"}}, {"name": "gender", "valueCode": "male"}]},
        {"valueExtension": {"url": "urn:x"}},
    ]
)
_places = st.lists(st.integers(-1, 2), min_size=3, max_size=3)
_operation |= st.builds(_whole, _types, _paths, _names, _good_values | _values, _places)


@settings(max_examples=300, deadline=None)
@given(st.lists(_operation | _json, max_size=3) | _json)
def test_fhirpath_patch(operations: Any) -> None:
    outcome = _outcome({"resourceType": "Parameters", "parameter": operations}, fhirpath_patch)
    assert outcome == "" or outcome.startswith("PATCH_")
