"""Servers that are busy, lost, rude or small: what is tried again, what is checked, and who gets the credentials."""

import base64
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from kiungo.base.errors import Unavailable, Unsupported
from kiungo.client.fhir import ApiKey, ClientCredentials, RefusedByServer, Retries, bearer
from kiungo.client.fhir.retries import retry_after_s

from .conftest import BASE, Script

PATIENT = {"resourceType": "Patient", "id": "1", "meta": {"versionId": "7"}}
TOKEN = {"access_token": "t-1", "expires_in": 300, "token_type": "bearer"}
METADATA = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "resource": [
                {
                    "type": "Patient",
                    "interaction": [{"code": "read"}, {"code": "search-type"}],
                    "searchParam": [{"name": "name"}],
                    "operation": [{"name": "$everything"}],
                }
            ],
        }
    ],
}


def test_a_busy_server_is_asked_again_when_it_says(make: Any, script: Script) -> None:
    script.then(429, retry_after="0").then(503).then(200, PATIENT)
    assert make(BASE, checks=False, transport=script.transport).read("Patient", "1") == PATIENT
    assert len(script.asked) == 3


def test_the_wait_is_the_servers_within_the_callers(make: Any, script: Script) -> None:
    script.then(503, retry_after="3600").then(200, PATIENT)
    began = time.monotonic()
    make(BASE, checks=False, transport=script.transport).read("Patient", "1")
    assert 0.01 <= time.monotonic() - began < 5


def test_it_gives_up(make: Any, script: Script) -> None:
    script.then(503).then(503).then(502)
    with pytest.raises(Unavailable, match="No answer after 3 attempts; the last: HTTP 502"):
        make(BASE, checks=False, transport=script.transport).read("Patient", "1")


def test_a_lost_answer_is_asked_for_again_only_where_that_does_no_harm(make: Any, script: Script) -> None:
    fhir = make(BASE, checks=False, transport=script.transport)
    script.breaks().then(200, PATIENT)
    assert fhir.read("Patient", "1") == PATIENT
    script.breaks().then(200, PATIENT, etag='W/"8"')
    assert fhir.update(PATIENT).version == "8"
    script.breaks()
    with pytest.raises(Unavailable, match="after 1 attempts"):
        fhir.create({"resourceType": "Patient"})
    script.breaks().then(201, PATIENT)
    assert fhir.create({"resourceType": "Patient"}, if_none_exist={"name": "x"}).is_new


def test_a_conflict_that_passes_is_tried_again_and_another_is_not(make: Any, script: Script) -> None:
    fhir = make(BASE, checks=False, transport=script.transport)
    script.then(409, retry_after="0").then(200, {"resourceType": "Bundle", "entry": []})
    assert fhir.transaction([]) == []
    script.then(409)
    with pytest.raises(RefusedByServer):
        fhir.transaction([])


def test_a_small_server_is_not_asked_for_what_it_lacks(make: Any, script: Script) -> None:
    fhir = make(BASE, transport=script.transport)
    script.then(200, METADATA)
    for wrong, said in (
        (lambda: fhir.create(PATIENT), "create of Patient"),
        (lambda: fhir.read("Observation", "1"), "the type Observation"),
        (lambda: list(fhir.search("Patient", {"birthdate": "2020"})), "by birthdate"),
        (lambda: fhir.transaction([]), "transaction on the whole server"),
        (lambda: fhir.operation("match", "Patient"), r"\$match on Patient"),
    ):
        with pytest.raises(Unsupported, match=said):
            wrong()
    assert len(script.asked) == 1
    script.then(200, {"resourceType": "Bundle"})
    assert fhir.operation("everything", "Patient", "1") == {"resourceType": "Bundle"}


def test_credentials_go_to_no_other_server(make: Any, script: Script) -> None:
    elsewhere = {"resourceType": "Bundle", "link": [{"relation": "next", "url": "http://other.test/fhir?page=2"}]}
    script.then(200, elsewhere)
    with pytest.raises(RefusedByServer, match=r"on another server, other\.test"):
        list(make(BASE, ApiKey("k"), checks=False, transport=script.transport).search("Patient"))
    assert len(script.asked) == 1


