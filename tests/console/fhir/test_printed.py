"""JSON as people read it: nothing in it is ever markup, and it is still the same JSON."""

import json
import re
from decimal import Decimal
from html import unescape
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kiungo.console.fhir.printed import name_of, printed

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", min_codepoint=32)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(min_codepoint=48, codec="ascii"), max_size=4), inner)
    ),
    max_leaves=8,
)


@given(values)
def test_without_its_tags_it_is_the_same_json(value: Any) -> None:
    shown = str(printed(value))
    bare = unescape(re.sub(r'</?(?:span|a)(?: class="[a-z]+")?(?: href="[^"<>]*")?>', "", shown))
    assert json.loads(bare, strict=False) == value


def test_text_is_never_markup_and_digits_stay() -> None:
    shown = printed({"a": '<script>"</script>', "value": Decimal("1.10")})
    assert "<script>" not in shown
    assert '<span class="number">1.10</span>' in shown


def test_only_references_to_known_types_are_links() -> None:
    shown = printed({"subject": {"reference": "Patient/1"}, "x": {"reference": "Nothing/1"}, "display": "Patient/1"})
    assert shown.count("<a ") == 1
    assert 'href="/console/fhir/Patient/1"' in shown


def test_a_short_name() -> None:
    assert name_of({"name": [{"given": ["Amina", "Zuri"], "family": "Mwangi"}]}) == "Amina Zuri Mwangi"
    assert name_of({"code": {"coding": [{"code": "8867-4", "display": "Heart rate"}]}}) == "Heart rate"
    assert name_of({"type": [{"text": "Visit"}]}) == "Visit"
    assert name_of({"class": {"code": "AMB"}}) == "AMB"
    assert name_of({"id": "1"}) == ""
    assert len(name_of({"title": "x" * 500})) == 80
