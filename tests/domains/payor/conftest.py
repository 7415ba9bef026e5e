"""A payor with the sample data, on both engines."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from kiungo.base.time import SystemClock
from kiungo.domains.payor import sample
from kiungo.domains.payor.events import TOPICS
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.service import Answer, Payor
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.auth.principal import Principal
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.outbox import Event, Outbox

GUIDE = {
    "patient_name": "John Doe",
    "insurance_id": "BC-789-456",
    "diagnosis_code": "J20.9",
    "amount": "1250.00",
    "procedure_code": "99213",
    "date_of_service": "2024-10-03",
    "provider_id": "PROV-001",
}


def person(name: str, *, provider: str | None = None, scopes: tuple[str, ...] = ("*:*",)) -> Call:
    bindings = {"provider": provider} if provider else {}
    return Call(
        Principal(1, f"key:{name}", "api_key", name, scopes=frozenset(scopes), bindings=bindings), "req-1", "test"
    )


@dataclass
class House:
    """The payor and what a test wants of it."""

    database: Database
    payor: Payor
    desk: ReviewDesk
    registers: Registers
    heard: list[Event] = field(default_factory=list)

    def submit(self, call: Call | None = None, **fields: Any) -> Answer:
        call = call or system_call(1)
        body = json.dumps(fields, default=str).encode()
        sent = asyncio.run(self.payor.prepare(call, body))
        return self.database.write(lambda unit: self.payor.submit(unit, call, sent))

    def claim(self, claim_id: str) -> dict[str, Any]:
        found = self.database.read(lambda unit: self.payor.find_wire(unit, system_call(1), claim_id))
        return json.loads(found[0], parse_float=Decimal)["claim"]

    def row(self, claim_id: str) -> ClaimRow:
        return self.database.read(lambda unit: self.payor.find(unit, system_call(1), claim_id))

    def write(self, function: Callable[[Unit], Any]) -> Any:
        return self.database.write(function)

    def value(self, sql: str, *parameters: Any) -> Any:
        return self.database.read(lambda unit: unit.value(sql, parameters))

    def topics(self) -> list[str]:
        return [row[0] for row in self.database.read(lambda unit: unit.rows("SELECT topic FROM outbox ORDER BY seq"))]


@pytest.fixture
def house(database: Database) -> House:
    return make_house(database)


def make_house(database: Database, **options: Any) -> House:
    heard: list[Event] = []
    outbox = Outbox({topic: [lambda _unit, event: heard.append(event)] for topic in TOPICS})
    repository = Repository(SystemClock())
    payor = Payor(database, repository, outbox, default_provider_id="PROV-001", **options)
    registers = Registers(repository)
    call = system_call(1)
    database.write(lambda unit: sample.load(registers, unit, call))
    return House(database, payor, ReviewDesk(payor), registers, heard)
