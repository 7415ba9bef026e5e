"""The pipeline every request passes: one pure-ASGI application around lean routes and FastAPI.

Order: request id, route, credential, rate, scope, body limit, handler, audit wait, headers, figures. Lean
handlers answer from here; every other route is handed to FastAPI with its body already read and bounded.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import APIRouter
from starlette.types import Receive, Scope, Send

from kiungo.base.errors import Incorrect, KiungoError, NotFound, Unavailable, define
from kiungo.kernel.audit import Outcome, Reads
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.config import Settings
from kiungo.kernel.http.answers import Answers
from kiungo.kernel.http.behind import Behind, endpoints_of, fastapi_with, unexpected
from kiungo.kernel.http.bodies import BodyRefused, SenderLeft, read_body
from kiungo.kernel.http.checks import check_public, endpoint_of, refuse_repeated
from kiungo.kernel.http.cors import Cors
from kiungo.kernel.http.dispatch import Dispatcher, Endpoint
from kiungo.kernel.http.errors import PLATFORM, ErrorShape
from kiungo.kernel.http.gate import Gate
from kiungo.kernel.http.idempotency import Keeper
from kiungo.kernel.http.messages import Request, Response
from kiungo.kernel.http.routes import Route
from kiungo.kernel.telemetry import redacted_traceback

ROUTE_UNKNOWN = define("ROUTE_UNKNOWN", NotFound, "No route has this path.")
METHOD_NOT_ALLOWED = define("METHOD_NOT_ALLOWED", Incorrect, "The path does not take this method.", http=405)
PATH_UNREADABLE = define("PATH_UNREADABLE", Incorrect, "The path holds a NUL character.")

WHOLE_ANSWER = "kiungo.answer_whole"  # our server's ASGI extension: its "write" takes status, headers, body
CLOSES = (b"connection", b"close")
LOGGED_FROM_STATUS = {"off": 1_000, "errors": 500, "all": 0}
log = structlog.get_logger(__name__)
Hook = Callable[[], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Passing:
    """One request on its way through, for error answers and figures."""

    request_id: str
    started_s: float
    headers: dict[bytes, bytes]
    endpoint: Endpoint | None = None
    call: Call | None = None
    answered: bool = False


class Site:
    """The ASGI application.

    `public` lists every route without a scope as "METHOD /path", in one place of the whole platform.
    Raises: ValueError when a route has neither scope nor entry there, or an entry names no route.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        gate: Gate,
        reads: Reads,
        keeper: Keeper,
        routes: Sequence[Route] = (),
        routers: Sequence[APIRouter] = (),
        shapes: Sequence[ErrorShape] = (),
        public: Sequence[str] = (),
        starts: Sequence[Hook] = (),
        stops: Sequence[Hook] = (),
    ) -> None:
        self._gate = gate
        self._reads = reads
        self._keeper = keeper
        self._body_bytes_max = settings.body_bytes_max
        self._body_timeout_s = settings.body_timeout_s
        self._logged_from_status = LOGGED_FROM_STATUS[settings.access_log]
        self._starts = tuple(starts)
        self._stops = tuple(stops)
        self._cors = Cors(settings.cors_origins) if settings.cors_origins else None
        self.answers = Answers((*shapes, PLATFORM), https=settings.issuer.startswith("https://"))
        self.fastapi = fastapi_with(routers, self.answers, self.note_refusal)
        self._behind = Behind(self.fastapi, self.answers)
        self._dispatcher = Dispatcher()
        self._nowhere = Endpoint("*", "/(no route)", handler=None, scope=None)
        for route in routes:
            self._dispatcher.add(endpoint_of(route))
        for endpoint in endpoints_of(self.fastapi, self.answers):
            self._dispatcher.add(endpoint)
        check_public(self.endpoints, public)

    @property
    def endpoints(self) -> list[Endpoint]:
        """Every endpoint, lean or not."""
        return self._dispatcher.endpoints

    @property
    def measured(self) -> list[Endpoint]:
        """Every endpoint and the one that counts requests without a route; for metrics."""
        return [*self._dispatcher.endpoints, self._nowhere]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._pass(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise ValueError(f"no {scope['type']} here")

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_headers = scope["headers"]
        headers = dict(raw_headers)
        passing = Passing(self._gate.request_id(headers.get(b"x-request-id")), time.perf_counter(), headers)
        try:
            if len(headers) != len(raw_headers):
                refuse_repeated(raw_headers)
            response = await self._answer(scope, receive, send, passing)
        except KiungoError as error:
            response = self._refusal(scope, passing, error)
        except BodyRefused as refused:
            response = self._refusal(scope, passing, refused.error)
            if refused.close:
                response.headers += (CLOSES,)
        except SenderLeft:
            return
        except Exception as problem:  # the last line of defence: the caller learns the request id only
            self._log_fault(scope, passing, problem)
            if passing.answered:
                return
            response = self._refusal(scope, passing, unexpected())
        if response is not None:
            await self._send(scope, send, passing, response)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, passing: Passing) -> Response | None:
        method: str = scope["method"]
        path: str = scope["path"]
        headers = passing.headers
        found = self._dispatcher.find(path)
        if found is None or "\x00" in path:
            raise self._no_route(path)
        methods, values = found
        endpoint = methods.get(method)
        if endpoint is None:
            if self._cors is not None and method == "OPTIONS":
                return self._cors.preflight(headers, methods)
            endpoint = methods.get("GET") if method == "HEAD" else None
            if endpoint is None:
                raise Incorrect(METHOD_NOT_ALLOWED, f"This path does not take {method[:20]}", field="method")
        passing.endpoint = endpoint
        call = passing.call = await self._gate.admit(endpoint, headers, scope, passing.request_id)
        declared = headers.get(b"content-length")
        body = b""
        if (declared is not None and declared != b"0") or b"transfer-encoding" in headers:
            body = await read_body(
                receive,
                declared=declared,
                expects_go_ahead=b"expect" in headers,
                bytes_max=endpoint.body_bytes_max or self._body_bytes_max,
                timeout_s=self._body_timeout_s,
            )
        request = Request(
            method, path, endpoint.template, dict(zip(endpoint.names, values, strict=True)),
            scope["query_string"], headers, body, call, self._keeper,
        )  # fmt: skip
        if endpoint.handler is None:
            await self._behind.answer(scope, receive, self._sender(scope, send, passing), endpoint, request)
            return None
        response = await endpoint.handler(request)
        if call.pending is not None:
            await call.pending
        return response

    async def _send(self, scope: Scope, send: Send, passing: Passing, response: Response) -> None:
        body = response.body
        headers = self.answers.headers_of(response, passing.request_id)
        if self._cors is not None:
            headers += self._cors.headers(passing.headers)
        if scope["method"] == "HEAD":
            body = b""
        extension = scope["extensions"].get(WHOLE_ANSWER) if "extensions" in scope else None
        if extension is None or not extension["write"](response.status, headers, body):
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        self._count(scope, passing, response.status)

    def _sender(self, scope: Scope, send: Send, passing: Passing) -> Send:
        """FastAPI's way out: the audit wait, the common headers and the figures at its first message."""

        async def sender(message: Any) -> None:
            if message["type"] == "http.response.start":
                passing.answered = True
                call = passing.call
                if call is not None and call.pending is not None:
                    await call.pending
                headers = self.answers.completed(message.get("headers", []), passing.request_id)
                if self._cors is not None:
                    headers += self._cors.headers(passing.headers)
                message = {**message, "headers": headers}
                self._count(scope, passing, message["status"])
            elif scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        return sender

    def _count(self, scope: Scope, passing: Passing, status: int) -> None:
        seconds = time.perf_counter() - passing.started_s
        endpoint = passing.endpoint or self._nowhere
        endpoint.observe(status, seconds)
        if status >= self._logged_from_status:
            log.info(
                "request",
                request_id=passing.request_id,
                method=scope["method"],
                route=endpoint.template,
                status=status,
                duration_ms=round(seconds * 1_000, 2),
            )

    def _refusal(self, scope: Scope, passing: Passing, error: KiungoError) -> Response:
        endpoint = passing.endpoint
        if passing.call is not None and endpoint is not None:
            self.note_refusal(passing.call, endpoint, error)
        shape = self.answers.shape_of(endpoint.api if endpoint else None, scope["path"])
        response = self.answers.render(shape, error, passing.request_id)
        if error.code == METHOD_NOT_ALLOWED:
            found = self._dispatcher.find(scope["path"])
            allowed = ", ".join(sorted(found[0])) if found else ""
            response.headers += ((b"allow", allowed.encode("ascii")),)
        return response

    def note_refusal(self, call: Call, endpoint: Endpoint, error: KiungoError) -> None:
        """One audit entry for a refused call: its route and the error's code, nothing it sent."""
        outcome: Outcome = "refused" if error.http_status < 500 else "failed"
        action, template = endpoint.method.lower(), endpoint.template
        try:
            self._reads.note(call, action, "route", template, outcome=outcome, detail=error.code)
        except Unavailable as full:
            log.warning("audit.refusal_dropped", route=template, code=full.code)

    def _log_fault(self, scope: Scope, passing: Passing, problem: Exception) -> None:
        log.error(
            "request.failed",
            request_id=passing.request_id,
            method=scope["method"],
            route=passing.endpoint.template if passing.endpoint else "unknown",
            trace=redacted_traceback(problem),
        )

    def _no_route(self, path: str) -> KiungoError:
        if "\x00" in path:
            return Incorrect(PATH_UNREADABLE, "The path holds a NUL character", field="path", hint="Remove %00")
        unknown = self.answers.shape_of(None, path).unknown
        said = unknown(path) if unknown is not None else None
        if said is not None:
            return said
        return NotFound(ROUTE_UNKNOWN, "There is nothing at this path", hint="See /api/docs/ for what there is")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server."""
        await receive()
        try:
            self._reads.start()
            for start in self._starts:
                await start()
        except Exception as problem:
            log.error("start.failed", trace=redacted_traceback(problem))
            await send({"type": "lifespan.startup.failed", "message": type(problem).__name__})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for stop in self._stops:
            await stop()
        await self._reads.close()
        await send({"type": "lifespan.shutdown.complete"})
