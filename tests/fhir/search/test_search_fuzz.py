"""Garbage in the query is refused with a 400 and never anything else; what is understood also runs."""

# ruff: noqa: E501 - tables of cases, one a line

from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.search.explain import explain
from kiungo.fhir.search.grammar import MODIFIERS
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.select import run, scope_of
from kiungo.kernel.database import Database
from tests.fhir.conftest import Server

names = st.sampled_from(
    [
        *sorted(parameters_of("Observation")),
        "subject.name",
        "patient.birthdate",
        "_sort",
        "_include",
        "_count",
        "_has:Provenance:target:recorded",
        "_revinclude",
        *("_text", "_content", "_filter", "_list", "_explain", "_total", "_summary", "_elements"),
        *("subject._content", "subject:Patient._filter", "_has:List:item:_id", "subject.organization:missing"),
    ]
)
modifiers = st.sampled_from(["", *sorted({f":{m}" for found in MODIFIERS.values() for m in found}), ":Patient", ":x"])
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["2024-01-01", "ge2024", "sa2024-02-30", "5.4|http://x|mg", "gt1e400", "nan", "-0", "a|b", "|", "\\|", ",,", "Patient/1", "http://a/b", "true", "1e-400", "9999", "0001", "%", "_", "'; DROP", "ap1", "Observation:subject", "-date,_id", "999999999999", "a$b", "8867-4$gt5", "8867-4$", "$", "-code,subject", "*", "(a or b", "not a", '"x', "code eq 1 and (date gt 2020 or not (status eq final))", "subject.name co x", "date po 2020", "code ss http://x|y", "_id in x", "_lastUpdated po 2020", "value-quantity gt 5", "a\\,b", "ValueSet/x", "[", "x[y eq z].w pr true"]
)  # fmt: skip
pairs = st.lists(st.tuples(st.tuples(names, modifiers).map("".join) | texts, texts), max_size=4)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=pairs)
def test_any_query_is_answered_or_refused(database: Database, params: list[tuple[str, str]]) -> None:
    try:
        query = parse_query("Observation", params)
        database.read(lambda unit: run(unit, scope_of(unit, 1, "Observation"), query))
        database.read(lambda unit: explain(unit, scope_of(unit, 1, "Observation"), query))
    except Incorrect:
        pass


def test_garbage_over_http(server: Server) -> None:
    for path in (
        "/Patient?%00=1",
        "/Patient?name=%ff",
        "/Patient?" + "a=1&" * 300,
        "/Patient?_cursor=%25%25",
        "/Patient?birthdate=1e9",
        "/Patient?=x",
    ):
        answer = server.ask("GET", path)
        assert answer.status_code == 400, path
        assert answer.json()["resourceType"] == "OperationOutcome"


raw = st.lists(st.tuples(names | texts, texts), max_size=3).map(urlencode) | st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=" #"), max_size=60
)
places = st.sampled_from(
    ["/Observation", "/Patient", "/Location", "", "/Patient/p/Observation", "/Patient/p/*", "/_history"]
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=places, query=raw)
def test_no_query_string_is_a_fault(server: Server, place: str, query: str) -> None:
    answer = server.ask("GET", f"{place}?{query}")
    assert answer.status_code < 500, (place, query, answer.text)
    assert answer.status_code == 200 or answer.headers["content-type"].startswith("application/fhir+")
