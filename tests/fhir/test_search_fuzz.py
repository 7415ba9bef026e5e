"""Garbage in the query is refused with a 400 and never anything else; what is understood also runs."""

# ruff: noqa: E501 - tables of cases, one a line

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.fhir.search.matching import Scope
from kiungo.fhir.search.parameters import parameters_of
from kiungo.fhir.search.grammar import MODIFIERS
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.select import run
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
    ]
)
modifiers = st.sampled_from(["", *sorted({f":{m}" for found in MODIFIERS.values() for m in found}), ":Patient", ":x"])
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["2024-01-01", "ge2024", "sa2024-02-30", "5.4|http://x|mg", "gt1e400", "nan", "-0", "a|b", "|", "\\|", ",,", "Patient/1", "http://a/b", "true", "1e-400", "9999", "0001", "%", "_", "'; DROP", "ap1", "Observation:subject", "-date,_id", "999999999999"]
)  # fmt: skip
pairs = st.lists(st.tuples(st.tuples(names, modifiers).map("".join) | texts, texts), max_size=4)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=pairs)
def test_any_query_is_answered_or_refused(database: Database, params: list[tuple[str, str]]) -> None:
    try:
        query = parse_query("Observation", params)
        database.read(lambda unit: run(unit, Scope(1, "Observation", unit.engine, unit.now_us), query))
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
