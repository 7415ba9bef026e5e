"""Parallel identical calls: exactly one effect each, whichever way they are identical."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from kiungo.kernel.database import open_database

from .conftest import CLAIM, Installed
from .running import Platform

AT_ONCE = 8


def at_once(send: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(send, range(AT_ONCE)))


def count(installed: Installed, sql: str) -> int:
    database = open_database(installed.url, stepped=True)
    try:
        found: int = database.read(lambda unit: unit.value(sql))
        return found
    finally:
        database.close()


def test_eight_submissions_with_one_idempotency_key_are_one_claim_and_one_answer(installed: Installed) -> None:
    with Platform(installed.url, installed.folder) as platform:
        clients = [platform.client(installed.provider_key) for _ in range(AT_ONCE)]
        for client in clients:
            client.get("/livez")
        headers = {"Idempotency-Key": "one-and-the-same"}
        answers = at_once(lambda n: clients[n].post("/api/claims/", json=CLAIM, headers=headers))
        other = clients[0].post("/api/claims/", json=CLAIM | {"amount": "1.00"}, headers=headers)
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1, "a repeat replays the first answer to the byte"
    assert other.status_code == 422
    assert count(installed, "SELECT count(*) FROM payor_claim") == 1
    assert count(installed, "SELECT count(*) FROM outbox WHERE topic = 'claim.submitted'") == 1


def test_eight_submissions_of_one_claim_without_a_key_are_one_claim(installed: Installed) -> None:
    with Platform(installed.url, installed.folder) as platform:
        clients = [platform.client(installed.provider_key) for _ in range(AT_ONCE)]
        for client in clients:
            client.get("/livez")
        answers = at_once(lambda n: clients[n].post("/api/claims/", json=CLAIM))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201], [a.text for a in answers]
    assert len({answer.json()["claim"]["claim_id"] for answer in answers}) == 1
    assert count(installed, "SELECT count(*) FROM payor_claim") == 1
    assert count(installed, "SELECT count(*) FROM outbox WHERE topic = 'claim.submitted'") == 1


def test_eight_conditional_creates_are_one_resource(installed: Installed) -> None:
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": "once"}]}
    headers = {"If-None-Exist": "identifier=urn:test|once", "Content-Type": "application/fhir+json"}
    with Platform(installed.url, installed.folder) as platform:
        clients = [platform.client(installed.records_key) for _ in range(AT_ONCE)]
        for client in clients:
            client.get("/livez")
        answers = at_once(lambda n: clients[n].post("/fhir/Patient", json=patient, headers=headers))
        found = clients[0].get("/fhir/Patient", params={"identifier": "urn:test|once"}).json()
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201], [a.text for a in answers]
    assert len({answer.headers["location"].partition("/_history")[0] for answer in answers}) == 1
    assert len(found["entry"]) == 1
