"""JSON Patch: the official cases, our own refusals, and that nothing happens by halves."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir.patch import json_patch
from kiungo.fhir.patch.errors import PATCH_MALFORMED, PATCH_NOT_APPLICABLE, PATCH_TEST_FAILED
from kiungo.kernel.json import dumps, loads
from tests.conformance.material import material


def test_official_cases() -> None:
    cases = json.loads((material("patch") / "json-patch-tests.json").read_text())
    wrong = []
    for case in cases:
        before = json.dumps(case["doc"])
        try:
            found = json_patch(case["doc"], case["patch"])
            if "error" in case or ("expected" in case and found != case["expected"]):
                wrong.append((case["comment"], found))
        except Incorrect as error:
            if "error" not in case:
                wrong.append((case["comment"], error.told))
        assert json.dumps(case["doc"]) == before
    assert len(cases) > 10
    assert wrong == []


def test_decimals_keep_their_digits() -> None:
    resource = loads(b'{"a":1.10,"b":[1]}')
    patched = json_patch(
        resource, loads(b'[{"op":"add","path":"/b/-","value":2.50},{"op":"test","path":"/a","value":1.1}]')
    )
    assert dumps(patched) == b'{"a":1.10,"b":[1,2.50]}'


@pytest.mark.parametrize(
    ("operation", "code", "said"),
    [
        ({"path": "/a"}, PATCH_MALFORMED, "no operation"),
        ({"op": "put", "path": "/a"}, PATCH_MALFORMED, "add, remove"),
        ({"op": "add", "path": "/z"}, PATCH_MALFORMED, "needs a value"),
        ({"op": "add", "path": "a", "value": 1}, PATCH_MALFORMED, "JSON Pointer"),
        ({"op": "add", "path": "/a~2", "value": 1}, PATCH_MALFORMED, "JSON Pointer"),
        ({"op": "move", "path": "/a"}, PATCH_MALFORMED, "needs from"),
        ("add", PATCH_MALFORMED, "is an object"),
        ({"op": "remove", "path": "/none"}, PATCH_NOT_APPLICABLE, "/none is not there"),
        ({"op": "replace", "path": "/none", "value": 1}, PATCH_NOT_APPLICABLE, "/none is not there"),
        ({"op": "add", "path": "/b/3", "value": 1}, PATCH_NOT_APPLICABLE, "beyond the end"),
        ({"op": "add", "path": "/b/01", "value": 1}, PATCH_NOT_APPLICABLE, "leading zeros"),
        ({"op": "remove", "path": "/b/-"}, PATCH_NOT_APPLICABLE, "no place in a list"),
        ({"op": "add", "path": "/a/x/y", "value": 1}, PATCH_NOT_APPLICABLE, "has no members"),
        ({"op": "move", "from": "/c", "path": "/c/d/e"}, PATCH_NOT_APPLICABLE, "into itself"),
        ({"op": "remove", "path": ""}, PATCH_NOT_APPLICABLE, "DELETE"),
        ({"op": "test", "path": "/a", "value": True}, PATCH_TEST_FAILED, "another value"),
        ({"op": "test", "path": "/b", "value": [1]}, PATCH_TEST_FAILED, "another value"),
    ],
)
def test_refusals_name_the_operation_and_the_way_out(operation: Any, code: str, said: str) -> None:
    resource = {"a": 1, "b": [1, 2], "c": {"d": {}}}
    first = {"op": "add", "path": "/n", "value": 1}
    with pytest.raises(Incorrect) as error:
        json_patch(resource, [first, operation])
    assert error.value.code == code
    assert said in error.value.told
    assert "operation[1]" in error.value.told
    assert "n" not in resource


def test_copies_cannot_swell_without_end() -> None:
    operations = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 60
    with pytest.raises(Incorrect) as error:
        json_patch({"a": [1, 2, 3]}, operations)
    assert error.value.code == PATCH_NOT_APPLICABLE
    with pytest.raises(Incorrect):
        json_patch({}, [{"op": "test", "path": "", "value": {}}] * 1001)
    with pytest.raises(Incorrect):
        json_patch({}, {"op": "add"})


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/~", max_size=3) | st.just(Decimal("1.10")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(_json, st.text("ab/~", max_size=3), _json)
def test_what_is_added_is_there_and_can_be_removed_again(value: Any, name: str, other: Any) -> None:
    resource = {"r": value}
    path = "/x" + name.replace("~", "~0").replace("/", "~1")
    added = json_patch(
        resource, [{"op": "add", "path": path, "value": other}, {"op": "test", "path": path, "value": other}]
    )
    assert json_patch(added, [{"op": "remove", "path": path}]) == resource
