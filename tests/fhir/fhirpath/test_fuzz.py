"""Whatever is sent as an expression, the answer is a value or one of our errors, in bounded time."""

import string
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath import Limits, compile
from kiungo.fhir.fhirpath.errors import FHIRPATH_TOO_COSTLY
from kiungo.fhir.fhirpath.functions import FUNCTIONS
from kiungo.fhir.fhirpath.results import as_json, as_parts
from kiungo.kernel.json import dumps

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"family": "Otieno", "given": ["Amina", None], "_given": [None, {"id": "g"}]}, {"text": "A"}],
    "birthDate": "1980-02",
    "_birthDate": {"extension": [{"url": "urn:x", "valueQuantity": {"value": 3, "unit": "kg"}}]},
    "multipleBirthInteger": 2,
    "contained": [{"resourceType": "Organization", "id": "o1", "name": "Clinic"}],
    "managingOrganization": {"reference": "#o1"},
    "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"},
}
LIMITS = Limits(steps_max=50_000, time_max_s=1.0)

_NAMES = ["name", "given", "birthDate", "contained", "Patient", "extension", "value", "id", "none", "`name`"]
_TERMS = [
    *_NAMES,
    *(
        "1",
        "0",
        "2.50",
        "1.0e5",
        "'a'",
        "''",
        "'\\u0041'",
        "true",
        "{}",
        "$this",
        "$index",
        "$total",
        "%resource",
        "%none",
    ),
    *(
        "@2015",
        "@2015-02-03T10:30:00.5+02:00",
        "@T10:30",
        "4 days",
        "1 'mg'",
        "9 'a'",
        "99999999999999999999",
        "@0001-01-01",
    ),
    *(
        "now()",
        "today()",
        "'(a+)+$'",
        "'[0-9'",
        "String",
        "FHIR.Quantity",
        "0.00000000000000000000000000001",
        "@9999-12-31",
    ),
]
_OPERATORS = [
    "+",
    "-",
    "*",
    "/",
    "div",
    "mod",
    "&",
    "|",
    "=",
    "!=",
    "~",
    "!~",
    "<",
    "<=",
    ">",
    ">=",
    "and",
    "or",
    "xor",
]
_OPERATORS += ["implies", "in", "contains", "is", "as"]
_terms = st.sampled_from(_TERMS)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    calls = st.builds(
        lambda left, name, arguments: f"{left}.{name}({', '.join(arguments)})",
        inner,
        st.sampled_from(sorted(FUNCTIONS)),
        st.lists(inner, max_size=3),
    )
    return st.one_of(
        calls,
        st.builds(
            lambda left, operator, right: f"{left} {operator} {right}", inner, st.sampled_from(_OPERATORS), inner
        ),
        st.builds(lambda left, name: f"{left}.{name}", inner, st.sampled_from(_NAMES)),
        st.builds(lambda left, place: f"{left}[{place}]", inner, inner),
        st.builds(lambda sign, whole: f"{sign}({whole})", st.sampled_from(["", "-", "+"]), inner),
    )


def _outcome(text: str, resource: dict[str, Any] = PATIENT, *, strict: bool = False) -> str:
    """Evaluate and render; "" or the code of the error."""
    try:
        found = compile(text, type="Patient", strict=strict)(resource, limits=LIMITS)
        dumps([as_json(item) for item in found])
        dumps([as_parts(item) for item in found])
    except Incorrect as error:
        return error.code
    return ""


@settings(max_examples=250, deadline=None)
@given(st.recursive(_terms, _grown, max_leaves=7), st.booleans())
def test_every_expression_ends_in_a_value_or_an_error_of_ours(text: str, strict: bool) -> None:
    outcome = _outcome(text, strict=strict)
    assert outcome == "" or outcome.startswith("FHIRPATH_")


@settings(max_examples=200, deadline=None)
@given(st.text(string.printable, max_size=40) | st.text(max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    outcome = _outcome(text)
    assert outcome == "" or outcome.startswith("FHIRPATH_")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "given", "url", "value"]), inner)
    ),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["name", "_birthDate", "birthDate", "contained", "extension", "text"]), _json))
def test_a_resource_that_is_not_valid_gives_a_value_or_an_error_of_ours(body: dict[str, Any]) -> None:
    resource = {"resourceType": "Patient", **body}
    for text in (
        "descendants()",
        "name.given | birthDate.extension('u').value",
        "contained.resolve()",
        "text.htmlChecks()",
    ):
        outcome = _outcome(text, resource)
        assert outcome == "" or outcome.startswith("FHIRPATH_")


@pytest.mark.parametrize(
    "text",
    [
        f"'{'a' * 64}b'.matches('(a|a)*$|(a|aa)+$|(.*a){{20}}b$')",
        "'0123456789'.toChars().select($this" + ".replace('', '0123456789')" * 8 + ")",
        "repeatAll($this | 1)",
        "(1|2|3|4|5|6|7|8|9).select(10.power(9) * 10.power(9).toDecimal())" + ".select($this * $this)" * 12,
        "descendants()" + ".select(%resource.descendants())" * 5,
        "1 'Ym30.Ym30.Ym30.Ym30.Ym30.Ym30' * 1 'Ym30' = 1 'm'",
    ],
)
def test_bombs_are_defused(text: str) -> None:
    started_s = time.monotonic()
    outcome = _outcome(text)
    assert outcome in ("", FHIRPATH_TOO_COSTLY)
    assert time.monotonic() - started_s < 4
