"""Batch and transaction bundles."""

from typing import Any

from tests.fhir.conftest import Server, observation, patient


def entry(method: str, url: str, resource: Any = None, full_url: str | None = None, **request: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url is not None:
        made["fullUrl"] = full_url
    return made


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


PERSON = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def test_transaction_resolves_references_and_order(server: Server) -> None:
    server.ask("PUT", "/Organization/old", {"resourceType": "Organization", "id": "old", "name": "Old"})
    answer = server.ask(
        "POST",
        "",
        bundle(
            "transaction",
            entry("GET", "Patient?identifier=MRN-1"),
            entry("PUT", "Observation/o1", observation(PERSON, id="o1")),
            entry("POST", "Observation", observation(PERSON)),
            entry("POST", "Patient", patient(), PERSON),
            entry("DELETE", "Organization/old"),
        ),
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["type"] == "transaction-response"
    assert [e["response"]["status"][:3] for e in body["entry"]] == ["200", "201", "201", "201", "204"]
    assert len(body["entry"][0]["resource"]["entry"]) == 1
    person = body["entry"][3]["response"]["location"].split("/")[1]
    assert set(server.search_ids(f"/Observation?patient={person}")) >= {"o1"}
    assert len(server.search_ids(f"/Observation?patient={person}")) == 2
    assert server.ask("GET", "/Observation/o1").json()["subject"]["reference"] == f"Patient/{person}"


def test_transaction_is_all_or_nothing_and_names_the_entry(server: Server) -> None:
    wrong = observation("Patient/x") | {"status": "nonsense"}
    answer = server.ask(
        "POST", "/", bundle("transaction", entry("POST", "Patient", patient()), entry("POST", "Observation", wrong))
    )
    assert answer.status_code == 400
    assert "Bundle.entry[1]" in answer.json()["issue"][0]["expression"][0]
    assert "Observation.status" in answer.text
    late = server.ask(
        "POST",
        "",
        bundle(
            "transaction",
            entry("POST", "Patient", patient()),
            entry("PUT", "Patient/p", patient(id="p"), ifMatch='W/"3"'),
        ),
    )
    assert (late.status_code, "Bundle.entry[1]" in late.text) == (412, True)
    assert server.search_ids("/Patient") == []


def test_conditional_entries_and_references(server: Server) -> None:
    existing = server.create(patient())
    body = bundle(
        "transaction",
        entry("POST", "Patient", patient(), PERSON, ifNoneExist="identifier=http://example.org/mrn|MRN-1"),
        entry("POST", "Observation", observation(PERSON)),
        entry("POST", "Observation", observation("Patient?identifier=http://example.org/mrn|MRN-1")),
    )
    answer = server.ask("POST", "", body)
    assert answer.status_code == 200, answer.text
    assert [e["response"]["status"][:3] for e in answer.json()["entry"]] == ["200", "201", "201"]
    assert len(server.search_ids(f"/Observation?patient={existing['id']}")) == 2
    assert len(server.search_ids("/Patient")) == 1
    missing = bundle("transaction", entry("POST", "Observation", observation("Patient?identifier=none")))
    assert server.ask("POST", "", missing).status_code == 412


def test_eight_parallel_conditional_transactions_make_one_patient(server: Server) -> None:
    body = bundle(
        "transaction",
        entry("POST", "Patient", patient(), PERSON, ifNoneExist="identifier=http://example.org/mrn|MRN-1"),
        entry("POST", "Observation", observation(PERSON)),
    )
    answers = server.ask_together(*[("POST", "", body, {})] * 8)
    assert [a.status_code for a in answers] == [200] * 8
    assert len(server.search_ids("/Patient")) == 1
    assert len(server.search_ids("/Observation?subject:Patient.identifier=MRN-1")) == 8


def test_batch_entries_stand_alone(server: Server) -> None:
    answer = server.ask(
        "POST",
        "",
        bundle(
            "batch",
            entry("POST", "Patient", patient()),
            entry("POST", "Patient", {"resourceType": "Patient", "x": 1}),
            entry("GET", "Patient/nobody"),
            entry("GET", "Patient?nosuch=1"),
            entry("BREW", "Patient"),
            entry("PUT", "Patient/p", patient(id="p"), ifMatch='W/"9"'),
            entry("GET", "Patient?name=mwangi"),
        ),
        headers={"Prefer": "return=representation"},
    )
    assert answer.status_code == 200
    statuses = [e["response"]["status"][:3] for e in answer.json()["entry"]]
    assert statuses == ["201", "400", "404", "400", "400", "412", "200"]
    assert answer.json()["entry"][0]["resource"]["resourceType"] == "Patient"
    assert answer.json()["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.x"]
    assert len(server.search_ids("/Patient")) == 1


def test_each_entry_is_authorised(server: Server) -> None:
    writer = server.new_key("system/Patient.cruds")
    body = bundle("batch", entry("POST", "Patient", patient()), entry("POST", "Observation", observation("Patient/1")))
    answer = server.ask("POST", "", body, key=writer)
    assert [e["response"]["status"][:3] for e in answer.json()["entry"]] == ["201", "403"]
    body["type"] = "transaction"
    assert server.ask("POST", "", body, key=writer).status_code == 403
    assert len(server.search_ids("/Patient")) == 1


def test_what_is_no_bundle_is_refused(server: Server) -> None:
    for body in (
        patient(),
        bundle("collection"),
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
        {"resourceType": "Bundle", "type": "batch", "entry": [1]},
        bundle("transaction", entry("PUT", "Patient/a", patient(id="a")), entry("DELETE", "Patient/a")),
        bundle("transaction", entry("PUT", "Patient/a", patient(id="b"))),
        bundle("transaction", entry("POST", "Foo", patient())),
        bundle("transaction", entry("POST", "Patient")),
        b"[",
        b"",
    ):
        answer = server.ask("POST", "", body)
        assert answer.status_code == 400, (body, answer.text)
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert server.ask("POST", "", bundle("batch")).json() == {"resourceType": "Bundle", "type": "batch-response"}
    assert server.search_ids("/Patient") == []


def test_an_idempotent_bundle_happens_once(server: Server) -> None:
    body = bundle("transaction", entry("POST", "Patient", patient()))
    first = server.ask("POST", "", body, headers={"Idempotency-Key": "one"})
    second = server.ask("POST", "", body, headers={"Idempotency-Key": "one"})
    assert first.content == second.content
    assert len(server.search_ids("/Patient")) == 1
