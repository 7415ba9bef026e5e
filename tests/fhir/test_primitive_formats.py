"""Every primitive type at its limits, in JSON and in XML: what is taken comes back with the same characters."""

# ruff: noqa: E501 - tables of cases, one type a line

from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.validation import find_problems
from kiungo.fhir.validation.primitives import CHECKS, INLINE, TEXT_MAX, problem
from kiungo.fhir.xml import from_xml, to_xml
from kiungo.kernel import json

# Raw JSON, so that numbers keep their digits. Source: FHIR R4 2.24.0.1.
RIGHT: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "false"),
    "integer": ("0", "-2147483648", "2147483647"),
    "positiveInt": ("1", "2147483647"),
    "unsignedInt": ("0", "2147483647"),
    "decimal": ("0", "1.00", "-0.010", "1E-7", "1.0E+2", "0E-10", "123456789.1234567890123456789", "99999999999999999999"),
    "string": ('"a"', '" a "', '"a\\tb\\r\\nc"', '"\\u00e9\\ud83d\\ude00"', '"' + "a" * TEXT_MAX + '"'),
    "markdown": ('"# a\\n\\n* b"', '"' + "a" * TEXT_MAX + '"'),
    "code": ('"a"', '"a b"', '"<="'),
    "id": ('"a"', '"A-1.b"', '"' + "a" * 64 + '"'),
    "uri": ('"a"', '"urn:oid:1.2.0"', '"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"', '"http://a/b?c=d#e"'),
    "url": ('"http://a/b"', '"mailto:a@b.example"'),
    "canonical": ('"http://a/b|1.0"', '"urn:oid:1.2.3|4"', '"#a"'),
    "oid": ('"urn:oid:0.9.2342"', '"urn:oid:2.16.840.1.113883"'),
    "uuid": ('"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"',),
    "date": ('"2024"', '"2024-02"', '"2024-02-29"', '"0001-01-01"'),
    "dateTime": ('"2024"', '"2024-02"', '"2024-02-29"', '"2016-12-31T23:59:60Z"', '"2024-01-01T10:00:00.1234567890+14:00"'),
    "instant": ('"2024-01-01T10:00:00Z"', '"2016-12-31T23:59:60.5Z"', '"2024-01-01T10:00:00.000-13:59"'),
    "time": ('"10:00:00"', '"23:59:60"', '"00:00:00.120"'),
    "base64Binary": ('"QUJD"', '"QUI="', '"QQ=="', '"QUJD\\nQUJD\\r\\n"', '" QUJD"'),
}  # fmt: skip
WRONG: dict[str, tuple[str, ...]] = {
    "boolean": ('"true"', "1", "0"),
    "integer": ("2147483648", "-2147483649", "1.0", "1e2", '"1"', "true"),
    "positiveInt": ("0", "-1", "2147483648", "1.5"),
    "unsignedInt": ("-1", "2147483648", "0.0"),
    "decimal": ('"1"', "true"),
    "string": ('""', "1", '"\\u0001"', '"' + "a" * (TEXT_MAX + 1) + '"'),
    "markdown": ('""', "true", '"' + "a" * (TEXT_MAX + 1) + '"'),
    "code": ('""', '" a"', '"a "', '"a  b"', '"\\ta"'),
    "id": ('""', '"a_b"', '"\\u00e9"', '"' + "a" * 65 + '"'),
    "uri": ('""', '"a b"', '"urn:uuid:1"', '"urn:oid:a"', '"urn:oid:1.02"'),
    "url": ('""', '"http://a b"'),
    "canonical": ('""', '"a b|1"'),
    "oid": ('"1.2.3"', '"urn:oid:3.1"', '"urn:oid:1"', '"urn:oid:1.01"'),
    "uuid": ('"c757873d-ec9a-4326-a141-556f43239520"', '"urn:uuid:C757873D-EC9A-4326-A141-556F43239520"'),
    "date": ('"0000"', '"24-01-01"', '"2023-02-29"', '"2024-13"', '"2024-04-31"', '"2024-01-01T00:00:00Z"'),
    "dateTime": ('"2024-01-01T10:00Z"', '"2024-01-01T10:00:00"', '"2024-01-01T24:00:00Z"', '"2024-01-01T10:00:00+14:01"', '"2024-01-01 10:00:00Z"'),
    "instant": ('"2024"', '"2024-01-01"', '"2024-01-01T10:00:00"', '"2024-01-01T10:00Z"'),
    "time": ('"10:00"', '"24:00:00"', '"10:00:00Z"', '"10:00:61"'),
    "base64Binary": ('""', '" "', '"QUI"', '"Q==="', '"QQ=A"', '"QU*D"', '"="'),
}  # fmt: skip


