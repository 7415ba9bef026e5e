"""FastAPI behind the pipeline: its routes as endpoints, its errors in our shapes, its bodies bounded."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from kiungo.base.errors import Detail, Fault, Incorrect, KiungoError, NotFound, define
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http.answers import Answers
from kiungo.kernel.http.dispatch import Endpoint
from kiungo.kernel.http.messages import Request, parse_query
from kiungo.kernel.http.routes import EXCHANGE, Exchange, Guard, as_starlette

REQUEST_INVALID = define("REQUEST_INVALID", Incorrect, "A field of the request is missing or wrong.", http=422)
NOTHING_HERE = define("NOTHING_HERE", NotFound, "There is nothing under this path.")
REQUEST_REFUSED = define("REQUEST_REFUSED", Incorrect, "The request was refused by the route.")

UNEXPECTED = define("UNEXPECTED", Fault, "Our own mistake; the request id finds it in the log.")

ENDPOINT = "kiungo.endpoint"
NoteRefusal = Callable[[Call, Endpoint, KiungoError], None]


class Behind:
    """Hands requests to FastAPI."""

    def __init__(self, app: FastAPI, answers: Answers) -> None:
        self._app = app
        self._answers = answers

    async def answer(self, scope: Scope, receive: Receive, send: Send, endpoint: Endpoint, request: Request) -> None:
        """Let FastAPI answer; the path is written as its route has it, the body comes from memory.

        Raises: Incorrect when JSON body or query hold what no record may hold (NUL, lone surrogates, a member twice).
        """
        parse_query(request.raw_query)
        if request.body and b"json" in request.raw_headers.get(b"content-type", b""):
            json.loads_body(request.body)
        scope[EXCHANGE] = Exchange(request)
        scope[ENDPOINT] = endpoint
        path = request.path
        if endpoint.template.endswith("/"):
            path = path if path.endswith("/") else path + "/"
        elif path.endswith("/") and not endpoint.template.endswith(":path}"):
            path = path.rstrip("/")
        scope["path"] = path
        scope["raw_path"] = path.encode("utf-8")
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        sent = False

        async def receive_body() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": request.body, "more_body": False}

        await self._app(scope, receive_body, send)


def fastapi_with(routers: Sequence[APIRouter], answers: Answers, note_refusal: NoteRefusal) -> FastAPI:
    """A FastAPI application of these routers, answering errors in the shape of each API."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in routers:
        # Including a router would analyse each of its routes a second time, to the same end: they stand whole already.
        app.router.routes.extend(router.routes)

    async def refuse(request: StarletteRequest, problem: Exception) -> StarletteResponse:
        error = error_of(problem)
        endpoint: Endpoint = request.scope[ENDPOINT]
        exchange: Exchange = request.scope[EXCHANGE]
        shape = answers.shape_of(endpoint.api, request.scope["path"])
        note_refusal(exchange.call, endpoint, error)
        return as_starlette(answers.render(shape, error, exchange.call.request_id))

    app.add_exception_handler(Exception, refuse)
    app.add_exception_handler(KiungoError, refuse)
    app.add_exception_handler(RequestValidationError, refuse)
    app.add_exception_handler(HTTPException, refuse)
    return app


def error_of(problem: Exception) -> KiungoError:
    """What FastAPI raised, as one of our errors."""
    if isinstance(problem, KiungoError):
        return problem
    if isinstance(problem, RequestValidationError):
        details = tuple(
            Detail(".".join(str(part) for part in error["loc"]), str(error["msg"]), str(error["type"]))
            for error in problem.errors()
        )
        return Incorrect(
            REQUEST_INVALID,
            "; ".join(f"{detail.field}: {detail.message}" for detail in details[:3])[:500],
            field=details[0].field if details else None,
            hint="See /api/docs/ for the fields of this route",
            details=details,
        )
    if isinstance(problem, HTTPException) and problem.status_code == 404:
        return NotFound(NOTHING_HERE, "There is nothing under this path", hint="See /api/docs/")
    if isinstance(problem, HTTPException) and problem.status_code == 400:
        return Incorrect(REQUEST_REFUSED, str(problem.detail)[:200], hint="See /api/docs/")
    return unexpected()


def unexpected() -> Fault:
    """What a caller learns of our own mistakes."""
    return Fault(UNEXPECTED, "Something went wrong on our side", hint="Report the request id")


def endpoints_of(app: FastAPI, answers: Answers) -> Iterator[Endpoint]:
    """Every route of a FastAPI application as an endpoint.

    A mounted application (static files) is one public endpoint with everything under its path.
    Raises: ValueError for a route without `secured(...)` or `open_to_all()`.
    """
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        if isinstance(context.route, Mount):
            yield Endpoint("GET", f"{path}/{{rest:path}}", handler=None, scope=None)
            continue
        guard = _guard_of(context)
        for method in sorted(context.methods or ()):
            if method == "HEAD":
                continue
            if guard is None:
                raise ValueError(f"{method} {path} has neither secured(...) nor open_to_all()")
            api = answers.shape_of(None, path).api
            yield Endpoint(
                method, path, handler=None, scope=guard.scope, api=api, body_bytes_max=guard.body_bytes_max,
                owners=guard.owners,
            )  # fmt: skip


def _guard_of(context: RouteContext) -> Guard | None:
    """The guard among a route's dependencies; with several, the first that asks for a scope."""
    guards = list(_guards(getattr(context, "dependant", None)))
    return next((guard for guard in guards if guard.scope is not None), guards[0] if guards else None)


def _guards(dependant: Dependant | None) -> Iterator[Guard]:
    if dependant is None:
        return
    if isinstance(dependant.call, Guard):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _guards(inner)
