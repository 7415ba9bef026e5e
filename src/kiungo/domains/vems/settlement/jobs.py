"""The jobs of settlement: submit, watch, understand notices, release what waits, pay again.

settlement.submit    the only place that calls a rail's `submit`; never retried into a second order
settlement.watch     asks about an order without an outcome
settlement.notice    understands a stored message of a rail
settlement.release   tries waiting legs again (money came, details became usable, every quarter of an hour)
settlement.replace   pays again a leg that failed for want of funds, once there are some; settles the claim on one
                     whose approval was lowered before it failed or came back
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from kiungo.base.time import SECOND_US
from kiungo.domains.vems.rules.settlement_states import SELF_MENDING, SENT, UNCOVERED
from kiungo.domains.vems.settlement import store
from kiungo.domains.vems.settlement.legs import order_of
from kiungo.domains.vems.settlement.model import Leg
from kiungo.domains.vems.settlement.notices import apply_notice, book_uncovered, context_of, refuse_notice
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.jobs import Dead, Effect, Handler, Job
from kiungo.ports.payment import Answer, Rail

STRANDED_AFTER_S = 30 * 60
STRANDED_MAX = 500


@dataclass(frozen=True, slots=True)
class SettlementJobs:
    """Handlers that work outside the database between two units of it."""

    database: Database
    settlements: Settlements
    rails: Mapping[str, Rail]

    def handlers(self) -> dict[str, Handler]:
        """The handlers by kind of job, for the worker."""
        return {
            "settlement.submit": self.submit,
            "settlement.watch": self.watch,
            "settlement.notice": self.notice,
            "settlement.release": self.release,
            "settlement.replace": self.replace,
        }

    def submit(self, job: Job) -> Effect | None:
        """Write the intent, call the rail once, keep its answers."""
        legs, rail = self.settlements.legs, job.args["rail"]
        batch = self.database.write(
            lambda unit: legs.begin_submission(unit, job.tenant, job.id, rail, job.args.get("reference"))
        )
        if batch is None:
            return None
        answers = self.rails[rail].submit(batch)

        def keep(unit: Unit) -> None:
            legs.take(unit, job.tenant, [order.reference for order in batch.orders])
            for order in batch.orders:
                answer = answers.get(order.reference, Answer("unknown", "the rail said nothing of this order"))
                legs.record_answer(unit, job.tenant, job.id, order.reference, answer)

        return keep

    def watch(self, job: Job) -> Effect | None:
        """Ask how an order stands that nobody has told us about."""
        reference, asked = job.args["reference"], int(job.args["asked"])
        leg = self.database.read(lambda unit: store.peek_leg(unit, job.tenant, reference))
        if leg is None or leg.state not in ("submitted", "unknown"):
            return None
        answer = self.rails[leg.rail].query(order_of(leg), leg.rail_ids)
        return lambda unit: self._after_query(unit, job.tenant, leg.reference, answer, asked)

    def notice(self, job: Job) -> Effect | None:
        """Understand a stored message, and apply what it says. Raises: Dead when nobody can read it."""
        rail, message_id = job.args["rail"], job.args["message_id"]
        body = self.database.read(
            lambda unit: unit.value(
                "SELECT body FROM inbox WHERE tn = ? AND source = ? AND message_id = ?", (job.tenant, rail, message_id)
            )
        )
        if body is None or rail not in self.rails:
            raise Dead("the message is not there, or no such rail is configured")
        notices = self.rails[rail].read_notices(bytes(body), context_of(job.args))
        source, about = str(job.args.get("kind", "notice")), str(job.args.get("reference", ""))

        def apply(unit: Unit) -> None:
            self.settlements.legs.take(unit, job.tenant, [notice.reference for notice in notices])
            for notice in notices:
                if about and notice.reference != about:
                    refuse_notice(unit, job.tenant, about, notice, source=source)
                    continue
                apply_notice(self.settlements.legs, unit, job.tenant, rail, notice, source=source)

        return apply

    def release(self, job: Job) -> Effect | None:
        """Try waiting legs again, each in a unit of its own."""
        tenant = job.tenant
        waiting = self.database.read(lambda unit: store.waiting_legs(unit, tenant, payee=job.args.get("payee")))
        if "scheduled_us" in job.args:
            self.database.write(lambda unit: self._sweep(unit, tenant))
        uncovered = self.database.read(lambda unit: store.uncovered(unit, tenant))
        for reference in uncovered:
            book = partial(book_uncovered, self.settlements.legs, tenant=tenant, reference=reference)
            self.database.write(book)
        for reference, payee_id in waiting:
            self.database.write(
                partial(self.settlements.release, tenant=tenant, reference=reference, payee_id=payee_id)
            )
        return None

    def replace(self, job: Job) -> Effect | None:
        """Pay again what failed for a cause that time or money mends; of anything else, settle what is claimed back."""

        def again(unit: Unit) -> None:
            leg = store.find_leg(unit, job.tenant, job.args["reference"])
            if leg is None or leg.cause == UNCOVERED:
                return
            if leg.state == "failed" and leg.cause in SELF_MENDING:
                self.settlements.replace(unit, job.tenant, leg)
            elif leg.state in ("failed", "returned"):
                self.settlements.settle_claim(unit, job.tenant, leg)

        return again

    def _after_query(self, unit: Unit, tenant: int, reference: str, answer: Answer, asked: int) -> None:
        legs = self.settlements.legs
        leg = store.find_leg(unit, tenant, reference)
        if leg is None or leg.state not in SENT:
            return
        if answer.status in ("paid", "failed"):
            legs.conclude(unit, tenant, leg, answer, source="status query")
            return
        if leg.state == "submitted":
            self._overdue(unit, tenant, leg, answer)
        if asked + 1 < legs.policy.queries_max:
            legs.watch(unit, tenant, leg, asked + 1)
        else:
            why = f"{answer.reason or 'no outcome'}; asked {asked + 1} times: the statement or two persons must decide"
            store.note(unit, tenant, leg, reason=why)
        store.refresh(unit, tenant, leg.booking_no)

    def _sweep(self, unit: Unit, tenant: int) -> None:
        """Legs whose job became a dead letter: held ones are submitted, those on their way become unknown."""
        legs, late_us = self.settlements.legs, unit.now_us - STRANDED_AFTER_S * SECOND_US
        paused = legs.paused(unit, tenant)
        stranded = [
            leg for rail in sorted(legs.rails.keys() - paused.keys())
            for leg in store.legs_in(unit, tenant, ("held", "submitting"), rail=rail, limit=STRANDED_MAX)
        ]  # fmt: skip
        for leg in stranded:
            if leg.updated_us > late_us:
                continue
            if leg.state == "held":
                legs.enqueue_submission(unit, tenant, leg.rail, leg.reference)
            else:
                legs.to_unknown(unit, tenant, leg, "we stopped while the order was on its way")

    def _overdue(self, unit: Unit, tenant: int, leg: Leg, answer: Answer) -> None:
        """No word within the rail's usual time: from here on the leg is unknown, whatever comes."""
        reason = answer.reason or "no result came within the rail's usual time"
        store.advance(unit, tenant, leg, "unknown", reason=reason)
        self.settlements.legs.publish(unit, tenant, leg, "settlement.leg_unknown", reason=reason)
