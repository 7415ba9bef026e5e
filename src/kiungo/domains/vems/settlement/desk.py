"""What only persons may do: close an unknown leg, take back a paid one, pay again, release, resume a rail.

Money decisions need two of them: one proposes with the evidence, another confirms; a rotated key is the same person.
"""

from typing import Literal

from kiungo.base.errors import Conflict, Forbidden
from kiungo.domains.vems.rules.settlement_states import UNCOVERED
from kiungo.domains.vems.settlement import store
from kiungo.domains.vems.settlement.errors import LEG_STATE, TWO_PERSONS_NEEDED
from kiungo.domains.vems.settlement.model import Leg, LegState
from kiungo.domains.vems.settlement.notices import apply_notice
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel import audit, jobs
from kiungo.kernel.auth.keys import root_of
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Unit
from kiungo.ports.payment import Answer, Notice

Outcome = Literal["paid", "failed", "returned"]
FROM: dict[Outcome, LegState] = {"paid": "unknown", "failed": "unknown", "returned": "posted"}


def propose_outcome(unit: Unit, call: Call, reference: str, outcome: Outcome, evidence: str) -> None:
    """Say how an unknown leg ended, or that a paid one came back, with the evidence; a colleague must agree.

    Raises: NotFound; Conflict LEG_STATE.
    """
    leg = _in(unit, call, reference, FROM[outcome])
    unit.execute(
        "UPDATE settlement_leg SET proposed_outcome = ?, proposed_by = ?, updated_us = ?"
        " WHERE tn = ? AND reference = ?",
        (outcome, call.principal.id, unit.now_us, call.tenant, reference),
    )
    store.step(
        unit, call.tenant, leg.booking_no, f"proposed_{outcome}", reference=reference, who=call.principal.name,
        detail=evidence,
    )  # fmt: skip
    audit.record(unit, call, "propose", kind="SettlementLeg", id=reference, detail=outcome.upper())


def confirm_outcome(settlements: Settlements, unit: Unit, call: Call, reference: str, outcome: Outcome) -> None:
    """Agree with a proposed outcome; it takes effect. Raises: Forbidden TWO_PERSONS_NEEDED; Conflict LEG_STATE."""
    leg = _in(unit, call, reference, FROM[outcome])
    if leg.proposed_outcome != outcome or leg.proposed_by is None:
        raise Conflict(LEG_STATE, f"Nobody has proposed {outcome} for {reference}", hint="Read the leg again")
    if root_of(unit, call.tenant, leg.proposed_by) == root_of(unit, call.tenant, call.principal.id):
        raise Forbidden(TWO_PERSONS_NEEDED, "Whoever proposed the outcome cannot confirm it", hint="Ask a colleague")
    reason = f"closed by {_proposer(unit, call, leg, outcome)} and {call.principal.name}"
    if outcome == "returned":
        answer = Answer("failed", reason, "payee")
        notice = Notice(reference, answer, leg.amount, returned=True)
        apply_notice(settlements.legs, unit, call.tenant, leg.rail, notice, source="desk")
    else:
        settlements.legs.conclude(unit, call.tenant, leg, Answer(outcome, reason), source="desk")
    audit.record(unit, call, "confirm", kind="SettlementLeg", id=reference, detail=outcome.upper())


def release_leg(settlements: Settlements, unit: Unit, call: Call, reference: str) -> None:
    """Try a leg that has not left us again, now: route and hold a waiting one, submit a held one.

    Raises: NotFound; Conflict LEG_STATE for every other state: what may have left is never sent again.
    """
    leg = store.get_leg(unit, call.tenant, reference)
    if leg.state == "waiting":
        settlements.release(unit, call.tenant, leg.reference, leg.payee_id)
    elif leg.state == "held":
        settlements.legs.enqueue_submission(unit, call.tenant, leg.rail, reference)
        store.step(unit, call.tenant, leg.booking_no, "released", reference=reference, who=call.principal.name)
    else:
        raise Conflict(
            LEG_STATE, f"Leg {reference} is {leg.state}", hint="Only waiting and held legs are released"
        )  # fmt: skip
    audit.record(unit, call, "release", kind="SettlementLeg", id=reference)


def pay_again(settlements: Settlements, unit: Unit, call: Call, reference: str) -> str:
    """Pay a failed or returned leg again, to the payee's present details; returns the new reference.

    Raises: NotFound; Conflict LEG_STATE.
    """
    leg = store.get_leg(unit, call.tenant, reference)
    if leg.state not in ("failed", "returned"):
        raise Conflict(
            LEG_STATE, f"Leg {reference} is {leg.state}", hint="Only failed and returned legs are paid again"
        )
    if leg.cause == UNCOVERED:
        raise Conflict(
            LEG_STATE, f"Leg {reference} was paid after all", hint=f"Put money at {leg.rail}, and it is booked"
        )
    audit.record(unit, call, "pay_again", kind="SettlementLeg", id=reference)
    return settlements.replace(unit, call.tenant, leg)


def resume_rail(settlements: Settlements, unit: Unit, call: Call, rail: str) -> None:
    """Send on a rail again, after its credential was seen to; held legs are submitted, waiting ones released."""
    unit.execute("DELETE FROM settlement_rail WHERE tn = ? AND rail = ?", (call.tenant, rail))
    audit.record(unit, call, "resume", kind="Rail", id=rail)
    for leg in store.legs_in(unit, call.tenant, ("held",), rail=rail, limit=10_000):
        settlements.legs.enqueue_submission(unit, call.tenant, rail, leg.reference)
    jobs.enqueue(unit, "settlement.release", {"rail": rail}, tenant=call.tenant, key=f"{rail}/resume/{unit.now_us}")


def _proposer(unit: Unit, call: Call, leg: Leg, outcome: Outcome) -> str:
    """The name of who proposed an outcome, as the trail has it."""
    steps = store.steps_of(unit, call.tenant, leg.booking_no)
    names = [who for _, what, ref, who, _ in steps if (what, ref) == (f"proposed_{outcome}", leg.reference)]
    return names[-1] if names else str(leg.proposed_by)


def _in(unit: Unit, call: Call, reference: str, state: LegState) -> Leg:
    leg = store.get_leg(unit, call.tenant, reference)
    if leg.state != state:
        raise Conflict(LEG_STATE, f"Leg {reference} is {leg.state}, not {state}", hint="Read the leg again")
    return leg
