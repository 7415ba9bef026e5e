"""Batch and transaction bundles."""

import json
from typing import Any

from tests.fhir.conftest import BASE, Server, observation, patient


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


def test_equal_conditional_creates_of_one_transaction_make_one_resource(server: Server) -> None:
    twin = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0b"
    condition = "identifier=http://example.org/mrn|MRN-1"
    body = bundle(
        "transaction",
        entry("POST", "Patient", patient(), PERSON, ifNoneExist=condition),
        entry("POST", "Patient", patient(), twin, ifNoneExist=condition.replace("|", "%7C")),
        entry("POST", "Observation", observation(PERSON)),
        entry("POST", "Observation", observation(twin)),
    )
    answer = server.ask("POST", "", body)
    assert answer.status_code == 200, answer.text
    responses = [e["response"] for e in answer.json()["entry"]]
    assert [r["status"][:3] for r in responses] == ["201", "200", "201", "201"]
    assert responses[0]["location"] == responses[1]["location"]
    (person,) = server.search_ids("/Patient")
    assert len(server.search_ids(f"/Observation?patient={person}")) == 2


def test_references_follow_a_conditional_update_to_its_final_id(server: Server) -> None:
    update = entry("PUT", "Patient?identifier=MRN-1", patient(), PERSON)
    body = bundle("transaction", update, entry("POST", "Observation", observation(PERSON)))
    made = server.ask("POST", "", body)
    assert made.status_code == 200, made.text
    (person,) = server.search_ids("/Patient")
    assert len(server.search_ids(f"/Observation?patient={person}")) == 1
    update["resource"] = patient(gender="male")
    again = server.ask("POST", "", body)
    assert [e["response"]["status"][:3] for e in again.json()["entry"]] == ["200", "201"]
    assert server.search_ids("/Patient?gender=male") == [person]
    assert len(server.search_ids(f"/Observation?patient={person}")) == 2
    named = entry("PUT", "Patient?identifier=MRN-2", patient(id="named", identifier=[{"value": "MRN-2"}]), PERSON)
    answer = server.ask("POST", "", bundle("transaction", named, entry("POST", "Observation", observation(PERSON))))
    assert answer.status_code == 200, answer.text
    assert len(server.search_ids("/Observation?patient=named")) == 1