def test_a_token_is_fetched_once_and_again_when_it_is_refused(make: Any, script: Script) -> None:
    credentials = ClientCredentials("http://auth.test/token", "me", "s3cret", "system/*.rs")
    fhir = make(BASE, credentials, checks=False, transport=script.transport)
    script.then(200, TOKEN).then(200, PATIENT).then(200, PATIENT)
    fhir.read("Patient", "1")
    fhir.read("Patient", "1")
    token, first, second = script.asked
    assert token.content == b"grant_type=client_credentials&scope=system%2F%2A.rs"
    assert token.headers["authorization"] == "Basic " + base64.b64encode(b"me:s3cret").decode()
    assert {first.headers["authorization"], second.headers["authorization"]} == {"Bearer t-1"}
    script.then(401).then(200, TOKEN | {"access_token": "t-2"}).then(200, PATIENT)
    fhir.read("Patient", "1")
    assert script.asked[-1].headers["authorization"] == "Bearer t-2"
    script.then(401).then(200, TOKEN).then(401)
    with pytest.raises(RefusedByServer):
        fhir.read("Patient", "1")
    assert "s3cret" not in repr(credentials)
    assert "t-1" not in repr(credentials)


def test_a_client_may_sign_instead(make: Any, script: Script) -> None:
    credentials = ClientCredentials("http://auth.test/token", "me", assertion=lambda url: f"signed-for-{url}")
    script.then(200, TOKEN).then(200, PATIENT)
    make(BASE, credentials, checks=False, transport=script.transport).read("Patient", "1")
    assert b"client_assertion=signed-for-http%3A%2F%2Fauth.test%2Ftoken" in script.asked[0].content
    assert "authorization" not in script.asked[0].headers
    script.then(400, {"error": "invalid_client"})
    with pytest.raises(RefusedByServer, match="No token was given: HTTP 400"):
        make(BASE, ClientCredentials("http://auth.test/token", "me"), checks=False, transport=script.transport).read(
            "Patient", "1"
        )


def test_a_bearer_token_of_somebody_elses(make: Any, script: Script) -> None:
    script.then(200, PATIENT)
    make(BASE, bearer("t-9"), checks=False, transport=script.transport).read("Patient", "1")
    assert script.asked[0].headers["authorization"] == "Bearer t-9"


def test_patches_say_which_kind_they_are(make: Any, script: Script) -> None:
    fhir = make(BASE, checks=False, transport=script.transport)
    script.then(200, PATIENT).then(200, PATIENT)
    fhir.patch("Patient", "1", [{"op": "remove", "path": "/birthDate"}], if_match="7")
    fhir.patch("Patient", "1", {"resourceType": "Parameters"})
    json_patch, fhirpath_patch = script.asked
    assert json_patch.headers["content-type"] == "application/json-patch+json"
    assert json_patch.headers["if-match"] == 'W/"7"'
    assert fhirpath_patch.headers["content-type"] == "application/fhir+json"


def test_a_server_that_sends_nothing_back_is_asked(make: Any, script: Script) -> None:
    fhir = make(BASE, checks=False, transport=script.transport)
    script.then(201, None, location=f"{BASE}/Patient/1/_history/1", etag='W/"1"').then(200, PATIENT)
    assert fhir.create({"resourceType": "Patient"}).resource == PATIENT
    assert str(script.asked[1].url) == f"{BASE}/Patient/1"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff"])
def test_an_answer_that_is_no_resource_is_refused(make: Any, script: Script, body: bytes) -> None:
    script.then(200, body)
    with pytest.raises(RefusedByServer, match="not a FHIR resource in JSON"):
        make(BASE, checks=False, transport=script.transport).read("Patient", "1")


def test_ids_and_values_cannot_change_the_address(make: Any, script: Script) -> None:
    fhir = make(BASE, checks=False, transport=script.transport)
    script.then(200, PATIENT).then(200, {"resourceType": "Bundle"})
    fhir.read("Patient", "../../admin?x=1")
    list(fhir.search("Patient", {"name": "a&b=c#d"}))
    assert script.asked[0].url.raw_path == b"/fhir/Patient/..%2F..%2Fadmin%3Fx%3D1"
    assert dict(script.asked[1].url.params) == {"name": "a&b=c#d"}


def test_retry_after_is_a_number_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60))
    assert retry_after_s("12") == 12
    assert 50 < (retry_after_s(soon) or 0) <= 60
    assert [retry_after_s(text) for text in (None, "", "soon", "-1")] == [None] * 4
    assert all(0 <= Retries(first_wait_s=1, wait_s_max=5).wait_s(made, None) <= 5 for made in range(1, 20))
