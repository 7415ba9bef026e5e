"""GraphQL over HTTP: fields, lists, references, searches, directives, limits and rights."""

import json
from typing import Any

import pytest

from tests.fhir.conftest import Server, observation, patient

NAMES = [
    {"use": "official", "family": "Mwangi", "given": ["Amina", "Zuri"]},
    {"use": "usual", "given": ["Ami"]},
    {"use": "old", "family": "Otieno"},
]


@pytest.fixture
def record(server: Server) -> tuple[Server, str]:
    doctor = server.create({"resourceType": "Practitioner", "name": [{"family": "Kimani"}]})["id"]
    body = patient(name=NAMES, generalPractitioner=[{"reference": f"Practitioner/{doctor}"}], deceasedBoolean=False)
    one = server.create(body)["id"]
    for when in ("2024-01-01", "2025-01-01"):
        server.create(observation(f"Patient/{one}", when=when))
    return server, one


def ask(server: Server, path: str, query: str, key: str | None = None, **more: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    return server.ask("POST", path, json.dumps({"query": query, **more}).encode(), headers=headers, key=key)


def data(server: Server, path: str, query: str, **more: Any) -> Any:
    answer = ask(server, path, query, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_fields_and_lists(record: tuple[Server, str]) -> None:
    server, one = record
    at = f"/Patient/{one}/$graphql"
    assert data(server, at, "{ id gender deceased multipleBirthInteger name { family given } }") == {
        "id": one,
        "gender": "female",
        "deceased": False,
        "multipleBirthInteger": None,
        "name": [
            {"family": "Mwangi", "given": ["Amina", "Zuri"]},
            {"family": None, "given": ["Ami"]},
            {"family": "Otieno", "given": []},
        ],
    }
    assert data(server, at, "{ n: name(use: usual) { given } }") == {"n": [{"given": ["Ami"]}]}
    assert data(server, at, '{ name(fhirpath: "family.exists()", _offset: 1) { use } }') == {"name": [{"use": "old"}]}
    assert data(server, at, "{ name(_count: 1) { use } }") == {"name": [{"use": "official"}]}
    by_address = server.ask("GET", f"{at}?query=%7Bid%7D")
    assert by_address.json() == {"data": {"id": one}}


def test_directives(record: tuple[Server, str]) -> None:
    server, one = record
    at = f"/Patient/{one}/$graphql"
    assert data(server, at, "{ name @first { given } }") == {"name": {"given": ["Amina", "Zuri"]}}
    assert data(server, at, "{ name @flatten { given family } }") == {
        "given": ["Amina", "Zuri", "Ami"],
        "family": ["Mwangi", "Otieno"],
    }
    assert data(server, at, "{ name @flatten @first { given @first family } }") == {
        "given": "Amina",
        "family": "Mwangi",
    }
    single = ask(server, at, "{ name @flatten { family @singleton } }")
    assert (single.status_code, "singleton" in single.text) == (400, True)
    assert data(server, at, '{ name @flatten @slice(path: "use") { given } }') == {
        "given.official": ["Amina", "Zuri"],
        "given.usual": ["Ami"],
        "given.old": [],
    }
    assert data(server, at, '{ name @slice(path: "$index") { use } }')["name.2"] == [{"use": "old"}]
    skipped = "query q($no: Boolean) { id gender @skip(if: $no) }"
    assert data(server, at, skipped, variables={"no": True}) == {"id": one}
    assert data(server, at, skipped, variables={"no": False}) == {"id": one, "gender": "female"}


def test_references_and_searches(record: tuple[Server, str]) -> None:
    server, one = record
    at = f"/Patient/{one}/$graphql"
    doctors = data(server, at, "{ generalPractitioner { resource { ...on Practitioner { name { family } } } } }")
    assert doctors == {"generalPractitioner": [{"resource": {"name": [{"family": "Kimani"}]}}]}
    none = data(server, at, "{ generalPractitioner { resource(type: Organization) { id } } }")
    assert none == {"generalPractitioner": [{"resource": None}]}
    found = data(server, at, '{ ObservationList(_reference: patient, _sort: "-date") { effectiveDateTime } }')
    assert [o["effectiveDateTime"] for o in found["ObservationList"]] == ["2025-01-01", "2024-01-01"]

    query = """query find($id: ID!, $family: String = "Mwangi") {
        Patient(id: $id) { ...names }
        PatientList(family: $family) { id }
        ObservationConnection(patient: $id, _count: 1) { count pagesize next edges { mode resource { id subject {
            resource(optional: true) { ...names } } } } }
    } fragment names on Patient { resourceType name(use: official) { family } }"""
    answer = data(server, "/$graphql", query, variables={"id": one})
    named = {"resourceType": "Patient", "name": [{"family": "Mwangi"}]}
    assert (answer["Patient"], answer["PatientList"]) == (named, [{"id": one}])
    connection = answer["ObservationConnection"]
    assert (connection["count"], connection["pagesize"], len(connection["edges"])) == (2, 1, 1)
    assert connection["edges"][0]["resource"]["subject"]["resource"] == named
    more = """query($id: ID, $c: String) { ObservationConnection(patient: $id, _count: 1, _cursor: $c) {
        count next edges { resource { id } } } }"""
    second = data(server, "/$graphql", more, variables={"id": one, "c": connection["next"]})["ObservationConnection"]
    assert second["edges"][0]["resource"]["id"] != connection["edges"][0]["resource"]["id"]
    assert second["next"] is None


WRONG = [
    ("{", "line 1"),
    ("mutation { id }", "Only queries"),
    ("{ id { x } }", "no parts"),
    ("{ name }", "none is selected"),
    ("{ nme }", "no element nme"),
    ("{ name(colour: red) { use } }", "colour"),
    ("{ ...none }", "no fragment"),
    ("{ ...a } fragment a on Patient { ...a }", "circle"),
    ("{ id @nothing }", "@nothing"),
    ("query q($x: ID!) { ObservationList(patient: $x) { id } }", "no value"),
]


@pytest.mark.parametrize(("query", "problem"), WRONG)
def test_what_is_wrong_is_said(record_once: tuple[Server, str], query: str, problem: str) -> None:
    server, one = record_once
    answer = ask(server, f"/Patient/{one}/$graphql", query)
    assert answer.status_code == 400, answer.text
    told = answer.json()["errors"][0]
    assert problem in json.dumps(told)
    assert told["extensions"]["resource"]["resourceType"] == "OperationOutcome"


@pytest.fixture
def record_once(server: Server) -> tuple[Server, str]:
    return server, server.create(patient(name=NAMES))["id"]


def test_limits(record: tuple[Server, str]) -> None:
    server, one = record
    deep = "{ ObservationList(patient: $x) { subject { resource { ... on Patient %s } } } }"
    query = "{ id }"
    for _ in range(8):
        query = (deep % query).replace("$x", f'"{one}"')
    answer = ask(server, "/$graphql", query)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (422, "GRAPHQL_TOO_COSTLY")
    many = "{ " + " ".join(f"a{n}: PatientList {{ id }}" for n in range(70)) + " }"
    assert ask(server, "/$graphql", many).status_code == 422
    tokens = "{ " + "id " * 5_000 + "}"
    assert ask(server, "/$graphql", tokens).status_code == 400


def test_a_question_sees_what_its_caller_may_read(record: tuple[Server, str]) -> None:
    server, one = record
    other = server.create(patient())["id"]
    bound = server.new_key("system/*.rs", bindings={"patient": other})
    assert ask(server, f"/Patient/{one}/$graphql", "{ id }", key=bound).status_code == 403
    assert ask(server, "/$graphql", "{ PatientList { id } }", key=bound).json()["data"] == {
        "PatientList": [{"id": other}]
    }
    assert ask(server, "/$graphql", f'{{ ObservationList(patient: "{one}") {{ id }} }}', key=bound).json()["data"] == {
        "ObservationList": []
    }
    narrow = server.new_key("system/Patient.rs")
    follow = "{ generalPractitioner { resource { id } } }"
    assert ask(server, f"/Patient/{one}/$graphql", follow, key=narrow).status_code == 403
    optional = "{ generalPractitioner { resource(optional: true) { id } } }"
    assert ask(server, f"/Patient/{one}/$graphql", optional, key=narrow).status_code == 200
    assert ask(server, "/$graphql", "{ ObservationList { id } }", key=narrow).status_code == 403
