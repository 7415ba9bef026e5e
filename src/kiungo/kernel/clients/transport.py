"""The transports behind every client: guard, breaker, total timeout, and a limit on the answer's size."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import httpx

from kiungo.kernel.clients.breaker import Breaker
from kiungo.kernel.clients.egress import EgressPolicy


class ResponseTooLarge(httpx.TransportError):
    """The answer is larger than this client accepts, or compressed although that was not asked for."""


class GuardedAsyncTransport(httpx.AsyncBaseTransport):
    """Wraps a transport whose connections are already guarded. Units: `total_s` seconds for the whole call."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        policy: EgressPolicy,
        breaker: Breaker | None,
        *,
        total_s: float,
        response_bytes_max: int,
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._breaker = breaker
        self._total_s = total_s
        self._response_bytes_max = response_bytes_max

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises: Incorrect EGRESS_REFUSED; CircuitOpen; httpx.TransportError."""
        self._policy.check_url(str(request.url))
        host, breaker = request.url.netloc.decode("ascii"), self._breaker
        if breaker is not None:
            breaker.enter(host)
        until_s = time.monotonic() + self._total_s
        try:
            async with asyncio.timeout(self._total_s):
                response = await self._inner.handle_async_request(request)
        except TimeoutError:
            _tell(breaker, host, well=False)
            raise httpx.ReadTimeout(f"no complete answer within {self._total_s} s") from None
        except httpx.TransportError:
            _tell(breaker, host, well=False)
            raise
        except BaseException:
            if breaker is not None:
                breaker.abandoned(host)
            raise
        _tell(breaker, host, well=response.status_code < 500)
        response.stream = _BoundedAsyncStream(response, self._response_bytes_max, until_s)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


class GuardedTransport(httpx.BaseTransport):
    """The same for blocking clients."""

    def __init__(
        self,
        inner: httpx.BaseTransport,
        policy: EgressPolicy,
        breaker: Breaker | None,
        *,
        total_s: float,
        response_bytes_max: int,
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._breaker = breaker
        self._total_s = total_s
        self._response_bytes_max = response_bytes_max

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises: Incorrect EGRESS_REFUSED; CircuitOpen; httpx.TransportError."""
        self._policy.check_url(str(request.url))
        host, breaker = request.url.netloc.decode("ascii"), self._breaker
        if breaker is not None:
            breaker.enter(host)
        until_s = time.monotonic() + self._total_s
        try:
            response = self._inner.handle_request(request)
        except httpx.TransportError:
            _tell(breaker, host, well=False)
            raise
        except BaseException:
            if breaker is not None:
                breaker.abandoned(host)
            raise
        _tell(breaker, host, well=response.status_code < 500)
        response.stream = _BoundedStream(response, self._response_bytes_max, until_s)
        return response

    def close(self) -> None:
        """Close every connection."""
        self._inner.close()


class _BoundedAsyncStream(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, bytes_max: int, until_s: float) -> None:
        self._stream = response.stream
        self._refused = _why_refused(response, bytes_max)
        self._bytes_max = bytes_max
        self._until_s = until_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        if self._refused:
            raise ResponseTooLarge(self._refused)
        read = 0
        chunks = aiter(self._stream)
        while True:
            try:
                async with asyncio.timeout(max(self._until_s - time.monotonic(), 0)):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise httpx.ReadTimeout("the answer did not end in time") from None
            if chunk is None:
                return
            read += len(chunk)
            if read > self._bytes_max:
                raise ResponseTooLarge(f"the answer has more than {self._bytes_max} bytes")
            yield chunk

    async def aclose(self) -> None:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        await self._stream.aclose()


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, bytes_max: int, until_s: float) -> None:
        self._stream = response.stream
        self._refused = _why_refused(response, bytes_max)
        self._bytes_max = bytes_max
        self._until_s = until_s

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx.SyncByteStream)
        if self._refused:
            raise ResponseTooLarge(self._refused)
        read = 0
        for chunk in self._stream:
            read += len(chunk)
            if read > self._bytes_max:
                raise ResponseTooLarge(f"the answer has more than {self._bytes_max} bytes")
            if time.monotonic() > self._until_s:
                raise httpx.ReadTimeout("the answer did not end in time")
            yield chunk

    def close(self) -> None:
        assert isinstance(self._stream, httpx.SyncByteStream)
        self._stream.close()


def _why_refused(response: httpx.Response, bytes_max: int) -> str | None:
    """Why the body must not be read; who wants only the status never learns.

    We ask for `identity`: a compressed answer could unfold into anything.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        return f"the answer is {encoding[:20]}-encoded"
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > bytes_max:
        return f"the answer has more than {bytes_max} bytes"
    return None


def _tell(breaker: Breaker | None, host: str, *, well: bool) -> None:
    if breaker is not None:
        (breaker.succeeded if well else breaker.failed)(host)
