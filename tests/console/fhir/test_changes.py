"""What changed between two versions, element by element."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kiungo.console.fhir.changes import Change, changes

BEFORE = {"id": "1", "meta": {"versionId": "1"}, "name": [{"family": "A", "given": ["B", "C"]}], "active": True}
AFTER = {"id": "1", "meta": {"versionId": "2"}, "name": [{"family": "Z", "given": ["B"]}], "birthDate": "1984"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def test_each_element_is_told_once() -> None:
    assert changes(BEFORE, AFTER) == [
        Change("changed", "name[0].family", '"A"', '"Z"'),
        Change("added", "birthDate", "", '"1984"'),
        Change("removed", "name[0].given[1]", '"C"', ""),
        Change("removed", "active", "true", ""),
    ]


@given(values, values)
def test_nothing_changed_means_the_same_content_and_back_again_is_the_reverse(one: Any, other: Any) -> None:
    assert changes(one, one) == []
    there, back = changes(one, other), changes(other, one)
    assert {(c.path, c.before, c.after) for c in there} == {(c.path, c.after, c.before) for c in back}
