"""A simulated season of settlements: one seed decides bookings, faults, delays and persons; the same seed replays it.

Everything runs in one thread on a turned clock. After every step the invariants are checked; after the last one the
faults stop, statements come, persons do their work, and everything must be settled.
"""

import sqlite3
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.base.time import TurnedClock
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.rules.settlement_states import LOWERED
from kiungo.domains.vems.settlement import desk, store
from kiungo.domains.vems.settlement.model import FEE_PAYEE, Leg, Payable, Share
from kiungo.kernel import ledger
from kiungo.kernel.database import open_database
from kiungo.kernel.database.unit import Unit
from tests.domains.vems.settlement.world import (
    BANK,
    FACILITY_PHONE,
    TENANT,
    VENDOR_SHORTCODE,
    World,
    kes,
    person,
)

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
STEPS = 10
OFTEN = 0.6
CALM_STEPS_MAX = 60
BOOKINGS = 4
PREFERENCES = {"V1": VENDOR_SHORTCODE, "F1": FACILITY_PHONE, "F2": BANK}
MPESA_FAULTS = (
    "lost_answer", "lost_request", "server_error", "spike_arrest", "token_lost", "reordered", "late_result",
    "dropped_result", "duplicate_result", "timeout_first", "forged_result",
)  # fmt: skip
BANK_FAULTS = ("rejected", "returned", "file_rejected", "lost_answer", "duplicate_answer", "late_statement")


Sums = Counter[tuple[str, str]]
"""Minor units by booking number and payee."""


class Broken(AssertionError):
    """An invariant does not hold; the message names the seed and step, so that it can be replayed."""


