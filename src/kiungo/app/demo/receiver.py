"""A provider's webhook receiver for the story: keeps what came, and fails every request while it is told to."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CLAIMS = "/webhooks/payor-claims"
BOOKINGS = "/webhooks/bookings"
BODY_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Received:
    """One webhook as it arrived. Units: `at_s` on the monotonic clock."""

    headers: Mapping[str, str]
    body: bytes
    at_s: float


class Receiver:
    """What arrived so far, and whether the receiver works."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.works = True
        self.refused = 0
        self._received: list[Received] = []
        self._changed = threading.Condition()

    def take(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Keep a webhook, or refuse it while the receiver does not work."""
        with self._changed:
            if not self.works:
                self.refused += 1
                return False
            self._received.append(Received(headers, body, time.monotonic()))
            self._changed.notify_all()
            return True

    def wait_for(self, count: int, *, timeout_s: float = 15.0) -> list[Received]:
        """All that arrived, once there are `count` of them or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._received) >= count, timeout_s)
            return list(self._received)


@contextmanager
def receiver(path: str = CLAIMS) -> Iterator[Receiver]:
    """A receiver listening on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length", 0)), BODY_BYTES_MAX)
            body = self.rfile.read(length)
            kept = here.take({name.lower(): value for name, value in self.headers.items()}, body)
            answer = b'{"received": true}' if kept else b'{"error": "out of order"}'
            self.send_response(200 if kept else 503)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing; the story tells what arrived."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Receiver(f"http://127.0.0.1:{server.server_address[1]}{path}")
    thread = threading.Thread(target=server.serve_forever, name="demo-receiver", daemon=True)
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
