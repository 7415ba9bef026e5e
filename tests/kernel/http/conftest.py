"""A real server on a free port, with one route of every kind."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import structlog
import uvicorn
import uvloop
from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, Field

from kiungo.base.errors import KiungoError
from kiungo.kernel import audit
from kiungo.kernel.auth import Thing, require, system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import ErrorShape, Exchange, Request, Response, Route, open_to_all, secured
from kiungo.kernel.http.front import Front, open_front
from kiungo.kernel.http.server import server_of
from kiungo.kernel.http.site import Site
from kiungo.kernel.secrets import new_key, parse_keyring
from kiungo.kernel.telemetry import drop_unknown_keys

PUBLIC = ("GET /api/open", "GET /api/framework/open")


class Thing2(BaseModel):
    """A body FastAPI validates."""

    name: str
    count: int = Field(ge=1)


def render_notes(error: KiungoError, request_id: str) -> Response:
    return Response.json({"error": error.message, "error_code": error.code, "claim_id": None}, error.http_status)


def sample_routes(front: Front) -> list[Route]:
    """Lean routes: a note that is written, read, refused, and one that breaks."""

    async def write(request: Request) -> Response:
        body = request.json()
        name = body["name"]

        def work(unit: Unit) -> Response:
            audit.record(unit, request.call, "create", kind="note", id=name)
            if name == "broken":
                raise RuntimeError("contains John Doe")
            count = unit.value("SELECT count(*) FROM audit WHERE kind = 'note'")
            return Response.json({"name": name, "count": count}, 201, ((b"location", b"/api/notes/" + name.encode()),))

        return await request.write(work)

    async def read(request: Request) -> Response:
        note_id = request.params["note_id"]
        require(request.call.principal, "read:notes", Thing("note", note_id, bindings={"provider": note_id}))
        front.reads.note(request.call, "read", "note", note_id, note_id)
        return Response.json({"id": note_id, "query": request.query, "who": request.call.principal.name})

    async def break_down(request: Request) -> Response:
        raise RuntimeError("contains John Doe")

    async def greet(request: Request) -> Response:
        return Response.json({"hello": request.call.principal.kind, "origin": request.call.origin})

    async def show_page(request: Request) -> Response:
        return Response(200, b"<p>hello</p>", media_type=b"text/html; charset=utf-8")

    return [
        Route("POST", "/api/notes/", write, scope="write:notes", api="notes"),
        Route("GET", "/api/notes/{note_id}/", read, scope="read:notes", api="notes"),
        Route("GET", "/api/notes/{note_id}/page", show_page, scope="read:notes", api="notes"),
        Route("GET", "/api/notes/broken", break_down, scope="read:notes", api="notes"),
        Route("GET", "/api/staff", greet, scope="read:notes", owners=()),
        Route("GET", "/api/shop", greet, scope="read:notes", owners=("shop", "till")),
        Route("GET", "/api/open", greet, public=True),
    ]


def sample_router() -> APIRouter:
    """The same in FastAPI."""
    router = APIRouter(prefix="/api/framework")

    @router.get("/open", dependencies=[open_to_all()])
    async def greet() -> Any:
        return {"hello": "everybody"}

    @router.post("/things/", status_code=201)
    async def write(exchange: Annotated[Exchange, secured("write:notes")], thing: Thing2) -> Any:
        def work(unit: Unit) -> Response:
            audit.record(unit, exchange.call, "create", kind="thing", id=thing.name)
            return Response.json({"name": thing.name}, 201)

        return await exchange.write(work)

    @router.post("/uploads/")
    async def upload(
        exchange: Annotated[Exchange, secured("write:notes", body_bytes_max=200_000)], file: UploadFile
    ) -> Any:
        return {"bytes": len(await file.read())}

    @router.get("/things/{thing_id}")
    def read(exchange: Annotated[Exchange, secured("read:notes")], thing_id: int) -> Any:
        if thing_id == 13:
            raise RuntimeError("contains John Doe")
        return {"id": thing_id, "who": exchange.call.principal.name}

    return router


@dataclass
class Running:
    """A running site and a client for it."""

    url: str
    port: int
    site: Site
    front: Front
    client: httpx.Client

    def key(self, *scopes: str, **more: Any) -> str:
        """A fresh API key with these scopes."""
        return self.front.database.write(
            lambda unit: create_key(unit, system_call(1), name="Test", scopes=scopes, **more)
        )[1]


def settings_of(folder: Path, **overrides: Any) -> Settings:
    """Settings of a test, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith("KIUNGO_") and "TEST" not in name]:
        del os.environ[name]
    values = {"mode": "dev", "data_dir": folder, "port": 0, "public_url": "http://kiungo.test", **overrides}
    return Settings(**values)


@contextmanager
def running(database: Database, settings: Settings, **site: Any) -> Iterator[Running]:
    """Serve the sample site on a free port until the block ends."""
    front = open_front(settings, database, parse_keyring(new_key()))
    built = front.site(
        routes=sample_routes(front),
        routers=[sample_router()],
        shapes=[ErrorShape("notes", ("/api/notes",), render_notes)],
        **{"public": PUBLIC, **site},
    )
    server = server_of(built, settings)
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=20) as client:
        yield Running(url, port, built, front, client)
    server.should_exit = True
    thread.join(10)
    front.authenticator.close()


def _serve(server: uvicorn.Server) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """The log lines of the test, as their keys."""
    before = structlog.get_config()
    lines: list[Any] = []

    def keep(_: Any, __: str, line: Any) -> Any:
        lines.append(dict(drop_unknown_keys(_, __, line)))
        raise structlog.DropEvent

    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    yield lines
    structlog.configure(**before)


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts sites with settings of the test's choice."""
    opened = []

    def begin(*, site: dict[str, Any] | None = None, **overrides: Any) -> Running:
        manager = running(database, settings_of(tmp_path, **overrides), **(site or {}))
        opened.append(manager)
        return manager.__enter__()

    yield begin
    for manager in reversed(opened):
        manager.__exit__(None, None, None)


@pytest.fixture
def served(start: Callable[..., Running]) -> Running:
    """A site with the usual settings."""
    return start()
