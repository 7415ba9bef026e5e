"""Lines and columns of elements, and places as FHIRPath."""

# ruff: noqa: E501 - tables of cases, one a line

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.fhir.validation.locations import fhirpath_of
from kiungo.fhir.validation.positions import Position, positions

TEXT = """{
  "resourceType": "Patient",
  "name": [
    {"family": "x, {y}", "given": ["a", "b\\"c"]}
  ],
  "active": true
}"""


def test_where_values_begin() -> None:
    wanted = ["Patient", "Patient.name[0]", "Patient.name[0].given[1]", "Patient.active", "Patient.birthDate"]
    found = positions(TEXT, [*wanted, "Patient.name[0].use"], "Patient")
    assert found["Patient"] == Position(1, 1)
    assert found["Patient.name[0]"] == Position(4, 5)
    assert found["Patient.name[0].given[1]"] == Position(4, 41)
    assert found["Patient.active"] == Position(6, 13)
    assert found["Patient.birthDate"] == found["Patient"]
    assert found["Patient.name[0].use"] == found["Patient.name[0]"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), json_values, max_size=3), st.sampled_from([None, 1, 3]))
def test_every_value_is_found_where_it_is(tree: dict[str, Any], indent: int | None) -> None:
    """The text at each position begins with that very value."""
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    lines = text.split("\n")
    for path, value in _walk(tree, "R"):
        place = positions(text, [path], "R")[path]
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        found, _ = json.JSONDecoder().raw_decode(rest)
        assert found == value


def _walk(value: Any, path: str) -> list[tuple[str, Any]]:
    found = [(path, value)]
    if isinstance(value, dict):
        found += [row for name, inner in value.items() for row in _walk(inner, f"{path}.{name}")]
    elif isinstance(value, list):
        found += [row for index, inner in enumerate(value) for row in _walk(inner, f"{path}[{index}]")]
    return found


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("Observation.valueQuantity.unit", "Observation.value.ofType(Quantity).unit"),
        ("Observation._effectiveDateTime.extension[0].valueCode", "Observation.effective.ofType(dateTime).extension[0].value.ofType(code)"),
        ("Observation.component[1].valueString", "Observation.component[1].value.ofType(string)"),
        ("Observation.effective[x]", "Observation.effective"),
        ("Observation.nonsense[0].x", "Observation.nonsense[0].x"),
        ("Bundle.entry[0].resource.deceasedBoolean", "Bundle.entry[0].resource.deceased.ofType(boolean)"),
    ],
)  # fmt: skip
def test_places_as_fhirpath(location: str, expected: str) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}
    assert fhirpath_of(location, bundle) == expected
