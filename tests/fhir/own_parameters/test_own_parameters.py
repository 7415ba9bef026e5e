"""A tenant's own search parameters: added as data, indexed by a job that can be stopped, honest while that runs."""

from collections.abc import Mapping
from typing import Any

import pytest

from kiungo.fhir.indexing import index_rows
from kiungo.fhir.own_parameters import reindexing
from kiungo.fhir.own_parameters.register import JOB, OwnParameters, read_known, walk_name
from kiungo.kernel.jobs import Job
from tests.fhir.conftest import Server, patient

RANK = "http://example.org/rank"


def parameter(code: str, kind: str, expression: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": f"http://example.org/SearchParameter/{code}",
        "name": code,
        "status": "active",
        "description": "An own parameter",
        "code": code,
        "base": ["Patient"],
        "type": kind,
        "expression": expression,
        **more,
    }


def ranked(logical_id: str, rank: int, **more: Any) -> dict[str, Any]:
    return patient(id=logical_id, extension=[{"url": RANK, "valueInteger": rank}], **more)


OWN = [
    parameter("rank", "number", f"Patient.extension('{RANK}').value"),
    parameter("nick", "token", "Patient.name.where(use = 'nickname').given.first()"),
    parameter("kin", "reference", "Patient.link.other", target=["Patient"]),
    parameter("called", "string", "Patient.name.given"),
    parameter("birthyear", "date", "Patient.birthDate"),
    parameter("is-adult", "token", "Patient.birthDate < @2000-01-01"),
]


def put(server: Server, resource: Mapping[str, Any], status: int = 201) -> dict[str, Any]:
    answer = server.ask("PUT", f"/{resource['resourceType']}/{resource['id']}", resource)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def numbers(server: Server) -> list[int]:
    rows = server.database.read(lambda unit: unit.rows("SELECT k FROM fhir_parameter WHERE tn = 1 ORDER BY k"))
    return [row[0] for row in rows]


def index_all(server: Server) -> None:
    for number in numbers(server):
        while not server.database.write(lambda unit, n=number: reindexing.walk(unit, 1, walk_name(n))):
            pass
    server.store.repository.own.forget(1)


@pytest.fixture
def own(server: Server) -> Server:
    """Three patients from before, then the parameters, indexed."""
    for n in (1, 2):
        put(server, ranked(f"p{n}", n, link=[{"other": {"reference": "Patient/p3"}, "type": "seealso"}]))
    put(server, patient(id="p3", name=[{"use": "nickname", "given": ["Bo"]}], birthDate="2010-01-01"))
    for resource in OWN:
        put(server, resource)
    return server


def test_what_was_there_and_what_comes_is_found(own: Server) -> None:
    index_all(own)
    put(own, ranked("p4", 4, name=[{"use": "nickname", "given": ["Al"]}]))
    cases = [
        ("rank=1", {"p1"}),
        ("rank=ge2", {"p2", "p4"}),
        ("rank:missing=true", {"p3"}),
        ("nick=Bo", {"p3"}),
        ("nick:not=Bo", {"p1", "p2", "p4"}),
        ("kin=Patient/p3", {"p1", "p2"}),
        ("kin=p3&rank=2", {"p2"}),
        ("kin.nick=Bo", {"p1", "p2"}),
        ("_has:Patient:kin:rank=1", {"p3"}),
        ("called=ami", {"p1", "p2"}),
        ("called:exact=Bo", {"p3"}),
        ("birthyear=1984", {"p1", "p2", "p4"}),
        ("is-adult=false", {"p3"}),
        ("_filter=rank%20lt%202%20or%20nick%20eq%20Al", {"p1", "p4"}),
    ]
    for query, wanted in cases:
        assert set(own.search_ids(f"/Patient?{query}&_count=2")) == wanted, query
    assert own.search_ids("/Patient?_sort=-rank&rank:missing=false") == ["p4", "p2", "p1"]
    assert own.search_ids("/Patient?_sort=nick,rank") == ["p4", "p3", "p1", "p2"]
    page = own.ask("GET", "/Patient?_id=p1&_include=Patient:kin").json()
    assert {entry["resource"]["id"] for entry in page["entry"]} == {"p1", "p3"}
    put(own, patient(id="p4"), 200)
    assert own.search_ids("/Patient?rank=4") == []
    own.ask("DELETE", "/Patient/p1")
    assert own.search_ids("/Patient?rank=1") == []


def test_while_it_is_built_it_never_finds_too_much(own: Server) -> None:
    page = own.ask("GET", "/Patient?rank=1").json()
    assert [entry["search"]["mode"] for entry in page["entry"]] == ["outcome"]
    assert "rank (0 %)" in page["entry"][0]["resource"]["issue"][0]["diagnostics"]
    for query in ("rank:missing=true", "nick:not=Bo", "_filter=not%20(rank%20eq%201)"):
        answer = own.ask("GET", f"/Patient?{query}")
        assert (answer.status_code, "still being built" in answer.text) == (503, True), query
        assert "retry-after" in answer.headers
    made = own.ask("POST", "/Patient", patient(), headers={"If-None-Exist": "rank=1"})
    assert made.status_code == 503, "a condition that could miss its match would make a duplicate"
    put(own, ranked("p5", 5))
    assert own.search_ids("/Patient?rank=5") == ["p5"], "what is written meanwhile is indexed at once"
    index_all(own)
    assert own.search_ids("/Patient?rank:missing=true") == ["p3"]


