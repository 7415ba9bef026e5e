"""`:in`, `:not-in`, `:above` and `:below` against value sets and code systems that are stored here."""

from typing import Any

import pytest

from tests.fhir.conftest import Server, observation

SYSTEM = "http://example.org/findings"


@pytest.fixture
def coded(server: Server) -> Server:
    """A small hierarchy, a value set of a part of it, and observations with its codes."""

    def concept(code: str, *children: dict[str, Any]) -> dict[str, Any]:
        return {"code": code, "display": code.title(), **({"concept": list(children)} if children else {})}

    system = {
        "resourceType": "CodeSystem",
        "id": "findings",
        "url": SYSTEM,
        "status": "active",
        "content": "complete",
        "hierarchyMeaning": "is-a",
        "concept": [concept("pain", concept("headache", concept("migraine")), concept("backache")), concept("fever")],
    }
    included = [{"system": SYSTEM, "filter": [{"property": "concept", "op": "is-a", "value": "headache"}]}]
    value_set = {
        "resourceType": "ValueSet",
        "id": "head",
        "url": "http://example.org/vs/head",
        "status": "active",
        "compose": {"include": included},
    }
    for resource in (system, value_set):
        assert server.ask("PUT", f"/{resource['resourceType']}/{resource['id']}", resource).status_code == 201
    for code in ("pain", "headache", "migraine", "backache", "fever"):
        body = observation("Patient/p", id=code)
        body["code"] = {"coding": [{"system": SYSTEM, "code": code}]}
        server.ask("PUT", f"/Observation/{code}", body)
    other = observation("Patient/p", id="other")
    other["code"] = {"coding": [{"system": "http://other", "code": "migraine"}]}
    server.ask("PUT", "/Observation/other", other)
    return server


CASES = [
    ("code:in=http://example.org/vs/head", {"headache", "migraine"}),
    ("code:in=ValueSet/head", {"headache", "migraine"}),
    ("code:not-in=http://example.org/vs/head", {"pain", "backache", "fever", "other"}),
    ("code:not-in=http://example.org/vs/head&patient=p", {"pain", "backache", "fever", "other"}),
    (f"code:below={SYSTEM}|headache", {"headache", "migraine"}),
    (f"code:below={SYSTEM}|pain", {"pain", "headache", "migraine", "backache"}),
    (f"code:above={SYSTEM}|migraine", {"migraine", "headache", "pain"}),
    (f"code:below={SYSTEM}|backache,{SYSTEM}|fever", {"backache", "fever"}),
    ("_filter=code%20in%20http://example.org/vs/head", {"headache", "migraine"}),
    ("_filter=code%20ni%20http://example.org/vs/head%20and%20_id%20ne%20other", {"pain", "backache", "fever"}),
    (f"_filter=code%20ss%20{SYSTEM}|headache", {"headache", "migraine"}),
]


def test_cases(coded: Server) -> None:
    for query, wanted in CASES:
        assert set(coded.search_ids(f"/Observation?{query}")) == wanted, query
    has = "/Patient?_has:Observation:patient:code:in=http://example.org/vs/head"
    assert coded.search_ids(has) == [], "the observations' patient is not here"


def test_what_is_not_known_is_said(coded: Server) -> None:
    for query in ("code:in=http://example.org/vs/none", "code:in=ValueSet/none", "code:below=pain", "code:above=x|y"):
        answer = coded.ask("GET", f"/Observation?{query}")
        assert answer.status_code in (400, 404), (query, answer.text)
        assert answer.json()["resourceType"] == "OperationOutcome"
