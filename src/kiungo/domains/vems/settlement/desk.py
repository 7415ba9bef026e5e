"""What only persons may do: close an unknown leg, pay again, resume a rail. Money decisions need two of them."""

from typing import Literal

from kiungo.base.errors import Conflict, Forbidden
from kiungo.domains.vems.settlement import store
from kiungo.domains.vems.settlement.errors import LEG_STATE, TWO_PERSONS_NEEDED
from kiungo.domains.vems.settlement.model import Leg
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel import audit, jobs
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Unit
from kiungo.ports.payment import Answer

Outcome = Literal["paid", "failed"]


def propose_outcome(unit: Unit, call: Call, reference: str, outcome: Outcome, evidence: str) -> None:
    """Say how an unknown leg ended, with the evidence; a colleague must agree. Raises: NotFound; Conflict LEG_STATE."""
    leg = _unknown(unit, call, reference)
    unit.execute(
        "UPDATE settlement_leg SET proposed_outcome = ?, proposed_by = ?, updated_us = ?"
        " WHERE tn = ? AND reference = ?",
        (outcome, call.principal.id, unit.now_us, call.tenant, reference),
    )
    store.step(
        unit, call.tenant, leg.booking_no, f"proposed_{outcome}", reference=reference, who=call.principal.id,
        detail=evidence,
    )  # fmt: skip
    audit.record(unit, call, "propose", kind="SettlementLeg", id=reference, detail=outcome.upper())


def confirm_outcome(settlements: Settlements, unit: Unit, call: Call, reference: str, outcome: Outcome) -> None:
    """Agree with a proposed outcome; it takes effect. Raises: Forbidden TWO_PERSONS_NEEDED; Conflict LEG_STATE."""
    leg = _unknown(unit, call, reference)
    if leg.proposed_outcome != outcome:
        raise Conflict(LEG_STATE, f"Nobody has proposed {outcome} for {reference}", hint="Read the leg again")
    if leg.proposed_by == call.principal.id:
        raise Forbidden(TWO_PERSONS_NEEDED, "Whoever proposed the outcome cannot confirm it", hint="Ask a colleague")
    answer = Answer(outcome, f"closed by {leg.proposed_by} and {call.principal.id}")
    settlements.legs.conclude(unit, call.tenant, leg, answer, source="desk")
    audit.record(unit, call, "confirm", kind="SettlementLeg", id=reference, detail=outcome.upper())


def pay_again(settlements: Settlements, unit: Unit, call: Call, reference: str) -> str:
    """Pay a failed or returned leg again, to the payee's present details; returns the new reference.

    Raises: NotFound; Conflict LEG_STATE.
    """
    leg = store.get_leg(unit, call.tenant, reference)
    if leg.state not in ("failed", "returned"):
        raise Conflict(
            LEG_STATE, f"Leg {reference} is {leg.state}", hint="Only failed and returned legs are paid again"
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


def _unknown(unit: Unit, call: Call, reference: str) -> Leg:
    leg = store.get_leg(unit, call.tenant, reference)
    if leg.state != "unknown":
        raise Conflict(LEG_STATE, f"Leg {reference} is {leg.state}, not unknown", hint="Read the leg again")
    return leg
