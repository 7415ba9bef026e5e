"""Settlement: from a payer's decision to money at the payees, with every cent in the ledger.

    decide    a payer approved so much of a booking: shares are owed, and paid when the mode says so
    remit     money for a booking arrived
    fund      own money was put at a rail
    release   try again what waits

A decision is cumulative and has a version: a lower approval takes back what was not paid yet, and claims back the rest.

| decision | approved  | vendor owed | facility owed | fee      |
| -------- | --------- | ----------- | ------------- | -------- |
| v1       | 10,000.00 | 6,774.19    | 2,903.22      | 322.59   |
| v2       | 31,000.00 | 21,000.00   | 9,000.00      | 1,000.00 |
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from kiungo.base.money import Money
from kiungo.domains.vems.rules.settlement_modes import Plan, base_minor, plan_of
from kiungo.domains.vems.rules.settlement_shares import dues_of, entitlements
from kiungo.domains.vems.rules.settlement_states import UNPAID
from kiungo.domains.vems.settlement import accounts, excess, funding, store
from kiungo.domains.vems.settlement.checking import check
from kiungo.domains.vems.settlement.legs import Legs
from kiungo.domains.vems.settlement.model import (
    REFERENCE_LENGTH,
    REFERENCE_LETTERS,
    Leg,
    Payable,
    Role,
    SettlementPolicy,
    SettlementRow,
    ShareRow,
)
from kiungo.kernel import jobs, ledger
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Outbox
from kiungo.ports.payment import Capabilities


@dataclass(frozen=True, slots=True)
class Settlements:
    """The settlement service. `rng` makes references, so that a simulation makes the same ones again."""

    rails: Mapping[str, Capabilities]
    outbox: Outbox
    policy: SettlementPolicy = field(default_factory=SettlementPolicy)
    rng: Random = field(default_factory=random.SystemRandom)

    @property
    def legs(self) -> Legs:
        """What moves single legs."""
        return Legs(self.rails, self.outbox, self.policy)

    def take(self, unit: Unit, tenant: int, parts: Sequence[Payable | SettlementRow]) -> None:
        """Hold all that several settlements will move, before the first does: two units with the same payees would
        wait for each other on PostgreSQL, if each took them settlement by settlement.
        """
        for number in sorted({part.booking_no for part in parts}):
            unit.lock(f"settlement/{tenant}/{number}")
        if parts:
            self._take(unit, tenant, *parts)

    def decide(
        self,
        unit: Unit,
        tenant: int,
        payable: Payable,
        approved: Money,
        version: int,
        *,
        by_share: Mapping[tuple[str, Role], int] | None = None,
    ) -> SettlementRow:
        """Settle a payer's decision; a version seen before changes nothing.

        `by_share` says what each share gets (minor, by payee and role, summing to `approved`) where the payer decided
        line by line; without it the cumulative floor shares the whole. Raises: Incorrect PAYABLE_WRONG.
        """
        check(payable, approved, by_share)
        unit.lock(f"settlement/{tenant}/{payable.booking_no}")
        plan = plan_of(payable, self.policy)
        row = store.find_settlement(unit, tenant, payable.booking_no) or self._open(unit, tenant, payable, plan)
        if version <= row.version:
            return row
        if by_share is None:
            base = base_minor(approved.minor, payable.total.minor, row.total_minor)
            wanted = entitlements([(share.role, share.contract_minor) for share in row.shares], base)
        else:
            wanted = tuple(by_share[share.payee_id, share.role] for share in row.shares)
            base = sum(wanted)
        unit.execute(
            "UPDATE settlement SET approved_minor = ?, version = ?, updated_us = ? WHERE tn = ? AND booking_no = ?",
            (base, version, unit.now_us, tenant, row.booking_no),
        )
        store.step(unit, tenant, row.booking_no, "decided", detail=f"version {version}: {approved} approved")
        self._take(unit, tenant, row)
        self._accrue(unit, tenant, row, wanted, version)
        if row.version:
            excess.draw(unit, tenant, replace(row, version=version), base - row.remitted_minor)
        self._commit(unit, tenant, row.booking_no)
        return store.get_settlement(unit, tenant, row.booking_no)

    def even_out(self, unit: Unit, tenant: int, numbers: Sequence[str]) -> None:
        """Let what arrived for parts of one booking beyond their approval pay what other parts lack; see excess.py."""
        self.take(unit, tenant, [store.get_settlement(unit, tenant, number) for number in numbers])
        for number in excess.even_out(unit, tenant, numbers):
            self._commit(unit, tenant, number)

    def cover_kept(self, unit: Unit, tenant: int, numbers: Sequence[str], others: Sequence[str]) -> None:
        """Let what arrived too much for `others` pay what their payer kept back of `numbers`; all of them are held."""
        for number in numbers:
            if excess.cover(unit, tenant, number, others):
                self._commit(unit, tenant, number)

    def remit(self, unit: Unit, tenant: int, booking_no: str, *, rail: str, amount: Money, key: str) -> SettlementRow:
        """Book money that arrived at a rail for a booking; what nobody owed goes to suspense. The key counts once.

        Raises: NotFound SETTLEMENT_NOT_FOUND; Conflict FUNDING_USED for the key of another sum.
        """
        unit.lock(f"settlement/{tenant}/{booking_no}")
        row = store.get_settlement(unit, tenant, booking_no)
        if not funding.first_time(unit, tenant, f"remit/{key}", rail, amount):
            return row
        self._take(unit, tenant, row)
        expected = Money(min(amount.minor, max(row.approved_minor - row.remitted_minor, 0)), amount.currency)
        accounts.move(
            unit, tenant, key=f"remit/{key}", kind=accounts.REMITTANCE, memo=booking_no,
            moves=[
                (accounts.cash(rail), accounts.receivable(row.payer), expected),
                (accounts.cash(rail), accounts.SUSPENSE, amount - expected),
            ],
        )  # fmt: skip
        unit.execute(
            "UPDATE settlement SET remitted_minor = remitted_minor + ?, updated_us = ? WHERE tn = ? AND booking_no = ?",
            (expected.minor, unit.now_us, tenant, booking_no),
        )
        store.step(unit, tenant, booking_no, "remitted", detail=f"{amount} at {rail}")
        self._commit(unit, tenant, booking_no)
        self._release_later(unit, tenant, rail)
        return store.get_settlement(unit, tenant, booking_no)

    def fund(self, unit: Unit, tenant: int, *, rail: str, amount: Money, key: str) -> None:
        """Book own money put at a rail; waiting legs are tried again. The key counts once.

        Raises: Conflict FUNDING_USED for the key of another sum.
        """
        if not funding.first_time(unit, tenant, f"fund/{key}", rail, amount):
            return
        accounts.move(
            unit, tenant, key=f"fund/{key}", kind="settlement.funding", memo=key,
            moves=[(accounts.cash(rail), accounts.FUNDING, amount)],
        )  # fmt: skip
        self._release_later(unit, tenant, rail)

    def release(self, unit: Unit, tenant: int, reference: str, payee_id: str) -> None:
        """Try to hold one waiting leg."""
        unit.lock(f"payee/{tenant}/{payee_id}")
        current = store.find_leg(unit, tenant, reference)
        if current is not None and current.state == "waiting":
            self.legs.try_hold(unit, tenant, current)
            store.refresh(unit, tenant, current.booking_no)

    def replace(self, unit: Unit, tenant: int, leg: Leg) -> str:
        """Pay a failed or returned leg again, by a new leg with a new reference; returns the reference.

        What the payee owes meanwhile is kept back first; the leg's own reference when nothing is left to pay.
        """
        unit.lock(f"payee/{tenant}/{leg.payee_id}")
        self._take_accounts(unit, tenant, leg.amount.currency, [leg.payee_id])
        taken = self._set_off(
            unit, tenant, leg.booking_no, leg.payee_id, leg.amount, key=f"setoff/{leg.reference}"
        )  # fmt: skip
        rest = Money(leg.amount.minor - taken, leg.amount.currency)
        if rest.minor == 0:
            store.advance(unit, tenant, leg, "replaced", reason="set off against what the payee owes")
            store.refresh(unit, tenant, leg.booking_no)
            return leg.reference
        reference = self._add_leg(unit, tenant, leg.booking_no, leg.payee_id, rest, "pays again " + leg.reference)
        store.advance(
            unit, tenant, leg, "replaced", reason=f"paid again as {reference}", changes={"replaced_by": reference}
        )
        self.legs.try_hold(unit, tenant, store.get_leg(unit, tenant, reference))
        store.refresh(unit, tenant, leg.booking_no)
        return reference

    def settle_claim(self, unit: Unit, tenant: int, leg: Leg) -> None:
        """Set a leg that failed or came back off against what was claimed back of its settlement before that was known.

        The payee never had the money, so it owes nothing of it. What is left of the leg waits for a person, as before.
        """
        unit.lock(f"payee/{tenant}/{leg.payee_id}")
        self._take_accounts(unit, tenant, leg.amount.currency, [leg.payee_id])
        taken = self._set_off(
            unit, tenant, leg.booking_no, leg.payee_id, leg.amount, key=f"setoff/{leg.reference}", only=True
        )
        if not taken:
            return
        rest, changes = Money(leg.amount.minor - taken, leg.amount.currency), {}
        if rest.minor:
            why = f"rest of {leg.reference}: {leg.reason}"
            changes["replaced_by"] = self._add_leg(
                unit, tenant, leg.booking_no, leg.payee_id, rest, why, stopped=leg.cause
            )
        reason = "set off: its approval was lowered before it failed or came back"
        store.advance(unit, tenant, leg, "replaced", reason=reason, changes=changes)
        store.refresh(unit, tenant, leg.booking_no)

    def _take(self, unit: Unit, tenant: int, *rows: Payable | SettlementRow) -> None:
        """Hold payees, then accounts, before several journals move them: the order of every such unit."""
        payees = sorted({share.payee_id for row in rows for share in row.shares})
        for payee_id in payees:
            unit.lock(f"payee/{tenant}/{payee_id}")
        receivable = [accounts.receivable(row.payer) for row in rows]
        self._take_accounts(unit, tenant, rows[0].currency, payees, accounts.FEE, accounts.SUSPENSE, *receivable)

    def _take_accounts(self, unit: Unit, tenant: int, currency: str, payees: Sequence[str], *more: str) -> None:
        theirs = [account for payee_id in payees for account in (accounts.payable(payee_id), accounts.owed(payee_id))]
        floats = [accounts.cash(rail) for rail in self.rails]
        ledger.lock_accounts(unit, tenant, currency, {*floats, *theirs, *more})

    def _open(self, unit: Unit, tenant: int, payable: Payable, plan: Plan) -> SettlementRow:
        unit.execute(
            "INSERT INTO settlement (tn, booking_no, claim_ref, payer, mode, currency, pays_on, total_minor,"
            " approved_minor, remitted_minor, version, state, reason, created_us, updated_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 'waiting', 'nothing is decided yet', ?, ?)",
            (
                tenant, payable.booking_no, payable.claim_ref, plan.owed_by, payable.mode, payable.currency,
                plan.pays_on, plan.total_minor, unit.now_us, unit.now_us,
            ),
        )  # fmt: skip
        unit.many(
            "INSERT INTO settlement_share (tn, booking_no, payee_id, role, seq, contract_minor, accrued_minor,"
            " committed_minor) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
            [
                (tenant, payable.booking_no, share.payee_id, share.role, seq, share.amount.minor)
                for seq, share in enumerate(plan.shares)
            ],
        )
        return store.get_settlement(unit, tenant, payable.booking_no)

    def _accrue(self, unit: Unit, tenant: int, row: SettlementRow, wanted: tuple[int, ...], version: int) -> None:
        """Owe each share what the decision entitles it to, or take back what it no longer does."""
        owed_by = accounts.receivable(row.payer)
        moves: list[tuple[str, str, Money]] = []
        for share, entitled in zip(row.shares, wanted, strict=True):
            change = Money(entitled - share.accrued_minor, row.currency)
            account = accounts.FEE if share.role == "fee" else accounts.payable(share.payee_id)
            if change.minor >= 0:
                moves.append((owed_by, account, change))
            elif share.role == "fee":
                moves.append((account, owed_by, -change))
            else:
                moves += self._take_back(unit, tenant, row, share, -change)
            unit.execute(
                "UPDATE settlement_share SET accrued_minor = ? WHERE tn = ? AND booking_no = ? AND payee_id = ?"
                " AND role = ?",
                (entitled, tenant, row.booking_no, share.payee_id, share.role),
            )
        accounts.move(
            unit, tenant, key=f"decision/{row.booking_no}/{version}", kind="settlement.decision", memo=row.booking_no,
            moves=moves,
        )  # fmt: skip

    def _take_back(
        self, unit: Unit, tenant: int, row: SettlementRow, share: ShareRow, cut: Money
    ) -> list[tuple[str, str, Money]]:
        """Less is owed than before: first what no leg holds, then legs that certainly did not pay, then a claim."""
        committed = share.committed_minor
        legs = [leg for leg in store.legs_of(unit, tenant, row.booking_no) if leg.payee_id == share.payee_id]
        for leg in sorted(legs, key=lambda leg: UNPAID.index(leg.state) if leg.state in UNPAID else len(UNPAID)):
            if leg.state not in UNPAID or share.accrued_minor - committed >= cut.minor:
                break
            committed -= self.legs.take_back(unit, tenant, leg)
        free = Money(min(cut.minor, share.accrued_minor - committed), cut.currency)
        claim = cut - free
        if claim.minor:
            committed -= claim.minor
            unit.execute(
                "INSERT INTO settlement_clawback (tn, booking_no, payee_id, currency, amount_minor, recovered_minor,"
                " reason, created_us) VALUES (?, ?, ?, ?, ?, 0, 'the approval was lowered after payment', ?)",
                (tenant, row.booking_no, share.payee_id, cut.currency, claim.minor, unit.now_us),
            )
            store.step(unit, tenant, row.booking_no, "clawback", detail=f"{share.payee_id} owes {claim} back")
        unit.execute(
            "UPDATE settlement_share SET committed_minor = ? WHERE tn = ? AND booking_no = ? AND payee_id = ?"
            " AND role = ?",
            (committed, tenant, row.booking_no, share.payee_id, share.role),
        )
        owed_by = accounts.receivable(row.payer)
        return [
            (accounts.payable(share.payee_id), owed_by, free),
            (accounts.owed(share.payee_id), owed_by, claim),
        ]

    def _commit(self, unit: Unit, tenant: int, booking_no: str) -> None:
        """Make legs for what may be paid now and is not in a leg yet."""
        row = store.get_settlement(unit, tenant, booking_no)
        base = row.approved_minor if row.pays_on == "approval" else min(row.remitted_minor, row.approved_minor)
        dues = dues_of([(share.role, share.accrued_minor, share.committed_minor) for share in row.shares], base)
        # Payees in order: two bookings of the same payees lock them alike.
        for share, due in sorted(zip(row.shares, dues, strict=True), key=lambda pair: pair[0].payee_id):
            if due == 0:
                continue
            unit.lock(f"payee/{tenant}/{share.payee_id}")
            unit.execute(
                "UPDATE settlement_share SET committed_minor = committed_minor + ? WHERE tn = ? AND booking_no = ?"
                " AND payee_id = ? AND role = ?",
                (due, tenant, booking_no, share.payee_id, share.role),
            )
            # The role too: a facility with equipment of its own has two shares of one booking.
            key = f"setoff/{booking_no}/{share.payee_id}/{share.role}/{share.committed_minor}/{row.version}"
            rest = due - self._set_off(unit, tenant, booking_no, share.payee_id, Money(due, row.currency), key=key)
            if rest:
                self._order(unit, tenant, booking_no, share.payee_id, Money(rest, row.currency))
        store.refresh(unit, tenant, booking_no)

    def _order(self, unit: Unit, tenant: int, booking_no: str, payee_id: str, due: Money) -> None:
        """Make a leg and hold its money; what is left of one that failed or came back waits for a person instead."""
        stopped = store.taken_back(unit, tenant, booking_no, payee_id)
        if not stopped:
            reference = self._add_leg(unit, tenant, booking_no, payee_id, due, "waits to be routed")
            self.legs.try_hold(unit, tenant, store.get_leg(unit, tenant, reference))
            return
        last = stopped[-1]
        reason = f"stands for {last.reference}, which did not reach the payee; pay it again when its cause is mended"
        reference = self._add_leg(unit, tenant, booking_no, payee_id, due, reason, stopped=last.cause)
        store.stand_for(unit, tenant, stopped, reference)

    def _set_off(
        self, unit: Unit, tenant: int, booking_no: str, payee_id: str, due: Money, *, key: str, only: bool = False
    ) -> int:
        """Recover what the payee owes us, of this settlement `only` or of all; returns how much. Units: minor."""
        left = due.minor
        own, parameters = (" AND booking_no = ?", (booking_no,)) if only else ("", ())
        claims = unit.rows(
            "SELECT id, amount_minor - recovered_minor FROM settlement_clawback WHERE tn = ? AND payee_id = ?"
            f" AND currency = ? AND recovered_minor < amount_minor{own} ORDER BY id",
            (tenant, payee_id, due.currency, *parameters),
        )
        for claim_id, open_minor in claims:
            part = min(left, int(open_minor))
            if part == 0:
                break
            unit.execute(
                "UPDATE settlement_clawback SET recovered_minor = recovered_minor + ? WHERE id = ?", (part, claim_id)
            )
            left -= part
        taken = due.minor - left
        if taken:
            accounts.move(
                unit, tenant, key=key, kind="settlement.setoff", memo=booking_no,
                moves=[(accounts.payable(payee_id), accounts.owed(payee_id), Money(taken, due.currency))],
            )  # fmt: skip
            store.step(
                unit, tenant, booking_no, "set_off", detail=f"{payee_id}: {Money(taken, due.currency)} recovered"
            )
        return taken

    def _add_leg(
        self,
        unit: Unit,
        tenant: int,
        booking_no: str,
        payee_id: str,
        due: Money,
        reason: str,
        *,
        stopped: str | None = None,
    ) -> str:
        reference = "".join(self.rng.choices(REFERENCE_LETTERS, k=REFERENCE_LENGTH))
        store.add_leg(
            unit, tenant, reference=reference, booking_no=booking_no, payee_id=payee_id, due=due, reason=reason,
            stopped=stopped,
        )  # fmt: skip
        state = "waiting" if stopped is None else "failed"
        store.step(unit, tenant, booking_no, state, reference=reference, detail=f"{due} for {payee_id}")
        return reference

    def _release_later(self, unit: Unit, tenant: int, rail: str) -> None:
        jobs.enqueue(unit, "settlement.release", {"rail": rail}, tenant=tenant, key=f"{rail}/{unit.now_us}")
