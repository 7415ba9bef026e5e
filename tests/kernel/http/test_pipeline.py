"""The pipeline over real HTTP: routes, errors, limits, headers, audit."""

import json
import socket
import time
from collections.abc import Callable

import httpx
import pytest
from tests.kernel.http.conftest import Running

from kiungo.kernel.database import Database
from kiungo.kernel.http.server import BoundedProtocol

Start = Callable[..., Running]


@pytest.fixture
def engine() -> str:
    """Nothing here depends on the engine."""
    return "sqlite"


def audit_rows(database: Database) -> list[tuple[object, ...]]:
    return database.read(
        lambda unit: unit.rows("SELECT action, kind, record_id, outcome, detail FROM audit ORDER BY seq")
    )


def wait_for(found: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not found():
        assert time.monotonic() < until, "waited 20 s in vain"
        time.sleep(0.01)


def raw(running: Running, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send bytes as they are and read until the server closes or is silent."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass
        connection.settimeout(1.5)
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
        except (TimeoutError, ConnectionResetError):
            pass
        return received


@pytest.mark.parametrize("path", ["/api/notes/n-1/", "/api/notes/n-1"])
def test_a_lean_route_answers_with_and_without_the_slash(served: Running, path: str) -> None:
    answer = served.client.get(path + "?a=1&a=&b=%C3%A9", headers={"X-API-Key": served.key("read:notes")})
    assert answer.status_code == 200
    assert answer.json() == {"id": "n-1", "query": [["a", "1"], ["a", ""], ["b", "é"]], "who": "Test"}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/api/framework/things/5", "/api/framework/things/5/"])
def test_a_fastapi_route_answers_with_and_without_the_slash(served: Running, path: str) -> None:
    answer = served.client.get(path, headers={"X-API-Key": served.key("read:notes")})
    assert answer.json() == {"id": 5, "who": "Test"}
    assert answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"


def test_literal_parts_win_over_named_ones_and_head_works(served: Running) -> None:
    headers = {"X-API-Key": served.key("read:notes")}
    page = served.client.get("/api/notes/broken/page", headers=headers)
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    head = served.client.head("/api/notes/n-1/", headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert served.client.head("/api/framework/things/5", headers=headers).status_code == 200


@pytest.mark.parametrize("given", ["trace-123", "5f0c:a/b"[:6], "A" * 128])
def test_a_sane_request_id_is_returned(served: Running, given: str) -> None:
    assert served.client.get("/api/open", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "A" * 129, "a b", "a\tb", "<script>"])
def test_another_request_id_is_replaced(served: Running, given: str) -> None:
    first = served.client.get("/api/open", headers={"X-Request-ID": given}).headers["x-request-id"]
    second = served.client.get("/api/open", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert given != first != second


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/nothing", 404, "ROUTE_UNKNOWN"),
        ("/api/notes/a%00b/", 400, "PATH_UNREADABLE"),
        ("/api/open/", 200, None),
        ("//api/open", 404, "ROUTE_UNKNOWN"),
        ("/api//open", 404, "ROUTE_UNKNOWN"),
        ("/api/../api/open/%2e%2e", 404, "ROUTE_UNKNOWN"),
        ("/" + "x" * 8_000, 404, "ROUTE_UNKNOWN"),
    ],
)
def test_odd_paths(served: Running, path: str, status: int, code: str | None) -> None:
    reply = raw(served, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert reply.startswith(f"HTTP/1.1 {status} ".encode()), reply[:200]
    if code:
        assert code.encode() in reply


@pytest.mark.parametrize("path", ["/api/notes/%E6%9C%AC%20%F0%9F%8F%A5/", "/api/notes/%ff%fe/", "/api/notes/a%2Fb/"])
def test_unicode_paths_reach_their_route_or_nothing(served: Running, path: str) -> None:
    answer = served.client.get(path, headers={"X-API-Key": served.key("read:notes")})
    assert answer.status_code in (200, 404)
    if "%E6" in path:
        assert answer.json()["id"] == "本 🏥"


def test_a_wrong_method_names_the_right_ones(served: Running) -> None:
    answer = served.client.delete("/api/notes/n-1/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["error_code"] == "METHOD_NOT_ALLOWED"


def test_errors_take_the_shape_of_their_api(served: Running) -> None:
    notes = served.client.get("/api/notes/n/unknown/deeper").json()
    assert notes == {"error": "There is nothing at this path", "error_code": "ROUTE_UNKNOWN", "claim_id": None}
    platform = served.client.get("/nowhere").json()["error"]
    assert platform["code"] == "ROUTE_UNKNOWN"
    assert platform["hint"]


def test_fastapi_names_the_fields(served: Running) -> None:
    headers = {"X-API-Key": served.key("write:notes")}
    answer = served.client.post("/api/framework/things/", json={"count": 0}, headers=headers)
    assert answer.status_code == 422
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["body.name", "body.count"]
    right = served.client.post("/api/framework/things/", json={"name": "a", "count": 1}, headers=headers)
    assert right.status_code == 201


@pytest.mark.parametrize("path", ["/api/notes/", "/api/framework/things/"])
def test_a_large_body_is_refused_with_an_answer(start: Start, path: str) -> None:
    running = start(body_bytes_max=100_000)
    headers = {"X-API-Key": running.key("write:notes"), "Content-Type": "application/json"}
    body = json.dumps({"name": "x" * 200_000, "count": 1}).encode()
    assert running.client.post(path, content=body, headers=headers).status_code == 413
    assert running.client.post(path, content=iter([body[:150_000], body[150_000:]]), headers=headers).status_code == 413
    assert running.client.post(path, json={"name": "y", "count": 1}, headers=headers).status_code == 201


def test_a_bomb_is_cut_off(start: Start) -> None:
    running = start(body_bytes_max=10_000)
    head = f"POST /api/notes/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {running.key('write:notes')}\r\n".encode()
    declared = raw(running, head + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 1_000)
    assert b" 413 " in declared
    assert b"connection: close" in declared.lower()
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    endless = raw(running, head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 20)
    assert b" 413 " in endless
    waiting = raw(running, head + b"Expect: 100-continue\r\nContent-Length: 20000\r\n\r\n")
    assert b" 413 " in waiting
    assert b"100 Continue" not in waiting


def test_a_route_may_have_a_limit_of_its_own(start: Start) -> None:
    running = start(body_bytes_max=10_000)
    headers = {"X-API-Key": running.key("write:notes")}

    def upload(size: int) -> httpx.Response:
        return running.client.post("/api/framework/uploads/", files={"file": b"x" * size}, headers=headers)

    assert upload(100_000).json() == {"bytes": 100_000}
    assert upload(300_000).status_code == 413


def test_a_head_that_does_not_arrive_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "head_timeout_s", 0.2)
    running = start()
    for piece in (b"", b"GET /api/open HTTP/1.1\r\nHost:"):
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
            connection.sendall(piece)
            assert connection.recv(1_000) == b"", "the server closes"
    assert running.client.get("/api/open").status_code == 200


def test_a_slow_body_is_given_up(start: Start) -> None:
    running = start(body_timeout_s=0.3)
    head = f"POST /api/notes/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {running.key('write:notes')}\r\n".encode()
    reply = raw(running, head + b"Content-Length: 100\r\n\r\n{", pause_s=0.6)
    assert b" 408 " in reply
    assert b"BODY_TOO_SLOW" in reply


def test_a_sender_who_leaves_harms_nobody(served: Running) -> None:
    head = f"POST /api/notes/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {served.key('write:notes')}\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head + b"Content-Length: 100\r\n\r\n{")
    assert served.client.get("/api/open").status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length : 5\r\n",
        b"X-API-Key: other\r\nContent-Length: 5\r\n",
        b"Host: y\r\nContent-Length: 5\r\n",
        b" folded: 5\r\n",
    ],
)
def test_headers_that_could_smuggle_are_refused(served: Running, database: Database, lines: bytes) -> None:
    head = f"POST /api/notes/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {served.key('write:notes')}\r\n".encode()
    reply = raw(served, head + lines + b"\r\n" + b"0\r\n\r\nGET /api/open HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 400 "), reply[:300]
    assert "create" not in [row[0] for row in audit_rows(database) if row[1] == "note"]


def test_a_head_is_bounded_in_size_and_number(start: Start) -> None:
    running = start(header_bytes_max=4_000, headers_max=20)
    large = raw(running, b"GET /api/open HTTP/1.1\r\nHost: x\r\nX-A: ", *[b"a" * 1_000] * 10, pause_s=0.01)
    assert large.startswith(b"HTTP/1.1 431 ")
    many = raw(running, b"GET /api/open HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(30)) + b"\r\n")
    assert many.startswith(b"HTTP/1.1 431 ") or b" 431 " in many
    assert running.client.get("/api/open").status_code == 200


def test_pages_of_other_origins_may_call_only_when_listed(start: Start) -> None:
    closed = start()
    assert closed.client.options("/api/open", headers={"Origin": "https://a.example"}).status_code == 405
    assert (
        "access-control-allow-origin"
        not in closed.client.get("/api/open", headers={"Origin": "https://a.example"}).headers
    )
    running = start(cors_origins=("https://a.example",))
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    preflight = running.client.options("/api/notes/", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert "x-api-key" in preflight.headers["access-control-allow-headers"]
    other = running.client.options("/api/notes/", headers={**asked, "Origin": "https://b.example"})
    assert "access-control-allow-origin" not in other.headers
    read = running.client.get("/api/framework/open", headers={"Origin": "https://a.example"})
    assert read.headers["access-control-allow-origin"] == "https://a.example"


def test_the_origin_behind_a_trusted_proxy_is_the_callers(start: Start) -> None:
    told = {"X-Forwarded-For": "203.0.113.9, 198.51.100.4"}
    assert start().client.get("/api/open", headers=told).json()["origin"] == "127.0.0.1"
    behind = start(trusted_proxies=("127.0.0.0/8",))
    assert behind.client.get("/api/open", headers=told).json()["origin"] == "198.51.100.4"
    assert behind.client.get("/api/open", headers={"X-Forwarded-For": "no address"}).json()["origin"] == "127.0.0.1"


def test_health_and_metrics(served: Running) -> None:
    assert served.client.get("/livez").json() == {"status": "live"}
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["database"]) == (200, "ok")
    assert served.client.get("/metrics").status_code == 401
    served.client.get("/api/notes/secret-id/", headers={"X-API-Key": served.key("read:notes")})
    figures = served.client.get("/metrics", headers={"X-API-Key": served.key("read:metrics")}).text
    assert 'kiungo_http_requests_total{method="GET",route="/api/notes/{note_id}/",status="200"} 1.0' in figures
    assert 'kiungo_http_request_seconds_count{method="GET",route="/livez"} 1.0' in figures
    assert "secret-id" not in figures


def test_metrics_may_be_public(start: Start) -> None:
    assert start(metrics_public=True).client.get("/metrics").status_code == 200
