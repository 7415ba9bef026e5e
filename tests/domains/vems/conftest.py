"""The booking domain behind a real server on a free port, on both engines."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kiungo.domains.vems.errors import SHAPE
from kiungo.domains.vems.events import TOPICS
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.roles import OPEN_SCOPES
from kiungo.domains.vems.routes import COMPONENTS, PUBLIC, vems_routes
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http.front import Front, open_front
from kiungo.kernel.http.server import server_of
from kiungo.kernel.outbox import Event, Outbox
from kiungo.kernel.secrets import new_key, parse_keyring
from kiungo.ports.registry import RegisteredPatient, Registry

JOHN = RegisteredPatient(
    "CR1234567", "John Kamau Mwangi", "+254712345678", "1985-05-15", "male", "National ID", "12345678"
)


class Heard:
    """Every event that was published, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, unit: Unit, event: Event) -> None:
        unit.after_commit(lambda: self.events.append(event))

    @property
    def topics(self) -> list[str]:
        return [event.topic for event in self.events]


@dataclass
class Running:
    """A running site with a client for it."""

    url: str
    client: httpx.Client
    vems: Vems
    front: Front
    heard: Heard

    def key(self, *scopes: str, **more: Any) -> dict[str, str]:
        """The header of a fresh API key with these scopes."""
        made = self.front.database.write(
            lambda unit: create_key(unit, system_call(1), name="Test", scopes=scopes, **more)
        )
        return {"X-API-Key": made[1]}


def heard_outbox(topics: tuple[str, ...]) -> tuple[Outbox, Heard]:
    heard = Heard()
    return Outbox(dict.fromkeys(topics, (heard,))), heard


@contextmanager
def running(
    database: Database, folder: Path, *, opened: bool = True, registry: Registry | None = None
) -> Iterator[Running]:
    """Serve the domain with its sample data until the block ends."""
    for name in [name for name in os.environ if name.startswith("KIUNGO_") and "TEST" not in name]:
        del os.environ[name]
    settings = Settings(mode="dev", data_dir=folder, port=0, public_url="http://kiungo.test", open_booking=opened)
    front = open_front(settings, database, parse_keyring(new_key()))
    outbox, heard = heard_outbox(TOPICS)
    vems = open_vems(database, Repository(database.clock), outbox, registry=registry)
    call = system_call(1)
    database.write(lambda unit: load_sample(vems.contracts, unit, call))
    heard.events.clear()
    if registry is None:
        database.write(lambda unit: vems.people.keep(unit, call, JOHN))
    site = front.site(
        routes=vems_routes(vems, front.reads),
        shapes=[SHAPE],
        components=COMPONENTS,
        public=PUBLIC,
        open_scopes=OPEN_SCOPES if settings.opens_booking else (),
    )
    server = server_of(site, settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=url, timeout=30) as client:
        yield Running(url, client, vems, front, heard)
    server.should_exit = True
    thread.join(10)
    vems.people.close()
    front.authenticator.close()


Start = Callable[..., Running]


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Start]:
    """Starts a site; it ends with the test."""
    open_ones: list[Any] = []

    def begin(**options: Any) -> Running:
        context = running(database, tmp_path, **options)
        open_ones.append(context)
        return context.__enter__()

    yield begin
    for context in reversed(open_ones):
        context.__exit__(None, None, None)


@pytest.fixture
def site(start: Start) -> Running:
    """The usual site: facility-based authentication is on, the sample patient is known."""
    return start()
