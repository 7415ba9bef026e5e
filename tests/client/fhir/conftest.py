"""Our own server on a free port, and scripted ones; every test runs through both clients."""

import asyncio
import inspect
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import uvloop

from kiungo.base.time import SystemClock
from kiungo.client.fhir import ApiKey, AsyncFhirClient, FhirClient, Retries
from kiungo.fhir import routes as fhir_routes
from kiungo.fhir.outcome import SHAPE
from kiungo.fhir.store import Store
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.config import Settings
from kiungo.kernel.database import open_database
from kiungo.kernel.http.front import open_front
from kiungo.kernel.http.server import server_of
from kiungo.kernel.secrets import open_keyring

QUICK = Retries(attempts_max=3, first_wait_s=0.001, wait_s_max=0.01)
KINDS = ("threads", "event loop")
BASE = "http://fhir.test/fhir"


class Blocking:
    """An AsyncFhirClient whose calls are waited for, so that one test tells of both clients."""

    def __init__(self, client: AsyncFhirClient, runner: asyncio.Runner) -> None:
        self._client, self._runner = client, runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **given: Any) -> Any:
            asked = getattr(self._client, name)(*args, **given)
            return self._runner.run(asked if inspect.iscoroutine(asked) else _collect(asked))

        return call


async def _collect(asked: Any) -> list[Any]:
    return [one async for one in asked]


@dataclass
class Makes:
    """Makes clients of one kind."""

    kind: str
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __call__(self, url: str, credentials: Any = None, *, transport: Any = None, **given: Any) -> Any:
        given.setdefault("retries", QUICK)
        if self.kind == "threads":
            return FhirClient(url, credentials, http=httpx.Client(transport=transport), **given)
        made = AsyncFhirClient(url, credentials, http=httpx.AsyncClient(transport=transport), **given)
        return Blocking(made, self.runner)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Iterator[Makes]:
    makes = Makes(request.param)
    yield makes
    makes.runner.close()


@pytest.fixture(scope="module")
def ours(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address and a key of our own server, which this module's tests share."""
    folder = tmp_path_factory.mktemp("ours")
    shutil.copy(sqlite_template, folder / "kiungo.db")
    database = open_database(f"sqlite:///{folder / 'kiungo.db'}", clock=SystemClock())
    settings = Settings(mode="dev", data_dir=folder, port=0, public_url="http://127.0.0.1", _env_file=None)
    front = open_front(settings, database, open_keyring(None, folder, create=True))
    store = Store(database, front.reads, base_url="http://127.0.0.1/fhir", link_key=b"k" * 32)
    site = front.site(routes=fhir_routes.routes(store), shapes=[SHAPE], public=fhir_routes.PUBLIC)
    server = server_of(site, settings)
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/fhir"
    store.base_url = url
    key = database.write(lambda unit: create_key(unit, system_call(1), name="test", scopes=("system/*.cruds",)))[1]
    yield url, key
    server.should_exit = True
    thread.join(10)
    front.authenticator.close()
    database.close()


def _serve(server: uvicorn.Server) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())


@pytest.fixture
def fhir(make: Makes, ours: tuple[str, str]) -> Any:
    """A client of our own server."""
    url, key = ours
    return make(url, ApiKey(key))


@dataclass
class Script:
    """A server that answers as told, and what it was asked."""

    answers: list[tuple[int, Any, dict[str, str]] | Exception] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)

    def then(self, status: int, body: Any = None, **headers: str) -> "Script":
        self.answers.append((status, body, {name.replace("_", "-"): value for name, value in headers.items()}))
        return self

    def breaks(self) -> "Script":
        self.answers.append(httpx.ReadError("the connection was lost"))
        return self

    @property
    def transport(self) -> httpx.MockTransport:
        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            told = self.answers.pop(0)
            if isinstance(told, Exception):
                raise told
            status, body, headers = told
            content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            return httpx.Response(status, content=content, headers=headers)

        return httpx.MockTransport(answer)


@pytest.fixture
def script() -> Script:
    return Script()
