"""Questions about the schema itself: the query every client sends, single types, and what would cost too much."""

import json
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, validate_schema

from kiungo.base.errors import Incorrect
from kiungo.fhir.graphql.document import read_question
from kiungo.fhir.graphql.introspection import introspected
from tests.fhir.conftest import Server, patient

HEADERS = {"Content-Type": "application/json"}


def ask(server: Server, query: str, **more: Any) -> Any:
    return server.ask("POST", "/$graphql", json.dumps({"query": query, **more}).encode(), headers=HEADERS)


def about(text: str, variables: dict[str, Any] | None = None) -> Any:
    question = read_question(text, None, variables or {})
    (field,) = question.fields(question.selections, "Query")
    return introspected(question, field)


def test_a_client_builds_its_schema_from_the_usual_question() -> None:
    built = build_client_schema({"__schema": about(get_introspection_query())})
    assert validate_schema(built) == []
    named = built.type_map
    assert {"Patient", "ObservationComponent", "HumanName", "PatientConnection"} <= named.keys()
    assert {"flatten", "first", "slice", "singleton"} <= {one.name for one in built.directives}
    assert {"family", "birthdate", "_count"} <= built.query_type.fields["PatientList"].args.keys()  # type: ignore[union-attr]


def test_one_type_and_names_over_http(server: Server) -> None:
    server.create(patient())
    asked = ask(
        server,
        "query($n: String!) { __typename t: __type(name: $n) { kind ...F } PatientList { __typename } "
        "PatientConnection { __typename edges { __typename } } } fragment F on __Type { fields { name } }",
        variables={"n": "Patient"},
    )
    data = asked.json()["data"]
    assert data["__typename"] == "Query"
    assert data["t"]["kind"] == "OBJECT"
    assert {"name", "_birthDate", "deceasedBoolean", "contact"} <= {one["name"] for one in data["t"]["fields"]}
    assert data["PatientList"][0]["__typename"] == "Patient"
    assert data["PatientConnection"] == {
        "__typename": "PatientConnection",
        "edges": [{"__typename": "PatientEdge"}],
    }
    assert ask(server, '{ __type(name: "Nothing") { name } }').json()["data"] == {"__type": None}
    assert ask(server, "{ __schema { nothing } }").status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { types { fields { type { fields { name } } } } } }",
        "{ __schema { a: types { name } b: types { name } } }",
        "{ __schema { types { a: fields { name } b: fields { name } c: fields { name } } } }",
        "{ __schema { ...A } } fragment A on __Schema { ...A }",
        "{ __schema { ...A0 } } "
        + " ".join(f"fragment A{n} on __Schema {{ ...A{n + 1} ...A{n + 1} }}" for n in range(25))
        + " fragment A25 on __Schema { __typename }",
        '{ __type(name: "Patient") { fields { type { possibleTypes { name } } } } }',
    ],
)
def test_the_schema_squared_is_too_costly(text: str) -> None:
    with pytest.raises(Incorrect) as refused:
        about(text)
    assert refused.value.code == "GRAPHQL_TOO_COSTLY"


def test_lists_that_are_too_many_together_are_refused_before_the_first_is_read(server: Server) -> None:
    lists = " ".join(f"l{number}: PatientList(_count: 1000) {{ id }}" for number in range(60))
    refused = ask(server, f"{{ {lists} }}")
    assert refused.status_code == 422
    assert "5000 resources" in refused.json()["errors"][0]["message"]
    few = " ".join(f"l{number}: PatientList(_count: 1000) {{ id }}" for number in range(5))
    assert ask(server, f"{{ {few} }}").status_code == 200
