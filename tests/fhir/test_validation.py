"""Structural validation: what is refused, and where it says the problem is."""

# ruff: noqa: E501 - tables of cases, one a line

import copy
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir import definitions
from kiungo.fhir.prepare import prepare
from kiungo.fhir.validation import find_problems, validate
from kiungo.fhir.validation.compiler import source
from tests.fhir.conftest import observation, patient


def places(resource: Any) -> set[str]:
    return {p.field for p in find_problems(resource)}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"gender": "x"}, {"Patient.gender"}),
        ({"active": "true"}, {"Patient.active"}),
        ({"name": {"family": "x"}}, {"Patient.name"}),
        ({"name": []}, {"Patient.name"}),
        ({"name": [{}]}, {"Patient.name[0]"}),
        ({"name": ["x"]}, {"Patient.name[0]"}),
        ({"name": [{"given": ["a", ""]}]}, {"Patient.name[0].given[1]"}),
        ({"name": [{"given": "a"}]}, {"Patient.name[0].given"}),
        ({"name": [{"given": ["a", None]}]}, {"Patient.name[0].given[1]"}),
        ({"name": [{"given": ["a", None], "_given": [None, {"id": "x"}]}]}, set()),
        ({"name": [{"given": ["a"], "_given": [None, {"id": "x"}]}]}, set()),
        ({"name": [{"fmily": "x"}]}, {"Patient.name[0].fmily"}),
        ({"name": None}, {"Patient.name"}),
        ({"birthDate": "2000-02-30"}, {"Patient.birthDate"}),
        ({"birthDate": "2000-02-29"}, set()),
        ({"birthDate": "1900-02-29"}, {"Patient.birthDate"}),
        ({"birthDate": "2000-04-31"}, {"Patient.birthDate"}),
        ({"birthDate": "0000"}, {"Patient.birthDate"}),
        ({"birthDate": "2000-1-1"}, {"Patient.birthDate"}),
        ({"_birthDate": {"extension": [{"url": "http://x", "valueDateTime": "2000-01-01T10:00:00Z"}]}}, set()),
        ({"_birthDate": {"extension": [{"url": "http://x", "valueDateTime": "2000-01-01T10:00"}]}}, {"Patient._birthDate.extension[0].valueDateTime"}),
        ({"_name": [{"id": "x"}]}, {"Patient._name"}),
        ({"deceasedBoolean": True, "deceasedDateTime": "2000"}, {"Patient.deceased[x]"}),
        ({"multipleBirthInteger": 2**31}, {"Patient.multipleBirthInteger"}),
        ({"contact": [{"name": {"family": 1}}]}, {"Patient.contact[0].name.family"}),
        ({"link": [{"type": "seealso"}]}, {"Patient.link[0].other"}),
        ({"contained": [{"resourceType": "Organization", "id": "o", "nme": "x"}]}, {"Patient.contained[0].nme"}),
        ({"contained": [{"resourceType": "Organization", "contained": [{"resourceType": "Patient"}]}]}, {"Patient.contained[0].contained"}),
        ({"contained": [{"id": "o"}]}, {"Patient.contained[0].resourceType"}),
        ({"extension": [{"valueString": "x"}]}, {"Patient.extension[0].url"}),
        ({"extension": [{"url": "http://x", "valueString": "x", "valueCode": "y"}]}, {"Patient.extension[0].valueCode"}),
        ({"text": {"status": "generated", "div": "<div><script>x</script></div>"}}, {"Patient.text.div"}),
        ({"text": {"status": "generated", "div": "<div><p onclick=\"x\">x</p></div>"}}, {"Patient.text.div"}),
        ({"text": {"status": "generated", "div": "<div><p>contention = x</p></div>"}}, set()),
        ({"text": {"status": "generated", "div": "<div><a href=\"java&#115;cript:x\">x</a></div>"}}, {"Patient.text.div"}),
        ({"text": {"status": "generated", "div": "<div><a href=\"java&#x0a;script&colon;x\">x</a></div>"}}, {"Patient.text.div"}),
        ({"text": {"status": "generated", "div": "<div><a href=\"http://x?a=1&amp;b=2\">x</a></div>"}}, set()),
        ({"id": "bad_id"}, {"Patient.id"}),
        ({"photo": [{"data": "a==="}]}, {"Patient.photo[0].data"}),
    ],
)  # fmt: skip
def test_where_the_problem_is(more: dict[str, Any], expected: set[str]) -> None:
    assert places(patient(**more)) == expected


