"""Answers on the wire: in one piece, and with nothing in their head that the handler did not mean."""

import gc
import socket
from typing import Any

import httpx
import pytest
from tests.kernel.http.conftest import Running

from kiungo.kernel.http.server import BoundedProtocol


def ask(served: Running, lines: str, *, times: int = 1) -> bytes:
    """Send requests on one connection that the last of them ends; everything that came back."""
    request = f"{lines}\r\nHost: x\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.sendall((request + b"\r\n") * (times - 1) + request + b"Connection: close\r\n\r\n")
        reply = b""
        while piece := connection.recv(65_536):
            reply += piece
    return reply


class Counted:
    """A transport that keeps what it is told to write."""

    def __init__(self, transport: Any, written: list[bytes]) -> None:
        self._transport = transport
        self._written = written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._written.append(bytes(data))
        self._transport.write(data)


def test_an_answer_leaves_in_one_piece(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    made = BoundedProtocol.connection_made
    monkeypatch.setattr(
        BoundedProtocol, "connection_made", lambda self, transport: made(self, Counted(transport, written))
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"GET /api/open HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head.lower()
    assert b'"hello"' in body
    assert len(written) == 1


def test_an_answered_request_leaves_nothing_to_the_garbage_collector(served: Running) -> None:
    headers = {"x-api-key": served.key("read:notes")}
    served.client.get("/api/notes/1", headers=headers)
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            assert served.client.get("/api/notes/1", headers=headers).status_code == 200
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [type(found).__name__ for found in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert "RequestResponseCycle" not in left


def test_requests_sent_together_are_answered_in_their_order(served: Running) -> None:
    reply = ask(served, "GET /api/open HTTP/1.1", times=5)
    assert reply.count(b"HTTP/1.1 200 OK") == 5
    assert reply.count(b'"hello"') == 5
    assert reply.lower().count(b"connection: close") == 1


def test_an_old_client_is_answered_and_left(served: Running) -> None:
    reply = ask(served, "GET /api/open HTTP/1.0")
    assert b'"hello"' in reply
    assert b"connection: close" in reply.lower()


def test_a_head_request_has_the_head_alone(served: Running) -> None:
    head, _, body = ask(served, "HEAD /api/open HTTP/1.1").partition(b"\r\n\r\n")
    assert b"content-length: " in head.lower()
    assert body == b""


@pytest.mark.parametrize("ends", ["\r\nset-cookie: mine=1", "\nset-cookie: mine=1", "\rx"])
def test_a_value_cannot_add_a_header(served: Running, ends: str) -> None:
    """The note's name goes into the Location header as it is; the server rather closes than sends that."""
    key = served.key("write:notes")
    with pytest.raises(httpx.RemoteProtocolError):
        served.client.post("/api/notes/", json={"name": f"note{ends}"}, headers={"X-API-Key": key})
    assert served.client.post("/api/notes/", json={"name": "note"}, headers={"X-API-Key": key}).status_code == 201


def test_a_refused_body_closes_the_connection_that_still_brings_it(served: Running) -> None:
    """The answer says `close`; a server that did not would read whatever the sender goes on sending."""
    key = served.key("write:notes")
    head = f"POST /api/notes/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 999999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.sendall(head.encode() + b"{")
        reply = b""
        while piece := connection.recv(65_536):
            reply += piece
    assert reply.startswith(b"HTTP/1.1 413")
    assert reply.lower().count(b"connection: close") == 1