def held(kind: str, text: str) -> dict[str, Any]:
    """An extension may have a value of any primitive type."""
    name = "value" + kind[0].upper() + kind[1:]
    return {"resourceType": "Basic", "code": {"text": "x"}, "extension": [{"url": "http://a", name: json.loads(text)}]}


def rows(table: dict[str, tuple[str, ...]]) -> list[Any]:
    return [pytest.param(kind, text, id=f"{kind}-{text[:24]}") for kind, texts in table.items() for text in texts]


def test_the_tables_have_every_primitive() -> None:
    assert set(RIGHT) == set(WRONG) == set(CHECKS) - {"xhtml"}
    assert set(INLINE) <= set(CHECKS)


@pytest.mark.parametrize(("kind", "text"), rows(RIGHT))
def test_what_is_right_is_taken_and_comes_back(kind: str, text: str) -> None:
    resource = held(kind, text)
    assert problem(kind, json.loads(text)) is None
    assert not find_problems(resource)
    back = from_xml(to_xml(resource))
    assert json.dumps(back["extension"]) == json.dumps(resource["extension"])
    assert json.dumps(json.loads(json.dumps(back))) == json.dumps(back)


@pytest.mark.parametrize(("kind", "text"), rows(WRONG))
def test_what_is_wrong_is_refused_where_it_stands(kind: str, text: str) -> None:
    (found,) = find_problems(held(kind, text))
    assert found.field == "Basic.extension[0].value" + kind[0].upper() + kind[1:]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", "1"),
        ("boolean", ""),
        ("integer", "1.0"),
        ("integer", "01"),
        ("integer", ""),
        ("integer", "2147483648"),
        ("positiveInt", "0"),
        ("unsignedInt", "-1"),
        ("decimal", "1."),
        ("decimal", ".5"),
        ("decimal", "01"),
        ("decimal", "NaN"),
        ("decimal", "1E+400"),
        ("string", ""),
        ("code", "a  b"),
        ("dateTime", "2024-01-01T10:00:00"),
        ("base64Binary", " "),
    ],
)
def test_xml_refuses_the_same(kind: str, value: str) -> None:
    name = "value" + kind[0].upper() + kind[1:]
    body = f'<Basic xmlns="http://hl7.org/fhir"><extension url="http://a"><{name} value="{value}"/></extension></Basic>'
    try:
        read = from_xml(body.encode())
    except Incorrect:
        return
    assert f"Basic.extension[0].{name}" in {p.field for p in find_problems(read)}


SAID = {"extension": [{"url": "http://a", "valueString": "x"}]}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ({"given": ["a", None, "b"], "_given": [None, SAID, {"id": "i", **SAID}]}, True),
        ({"_given": [SAID]}, True),
        ({"_family": {"id": "f", **SAID}}, True),
        ({"family": "a", "_family": SAID}, True),
        ({"given": ["a", None]}, False),
        ({"given": [None], "_given": [None]}, False),
        ({"given": ["a", None], "_given": [SAID]}, False),
        ({"given": ["a"], "_given": [SAID, None]}, False),
        ({"given": [], "_given": [SAID]}, False),
        ({"_given": []}, False),
        ({"_given": [{}]}, False),
        ({"_given": SAID}, False),
        ({"_family": {}}, False),
        ({"_family": [SAID]}, False),
        ({"_family": {"extension": []}}, False),
        ({"_family": None, "family": "a"}, False),
        ({"family": None}, False),
        ({"family": {}}, False),
        ({"family": ["a"]}, False),
        ({"given": [["a"]]}, False),
    ],
)
def test_values_and_what_stands_beside_them(name: dict[str, Any], right: bool) -> None:
    resource = {"resourceType": "Patient", "name": [name]}
    assert (not find_problems(resource)) is right
    if right:
        assert from_xml(to_xml(resource)) == resource


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"given": ["a", "b"], "_given": [SAID]}, {"given": ["a", "b"], "_given": [SAID, None]}),
        ({"given": ["a"], "_given": [None, SAID]}, {"given": ["a", None], "_given": [None, SAID]}),
    ],
)
def test_the_shorter_of_two_lists_goes_on_with_null(written: dict[str, Any], meant: dict[str, Any]) -> None:
    resource = {"resourceType": "Patient", "name": [written]}
    assert find_problems(resource) == ()
    assert from_xml(to_xml(resource)) == {"resourceType": "Patient", "name": [meant]}
