"""One call, written once: a generator that yields what to send and where to wait, run by a thread or an event loop.

A call is a generator of `Ask` and `Pause`. Each `Ask` is answered by a `Reply`, or `Lost` is thrown where it stands
when the connection failed. `InThreads` and `OnLoop` are all that knows how to send and how to wait.
"""

import asyncio
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import httpx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to send. Shapes: `query` may repeat names; `url` is absolute."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait. Units: seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Shapes: the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lost(Exception):
    """No answer came; whether the server did anything is not known."""


Steps = Generator[Ask | Pause, Reply | None, T]


def send(ask: Ask) -> Steps[Reply]:
    """Yield one request and return its reply. Raises: Lost."""
    reply = yield ask
    if reply is None:
        raise AssertionError("an Ask is answered with a Reply")
    return reply


class InThreads:
    """Runs calls in the calling thread. `http` is the caller's own, for its timeouts, proxies or hooks: not closed."""

    def __init__(self, http: httpx.Client | None, timeout_s: float) -> None:
        self._http = http or httpx.Client(timeout=timeout_s)
        self._owns_http = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless they were given."""
        if self._owns_http:
            self._http.close()

    def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = self._http.send(_request(self._http, step))
                except httpx.TransportError as error:
                    step = steps.throw(Lost(type(error).__name__))
                else:
                    step = steps.send(_reply(response))
        except StopIteration as end:
            result: T = end.value
            return result


class OnLoop:
    """Runs calls on the event loop; the same otherwise."""

    def __init__(self, http: httpx.AsyncClient | None, timeout_s: float) -> None:
        self._http = http or httpx.AsyncClient(timeout=timeout_s)
        self._owns_http = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, unless they were given."""
        if self._owns_http:
            await self._http.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = await self._http.send(_request(self._http, step))
                except httpx.TransportError as error:
                    step = steps.throw(Lost(type(error).__name__))
                else:
                    step = steps.send(_reply(response))
        except StopIteration as end:
            result: T = end.value
            return result


def _request(http: httpx.Client | httpx.AsyncClient, ask: Ask) -> httpx.Request:
    url = httpx.URL(ask.url)
    if ask.query:
        url = url.copy_with(params=[*url.params.multi_items(), *ask.query])
    return http.build_request(ask.method, url, headers=dict(ask.headers), content=ask.body)


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)
