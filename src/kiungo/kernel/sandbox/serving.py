"""Twins over real HTTP on loopback: a thread for each connection, and one that delivers callbacks as they fall due."""

import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import structlog

from kiungo.base.time import Clock
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.kernel.sandbox.twin import NoAnswer, Twin, TwinRequest, TwinResponse

POLL_S = 0.02
BODY_BYTES_MAX = 10_000_000

_log = structlog.get_logger("kiungo.sandbox")


class Served:
    """Twins on one port, each below its own first path segment; `close` stops them."""

    def __init__(self, twins: Mapping[str, Twin], clock: Clock, *, host: str, port: int) -> None:
        self._twins = dict(twins)
        self._clock = clock
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server((host, port), self._handler())
        self.port: int = self._server.server_address[1]
        self.base_url = f"http://{host}:{self.port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": POLL_S}, daemon=True),
            threading.Thread(target=self._deliver_forever, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def url(self, name: str) -> str:
        """Where a twin is reached."""
        return f"{self.base_url}/{name}"

    def close(self) -> None:
        """Stop answering and delivering."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join(timeout=5)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> TwinResponse:
        """Hand a request to the twin its path names. Raises: NoAnswer."""
        _, name, rest = [*target.split("/", 2), "", ""][:3]
        twin = self._twins.get(name)
        if twin is None:
            return TwinResponse.json(404, {"error": f"no twin is called {name!r}", "twins": sorted(self._twins)})
        with self._lock:
            return twin.handle(TwinRequest.of(method, "/" + rest, headers, body))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(_Handler):
            twins = served

        return Handler

    def _deliver_forever(self) -> None:
        egress = EgressPolicy(allow_loopback=True)
        with make_client(Outbound(name="twin", egress=egress, breaker=None)) as client:
            while not self._closing.wait(POLL_S):
                with self._lock:
                    due = [
                        callback for twin in self._twins.values() for callback in twin.take_due(self._clock.now_us())
                    ]
                for callback in due:
                    try:
                        client.post(callback.url, content=callback.body, headers=dict(callback.headers))
                    except httpx.HTTPError as error:
                        _log.info("twin_callback_lost", error=type(error).__name__)


def serve(twins: Mapping[str, Twin], clock: Clock, *, host: str = "127.0.0.1", port: int = 0) -> Served:
    """Start twins on a port (0 takes any free one); each is below its own first path segment."""
    return Served(twins, clock, host=host, port=port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is its own affair."""
        _log.debug("twin_connection_ended", client=str(client_address))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body go out as one packet; else the second waits for the first's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    twins: Served

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Twins are quiet."""

    def _answer(self) -> None:
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        try:
            answer = self.twins.answer(self.command, self.path, dict(self.headers), body)
        except NoAnswer:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()
