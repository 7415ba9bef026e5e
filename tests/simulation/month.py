"""A month at a small payor, drawn from a seed: claims, repetitions, reviews, voids, payment runs, quiet days.

Everything runs stepped, on a turned clock and one source of randomness, so that a seed is the whole story.
"""

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

import pytest

from kiungo.base import ids
from kiungo.base.errors import KiungoError
from kiungo.base.time import TurnedClock
from kiungo.domains.payor import payments, sample
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.service import Payor
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import Call
from kiungo.kernel.auth.principal import Principal
from kiungo.kernel.database import Database, Unit, open_database
from kiungo.kernel.jobs import Job, Retry
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.outbox import Outbox, as_job

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TOPICS = ("claim.submitted", "claim.pended", "claim.decided", "claim.voided", "claim.paid")
SERVICES = (("99213", 110_00), ("99214", 160_00), ("76700", 190_00), ("85025", 18_50), ("15776", 300_00))
MEMBERS = ("BC-789-456", "BC-789-457", "BC-200-001", "BC-200-002", "BC-200-003")


def person(name: str) -> Call:
    """Somebody at the payor who may do everything."""
    return Call(Principal(1, f"key:{name}", "api_key", name, scopes=frozenset({"*:*"})), "req-1", "simulation")


ANN, BEN = person("ann"), person("ben")


class Month:
    """One simulated month on one database."""

    def __init__(self, url: str, seed: int) -> None:
        self.clock = TurnedClock(START)
        self.rng = Random(seed)
        self.database: Database = open_database(url, clock=self.clock, stepped=True)
        outbox = Outbox({topic: (as_job("tell"),) for topic in TOPICS})
        repository = Repository(self.clock)
        self.payor = Payor(self.database, repository, outbox, default_provider_id="PROV-001", rng=self.rng)
        self.desk = ReviewDesk(self.payor)
        self.claims: list[str] = []
        self.bodies: list[bytes] = []
        self.told: list[int] = []
        self.refused = 0
        self.database.write(lambda unit: sample.load(Registers(repository), unit, ANN))

    def live(self, steps: int) -> None:
        """So many things happen, with time between them."""
        for _ in range(steps):
            does = self.rng.choices(
                (self.submit, self.submit_again, self.review, self.void, self.pay, self.rest), (12, 3, 6, 1, 2, 3)
            )[0]
            try:
                does()
            except KiungoError:
                self.refused += 1  # what is not allowed changes nothing, which `books` shows
            self.clock.turn(seconds=self.rng.uniform(1, 3_600))
            run_due(self.database, {"tell": self.tell}, self.rng)
        for _ in range(60):
            self.clock.turn(days=1)
            run_due(self.database, {"tell": self.tell}, self.rng)

    def submit(self) -> None:
        code, charge = self.rng.choice(SERVICES)
        claim = {
            "patient_name": "Somebody",
            "insurance_id": self.rng.choice(MEMBERS),
            "diagnosis_code": self.rng.choice(("J20.9", "I10", "M54.5")),
            "procedure_code": code,
            "amount": f"{(charge + self.rng.randrange(-500, 500)) / 100:.2f}",
            "provider_claim_id": f"P-{len(self.bodies)}",
        }
        self.bodies.append(json.dumps(claim).encode())
        self._send(self.bodies[-1])

    def submit_again(self) -> None:
        self._send(self.rng.choice(self.bodies) if self.bodies else b"{}")

    def review(self) -> None:
        claim_id, who = self._some_claim(), self.rng.choice((ANN, BEN))
        acts = (
            partial(self.desk.approve, call=who, claim_id=claim_id),
            partial(self.desk.approve, call=who, claim_id=claim_id, allowed_total="30.01"),
            partial(self.desk.reject, call=who, claim_id=claim_id, reason="not covered"),
            partial(self.desk.request_information, call=who, claim_id=claim_id, question="why?"),
            partial(self.desk.reopen, call=who, claim_id=claim_id, reason="appeal"),
        )
        self.database.write(self.rng.choice(acts))

    def void(self) -> None:
        claim_id = self._some_claim()
        self.database.write(lambda unit: self.desk.void(unit, ANN, claim_id, reason="sent in error"))

    def pay(self) -> None:
        self.database.write(lambda unit: payments.pay(self.payor, unit, ANN))

    def rest(self) -> None:
        self.clock.turn(days=self.rng.choice((0.5, 1, 2)))

    def tell(self, job: Job) -> Any:
        """A receiver that is sometimes away."""
        if self.rng.random() < 0.3:
            raise Retry("the receiver is away")
        return lambda unit: self.told.append(job.args["seq"])

    def contents(self) -> dict[str, str]:
        """A fingerprint of every table."""
        names = self.database.read(_table_names)
        return {name: self.database.read(partial(_fingerprint, name=name)) for name in names}

    def value(self, sql: str) -> int:
        return int(self.database.read(lambda unit: unit.value(sql)) or 0)

    def _some_claim(self) -> str:
        return self.rng.choice(self.claims) if self.claims else "CLM-NONE"

    def _send(self, body: bytes) -> None:
        sent = asyncio.run(self.payor.prepare(ANN, body))
        answer = self.database.write(lambda unit: self.payor.submit(unit, ANN, sent))
        if answer.status == 201:
            self.claims.append(answer.claim_id)


def simulate(url: str, seed: int, steps: int, patch: pytest.MonkeyPatch) -> Month:
    """Live through a month; all ids come from the seed too."""
    patch.setattr(ids, "_system_random", Random(seed))
    month = Month(url, seed)
    month.live(steps)
    return month


def _table_names(unit: Unit) -> list[str]:
    if unit.engine == "sqlite":
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    else:
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    return sorted(name for (name,) in unit.rows(sql))


def _fingerprint(unit: Unit, *, name: str) -> str:
    rows = unit.rows(f"SELECT * FROM {name}")
    lines = sorted(repr([bytes(cell) if isinstance(cell, memoryview) else cell for cell in row]) for row in rows)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{len(lines)} rows {digest[:16]}"
