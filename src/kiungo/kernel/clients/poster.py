"""Posts bytes to many hosts at a high rate: HTTP/1.1 with kept connections, and nothing else.

The general client costs over a millisecond of processor time for each request, and its pool looks at every
connection at every step. Webhooks are the one place where that counts. Guard, timeouts and limits are the
same; the errors are httpx's, so callers need not care which client they hold. See ADR 0043.
"""

import asyncio
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import SplitResult, quote

import httptools
import httpx

from kiungo import __version__
from kiungo.kernel.clients.connect import addresses_of
from kiungo.kernel.clients.make import Outbound, public_tls

ANSWER_BYTES_MAX = 64_000
IDLE_S_MAX = 15.0
IDLE_PER_HOST_MAX = 64
CHECKED_URLS_MAX = 10_000

Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Shapes: `headers` by lower-case name, `body` cut at 64,000 bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Poster:
    """Keeps connections by origin; made and used on one event loop."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._tls: ssl.SSLContext | None = outbound.tls
        self._idle: defaultdict[Origin, deque[_Connection]] = defaultdict(deque)
        self._open: set[_Connection] = set()
        self._targets: dict[str, tuple[Origin, bytes]] = {}
        self._agent = f"User-Agent: kiungo/{__version__} ({outbound.name})\r\nAccept: */*\r\n"

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post once. A kept connection that the host closed meanwhile is replaced by a new one.

        Raises: Incorrect EGRESS_REFUSED; httpx.ConnectError, ConnectTimeout, ReadTimeout, RemoteProtocolError.
        """
        origin, start = self._target(url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = b"".join((start, lines.encode("ascii"), b"Content-Length: %d\r\n\r\n" % len(body), body))
        try:
            async with asyncio.timeout(self._outbound.timeouts.total_s):
                kept = self._kept(origin)
                if kept is not None:
                    try:
                        return await self._exchange(origin, kept, request)
                    except _ClosedWhileIdle:
                        pass  # nothing of the answer came, so the host may not have seen the request
                return await self._exchange(origin, await self._connect(origin), request)
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time") from None
        except _ClosedWhileIdle:
            raise httpx.RemoteProtocolError("the connection was closed without an answer") from None

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in tuple(self._open):
            connection.close()
        self._idle.clear()

    def _target(self, url: str) -> tuple[Origin, bytes]:
        """Check a URL's text, and render what every request to it begins with; remembered."""
        known = self._targets.get(url)
        if known is None:
            parts = self._outbound.egress.check_url(url)
            known = self._rendered(parts)
            if len(self._targets) >= CHECKED_URLS_MAX:
                self._targets.clear()
            self._targets[url] = known
        return known

    def _rendered(self, parts: SplitResult) -> tuple[Origin, bytes]:
        host = parts.hostname or ""
        origin = (parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80))
        path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*")
        query = "?" + quote(parts.query, safe="/%:=&~+!$,;'@()*?") if parts.query else ""
        start = f"POST {path}{query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{self._agent}"
        return origin, start.encode("ascii")

    def _kept(self, origin: Origin) -> "_Connection | None":
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if connection.usable() and time.monotonic() - connection.idle_since_s < IDLE_S_MAX:
                return connection
            connection.close()
        del self._idle[origin]
        return None

    async def _exchange(self, origin: Origin, connection: "_Connection", request: bytes) -> Answer:
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        idle = self._idle[origin]
        if connection.usable() and len(idle) < IDLE_PER_HOST_MAX:
            connection.idle_since_s = time.monotonic()
            idle.append(connection)
        else:
            connection.close()
        return answer

    async def _connect(self, origin: Origin) -> "_Connection":
        """Connect to the first address that answers, of those the policy allows."""
        scheme, host, port = origin
        outbound, loop = self._outbound, asyncio.get_running_loop()
        if scheme == "https" and self._tls is None:
            self._tls = public_tls()
        failure: Exception = httpx.ConnectError(f"no address of {host} answers")
        try:
            async with asyncio.timeout(outbound.timeouts.connect_s):
                for address in await addresses_of(host, port, outbound.egress, outbound.resolver):
                    try:
                        _, connection = await loop.create_connection(
                            lambda: _Connection(self._open),
                            address,
                            port,
                            ssl=self._tls if scheme == "https" else None,
                            server_hostname=host if scheme == "https" else None,
                        )
                    except (OSError, ssl.SSLError) as error:
                        failure = httpx.ConnectError(f"{host}: {error.strerror or type(error).__name__}")
                    else:
                        return connection
        except TimeoutError:
            raise httpx.ConnectTimeout(f"connecting to {host} took too long") from None
        raise failure


class _ClosedWhileIdle(Exception):
    """The connection ended before any byte of an answer."""


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, one exchange at a time."""

    def __init__(self, open_connections: "set[_Connection]") -> None:
        self.idle_since_s = 0.0
        self._open = open_connections
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body = b""
        self._has_head = False
        self._read = 0
        self._keep = False

    def usable(self) -> bool:
        """Whether another exchange may use this connection."""
        return self._keep and self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Let go of the connection."""
        self._keep = False
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and await its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._body, self._has_head = {}, b"", False
        self._read = 0
        self._keep = False
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._open.discard(self)
        self._keep = False
        self._transport = None
        if self._read == 0:
            self._fail(_ClosedWhileIdle())
        else:
            self._finish_early("the answer broke off")

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answer is None or self._answer.done():
            self.close()  # more than was asked for: not a connection to use again
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish_early("the answer changes protocol")
        except httptools.HttpParserError:
            self._finish_early("the answer is not HTTP")
        if self._read > ANSWER_BYTES_MAX:
            self._finish_early("the answer is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._parser.get_status_code() < 200:  # an interim answer; the final one follows
            self._headers, self._body, self._has_head = {}, b"", False
            return
        self._keep = self._parser.should_keep_alive()
        self._resolve()

    def _finish_early(self, why: str) -> None:
        """Once a final status has come it counts, however the rest of the answer ends."""
        if self._answer is not None and not self._answer.done():
            if self._has_head and self._status() >= 200:
                self._resolve()
            else:
                self._fail(httpx.RemoteProtocolError(why))
        self.close()

    def _status(self) -> int:
        assert self._parser is not None
        return int(self._parser.get_status_code())

    def _resolve(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._status(), self._headers, self._body))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
