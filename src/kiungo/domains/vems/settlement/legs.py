"""One leg's way: waiting, held, submitting, submitted, and how it ends.

Everything here works inside its caller's unit. Money is held before an order leaves, so that it cannot be spent twice;
the intent (`submitting`) is durable before the rail is called, so that a dead process leaves an unknown, not a repeat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.base.time import SECOND_US
from kiungo.domains.vems.model import contract_date
from kiungo.domains.vems.rules.settlement_routing import Route, choose
from kiungo.domains.vems.rules.settlement_states import LOWERED, SELF_MENDING
from kiungo.domains.vems.settlement import accounts, store
from kiungo.domains.vems.settlement.model import Leg, SettlementPolicy
from kiungo.domains.vems.settlement.payees import usable_preferences
from kiungo.kernel import jobs, json, ledger
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger import Posting
from kiungo.kernel.ledger.model import LEDGER_BALANCE_TOO_LOW
from kiungo.kernel.outbox import Outbox
from kiungo.ports.payment import Answer, Batch, Capabilities, Order

FUNDS_RETRY_S = 15 * 60
NOT_TAKEN_WAIT_S = 30.0
LANE = "money-out"


@dataclass(frozen=True, slots=True)
class Legs:
    """Moves legs along. `rails` says what each rail can do; who provides it is not known here."""

    rails: Mapping[str, Capabilities]
    outbox: Outbox
    policy: SettlementPolicy

    def try_hold(self, unit: Unit, tenant: int, leg: Leg) -> None:
        """Route a waiting leg and hold its money, or say why it goes on waiting. The payee's lock is held."""
        route = self._route(unit, tenant, leg)
        if isinstance(route, str):
            store.note(unit, tenant, leg, reason=route)
            return
        amount = Money(route.amount_minor, leg.due.currency)
        rail = route.preference.rail
        to = route.preference.destination
        if amount.minor == 0:
            _set_carry(unit, tenant, leg, route.carry_minor)
            store.advance(
                unit, tenant, leg, "carried", reason="less than a shilling, carried to the next payment",
                changes={"rail": rail},
            )  # fmt: skip
            return
        accounts.open_for(unit, tenant, amount.currency, accounts.payable(leg.payee_id), accounts.cash(rail))
        try:
            held = ledger.hold(
                unit, tenant, key=f"leg/{leg.reference}", kind="settlement.leg", memo=leg.booking_no,
                effective=contract_date(unit.now_us),
                postings=[Posting(accounts.payable(leg.payee_id), accounts.cash(rail), amount)],
            )  # fmt: skip
        except Conflict as refusal:
            if refusal.code != LEDGER_BALANCE_TOO_LOW:
                raise
            float_now = ledger.balance(unit, tenant, accounts.cash(rail), amount.currency).available()
            store.note(unit, tenant, leg, reason=f"the float at {rail} holds {float_now}, {amount} is needed")
            return
        _set_carry(unit, tenant, leg, route.carry_minor)
        where = {"kind": to.kind, "number": to.number, "bank_code": to.bank_code, "branch_code": to.branch_code}
        store.advance(
            unit, tenant, leg, "held",
            changes={
                "rail": rail, "destination": json.dumps(where), "amount_minor": amount.minor, "hold_journal": held.id,
            },
        )  # fmt: skip
        self.enqueue_submission(unit, tenant, rail, leg.reference)

    def take_back(self, unit: Unit, tenant: int, leg: Leg) -> int:
        """Close a leg that certainly did not pay, because less is owed; returns what it held. Units: minor.

        Cents that were carried when it was held stay carried. One whose order had left is `replaced`, not `cancelled`:
        should its money have moved after all, it is claimed back.
        """
        store.advance(
            unit, tenant, leg, "cancelled" if leg.state in ("waiting", "held") else "replaced", reason=LOWERED
        )
        if leg.state == "waiting":
            return leg.due.minor
        if leg.state == "held":
            assert leg.hold_journal is not None, "a held leg has its journal"
            ledger.void_hold(unit, tenant, leg.hold_journal, f"leg/{leg.reference}/void")
        return leg.amount.minor

    def enqueue_submission(self, unit: Unit, tenant: int, rail: str, reference: str, *, after_s: float = 0) -> None:
        """Let a job submit: at once for rails of single orders, collected for rails of batches."""
        can = self.rails[rail]
        single = can.batch_max == 1
        args = {"rail": rail, "reference": reference} if single else {"rail": rail}
        wait_s = after_s if single else max(after_s, can.batch_wait_s)
        run_at_us = unit.now_us + int(wait_s * SECOND_US)
        # Where one job collects many, one waits for all of them; one that runs already has chosen, and does not count.
        key = f"{reference}/{unit.now_us}" if single else f"{rail}/later" if after_s else rail
        jobs.enqueue(unit, "settlement.submit", args, tenant=tenant, key=key, lane=LANE, run_at_us=run_at_us)

    def begin_submission(self, unit: Unit, tenant: int, job_id: int, rail: str, reference: str | None) -> Batch | None:
        """Take held legs and write down that they are about to leave; None when there is nothing to submit.

        Legs this job took before are on their way or not, nobody knows: they become unknown.
        """
        abandoned = [
            leg for leg in store.legs_in(unit, tenant, ("submitting",), rail=rail, limit=10_000)
            if leg.submit_job == job_id
        ]  # fmt: skip
        for leg in abandoned:
            self.to_unknown(unit, tenant, leg, "we stopped while the order was on its way")
        held = self._held(unit, tenant, rail, reference)
        paused = self.paused(unit, tenant).get(rail)
        if paused is not None:
            for leg in held:
                store.note(unit, tenant, leg, reason=f"{rail} is paused: {paused}")
            return None
        if not held:
            return None
        single = reference is not None
        if len(held) == self.rails[rail].batch_max and not single:
            self.enqueue_submission(unit, tenant, rail, held[0].reference)  # there may be more than one file's
        batch_reference = held[0].reference if single else f"{held[0].reference}A{held[0].attempt + 1}"
        for leg in held:
            store.advance(
                unit, tenant, leg, "submitting",
                changes={
                    "submit_job": job_id, "attempt": leg.attempt + 1, "submitted_us": unit.now_us,
                    "rail_ids": json.dumps({**leg.rail_ids, "batch": batch_reference}),
                },
            )  # fmt: skip
        return Batch(batch_reference, tuple(order_of(leg) for leg in held), contract_date(unit.now_us))

    def take(self, unit: Unit, tenant: int, references: Sequence[str]) -> None:
        """Hold legs and their accounts before several of them move, so that nobody waits for us who holds one."""
        for rail, currency, payees in store.take_legs(unit, tenant, references):
            theirs = [account(payee) for payee in payees for account in (accounts.payable, accounts.owed)]
            ledger.lock_accounts(unit, tenant, currency, [accounts.cash(rail), *theirs])

    def record_answer(self, unit: Unit, tenant: int, job_id: int, reference: str, answer: Answer) -> None:
        """Keep what the rail said of an order just submitted; a callback may have been faster."""
        leg = store.get_leg(unit, tenant, reference)
        if leg.state != "submitting" or leg.submit_job != job_id:
            self._keep_ids(unit, tenant, leg, answer)
            return
        if answer.status == "accepted":
            store.advance(
                unit, tenant, leg, "submitted", changes={"rail_ids": json.dumps({**leg.rail_ids, **answer.rail_ids})}
            )
            self.watch(unit, tenant, leg, 0)
        elif answer.status == "not_taken":
            store.advance(unit, tenant, leg, "held", reason=f"not taken: {answer.reason}")
            after_s = answer.retry_after_s or NOT_TAKEN_WAIT_S
            self.enqueue_submission(unit, tenant, leg.rail, reference, after_s=after_s)
        else:
            self.conclude(unit, tenant, leg, answer, source="answer")
        store.refresh(unit, tenant, leg.booking_no)

    def conclude(self, unit: Unit, tenant: int, leg: Leg, answer: Answer, *, source: str) -> None:
        """Close a leg whose order is out, as paid or failed; or call it unknown."""
        if answer.status == "paid":
            self.to_posted(unit, tenant, leg, answer, source=source)
        elif answer.status == "failed":
            self.to_failed(unit, tenant, leg, answer, source=source)
        elif answer.status == "unknown" and leg.state != "unknown":
            self.to_unknown(unit, tenant, leg, answer.reason)

    def to_posted(self, unit: Unit, tenant: int, leg: Leg, answer: Answer, *, source: str) -> None:
        """The money moved: the hold becomes a posting."""
        assert leg.hold_journal is not None, "a leg that left was held"
        journal = ledger.post_hold(
            unit, tenant, leg.hold_journal, f"leg/{leg.reference}/paid", effective=contract_date(unit.now_us)
        )
        store.advance(
            unit, tenant, leg, "posted", reason=f"paid, says the {source}",
            changes={
                "receipt": answer.receipt, "paid_journal": journal.id,
                "rail_ids": json.dumps({**leg.rail_ids, **answer.rail_ids}),
            },
        )  # fmt: skip
        self.publish(unit, tenant, leg, "settlement.leg_paid", receipt=answer.receipt)
        if store.refresh(unit, tenant, leg.booking_no) == "settled":
            self.publish(unit, tenant, leg, "settlement.settled")

    def to_failed(self, unit: Unit, tenant: int, leg: Leg, answer: Answer, *, source: str) -> None:
        """No money moved and none will: the hold is released. What can be helped without a person is."""
        assert leg.hold_journal is not None, "a leg that left was held"
        ledger.void_hold(unit, tenant, leg.hold_journal, f"leg/{leg.reference}/void")
        reason = f"{answer.reason} ({source})"
        store.advance(unit, tenant, leg, "failed", reason=reason, changes={"cause": answer.cause})
        if answer.cause == "credential":
            self.pause(unit, tenant, leg.rail, answer.reason)
        self.publish(unit, tenant, leg, "settlement.leg_failed", reason=answer.reason)
        self.see_to(unit, tenant, leg, after_s=FUNDS_RETRY_S if answer.cause in SELF_MENDING else 0)
        store.refresh(unit, tenant, leg.booking_no)

    def see_to(self, unit: Unit, tenant: int, leg: Leg, *, after_s: int = 0) -> None:
        """Let a job do what needs no person for a leg that failed or came back: pay it later, or settle its claim."""
        if after_s or store.is_claimed(unit, tenant, leg):
            jobs.enqueue(
                unit, "settlement.replace", {"reference": leg.reference}, tenant=tenant, key=leg.reference,
                run_at_us=unit.now_us + after_s * SECOND_US,
            )  # fmt: skip

    def to_unknown(self, unit: Unit, tenant: int, leg: Leg, reason: str) -> None:
        """Nobody can say: the money stays held, the rail is asked, and nothing is submitted again."""
        store.advance(unit, tenant, leg, "unknown", reason=reason or "no outcome is known")
        self.publish(unit, tenant, leg, "settlement.leg_unknown", reason=reason)
        self.watch(unit, tenant, leg, 0)
        store.refresh(unit, tenant, leg.booking_no)

    def watch(self, unit: Unit, tenant: int, leg: Leg, asked: int) -> None:
        """Ask about a leg later, ever more rarely."""
        silence_s = self.rails[leg.rail].silence_s
        wait_s = min(silence_s * 2**asked, self.policy.query_after_s_max)
        jobs.enqueue(
            unit, "settlement.watch", {"reference": leg.reference, "asked": asked}, tenant=tenant,
            key=f"{leg.reference}/{asked}", lane="money-in", run_at_us=unit.now_us + int(wait_s * SECOND_US),
        )  # fmt: skip

    def pause(self, unit: Unit, tenant: int, rail: str, reason: str) -> None:
        """Stop sending on a rail until a person has seen to it: more attempts would lock the credential for good."""
        unit.execute(
            "INSERT INTO settlement_rail (tn, rail, paused_reason, paused_us) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (tn, rail) DO NOTHING",
            (tenant, rail, reason, unit.now_us),
        )

    def paused(self, unit: Unit, tenant: int) -> dict[str, str]:
        """The rails that are paused, and why."""
        return dict(unit.rows("SELECT rail, paused_reason FROM settlement_rail WHERE tn = ?", (tenant,)))

    def publish(self, unit: Unit, tenant: int, leg: Leg, topic: str, *, receipt: str = "", reason: str = "") -> None:
        """Tell the world about a leg."""
        payload = {
            "bookingNo": leg.booking_no, "reference": leg.reference, "payee": leg.payee_id, "rail": leg.rail,
            "amountMinor": leg.amount.minor, "currency": leg.amount.currency, "receipt": receipt, "reason": reason,
        }  # fmt: skip
        self.outbox.publish(unit, tenant=tenant, topic=topic, aggregate=leg.booking_no, payload=payload)

    def _route(self, unit: Unit, tenant: int, leg: Leg) -> Route | str:
        preferences = usable_preferences(unit, tenant, leg.payee_id)
        if isinstance(preferences, str):
            return preferences
        total = leg.due.minor + _carry(unit, tenant, leg)
        return choose(preferences, self.rails, self.paused(unit, tenant), total_minor=total, currency=leg.due.currency)

    def _held(self, unit: Unit, tenant: int, rail: str, reference: str | None) -> list[Leg]:
        if reference is None:
            unit.lock(f"submit/{tenant}/{rail}")
            return store.legs_in(unit, tenant, ("held",), rail=rail, limit=self.rails[rail].batch_max)
        leg = store.find_leg(unit, tenant, reference)
        return [leg] if leg is not None and leg.state == "held" else []

    def _keep_ids(self, unit: Unit, tenant: int, leg: Leg, answer: Answer) -> None:
        if answer.rail_ids:
            unit.execute(
                "UPDATE settlement_leg SET rail_ids = ? WHERE tn = ? AND reference = ?",
                (json.dumps({**answer.rail_ids, **leg.rail_ids}), tenant, leg.reference),
            )


def order_of(leg: Leg) -> Order:
    """The order a held leg stands for."""
    return Order(leg.reference, leg.amount, leg.destination, leg.payee_name, f"Booking {leg.booking_no}")


def _carry(unit: Unit, tenant: int, leg: Leg) -> int:
    found = unit.value(
        "SELECT carry_minor FROM settlement_carry WHERE tn = ? AND payee_id = ? AND currency = ?",
        (tenant, leg.payee_id, leg.due.currency),
    )
    return int(found or 0)


def _set_carry(unit: Unit, tenant: int, leg: Leg, carry_minor: int) -> None:
    unit.execute(
        "INSERT INTO settlement_carry (tn, payee_id, currency, carry_minor) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tn, payee_id, currency) DO UPDATE SET carry_minor = excluded.carry_minor",
        (tenant, leg.payee_id, leg.due.currency, carry_minor),
    )
