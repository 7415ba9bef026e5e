"""The server: uvicorn with uvloop and httptools, limits on the head of a request, and answers in one piece.

uvicorn bounds neither the size nor the time of a request's head; this protocol does, at no cost to a head
that arrives in one piece.
"""

from asyncio import TimerHandle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import ReferenceType, ref

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from kiungo.kernel.config import Settings
from kiungo.kernel.http.answers import HeaderList
from kiungo.kernel.http.site import CLOSES, WHOLE_ANSWER, Site

HEAD_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 20
KEEP_ALIVE_S = 65
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
    b"content-length: 26\r\nconnection: close\r\n\r\nThe headers are too large\n"
)


def answer_whole(
    answered: "ReferenceType[RequestResponseCycle]", status: int, headers: HeaderList, body: bytes
) -> bool:
    """Write a complete answer in one piece; False when only the usual messages will do, and nothing was written.

    uvicorn writes head and body apart, which is two system calls here and two wake-ups at the other end, and
    looks at each header by itself. The rule that it keeps is kept here too: no value holds a line's end or a NUL.
    """
    cycle = answered()
    if cycle is None or not cycle.keep_alive or cycle.disconnected or cycle.response_started or cycle.flow.write_paused:
        return False
    if CLOSES in headers:
        return False  # a refused body is still coming: only the usual way closes the connection behind the answer
    lines = [b": ".join(header) for header in (*cycle.default_headers, *headers)]
    head = b"%s%s\r\n\r\n" % (STATUS_LINE[status], b"\r\n".join(lines))
    if not head.count(b"\r") == head.count(b"\n") == len(lines) + 2 or b"\x00" in head:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(head + body)
    cycle.message_event.set()
    cycle.on_response()
    return True


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is too large or does not arrive in time."""

    head_bytes_max = 32_768
    headers_max = 100
    head_timeout_s = HEAD_TIMEOUT_S

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_bytes = 0
        self._head_timer: TimerHandle | None = self.loop.call_later(self.head_timeout_s, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head():
            self._head_bytes += len(data)
            if self._head_bytes > self.head_bytes_max:
                self._refuse()
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
            self._head_bytes = 0
        if self.headers is not None and len(self.headers) > self.headers_max:
            self._refuse()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # The request's task has not begun. A cycle that its own scope held would wait for the garbage collector.
        self.scope["extensions"] = {WHOLE_ANSWER: {"write": partial(answer_whole, ref(self.cycle))}}

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def _in_head(self) -> bool:
        """Whether the present request's head is not yet complete: only then does its scope have a path."""
        return self.scope is None or "path" not in self.scope

    def _give_up(self) -> None:
        if self._in_head() and not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()


class Server(uvicorn.Server):
    """Returns after a signal where uvicorn would raise it again: the caller still has a database to close."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def server_of(site: Site, settings: Settings) -> uvicorn.Server:
    """A server for this site; `await server.serve()` runs it until it is told to stop."""
    protocol = type("Protocol", (BoundedProtocol,), _limits_of(settings))
    return Server(
        uvicorn.Config(
            site,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=protocol,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
            backlog=2048,
        )
    )


def _limits_of(settings: Settings) -> dict[str, int]:
    return {"head_bytes_max": settings.header_bytes_max, "headers_max": settings.headers_max}
