"""The console on a real server, with the sample data, real sessions and real webhook deliveries."""

import asyncio
import contextlib
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
import uvloop

from kiungo.app.system import System, open_system
from kiungo.domains.payor import sample
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.config import load_settings
from kiungo.kernel.http.server import server_of
from tests.conftest import ENGINES
from tests.postgresql import name_of, with_database

FIRST_DAY = date(2025, 1, 1)
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Visitor:
    """A browser without script: follows redirects, keeps cookies, sends the token of the last page it saw."""

    client: httpx.Client
    token: str = ""
    page: str = ""
    status: int = 0

    def see(self, path: str, **query: str) -> str:
        return self._seen(self.client.get(path, params=query or None))

    def send(self, path: str, *, token: str | None = None, **fields: str) -> str:
        form = {"csrf": self.token if token is None else token, **fields}
        return self._seen(self.client.post(path, data=form))

    def upload(self, path: str, content: bytes, *, token: str | None = None) -> str:
        form = {"csrf": self.token if token is None else token}
        return self._seen(self.client.post(path, data=form, files={"file": ("sent.csv", content)}))

    def sign_in(self, key: str) -> str:
        self.see("/console/sign-in")
        return self.send("/console/sign-in", api_key=key)

    def _seen(self, answer: httpx.Response) -> str:
        self.status, self.page = answer.status_code, answer.text
        found = CSRF.search(self.page)
        self.token = found[1] if found else self.token
        return self.page


@dataclass
class House:
    """A running console."""

    url: str
    system: System
    clients: list[httpx.Client] = field(default_factory=list)
    days: Iterator[int] = field(default_factory=count)

    def key(self, name: str, role: str, **bindings: str) -> str:
        def make(unit: Any) -> str:
            return create_key(unit, system_call(1), name=name, roles=[role], bindings=bindings)[1]

        return self.system.database.write(make)

    def visitor(self) -> Visitor:
        client = httpx.Client(base_url=self.url, follow_redirects=True, timeout=20, headers={"origin": self.url})
        self.clients.append(client)
        return Visitor(client)

    def signed_in(self, name: str, role: str, **bindings: str) -> Visitor:
        visitor = self.visitor()
        visitor.sign_in(self.key(name, role, **bindings))
        assert visitor.status == 200, visitor.page
        return visitor

    def submit(self, **fields: str) -> str:
        """A claim sent by the provider PROV-001; returns its id."""
        visitor = self.signed_in("City Medical Center", "provider", provider="PROV-001")
        visitor.see("/console/claims/new")
        claim = {
            "patient_name": "John Doe",
            "insurance_id": "BC-789-456",
            "diagnosis_code": "J20.9",
            "procedure_code": "99213",
            "amount": "1250.00",
            # Every claim on a day of its own, so that none is taken for a repetition of another.
            "date_of_service": str(FIRST_DAY + timedelta(days=next(self.days))),
        } | fields
        page = visitor.send("/console/claims/new", **claim)
        assert visitor.status == 200, page
        return re.search(r"CLM-\d{8}-[A-Z0-9]{6}", page)[0]  # type: ignore[index]


@contextlib.contextmanager
def running_house(database_url: str, folder: Path) -> Iterator[House]:
    """The whole system in demo mode on a free port: short retry schedule, loopback receivers allowed."""
    settings = load_settings(mode="demo", data_dir=folder, port=0, database_url=database_url)
    system = open_system(settings)
    system.database.write(lambda unit: sample.load(system.registers, unit, system_call(1)))
    server = server_of(system.site, settings)
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    house = House(f"http://127.0.0.1:{port}", system)
    yield house
    for client in house.clients:
        client.close()
    server.should_exit = True
    thread.join(10)
    system.close()


def _serve(server: uvicorn.Server) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())


@pytest.fixture(scope="module", params=ENGINES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A console on each engine, shared by a module's tests; each test looks for its own claims."""
    folder = tmp_path_factory.mktemp("console")
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "kiungo.db")
        with running_house(f"sqlite:///{folder / 'kiungo.db'}", folder) as house:
            yield house
        return
    template: str = request.getfixturevalue("postgresql_server")
    name = "console_" + uuid.uuid4().hex
    with psycopg.connect(with_database(template, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {name_of(template)}")
        with running_house(with_database(template, name), folder) as house:
            yield house
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
