"""What a bundle may ask for, and what of it must not be passed over in silence."""

import base64
from typing import Any

import pytest

from tests.fhir.conftest import Server, observation, patient
from tests.fhir.interactions.test_bundles import PERSON, bundle, entry

FILE = "urn:uuid:0b8a1c0e-5a53-4f7a-9d43-1f7f24a1c001"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="{0}">who</a><img src="{1}" alt="{0}"/>{0}</div>'


def test_a_transaction_renames_links_that_are_no_references(server: Server) -> None:
    letter = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": PERSON},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": PERSON}],
        "content": [{"attachment": {"url": FILE, "title": FILE}}],
        "text": {"status": "generated", "div": DIV.format(PERSON, FILE)},
        "extension": [
            {"url": "http://example.org/link", "valueUri": PERSON + "#name"},
            {"url": "http://example.org/canonical", "valueCanonical": PERSON},
            {"url": "http://example.org/uuid", "valueUuid": PERSON},
        ],
    }
    data = {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(b"hello").decode()}
    condition = "identifier=http://example.org/mrn|MRN-1"
    for person in (
        entry("POST", "Patient", patient(), PERSON),
        entry("PUT", f"Patient?{condition}", patient(), PERSON),
    ):
        made = bundle(
            "transaction", entry("POST", "DocumentReference", letter), person, entry("POST", "Binary", data, FILE)
        )
        answer = server.ask("POST", "", made)
        assert answer.status_code == 200, answer.text
        places = ["/".join(e["response"]["location"].split("/")[:2]) for e in answer.json()["entry"]]
        found = server.ask("GET", "/" + places[0]).json()
        who, what = places[1], places[2]
        assert found["subject"]["reference"] == who
        assert found["content"][0]["attachment"] == {"url": what, "title": FILE}, "a title is a text, not a link"
        assert found["text"]["div"] == DIV.replace('"{0}">', f'"{who}">').replace("{1}", what).format(PERSON)
        assert found["extension"][0]["valueUri"] == who + "#name"
        assert found["extension"][1]["valueCanonical"] == PERSON, "a canonical address is not replaced"
        assert found["extension"][2]["valueUuid"] == PERSON, "an address is no UUID"
        assert found["identifier"][0]["value"] == PERSON


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_what_a_bundle_does_not_know_is_refused(server: Server, kind: str) -> None:
    misspelt: dict[str, Any] = entry("POST", "Patient", patient(), ifNoneExists="identifier=MRN-1")
    refused = server.ask("POST", "", bundle(kind, misspelt))
    assert (refused.status_code, "ifNoneExists" in refused.text) == (400, True), "passed over it would create twice"
    odd = {**entry("POST", "Patient", patient()), "fullURL": PERSON}
    assert server.ask("POST", "", bundle(kind, odd)).status_code == 400
    assert server.ask("POST", "", {**bundle(kind), "entries": []}).status_code == 400
    whole = {
        **entry("GET", "Patient"),
        "id": "one",
        "extension": [{"url": "http://example.org/x", "valueBoolean": True}],
        "link": [{"relation": "self", "url": "http://example.org"}],
        "search": {"mode": "match"},
        "response": {"status": "200"},
    }
    asked = {**bundle(kind, whole), "id": "b", "meta": {}, "timestamp": "2026-01-01T00:00:00Z", "language": "en"}
    assert server.ask("POST", "", asked).status_code == 200


def test_two_entries_of_one_name_are_refused(server: Server) -> None:
    twice = [entry("POST", "Patient", patient(), PERSON) for _ in range(2)]
    refused = server.ask("POST", "", bundle("transaction", *twice, entry("POST", "Observation", observation(PERSON))))
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, ["Bundle.entry[1]"])
    assert server.search_ids("/Patient") == []


def test_histories_and_versions_in_a_bundle(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    server.ask("PUT", "/Patient/p", patient(id="p", active=True))
    server.ask("PUT", "/Basic/b", {"resourceType": "Basic", "id": "b", "code": {"text": "x"}})
    asked = [
        entry("GET", url)
        for url in ("Patient/_history?_count=1", "_history", "Patient/p/_history/x", "Patient/p/_history/0")
    ]
    answers = server.ask("POST", "", bundle("batch", *asked)).json()["entry"]
    assert [len(answer["resource"]["entry"]) for answer in answers[:2]] == [1, 3]
    assert [answer["response"]["status"][:3] for answer in answers[2:]] == ["404", "404"], "not the current version"
    narrow = server.new_key("system/Patient.r")
    answers = server.ask("POST", "", bundle("batch", *asked[:2]), key=narrow).json()["entry"]
    assert [answer["response"]["status"][:3] for answer in answers] == ["200", "403"]
    refused = server.ask("POST", "", bundle("transaction", entry("GET", "Patient/p/$everything")))
    assert (refused.status_code, "BUNDLE_WRONG" in refused.text) == (400, True), "one unit of work has no room for it"