def test_required_elements_bindings_and_choices() -> None:
    assert places({"resourceType": "Observation"}) == {"Observation.status", "Observation.code"}
    assert places({"resourceType": "Observation", "_status": {"id": "x"}, "code": {"text": "x"}}) == set()
    both = observation("Patient/1", valueString="x")
    assert places(both) == {"Observation.valueString"}
    request = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
    }
    assert places(request) == {"MedicationRequest.medication[x]"}
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "clinicalStatus": {"text": "x"}}
    assert places(condition) == {"Condition.clinicalStatus"}
    assert places({"resourceType": "Patient", "gender": ["male"]}) == {"Patient.gender"}


def test_decimals_are_exact_and_floats_are_refused() -> None:
    body = observation("Patient/1")
    body["valueQuantity"] = {"value": 1.5}
    assert places(body) == {"Observation.valueQuantity.value"}
    body["valueQuantity"] = {"value": Decimal("1.10")}
    assert b'"value":1.10' in prepare(body).tail
    for number, wrong in (
        (10**99, set()),
        (-(10**100), {"Observation.valueQuantity.value"}),
        (10**400, {"Observation.valueQuantity.value"}),
    ):
        body["valueQuantity"] = {"value": number}
        assert places(body) == wrong, "an integer where a decimal may stand has the same bounds"


@pytest.mark.parametrize("twice", [
    b'"subject":{"reference":"Patient/1"},"subject":{"reference":"Patient/2"}', b'"subject":{"reference":"Patient/1","reference":"Patient/2"}',
    rb'"subject":{"reference":"Patient/1","ref\u0065rence":"Patient/2","display":"\u003a"}',
])  # fmt: skip
def test_a_member_that_comes_twice_is_refused(twice: bytes) -> None:
    """Stored as it came, a reader that takes the first would see another patient than the one that was checked."""
    with pytest.raises(Incorrect) as refused:
        prepare(b'{"resourceType":"Observation","status":"final","code":{"text":"a: b"},' + twice + b"}")
    assert refused.value.code == "JSON_MEMBER_TWICE"


def test_nested_content_references() -> None:
    form = {
        "resourceType": "Questionnaire",
        "status": "draft",
        "item": [{"linkId": "1", "type": "group", "item": [{"type": "group"}]}],
    }
    assert places(form) == {"Questionnaire.item[0].item[0].linkId"}


def test_what_is_no_resource() -> None:
    for thing in (None, 1, "x", [], {}, {"resourceType": 1}, {"resourceType": "Nothing"}, {"resourceType": "Element"}):
        with pytest.raises(Incorrect):
            validate(thing)


def test_every_type_compiles() -> None:
    for name in definitions.resource_types():
        compile(source(name), name, "exec")
        assert places({"resourceType": name, "nonsense": 1}) >= {f"{name}.nonsense"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("2020-01-01"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_GOOD = [patient(), observation("Patient/1")]


@settings(max_examples=400, deadline=None)
@given(which=st.integers(0, 1), seed=st.integers(0, 2**32), thing=json_values)
def test_garbage_anywhere_is_refused_or_accepted_but_never_breaks(which: int, seed: int, thing: Any) -> None:
    """Put garbage in place of any value: the answer is a list of problems, and what is accepted is indexed."""
    resource = copy.deepcopy(_GOOD[which])
    chosen = random.Random(seed)
    node: Any = resource
    while True:
        key = chosen.choice(list(node)) if isinstance(node, dict) else chosen.randrange(len(node))
        if isinstance(node[key], dict | list) and node[key] and chosen.random() < 0.7:
            node = node[key]
            continue
        node[key] = thing
        break
    if find_problems(resource) == ():
        prepare(resource)
    else:
        with pytest.raises(Incorrect):
            prepare(resource)
