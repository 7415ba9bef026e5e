"""Bookings and their money behind one server, with rails that reach their twins in steps and a clock that is turned."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from kiungo.base.time import TurnedClock
from kiungo.domains.vems.errors import SHAPE
from kiungo.domains.vems.events import TOPICS
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.roles import OPEN_SCOPES
from kiungo.domains.vems.routes import COMPONENTS, PUBLIC, money_routers, money_routes, vems_routes
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.domains.vems.settlement.flows import SettlementFlows
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.config import Settings
from kiungo.kernel.database import open_database
from kiungo.kernel.http import ErrorShape, Route
from kiungo.kernel.http.front import Front, open_front
from kiungo.kernel.http.server import server_of
from kiungo.kernel.outbox import Outbox, Subscriber
from kiungo.kernel.secrets import new_key, parse_keyring
from kiungo.ports.payment import Rail
from tests.domains.vems.cases import body
from tests.domains.vems.conftest import JOHN
from tests.domains.vems.settlement.world import World


@dataclass
class Office:
    """The running site, the world behind it, and a person for each role."""

    client: httpx.Client
    world: World
    vems: Vems
    people: dict[str, dict[str, str]]
    url: str

    def key(self, *scopes: str, name: str = "Test", **more: Any) -> dict[str, str]:
        made = self.world.database.write(
            lambda unit: create_key(unit, system_call(1), name=name, scopes=scopes, **more)
        )
        return {"X-API-Key": made[1]}

    def person(self, name: str, role: str = "administrator", **more: Any) -> dict[str, str]:
        """The key of somebody by name, made when first asked for."""
        if name not in self.people:
            self.people[name] = self.key(name=name, roles=(role,), **more)
        return self.people[name]

    def get(self, path: str, who: str = "ann", status: int = 200, **query: Any) -> Any:
        answer = self.client.get("/vems/v1" + path, headers=self.person(who), params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, sent: Any = None, who: str = "ann", status: int = 200, **headers: str) -> Any:
        answer = self.client.post("/vems/v1" + path, headers=self.person(who) | headers, json=sent)
        assert answer.status_code == status, answer.text
        return answer.json()

    def booked(self, **changes: Any) -> str:
        """A booking over the API; returns its number."""
        answer = self.client.post("/hmis/v1/bookings/cost-distribution", json=body(**changes))
        assert answer.status_code == 200, answer.text
        return answer.json()["bookingNo"]

    def approved(self, **changes: Any) -> str:
        """A booking that somebody approved by hand."""
        number = self.booked(**changes)
        self.overridden(number, {"reason": "the fund said so", "approvalStatus": "approved"})
        return number

    def overridden(self, number: str, wish: dict[str, Any]) -> Any:
        """A booking set by hand by two persons."""
        self.post(f"/bookings/{number}/override", wish, status=202)
        return self.post(f"/bookings/{number}/override/confirm", wish, who="ben")

    def rows(self, table: str) -> int:
        return int(self.world.database.read(lambda unit: unit.value(f"SELECT count(*) FROM {table}")))


More = Callable[
    [Front, Vems, Settlements, Mapping[str, Rail]], tuple[Sequence[Route], Sequence[ErrorShape], Sequence[str]]
]


def nothing_more(
    _front: Front, _vems: Vems, _settlements: Settlements, _rails: Mapping[str, Rail]
) -> tuple[Sequence[Route], Sequence[ErrorShape], Sequence[str]]:
    """The API alone."""
    return (), (), ()


@contextmanager
def open_office(database_url: str, folder: Path, clock: TurnedClock, more: More = nothing_more) -> Iterator[Office]:
    """Serve bookings and their money until the block ends; `more` are routes beside the API's."""
    for name in [name for name in os.environ if name.startswith("KIUNGO_") and "TEST" not in name]:
        del os.environ[name]
    database = open_database(database_url, clock=clock)
    world = World(database, clock, Random(1), notifies=True).with_payees()
    settings = Settings(
        mode="dev", data_dir=folder, port=0, public_url="http://kiungo.test", rate_per_minute=1_000_000,
        rate_burst=100_000, rate_unauthenticated_per_minute=1_000_000,
    )  # fmt: skip
    front = open_front(settings, database, parse_keyring(new_key()))
    table: dict[str, tuple[Subscriber, ...]] = {}
    vems = open_vems(database, Repository(database.clock), Outbox(table))
    flows = SettlementFlows(world.settlements, collection_rail="mpesa")
    decisions = ("booking.claim_approved", "booking.claim_partially_paid", "booking.claim_rejected")

    table.update(dict.fromkeys(TOPICS, ()))
    table.update(dict.fromkeys(decisions, (flows.on_decision,)))
    table.update({"booking.completed": (flows.on_completed,), "booking.claim_paid": (flows.on_paid,)})
    call = system_call(1)
    database.write(lambda unit: load_sample(vems.contracts, unit, call))
    database.write(lambda unit: vems.people.keep(unit, call, JOHN))
    rails = {"mpesa": world.mpesa, "bank": world.bank}
    pages, shapes, public = more(front, vems, world.settlements, rails)
    site = front.site(
        routes=[*vems_routes(vems, front.reads), *money_routes(vems, world.settlements, rails, front.reads), *pages],
        routers=money_routers(vems),
        shapes=[SHAPE, *shapes],
        components=COMPONENTS,
        public=[*PUBLIC, *public],
        open_scopes=OPEN_SCOPES,
    )
    server = server_of(site, settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=url, timeout=30) as client:
        yield Office(client, world, vems, {}, url)
    server.should_exit = True
    thread.join(10)
    world.http.close()
    vems.people.close()
    front.authenticator.close()
    database.close()


@pytest.fixture
def office(database_url: str, tmp_path: Path, clock: TurnedClock) -> Iterator[Office]:
    """An office on each engine, of a test's own."""
    with open_office(database_url, tmp_path, clock) as opened:
        yield opened
