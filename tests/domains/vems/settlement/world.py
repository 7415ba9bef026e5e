"""A small world in one thread: database, clock, settlement, and rails that reach their twins in steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from kiungo.base.errors import KiungoError, NotFound
from kiungo.base.money import Money
from kiungo.base.time import TurnedClock
from kiungo.connectors.bank_eft.collecting import collect
from kiungo.connectors.bank_eft.connector import BankRail
from kiungo.connectors.bank_eft.settings import BankSettings
from kiungo.connectors.bank_eft.twin import BankTwin
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.connector import MpesaRail
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.connectors.mpesa.twin import MpesaTwin
from kiungo.connectors.mpesa.webhook import CallbackAddresses, receive
from kiungo.domains.vems.notifications.service import Notifications
from kiungo.domains.vems.reconciliation.jobs import ReconciliationJobs
from kiungo.domains.vems.reconciliation.service import ingest
from kiungo.domains.vems.settlement import payees, store
from kiungo.domains.vems.settlement.jobs import SettlementJobs
from kiungo.domains.vems.settlement.model import (
    FEE_PAYEE,
    Leg,
    Payable,
    Payee,
    Preference,
    SettlementPolicy,
    SettlementRow,
    Share,
)
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel import ledger
from kiungo.kernel.auth.principal import Call, Principal
from kiungo.kernel.database import Database
from kiungo.kernel.jobs.queue import CHANNEL
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.outbox import Event, Outbox
from kiungo.kernel.sandbox import Faults, SteppedTransport
from kiungo.kernel.secrets import Keyring
from kiungo.kernel.tokens import TokenKeeper
from kiungo.ports.payment import Destination, Rail

TENANT = 1
KEYRING = Keyring("k1", {"k1": b"k" * 32})
VENDOR, FACILITY = "V364", "FID-32-121583-3"
VENDOR_SHORTCODE = Preference("mpesa", Destination("shortcode", "600200"))
FACILITY_PHONE = Preference("mpesa", Destination("wallet", "254712345678"))
BANK = Preference("bank", Destination("bank_account", "0110009999", "11", "002"))


BANK_SETTINGS = BankSettings(
    account="0110001234", account_name="Kiungo VEMS", bank_code="01", batch_wait_s=1, folder="unused"
)


class MemoryFolder:
    """A folder without a disk, for simulations."""

    def __init__(self) -> None:
        self.boxes: dict[str, dict[str, bytes]] = {"in": {}, "out": {}}
        self.used: set[str] = set()
        self.fails_with: list[str] = []

    def put(self, box: str, name: str, body: bytes) -> str:
        if box == "out" and self.fails_with:
            outcome = self.fails_with.pop()
            if outcome == "unknown":
                self.boxes[box][name] = body
            return outcome
        if f"{box}/{name}" in self.used:
            return "exists"
        self.used.add(f"{box}/{name}")
        self.boxes[box][name] = body
        return "put"

    def names(self, box: str) -> list[str]:
        return sorted(self.boxes[box])

    def read(self, box: str, name: str) -> bytes:
        return self.boxes[box][name]

    def archive(self, box: str, name: str) -> None:
        del self.boxes[box][name]


class Wire(SteppedTransport):
    """The way to a twin, which can be cut: then nobody is reached."""

    is_cut = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("the network is down", request=request)
        return super().handle_request(request)


@cache
def twin_key() -> rsa.RSAPrivateKey:
    """One key for all twins of a run, and a short one: making a long one takes longer than a simulation."""
    return rsa.generate_private_key(65_537, 1_024)


def kes(text: str) -> Money:
    return Money.parse(text, "KES")


def person(name: str) -> Call:
    return Call(Principal(TENANT, name, "session", name), "r1", "test")


def settings_for(twin: MpesaTwin, base_url: str = "http://twin.test", callback_url: str = "http://us.test"):
    return MpesaSettings(
        base_url=base_url,
        consumer_key=twin.consumer_key,
        consumer_secret=twin.consumer_secret,
        shortcode=twin.shortcode,
        initiator=twin.initiator,
        initiator_password=twin.password,
        certificate=twin.certificate,
        callback_url=callback_url,
        callback_key="k" * 32,
    )


def booking(
    number: str = "VB0011223344AA",
    vendor: str = "21000.00",
    facility: str = "9000.00",
    fee: str = "1000.00",
    mode: str = "sha",
    *,
    capitated: bool = False,
) -> Payable:
    shares = (
        Share(VENDOR, "vendor", kes(vendor)),
        Share(FACILITY, "facility", kes(facility)),
        Share(FEE_PAYEE, "fee", kes(fee)),
    )
    return Payable(number, "CLM-" + number, "SHA", mode, "KES", shares, capitated=capitated)


@dataclass
class World:
    """Everything a settlement test needs; `step` lets due jobs and callbacks happen, in one thread."""

    database: Database
    clock: TurnedClock
    rng: Random
    policy: SettlementPolicy = field(default_factory=SettlementPolicy)
    faults: Mapping[str, float] = field(default_factory=dict)
    bank_faults: Mapping[str, float] = field(default_factory=dict)
    notifies: bool = False
    given_twin: MpesaTwin | None = None
    given_bank: BankTwin | None = None

    def __post_init__(self) -> None:
        self.events: list[Event] = []
        faults = Faults(Random(self.rng.random()), self.faults)
        self.twin = self.given_twin or MpesaTwin(self.clock, faults, private_key=twin_key())
        self.settings = settings_for(self.twin)
        self.wire = Wire(self.twin)
        self.http = httpx.Client(transport=self.wire)
        tokens = TokenKeeper(self.database, KEYRING, TENANT, "mpesa")
        self.mpesa = MpesaRail(DarajaClient(self.http, self.settings, tokens), self.settings, tenant=TENANT)
        self.folder = self.given_bank.folder if self.given_bank else MemoryFolder()
        bank_faults = Faults(Random(self.rng.random()), self.bank_faults)
        self.bank_twin = self.given_bank or BankTwin(self.clock, bank_faults, self.folder)
        self.bank = BankRail(self.folder, BANK_SETTINGS, self.clock)
        rails: dict[str, Rail] = {"mpesa": self.mpesa, "bank": self.bank}
        topics = ("leg_paid", "leg_failed", "leg_unknown", "leg_returned", "settled")
        self.notifications = Notifications(self.clock)
        heard = (lambda unit, event: self.events.append(event), self.hear)
        outbox = Outbox({f"settlement.{topic}": heard for topic in topics})
        capabilities = {name: rail.capabilities for name, rail in rails.items()}
        self.settlements = Settlements(capabilities, outbox, self.policy, Random(self.rng.random()))
        self.handlers = {
            **SettlementJobs(self.database, self.settlements, rails).handlers(),
            **ReconciliationJobs(self.database, self.settlements.legs, rails).handlers(),
        }
        self.refused_callbacks = 0
        self.woken = False
        self.database.wakes.subscribe(CHANNEL, self._wake)

    def _wake(self) -> None:
        self.woken = True

    def hear(self, unit, event: Event) -> None:
        """Notify payees, where a test wants it."""
        if self.notifies:
            self.notifications.on_event(unit, event)

    def with_payees(self, *, facility: Preference = FACILITY_PHONE, vendor: Preference = VENDOR_SHORTCODE) -> "World":
        for payee_id, name, preference in ((VENDOR, "Upendo Imaging", vendor), (FACILITY, "Mnazi Moja", facility)):
            self.payee(payee_id, name, preference)
        return self

    def payee(self, payee_id: str, name: str, *preferences: Preference) -> None:
        def write(unit) -> None:
            payees.put_payee(unit, person("ann"), Payee(payee_id, name, "sw", "+254712345678", "pay@example.org"))
            version = payees.propose_details(unit, person("ann"), payee_id, preferences)
            payees.approve_details(unit, person("ben"), payee_id, version, hold_s=self.policy.details_hold_s)

        self.database.write(write)

    def fund(self, amount: str, rail: str = "mpesa", key: str = "F1") -> None:
        self.database.write(lambda unit: self.settlements.fund(unit, TENANT, rail=rail, amount=kes(amount), key=key))

    def decide(self, payable: Payable, approved: str, version: int = 1) -> SettlementRow:
        return self.database.write(lambda unit: self.settlements.decide(unit, TENANT, payable, kes(approved), version))

    def step(self, seconds: float = 0) -> None:
        """Turn the clock, deliver what is due, and run the jobs that are due."""
        self.clock.turn(seconds=seconds)
        run_due(self.database, self.handlers, self.rng)
        self.woken = False
        self.deliver()
        if self.woken:
            run_due(self.database, self.handlers, self.rng)

    def settle(self, *, seconds: float = 5, steps: int = 4) -> None:
        for _ in range(steps):
            self.step(seconds)

    def statement(self, rail: str, body: bytes) -> None:
        """Take a statement in, as the job does."""
        reader = self.mpesa if rail == "mpesa" else self.bank

        def take_in(unit) -> None:
            for statement in reader.read_statements(body, {}):
                ingest(self.settlements.legs, unit, TENANT, rail, statement)

        self.database.write(take_in)

    def deliver(self) -> None:
        self.bank_twin.step()
        collect(self.database, self.folder, tenant=TENANT, rail="bank")
        addresses = CallbackAddresses(self.settings)
        for callback in self.twin.take_due(self.clock.now_us()):
            *_, tenant, reference, kind, secret = urlsplit(callback.url).path.split("/")
            try:
                addresses.check(int(tenant), reference, kind, secret, "127.0.0.1")
                self.database.write(
                    lambda unit, r=reference, k=kind, body=callback.body: receive(
                        unit, tenant=TENANT, rail="mpesa", reference=r, kind=k, body=body
                    )
                )
            except NotFound:
                self.refused_callbacks += 1
            except KiungoError:
                self.refused_callbacks += 1

    def legs(self, booking_no: str = "VB0011223344AA") -> list[Leg]:
        return self.database.read(lambda unit: store.legs_of(unit, TENANT, booking_no))

    def leg(self, payee_id: str, booking_no: str = "VB0011223344AA") -> Leg:
        """The one leg of a payee that is not dead."""
        (found,) = [
            leg for leg in self.legs(booking_no)
            if leg.payee_id == payee_id and leg.state not in ("cancelled", "replaced")
        ]  # fmt: skip
        return found

    def settlement(self, booking_no: str = "VB0011223344AA") -> SettlementRow:
        return self.database.read(lambda unit: store.get_settlement(unit, TENANT, booking_no))

    def balance(self, account: str) -> int:
        """Posted debits less credits. Units: minor."""
        return self.database.read(lambda unit: ledger.balance(unit, TENANT, account, "KES")).balance.net_dr

    def topics(self) -> list[str]:
        return [event.topic for event in self.events]
