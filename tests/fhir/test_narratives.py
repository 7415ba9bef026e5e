"""A narrative that XML could not show is refused before it is kept; `$validate` also asks for its namespace."""

import pytest

from kiungo.fhir.validation import find_problems
from kiungo.fhir.validation.primitives import problem
from tests.fhir.conftest import Server, patient

OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<p>one", "mismatched tag"),
        ("<p>one</div></p>", "mismatched tag"),
        ("a & b", "not well-formed"),
        ("a &nothing; b", "undefined entity"),
        ("<o:p>one</o:p>", "unbound prefix"),
        ("one</div><div>two", "junk after document element"),
        ("<p a='1' a='2'>one</p>", "duplicate attribute"),
        ("\x0bone", "not well-formed"),
    ],
)
def test_what_is_not_well_formed_is_refused(inside: str, said: str) -> None:
    (found,) = find_problems(
        {"resourceType": "Patient", "text": {"status": "generated", "div": f"{OPEN}{inside}</div>"}}
    )
    assert found.field == "Patient.text.div"
    assert said in found.message


def test_a_document_type_is_refused() -> None:
    bomb = '<div><!DOCTYPE d [<!ENTITY a "b">]>&a;</div>'
    assert "document type" in str(problem("xhtml", bomb))


@pytest.mark.parametrize("inside", ["a &amp; b&nbsp;&eacute;&#233;", "<br/>", "<p>a<!-- b --></p>", " <b>x</b>\n"])
def test_what_is_well_formed_is_taken(inside: str) -> None:
    assert problem("xhtml", f"{OPEN}{inside}</div>") is None
    assert problem("xhtml", f"<div>{inside}</div>") is None


def test_what_was_taken_can_be_shown_as_xml(server: Server) -> None:
    broken = patient(text={"status": "generated", "div": "<div><p>one</div>"})
    refused = server.ask("POST", "/Patient", broken)
    assert refused.status_code in (400, 422)
    assert refused.json()["issue"][0]["expression"] == ["Patient.text.div"]
    plain = patient(text={"status": "generated", "div": "<div>one&nbsp;two</div>"})
    kept = server.create(plain)
    assert "one\u00a0two" in server.ask("GET", f"/Patient/{kept['id']}?_format=xml").text
    told = server.ask("POST", "/Patient/$validate", plain).json()["issue"]
    assert any("namespace of XHTML" in one["diagnostics"] for one in told)