def test_one_resource_is_written_once_in_a_transaction(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    by_id, by_condition = (
        entry("PUT", "Patient/p", patient(id="p")),
        entry("PUT", "Patient?identifier=MRN-1", patient()),
    )
    new = entry("PUT", "Patient?identifier=new", patient(identifier=[{"value": "new"}]))
    gone = entry("DELETE", "Patient?identifier=MRN-1")
    for entries in (
        (by_id, by_condition),
        (by_condition, by_condition),
        (new, new),
        (by_id, gone),
        (by_condition, gone),
    ):
        answer = server.ask("POST", "", bundle("transaction", *entries))
        assert (answer.status_code, "Bundle.entry[" in answer.text) == (400, True), answer.text
    assert server.search_ids("/Patient") == ["p"]


def test_a_reference_to_no_entry_is_refused(server: Server) -> None:
    for unknown in ("urn:uuid:00000000-0000-4000-8000-000000000000", "urn:oid:1.2.3.4"):
        body = bundle(
            "transaction",
            entry("POST", "Patient", patient(), PERSON),
            entry("POST", "Observation", observation(unknown)),
        )
        answer = server.ask("POST", "", body)
        assert (answer.status_code, "Bundle.entry[1]" in answer.text, unknown in answer.text) == (400, True, True)
    assert server.search_ids("/Patient") == []


def test_references_written_with_escapes_are_understood(server: Server) -> None:
    text = json.dumps(
        bundle(
            "transaction",
            entry("POST", "Patient", patient(), f"{BASE}/Patient/temporary"),
            entry("POST", "Observation", observation(f"{BASE}/Patient/temporary")),
        )
    ).replace("/", "\\/")
    answer = server.ask("POST", "", text.encode())
    assert answer.status_code == 200, answer.text
    (person,) = server.search_ids("/Patient")
    assert len(server.search_ids(f"/Observation?patient={person}")) == 1


def test_a_read_of_a_known_version_is_not_modified(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    for kind in ("batch", "transaction"):
        known, stale = (entry("GET", "Patient/p", ifNoneMatch=f'W/"{n}"') for n in (1, 9))
        found = server.ask("POST", "", bundle(kind, known, stale)).json()["entry"]
        assert [e["response"]["status"][:3] for e in found] == ["304", "200"]
        assert ["resource" in e for e in found] == [False, True]
    for refused in (
        entry("PUT", "Patient/p", patient(id="p"), ifNoneMatch="*"),
        entry("GET", "Patient?name=x", ifNoneMatch='W/"1"'),
        entry("GET", "Patient/p", ifNoneMatch="one"),
    ):
        answer = server.ask("POST", "", bundle("transaction", refused))
        assert (answer.status_code, "ifNoneMatch" in answer.text) == (400, True), answer.text


def test_searches_across_types_and_in_compartments_inside_a_bundle(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    server.ask("PUT", "/Observation/o", observation("Patient/p", id="o"))
    asked = [
        entry("GET", url) for url in ("?_type=Patient,Observation&_sort=_id", "Patient/p/Observation", "Patient/p/*")
    ]
    wrong = [entry("GET", url) for url in ("", "Patient/p/Location", "Nothing/p/Patient")]
    answer = server.ask("POST", "", bundle("batch", *asked, *wrong)).json()["entry"]
    found = [{e["resource"]["id"] for e in one["resource"]["entry"]} for one in answer[:3]]
    assert found == [{"p", "o"}, {"o"}, {"p", "o"}]
    assert [one["response"]["status"][:1] for one in answer[3:]] == ["4", "4", "4"]


def test_a_read_in_a_bundle_takes_a_date(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    asked = [
        entry("GET", "Patient/p", ifModifiedSince="2999-01-01T00:00:00Z"),
        entry("GET", "Patient/p", ifModifiedSince="2001-01-01T00:00:00+02:00"),
        entry("GET", "Patient/p", ifModifiedSince="long ago"),
    ]
    answer = server.ask("POST", "", bundle("batch", *asked)).json()["entry"]
    assert [one["response"]["status"][:3] for one in answer] == ["304", "200", "400"]


def test_transactions_that_write_the_same_records_in_other_orders_never_wait_for_each_other(server: Server) -> None:
    names = ["a", "b", "c", "d"]

    def all_of(order: list[str], n: int) -> dict[str, Any]:
        return bundle(
            "transaction",
            *(entry("PUT", f"Patient/{x}", patient(id=x, gender="male", language=f"l{n}")) for x in order),
        )

    asked = [("POST", "", all_of(names if n % 2 else names[::-1], n), {}) for n in range(8)]
    answers = server.ask_together(*asked)
    assert [answer.status_code for answer in answers] == [200] * 8
    written = {server.ask("GET", f"/Patient/{x}").json()["language"] for x in names}
    assert len(written) == 1, "the last of them wrote all"


def test_what_is_new_and_what_is_there_are_told_apart_entry_by_entry(server: Server) -> None:
    own = {
        "resourceType": "SearchParameter", "id": "sp", "url": "urn:own", "name": "own", "status": "active",
        "description": "A phrase", "code": "phrase", "base": ["Patient"],
        "type": "string", "expression": "Patient.name.text",
    }  # fmt: skip
    assert server.ask("PUT", "/Patient/there", patient(id="there")).status_code == 201
    entries = [
        entry("PUT", "Patient/new", patient(id="new")),
        entry("PUT", "Patient/there", patient(id="there", gender="other")),
        entry("POST", "Observation", observation("Patient/new")),
        entry("PUT", "SearchParameter/sp", own),
        entry("PUT", "Observation/new", observation("Patient/there", id="new")),
        entry("GET", "Observation?patient=there"),
    ]
    answer = server.ask("POST", "", bundle("transaction", *entries))
    assert answer.status_code == 200, answer.text
    said = answer.json()["entry"]
    statuses = [one["response"]["status"] for one in said]
    assert statuses == ["201 Created", "200 OK", "201 Created", "201 Created", "201 Created", "200 OK"]
    assert [e["resource"]["id"] for e in said[5]["resource"]["entry"]] == ["new"]
    assert server.ask("GET", "/Patient/there").json()["gender"] == "other"
    methods = {e["request"]["url"]: e["request"]["method"] for e in server.ask("GET", "/_history").json()["entry"]}
    assert (methods["Observation"], methods["Observation/new"], methods["Patient/new"]) == ("POST", "PUT", "PUT")