def test_a_walk_goes_on_where_it_was_stopped(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindexing, "CHUNK_RIDS", 2)
    name = walk_name(numbers(own)[0])
    assert own.database.write(lambda unit: reindexing.walk(unit, 1, name)) is False
    position = own.database.read(lambda unit: unit.value("SELECT position FROM fhir_reindex WHERE name = ?", (name,)))
    assert position == 2

    def dies(unit: Any) -> None:
        reindexing.walk(unit, 1, name)
        raise RuntimeError("the process ends before the commit")

    with pytest.raises(RuntimeError):
        own.database.write(dies)
    again = own.database.read(lambda unit: unit.value("SELECT position FROM fhir_reindex WHERE name = ?", (name,)))
    assert again == 2
    job = Job(1, 1, JOB, None, "default", {"walk": name}, 1, 12, 0, None, 1)
    handler: Any = reindexing.jobs(own.database, OwnParameters())[JOB]
    assert handler(job) is None
    own.store.repository.own.forget(1)
    assert set(own.search_ids("/Patient?rank=ge1")) == {"p1", "p2"}
    state = own.database.read(lambda unit: unit.value("SELECT state FROM fhir_parameter ORDER BY k LIMIT 1"))
    assert state == "ready"
    assert handler(job) is None, "a repeat does nothing"


def test_changing_and_deleting_a_parameter(own: Server) -> None:
    index_all(own)
    first = numbers(own)[0]
    put(own, {**OWN[0], "description": "other words"}, 200)
    assert numbers(own)[0] == first, "the same expression is not indexed again"
    put(own, {**OWN[0], "expression": "Patient.name.given.count()"}, 200)
    assert first not in numbers(own), "its old rows are never mistaken for new ones"
    index_all(own)
    assert set(own.search_ids("/Patient?rank=2")) == {"p1", "p2"}
    assert own.ask("DELETE", "/SearchParameter/rank").status_code == 204
    own.store.repository.own.forget(1)
    assert own.ask("GET", "/Patient?rank=2").status_code == 400
    handler: Any = reindexing.jobs(own.database, OwnParameters())[JOB]
    args = {"drop": first, "kind": "number"}
    assert handler(Job(2, 1, JOB, None, "default", args, 1, 12, 0, None, 1)) is None
    key = (index_rows.key_base(1) + 8192 + first) * 2
    assert own.database.read(lambda unit: unit.value("SELECT count(*) FROM fhir_number WHERE k = ?", (key,))) == 0


def test_what_is_no_own_parameter(server: Server) -> None:
    refused = [
        (parameter("x", "token", "Patient.name.("), 422),
        (parameter("x", "token", ""), 400),
        ({k: v for k, v in parameter("x", "token", "a").items() if k != "expression"}, 422),
        (parameter("x", "token", "Patient.nosuchfunction()"), 422),
    ]
    for resource, status in refused:
        answer = server.ask("PUT", "/SearchParameter/x", resource)
        assert answer.status_code == status, answer.text
    put(server, parameter("draft", "token", "Patient.active", status="draft"))
    put(server, parameter("gender", "token", "Patient.active"))
    assert numbers(server) == [], "drafts and R4's own codes are kept as records only"
    put(server, parameter("one", "token", "Patient.active"))
    twin = server.ask("PUT", "/SearchParameter/two", {**parameter("one", "token", "Patient.id"), "id": "two"})
    assert twin.status_code == 409
    known = server.database.read(lambda unit: (read_known(unit, 1), read_known(unit, 2)))
    assert ("one" in known[0].of("Patient"), "one" in known[1].of("Patient")) == (True, False)


def test_records_from_before_this_release_are_indexed_again(server: Server) -> None:
    put(server, patient(id="old"))
    server.database.write(lambda unit: unit.execute("DELETE FROM fhir_fresh_words"))
    server.database.write(lambda unit: reindexing.ensure_standard(unit, 1))
    server.store.repository.own.forget(1)
    page = server.ask("GET", "/Patient?_content=mwangi").json()
    assert [entry["search"]["mode"] for entry in page["entry"]] == ["outcome"]
    while not server.database.write(lambda unit: reindexing.walk(unit, 1, "standard:2")):
        pass
    server.store.repository.own.forget(1)
    assert server.search_ids("/Patient?_content=mwangi") == ["old"]
    server.database.write(lambda unit: reindexing.ensure_standard(unit, 1))
    jobs = server.database.read(lambda unit: unit.value("SELECT count(*) FROM job WHERE kind = ?", (JOB,)))
    assert jobs == 1
