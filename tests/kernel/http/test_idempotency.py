"""A write and its repeats: one effect, one answer, also for eight at once, on both engines."""

import concurrent.futures
import json
from collections.abc import Callable
from typing import Any

import httpx
from tests.kernel.http.conftest import Running

from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import rotate_key
from kiungo.kernel.database import Database
from kiungo.kernel.http.idempotency import purge_answers

SYSTEM = system_call(1)
KEY = "3f1c9a2e-5b1d-4c8e-9d53-000000000001"


def notes(database: Database) -> list[str]:
    return [
        row[0]
        for row in database.read(
            lambda unit: unit.rows("SELECT record_id FROM audit WHERE kind IN ('note', 'thing') ORDER BY seq")
        )
    ]


def keys_kept(database: Database) -> int:
    return int(database.read(lambda unit: unit.value("SELECT count(*) FROM idempotency")))


def post(running: Running, api_key: str, key: str | None = KEY, name: str = "n-1", **headers: str) -> httpx.Response:
    given = {"X-API-Key": api_key, "Content-Type": "application/json", **headers}
    if key is not None:
        given["Idempotency-Key"] = key
    return httpx.post(f"{running.url}/api/notes/", content=json.dumps({"name": name}), headers=given, timeout=30)


def test_a_repeat_gets_the_first_answer(served: Running, database: Database) -> None:
    api_key = served.key("write:notes")
    first, again = post(served, api_key), post(served, api_key)
    assert (first.status_code, first.json()) == (201, {"name": "n-1", "count": 1})
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"] == "/api/notes/n-1"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert notes(database) == ["n-1"]


def test_eight_at_once_have_one_effect(served: Running, database: Database) -> None:
    api_key = served.key("write:notes")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(post, served, api_key) for _ in range(8)]]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert notes(database) == ["n-1"]


def test_another_body_or_query_under_the_same_key_is_refused(served: Running, database: Database) -> None:
    api_key = served.key("write:notes")
    post(served, api_key)
    other = post(served, api_key, name="n-2")
    assert other.status_code == 422
    assert other.json()["error_code"] == "IDEMPOTENCY_BODY_DIFFERS"
    assert notes(database) == ["n-1"]


def test_keys_of_two_principals_and_two_routes_are_different(served: Running, database: Database) -> None:
    first, second = served.key("write:notes"), served.key("write:notes")
    post(served, first)
    assert "idempotency-replayed" not in post(served, second).headers
    body = {"name": "t-1", "count": 1}
    headers = {"X-API-Key": first, "Idempotency-Key": KEY}
    for replayed in (None, "true"):
        answer = served.client.post("/api/framework/things/", json=body, headers=headers)
        assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (201, replayed)
    assert notes(database) == ["n-1", "n-1", "t-1"]


def test_a_key_that_was_rotated_keeps_its_answers(served: Running, database: Database) -> None:
    old = served.key("write:notes")
    first = post(served, old)
    for _ in range(2):
        key_id = database.read(lambda unit: unit.value("SELECT id FROM api_key ORDER BY created_us DESC, id DESC"))
        _, new = database.write(lambda unit, key_id=key_id: rotate_key(unit, SYSTEM, key_id, overlap_s=60))
        again = post(served, new)
        assert (again.content, again.headers.get("idempotency-replayed")) == (first.content, "true")
    assert notes(database) == ["n-1"]


def test_on_an_open_route_the_key_belongs_to_the_named_provider(
    start: Callable[..., Running], database: Database
) -> None:
    running = start(site={"open_scopes": {"write:notes"}})
    for provider, replayed in (("PROV-001", None), ("PROV-001", "true"), ("PROV-002", None)):
        answer = post(running, "null", **{"X-Provider-ID": provider})
        assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (201, replayed)
    assert len(notes(database)) == 2


def test_a_failed_write_leaves_no_key(served: Running, database: Database) -> None:
    api_key = served.key("write:notes")
    assert post(served, api_key, name="broken").status_code == 500
    assert keys_kept(database) == 0
    assert post(served, api_key, name="n-1").status_code == 201
    assert keys_kept(database) == 1


def test_a_malformed_key_is_refused(served: Running, database: Database) -> None:
    api_key = served.key("write:notes")
    for key in ("", "x" * 201, "a b"):
        answer = post(served, api_key, key)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "IDEMPOTENCY_KEY_SHAPE")
    assert notes(database) == []


def test_without_a_key_every_write_counts(served: Running, database: Database) -> None:
    api_key = served.key("write:notes")
    assert [post(served, api_key, None).json()["count"] for _ in range(3)] == [1, 2, 3]
    assert keys_kept(database) == 0


def test_an_answer_with_a_secret_is_kept_encrypted(served: Running, database: Database) -> None:
    headers = {"X-API-Key": served.key("*:*", "system/*.cruds"), "Idempotency-Key": KEY}
    wanted: dict[str, Any] = {"name": "Ward 3", "scopes": ["read:notes"]}
    first = served.client.post("/api/admin/keys/", json=wanted, headers=headers)
    again = served.client.post("/api/admin/keys/", json=wanted, headers=headers)
    assert first.status_code == again.status_code == 201
    assert again.json()["key"] == first.json()["key"]
    kept = database.read(lambda unit: unit.value("SELECT body FROM idempotency"))
    assert first.json()["key"].encode() not in bytes(kept)


def test_answers_are_forgotten_in_time(served: Running, database: Database) -> None:
    api_key = served.key("write:notes")
    post(served, api_key)
    assert database.write(lambda unit: purge_answers(unit, days=30)) == 0
    database.write(lambda unit: unit.execute("UPDATE idempotency SET at_us = at_us - ?", (31 * 86_400_000_000,)))
    assert database.write(lambda unit: purge_answers(unit, days=30)) == 1
    assert "idempotency-replayed" not in post(served, api_key).headers
