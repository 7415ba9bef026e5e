"""A real payor with the national sample plan behind its own API, for bookings whose claims it decides."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kiungo.connectors.hcms.connector import HcmsPayer, open_payer
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.domains.payor import sample
from kiungo.domains.payor.errors import SHAPE
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.routes import payor_routes
from kiungo.domains.payor.service import Payor
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database
from kiungo.kernel.http.front import Front, open_front
from kiungo.kernel.http.server import server_of
from kiungo.kernel.outbox import Outbox
from kiungo.kernel.secrets import new_key, parse_keyring
from kiungo.ports.bookings import Bookings

PROVIDER = "PROV-004"
SECRET = "a-secret-for-webhooks"


@dataclass
class RunningPayor:
    """The payor, its port as bookings see it, and a client for the hospital."""

    url: str
    payor: Payor
    front: Front
    api_key: str
    client: httpx.Client

    def port(self, **options: Any) -> HcmsPayer:
        settings = HcmsSettings(
            **{"base_url": f"{self.url}/api", "api_key": self.api_key, "webhook_secret": SECRET, **options}
        )
        return open_payer(settings, EgressPolicy(allow_loopback=True))

    def submit(self, **claim: Any) -> dict[str, Any]:
        answer = self.client.post("/api/claims/", json=claim, headers={"X-API-Key": self.api_key})
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())


@contextmanager
def running_payor(
    database: Database, folder: Path, outbox: Outbox, *, bookings: Bookings | None = None
) -> Iterator[RunningPayor]:
    """Serve the payor with its sample data until the block ends."""
    for name in [name for name in os.environ if name.startswith("KIUNGO_") and "TEST" not in name]:
        del os.environ[name]
    settings = Settings(mode="dev", data_dir=folder, port=0, public_url="http://payor.test")
    front = open_front(settings, database, parse_keyring(new_key()))
    repository = Repository(database.clock)
    payor = Payor(database, repository, outbox, bookings=bookings)
    call = system_call(1)
    database.write(lambda unit: sample.load(Registers(repository), unit, call))
    _, api_key = database.write(
        lambda unit: create_key(
            unit, call, name="hospital", scopes=("read:claims", "write:claims"), bindings={"provider": PROVIDER}
        )
    )
    site = front.site(routes=payor_routes(payor, front.reads), shapes=[SHAPE])
    server = server_of(site, settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=url, timeout=30) as client:
        yield RunningPayor(url, payor, front, api_key, client)
    server.should_exit = True
    thread.join(10)
    front.authenticator.close()
