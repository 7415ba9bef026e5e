"""What is written as XML is read again as it was: every type, every digit, every extension."""

import re
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir import definitions
from kiungo.fhir.xml import from_xml, to_xml
from kiungo.kernel import json
from tests.fhir.xml.made import DIV, made


def exact(thing: Any) -> bytes:
    """Equal and with the same digits: 1.10 is not 1.1."""
    return json.dumps(thing)


def ordered(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: ordered(value) for key, value in sorted(thing.items())}
    return [ordered(one) for one in thing] if isinstance(thing, list) else thing


@pytest.mark.parametrize("pretty", [False, True])
def test_every_type_comes_back(pretty: bool) -> None:
    for number, name in enumerate(definitions.resource_types()):
        resource = made(Random(number), name, fullness=0.8)
        assert exact(ordered(from_xml(to_xml(resource, pretty=pretty)))) == exact(ordered(resource)), name


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(("Patient", "Observation", "Bundle", "Parameters", "Questionnaire")))
def test_any_resource_comes_back(seed: int, name: str) -> None:
    resource = made(Random(seed), name)
    assert exact(ordered(from_xml(to_xml(resource)))) == exact(ordered(resource))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_comes_back_or_is_refused(text: str) -> None:
    resource = {"resourceType": "Patient", "name": [{"family": text}]}
    if re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text):
        with pytest.raises(Incorrect) as refused:
            to_xml(resource)
        assert refused.value.field == "Patient.name[0].family"
    else:
        assert from_xml(to_xml(resource)) == resource


def test_elements_stand_in_the_order_of_their_type() -> None:
    resource = {"resourceType": "Patient", "birthDate": "1984", "name": [{"given": ["A"], "family": "B"}], "id": "1"}
    assert to_xml(resource).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="1"/>'
        '<name><family value="B"/><given value="A"/></name><birthDate value="1984"/></Patient>'
    )


def test_extensions_of_values_and_missing_values_in_lists() -> None:
    beside = {"extension": [{"url": "urn:x", "valueBoolean": True}]}
    resource = {
        "resourceType": "Patient",
        "name": [{"given": [None, "James", "T"], "_given": [beside, None, {"id": "g"}]}],
    }
    assert from_xml(to_xml(resource)) == resource
    short = {"resourceType": "Patient", "name": [{"given": ["A", "B"], "_given": [{"id": "1"}]}]}
    assert from_xml(to_xml(short))["name"] == [{"given": ["A", "B"], "_given": [{"id": "1"}, None]}]


def test_a_narrative_is_parsed_and_never_pasted() -> None:
    def text(div: str) -> dict[str, Any]:
        return {"resourceType": "Patient", "text": {"status": "generated", "div": div}}

    assert from_xml(to_xml(text(DIV)))["text"]["div"] == DIV
    bare = "<div>a&nbsp;b &copy; <hr></hr><!-- c --></div>"
    assert from_xml(to_xml(text(bare)))["text"]["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml">a\u00a0b © <hr/></div>'
    )
    for wrong in (
        '</text><active value="true"/><text>',
        "<div></div><div></div>",
        "<p>not a div</p>",
        "<div><p></div>",
        '<!DOCTYPE div [<!ENTITY a "b">]><div>&a;</div>',
        '<div xmlns="http://hl7.org/fhir"/>',
        "<div>" * 300 + "</div>" * 300,
    ):
        with pytest.raises(Incorrect) as refused:
            to_xml(text(wrong))
        assert refused.value.field == "Patient.text.div"


@pytest.mark.parametrize(
    ("resource", "field"),
    [
        ({"resourceType": "Nothing"}, "resourceType"),
        ({"resourceType": "Patient", "nonsense": 1}, "Patient.nonsense"),
        ({"resourceType": "Patient", "name": {}}, "Patient.name"),
        ({"resourceType": "Patient", "active": {}}, "Patient.active"),
        ({"resourceType": "Patient", "birthDate": 1.5}, "Patient.birthDate"),
        ({"resourceType": "Patient", "contained": [{"resourceType": "x"}]}, "Patient.contained[0]"),
        ({"resourceType": "Patient", "extension": [{"url": "u", "_url": {"id": "x"}}]}, "Patient.extension[0]._url"),
        ({"resourceType": "Patient", "_active": {"id": "x", "value": "true"}}, "Patient.active.value"),
    ],
)
def test_what_has_no_form_in_xml_is_named(resource: dict[str, Any], field: str) -> None:
    with pytest.raises(Incorrect) as refused:
        to_xml(resource)
    assert refused.value.field == field


def test_numbers_keep_their_digits() -> None:
    quantity = {"value": Decimal("1.10"), "unit": "mg"}
    read = from_xml(to_xml({"resourceType": "Observation", "valueQuantity": quantity}))
    assert str(read["valueQuantity"]["value"]) == "1.10"
