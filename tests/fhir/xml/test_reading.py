"""Documents that are wrong are refused with their line and column, and none makes the reader work hard."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir.xml import FHIR_XML_MALFORMED, FHIR_XML_WRONG, Place, from_xml, places_of

PATIENT = b'<Patient xmlns="http://hl7.org/fhir">%b</Patient>'
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><Patient xmlns="http://hl7.org/fhir"><id value="&c;"/></Patient>"""
OUTSIDE = b"""<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir">
<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">&x;</div></text></Patient>"""


@pytest.mark.parametrize("bomb", [LAUGHS, OUTSIDE, b'<!DOCTYPE p SYSTEM "http://example.org/p.dtd"><p/>'])
def test_a_document_type_declaration_is_refused_before_anything_is_expanded(bomb: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(Incorrect, match="document type declaration") as refused:
        from_xml(bomb)
    assert refused.value.code == FHIR_XML_MALFORMED
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("inside", "said", "field"),
    [
        (b'<active value="yes"/>', "neither true nor false", "Patient.active"),
        (b'<multipleBirthInteger value="1.0"/>', "not a whole number", "Patient.multipleBirthInteger"),
        (b"<active/>", "empty", "Patient.active"),
        (b'<birthDate value=""/>', "is empty", "Patient.birthDate"),
        (b"<name></name>", "empty", "Patient.name[0]"),
        (b'<nam><family value="x"/></nam>', "not an element of Patient", "Patient"),
        (b'<birthDate value="1984"/><active value="true"/>', "out of order", "Patient"),
        (b'<active value="true"/><active value="true"/>', "more than once", "Patient"),
        (b'<deceasedBoolean value="true"/><deceasedDateTime value="2020"/>', "more than once", "Patient"),
        (b'<name value="x"/>', "not an attribute", "Patient.name[0]"),
        (b'<name><family value="x" x="1"/></name>', "not an attribute", "Patient.name[0].family"),
        (b'<name id=""/>', "must not be empty", "Patient.name[0].id"),
        (b"words", "text between elements", "Patient"),
        (b"<contained><Nothing/></contained>", "not a resource", "Patient.contained[0]"),
        (b'<contained><Group><id value="1"/></Group><Group/></contained>', "second resource", "Patient.contained[0]"),
        (b"<contained></contained>", "empty", "Patient.contained[0]"),
        (b'<x:active xmlns:x="urn:x" value="true"/>', "not an element", "Patient"),
        (b'<text><status value="generated"/><div>x</div></text>', "not an element", "Patient.text"),
        (
            b'<text><div xmlns="http://www.w3.org/1999/xhtml"><x xmlns="urn:x"/></div></text>',
            "not an element of XHTML",
            "Patient.text.div",
        ),
    ],
)
def test_what_is_not_fhir_is_named(inside: bytes, said: str, field: str) -> None:
    with pytest.raises(Incorrect, match=said) as refused:
        from_xml(PATIENT % inside)
    assert (refused.value.code, refused.value.field) == (FHIR_XML_WRONG, field)
    assert refused.value.message.startswith("Line 1, column ")


def test_a_fault_has_its_line_and_column() -> None:
    with pytest.raises(Incorrect, match=r"^Line 3, column 5: <nam> .*") as refused:
        from_xml(PATIENT % b'\n  <active value="true"/>\n    <nam/>\n')
    assert refused.value.hint == "Did you mean name?"
    with pytest.raises(Incorrect, match=r"^Line 2, column 9: mismatched tag"):
        from_xml(PATIENT % b"\n<name></c>")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<a>",
        b"<Patient/>",
        b'<Nothing xmlns="http://hl7.org/fhir"/>',
        PATIENT % b"&nbsp;",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_resource_is_refused(body: bytes) -> None:
    with pytest.raises(Incorrect):
        from_xml(body)


def test_order_is_kept_unless_the_caller_does_not_mind() -> None:
    body = PATIENT % b'<birthDate value="1984"/><active value="true"/>'
    assert from_xml(body, in_order=False) == {"resourceType": "Patient", "birthDate": "1984", "active": True}
    with pytest.raises(Incorrect, match="more than once"):
        from_xml(PATIENT % b'<birthDate value="1984"/><active value="true"/><birthDate value="1985"/>', in_order=False)


def test_what_says_nothing_is_left_out() -> None:
    body = b"""<?xml version="1.0" encoding="UTF-8"?><!-- c --><?p i?>
    <f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
      xsi:schemaLocation="http://hl7.org/fhir ../fhir-all.xsd"><!-- c --><f:active value="true"/><?p i?></f:Patient>"""
    assert from_xml(body) == {"resourceType": "Patient", "active": True}
    assert from_xml(
        '<?xml version="1.0" encoding="UTF-16"?><Patient xmlns="http://hl7.org/fhir"/>'.encode("utf-16")
    ) == {"resourceType": "Patient"}


def test_elements_have_places() -> None:
    body = PATIENT % b'\n <name>\n  <given value="A"/>\n  <given value="B"/>\n </name>\n <birthDate value="1984"/>'
    places = places_of(body)
    assert places["Patient"] == Place(1, 1)
    assert places["Patient.name[0]"] == Place(2, 2)
    assert places["Patient.name[0].given[1]"] == Place(4, 3)
    assert places["Patient.birthDate"] == Place(6, 2)


def test_depth_has_a_limit() -> None:
    nested = PATIENT % (b'<extension url="u">' * 100 + b"</extension>" * 100)
    with pytest.raises(Incorrect, match="nest deeper"):
        from_xml(nested)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 250), st.binary(max_size=12))
@example(10, b'"')
def test_a_damaged_document_is_read_or_refused(position: int, damage: bytes) -> None:
    body = PATIENT % (
        b'<id value="1"/><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">x<br/></div></text>'
        b'<name><family value="B"/></name><birthDate value="1984"/>'
    )
    damaged = body[:position] + damage + body[position + len(damage) :]
    refusals: list[Incorrect] = []
    try:
        assert from_xml(damaged)["resourceType"] == "Patient"
    except Incorrect as refused:
        refusals.append(refused)
    assert all(refused.message.startswith("Line ") for refused in refusals)
