"""The whole loop over real sockets: worker threads, the twin's callbacks to our door, several settlements at once."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest

from kiungo.base.errors import NotFound
from kiungo.base.time import SystemClock
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.connector import MpesaRail
from kiungo.connectors.mpesa.twin import MpesaTwin
from kiungo.connectors.mpesa.webhook import CallbackAddresses, receive
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.settlement import payees, store
from kiungo.domains.vems.settlement.jobs import SettlementJobs
from kiungo.domains.vems.settlement.model import Payee
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel import ledger
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.kernel.database import Database
from kiungo.kernel.jobs.worker import Worker
from kiungo.kernel.outbox import Outbox
from kiungo.kernel.sandbox import Faults, serve
from kiungo.kernel.tokens import TokenKeeper
from tests.domains.vems.settlement.world import (
    FACILITY,
    FACILITY_PHONE,
    KEYRING,
    TENANT,
    VENDOR,
    VENDOR_SHORTCODE,
    booking,
    kes,
    person,
    settings_for,
    twin_key,
)


class Door:
    """Our callback door on a real port, as app/routes.py opens it."""

    def __init__(self, database: Database) -> None:
        door = self
        self.database = database
        self.refused = 0
        self.addresses: CallbackAddresses | None = None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = door.take(self.path, body, self.client_address[0])
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, path: str, body: bytes, address: str) -> int:
        *_, tenant, reference, kind, secret = path.split("/")
        try:
            self.addresses.check(int(tenant), reference, kind, secret, address)
        except NotFound:
            self.refused += 1
            return 404
        self.database.write(
            lambda unit: receive(unit, tenant=TENANT, rail="mpesa", reference=reference, kind=kind, body=body)
        )
        return 200


@pytest.fixture
def door(database: Database) -> Iterator[Door]:
    made = Door(database)
    yield made
    made.server.shutdown()
    made.server.server_close()


def open_payees(unit) -> None:
    for payee_id, name, preference in (
        (VENDOR, "Upendo Imaging", VENDOR_SHORTCODE),
        (FACILITY, "Mnazi Moja", FACILITY_PHONE),
    ):
        payees.put_payee(unit, person("ann"), Payee(payee_id, name))
        version = payees.propose_details(unit, person("ann"), payee_id, [preference])
        payees.approve_details(unit, person("ben"), payee_id, version, hold_s=0)


def settle_over_http(database: Database, door: Door, count: int, faults: Faults, timeout_s: float) -> MpesaTwin:
    """Settle `count` bookings with worker threads and real callbacks; returns the twin when all is paid."""
    twin = MpesaTwin(SystemClock(), faults, balance_shillings=10**9, private_key=twin_key())
    served = serve({"mobile": twin}, SystemClock())
    settings = settings_for(twin, base_url=served.url("mobile"), callback_url=door.url)
    door.addresses = CallbackAddresses(settings)
    http = make_client(Outbound(name="t", egress=EgressPolicy(allow_loopback=True)))
    rail = MpesaRail(DarajaClient(http, settings, TokenKeeper(database, KEYRING, TENANT, "mpesa")), settings, tenant=1)
    settlements = Settlements({"mpesa": rail.capabilities}, Outbox({}))
    handlers = SettlementJobs(database, settlements, {"mpesa": rail}).handlers()
    worker = Worker(database, handlers, rng=Random(1), lane_limits=lambda lane: 8)

    def all_settled() -> bool:
        settled = database.read(lambda unit: unit.value("SELECT count(*) FROM settlement WHERE state = 'settled'"))
        return bool(settled == count)

    async def run() -> None:
        running = asyncio.create_task(worker.run())
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and not await asyncio.to_thread(all_settled):
            await asyncio.sleep(0.1)
        worker.stop()
        await running

    database.write(open_payees)
    database.write(lambda unit: settlements.fund(unit, TENANT, rail="mpesa", amount=kes("90000000.00"), key="F1"))
    for number in range(count):
        database.write(lambda unit, n=number: settlements.decide(unit, TENANT, booking(f"VB{n}"), kes("31000.00"), 1))
    try:
        asyncio.run(run())
    finally:
        served.close()
        http.close()
    assert all_settled(), database.read(
        lambda unit: store.legs_in(unit, TENANT, ("held", "submitting", "submitted", "unknown", "failed"), limit=5)
    )
    return twin


def test_settlements_over_real_http_with_repeated_and_forged_callbacks(database: Database, door: Door) -> None:
    faults = Faults(Random(3), {"forged_result": 0.3, "duplicate_result": 0.3, "token_lost": 0.1, "reordered": 0.0})
    twin = settle_over_http(database, door, 12, faults, 60)
    assert len(twin.payments) == len({payment.reference for payment in twin.payments}) == 24
    assert door.refused == faults.struck["forged_result"]
    assert database.read(lambda unit: ledger.verify(unit, TENANT)) == []
    assert database.read(lambda unit: prove(unit, TENANT, "mpesa", "KES")).unexplained == kes("0")