@dataclass
class Simulation:
    """One seed's season. `log` is what was visible from outside, to compare replays; `only` names the one fault."""

    seed: int
    folder: Path
    template: Path
    only: str = ""
    log: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)

    def run(self) -> list[str]:
        """Run it to the end. Raises: Broken."""
        path = self.folder / f"seed{self.seed}.db"
        path.write_bytes(self.template.read_bytes())
        clock = TurnedClock(START)
        database = open_database(f"sqlite:///{path}", clock=clock, stepped=True)
        rng = Random(self.seed)
        rate = rng.choice((0.0, 0.05, 0.2, 0.5))
        self.world = World(
            database,
            clock,
            rng,
            faults=self._rates(MPESA_FAULTS, rate, rng),
            bank_faults=self._rates(BANK_FAULTS, rate, rng),
        )
        try:
            self._season(rng)
            self.struck.update(self.world.twin.faults.struck + self.world.bank_twin.faults.struck)
            self.struck["refused_callback"] = self.world.refused_callbacks
        finally:
            self.world.http.close()
            database.close()
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        return self.log

    def _rates(self, names: tuple[str, ...], rate: float, rng: Random) -> dict[str, float]:
        drawn = {name: rate * rng.random() for name in names}
        return {name: OFTEN if name == self.only else 0.0 for name in names} if self.only else drawn

    def _season(self, rng: Random) -> None:
        world = self.world
        for payee_id, preference in PREFERENCES.items():
            world.payee(payee_id, f"Payee {payee_id}", preference)
        self.bookings = [self._booking(rng, number) for number in range(BOOKINGS)]
        self.versions = dict.fromkeys(range(BOOKINGS), 0)
        for step in range(STEPS):
            self._act(rng)
            world.step(rng.choice((0, 1, 7, 60, 400, 4_000)))
            self._check(f"step {step}")
        self._calm_down()

    def _booking(self, rng: Random, number: int) -> Payable:
        facility = rng.choice(("F1", "F2"))
        return Payable(
            f"VB{number}", f"CLM{number}", "SHA", "sha", "KES",
            (
                Share("V1", "vendor", Money(rng.randrange(1, 3_000_000), "KES")),
                Share(facility, "facility", Money(rng.randrange(0, 1_000_000), "KES")),
                Share(FEE_PAYEE, "fee", Money(rng.randrange(0, 100_000), "KES")),
            ),
        )  # fmt: skip

    def _act(self, rng: Random) -> None:
        """What payers, operators and banks do at a step."""
        world = self.world
        for _ in range(rng.randrange(3)):
            number = rng.randrange(BOOKINGS)
            payable = self.bookings[number]
            # Mostly a new decision, at times an old one once more.
            version = self.versions[number] + rng.choice((0, 1, 1, 1))
            self.versions[number] = max(self.versions[number], version)
            share = rng.choice((0, 1, rng.random(), rng.random()))
            approved = Money(int(payable.total.minor * share), "KES")
            if version:
                world.decide(payable, approved.text(), version)
        if rng.random() < 0.5:
            rail = rng.choice(("mpesa", "bank"))
            with suppress(Conflict):  # the key of an earlier sum, as a person may take it once more
                world.fund(f"{rng.randrange(1, 40_000)}.{rng.randrange(100):02d}", rail, key=f"F{rng.randrange(30)}")
        if rng.random() < 0.1:
            world.twin.balance_shillings = rng.randrange(30_000)
        if rng.random() < 0.05:
            world.twin.faults.plan("locked_credential")
        if rng.random() < 0.3:
            world.bank_twin.end_day()
        if rng.random() < 0.2 and world.twin.payments:
            self._organisation_statement()

    def _calm_down(self) -> None:
        """No more faults: the outside answers, statements come, persons work. Everything must come to its end."""
        world = self.world
        world.twin.faults.calm()
        world.bank_twin.faults.calm()
        world.twin.balance_shillings = 50_000_000
        world.twin.locked = False
        world.fund("9000000.00", "mpesa", key="calm/mpesa")
        world.fund("9000000.00", "bank", key="calm/bank")
        for step in range(CALM_STEPS_MAX):
            world.step(8 * 3_600)
            world.bank_twin.end_day()
            self._organisation_statement()
            self._persons_work()
            self._check(f"calm step {step}")
            told = world.bank_twin.is_quiet() and not world.folder.names("in")
            if told and all(row.state == "settled" for row in self._settlements()):
                self._check_end()
                return
        raise self._broken("the end", f"not settled: {[(r.booking_no, r.reason) for r in self._settlements()]}")

    def _persons_work(self) -> None:
        """Persons look at the rail's own records before they decide; so they are right."""
        world, settlements = self.world, self.world.settlements
        paid = {payment.reference for payment in world.twin.payments} | {ref for ref, _ in world.bank_twin.payments}
        if world.database.read(lambda unit: settlements.legs.paused(unit, TENANT)):
            world.database.write(lambda unit: desk.resume_rail(settlements, unit, person("ann"), "mpesa"))
        for leg in self._legs():
            reference = leg.reference
            if leg.state == "unknown" and "two persons must decide" in leg.reason:
                outcome = "paid" if reference in paid else "failed"
                world.database.write(
                    lambda unit, r=reference, o=outcome: desk.propose_outcome(unit, person("ann"), r, o, "their desk")
                )
                world.database.write(
                    lambda unit, r=reference, o=outcome: desk.confirm_outcome(settlements, unit, person("ben"), r, o)
                )
            elif leg.state in ("failed", "returned"):
                world.database.write(lambda unit, r=reference: desk.pay_again(settlements, unit, person("ann"), r))

    def _organisation_statement(self) -> None:
        if self.world.twin.payments:
            self.world.statement("mpesa", self.world.twin.statement_csv())

    def _check(self, when: str) -> None:
        """Every invariant that holds at every moment."""
        states = self.world.database.read(lambda unit: self._check_unit(unit, when))
        truth = [payment.reference for payment in self.world.twin.payments]
        truth += [reference for reference, _ in self.world.bank_twin.payments]
        if len(truth) != len(set(truth)):
            raise self._broken(when, "a leg was paid twice")
        self.log.append(f"{when} {self.world.clock.now_us()} {len(truth)} {states}")

    def _check_unit(self, unit: Unit, when: str) -> list[str]:
        lines = ledger.trial_balance(unit, TENANT)
        if sum(line.debit_minor for line in lines) != sum(line.credit_minor for line in lines):
            raise self._broken(when, "debits differ from credits")
        if ledger.verify(unit, TENANT):
            raise self._broken(when, "a cached balance differs from its postings")
        for rail in ("mpesa", "bank"):
            proof = prove(unit, TENANT, rail, "KES")
            if proof.unexplained.minor:
                raise self._broken(when, f"the proof of {rail} leaves {proof.unexplained}: {proof}")
        if unit.value("SELECT count(*) FROM job WHERE state = 'dead'"):
            raise self._broken(when, "a job is dead")
        put_into_legs, set_off = self._put_into_legs(unit), self._set_off(unit)
        for row in self._settlements_of(unit):
            self._check_settlement(row, put_into_legs, set_off, when)
        legs = [leg for payable in self.bookings for leg in store.legs_of(unit, TENANT, payable.booking_no)]
        for leg in legs:
            if leg.state in ("waiting", "unknown", "failed", "returned") and not leg.reason:
                raise self._broken(when, f"{leg.reference} is {leg.state} without a reason")
            if leg.state in ("held", "submitting", "submitted") and not self._has_job(unit, leg):
                raise self._broken(when, f"{leg.reference} is {leg.state} and nothing will move it")
        return [f"{leg.reference}:{leg.state}" for leg in legs]

    def _check_settlement(self, row: store.SettlementRow, put_into_legs: Sums, set_off: Sums, when: str) -> None:
        """One state; the shares sum to the approval, and what is committed of them is in legs, set off or claimed."""
        if sum(share.accrued_minor for share in row.shares) != row.approved_minor:
            raise self._broken(when, f"{row.booking_no}: the shares do not sum to the approved amount")
        for share in row.shares:
            key = row.booking_no, share.payee_id
            if share.role != "fee" and put_into_legs[key] + set_off[key] != share.committed_minor:
                raise self._broken(when, f"{row.booking_no}: legs of {share.payee_id} differ from what is committed")
        if row.state != "settled" and not row.reason:
            raise self._broken(when, f"{row.booking_no} is {row.state} without a reason")

    def _put_into_legs(self, unit: Unit) -> Sums:
        """What was put into legs, less what was taken back; a leg that pays another one again puts in nothing new.

        A leg that had been held gives back what was held: the cents it left to be carried stay with the payee.
        """
        rows = unit.rows(
            "SELECT booking_no, payee_id, sum(CASE WHEN NOT EXISTS (SELECT 1 FROM settlement_leg AS r"
            " WHERE r.tn = l.tn AND r.replaced_by = l.reference AND r.reason <> ?) THEN due_minor ELSE 0 END)"
            " - sum(CASE WHEN reason <> ? THEN 0"
            " WHEN amount_minor > 0 THEN amount_minor ELSE due_minor END)"
            " FROM settlement_leg AS l WHERE tn = ? GROUP BY booking_no, payee_id",
            (LOWERED, LOWERED, TENANT),
        )
        return Counter({(booking_no, payee_id): int(minor) for booking_no, payee_id, minor in rows})

    def _set_off(self, unit: Unit) -> Sums:
        """What was recovered from what was owed, less what was claimed back of it after payment.

        What was recovered when a leg was paid again had been put into a leg before.
        """
        offsets = unit.rows(
            "SELECT j.memo, p.debit, sum(p.amount_minor) FROM ledger_journal AS j JOIN ledger_posting AS p"
            " ON p.journal = j.id AND p.tn = j.tn WHERE j.tn = ? AND j.kind = 'settlement.setoff'"
            " AND NOT EXISTS (SELECT 1 FROM settlement_leg AS l WHERE l.tn = j.tn AND j.key = 'setoff/' || l.reference)"
            " GROUP BY j.memo, p.debit",
            (TENANT,),
        )
        clawed = unit.rows(
            "SELECT booking_no, payee_id, sum(amount_minor) FROM settlement_clawback WHERE tn = ?"
            " AND reason NOT LIKE '%paid twice' GROUP BY booking_no, payee_id",
            (TENANT,),
        )
        found: Sums = Counter()
        for booking_no, account, minor in offsets:
            found[booking_no, account.removeprefix("payable:")] += int(minor)
        for booking_no, payee_id, minor in clawed:
            found[booking_no, payee_id] -= int(minor)
        return found

    def _has_job(self, unit: Unit, leg: Leg) -> bool:
        """Whether a job waits that will take this leg further; on a paused rail a person will."""
        if leg.state == "held" and leg.rail in self.world.settlements.legs.paused(unit, TENANT):
            return True
        kind = "settlement.submit" if leg.state == "held" else "settlement.watch"
        if leg.state == "submitting":
            return True  # in one thread nobody sees it but the job that does it
        rows = unit.rows("SELECT key FROM job WHERE tn = ? AND kind = ? AND state = 'ready'", (TENANT, kind))
        return any(key in (leg.rail, f"{leg.rail}/later") or key.startswith(leg.reference) for (key,) in rows)

    def _check_end(self) -> None:
        """At the end every payee has exactly what the last decisions owe it, less than a shilling carried apart."""
        for payee_id in PREFERENCES:
            owed = sum(
                share.accrued_minor for row in self._settlements() for share in row.shares if share.payee_id == payee_id
            )
            received = self._received(payee_id)
            claimed = self._balance(f"owed:{payee_id}")
            carried = -self._balance(f"payable:{payee_id}")
            if received + carried - claimed != owed:
                raise self._broken(
                    "the end", f"{payee_id} got {received}, carries {carried}, owes {claimed}, is owed {owed}"
                )
            if not 0 <= carried < 100:
                raise self._broken("the end", f"{payee_id} has {carried} minor units lying")

    def _received(self, payee_id: str) -> int:
        """What the payee really got, as the rails have it. Units: minor."""
        number = PREFERENCES[payee_id].destination.number
        by_phone = sum(payment.shillings * 100 for payment in self.world.twin.payments if payment.party == number)
        if PREFERENCES[payee_id] is not BANK:
            return by_phone
        bank = self.world.bank_twin
        return sum(minor for _, minor in bank.payments) - sum(minor for _, minor in bank.returns)

    def _balance(self, account: str) -> int:
        row = self.world.database.read(
            lambda unit: unit.row(
                "SELECT posted_dr - posted_cr FROM ledger_account WHERE tn = ? AND id = ?", (TENANT, account)
            )
        )
        return int(row[0]) if row else 0

    def _legs(self) -> list[Leg]:
        return self.world.database.read(
            lambda unit: [leg for one in self.bookings for leg in store.legs_of(unit, TENANT, one.booking_no)]
        )

    def _settlements(self) -> list[store.SettlementRow]:
        return self.world.database.read(self._settlements_of)

    def _settlements_of(self, unit: Unit) -> list[store.SettlementRow]:
        found = [store.find_settlement(unit, TENANT, payable.booking_no) for payable in self.bookings]
        return [row for row in found if row is not None]

    def _broken(self, when: str, what: str) -> Broken:
        return Broken(f"seed {self.seed}, {when}: {what}. Replay: KIUNGO_TEST_SEED={self.seed}")


def make_template(folder: Path, migrated: Path) -> Path:
    """A migrated database whose file is as small as it gets: each seed copies it."""
    template = folder / "template.db"
    template.write_bytes(migrated.read_bytes())
    with sqlite3.connect(template) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return template


__all__ = ["Broken", "Simulation", "kes", "make_template"]
