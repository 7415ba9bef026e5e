"""Correcting an approval after the fact: money that was paid for what should not have been comes back.

A correction says how much of a booking is approved after all. One person proposes it with a reason, another confirms
the same amount; then it settles as a payer's own change of mind does: what was not paid yet stays with us, the rest is
claimed back from the payees and kept back from their next payments.
"""

from dataclasses import dataclass, replace
from typing import Final

from kiungo.base.errors import Conflict, Detail
from kiungo.base.money import Money
from kiungo.domains.vems import deciding, proposals
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.errors import BOOKING_STATE, invalid
from kiungo.domains.vems.model import ApprovalState
from kiungo.domains.vems.roles import OVERRIDE_BOOKINGS
from kiungo.domains.vems.rules.claimable import claimable_total
from kiungo.domains.vems.store import bookings
from kiungo.kernel import audit
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

PROPOSED: Final = "correction.proposed"
DECIDED: Final = ("approved", "partially_paid")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A correction that waits for a second person."""

    approved: Money
    reason: str
    by: str
    by_id: str
    at_us: int


def propose(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, approved: Money, reason: str) -> Booked:
    """Say how much of a decided booking is approved after all; a colleague has to confirm it.

    Raises: NotFound; Forbidden; Conflict BOOKING_STATE when nothing is approved; Incorrect for an impossible amount.
    """
    booked = _decided(desk, unit, call, booking_no, approved)
    detail = {"approvedMinor": approved.minor, "reason": reason, "byId": call.principal.id}
    text = f"Proposed to approve {approved}: {reason}"
    bookings.note(unit, call.tenant, booking_no, PROPOSED, text, by=call.principal.name, detail=detail)
    audit.record(unit, call, "propose", kind="booking", id=booking_no, person=booked.row.patient_fhir)
    return booked


def confirm(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, approved: Money) -> Booked:
    """Agree with the proposed correction; it is decided and settled.

    Raises: as `propose`; Forbidden TWO_PERSONS_NEEDED; Conflict BOOKING_STATE when another amount is proposed,
    PROPOSAL_OLD when that was too long ago.
    """
    booked = _decided(desk, unit, call, booking_no, approved)
    proposal = _proposed(unit, call.tenant, booking_no)
    if proposal is None or proposal.approved != approved:
        raise Conflict(
            BOOKING_STATE,
            f"Nobody has proposed to approve {approved} of {booking_no}",
            field="approvedAmount",
            hint="Read the booking's trail, or propose it",
        )
    proposals.refuse_old(unit, proposal.at_us, "correction")
    proposals.refuse_proposer(unit, call, proposal.by_id, "correction")
    row = replace(
        booked.row, approval=_approval(booked, approved), overridden=1, decided_by_hand=1,
        updated_us=unit.now_us,
    )  # fmt: skip
    booked = Booked(row, booked.lines)
    bookings.update(unit, call.tenant, row)
    desk.write_records(unit, call, booked, task_only=True)
    more = {"reason": proposal.reason, "approvedMinor": approved.minor, "proposedBy": proposal.by}
    text = f"Corrected to {approved} by {proposal.by} and {call.principal.name}: {proposal.reason}"
    desk.tell(unit, call, booked, proposals.OVERRIDDEN, text, more)
    deciding.decide_by_hand(desk, unit, call, booked, reason=proposal.reason, approved=approved)
    audit.record(unit, call, "correct", kind="booking", id=booking_no, person=row.patient_fhir)
    return booked


def waiting(unit: Unit, tenant: int, booking_no: str) -> Proposal | None:
    """The newest proposal that is still about the booking as it is, and young enough to be confirmed."""
    found = _proposed(unit, tenant, booking_no)
    return None if found is None or proposals.is_old(unit, found.at_us) else found


def _proposed(unit: Unit, tenant: int, booking_no: str) -> Proposal | None:
    step = proposals.newest(unit, tenant, booking_no, PROPOSED)
    row = bookings.find(unit, tenant, booking_no)
    if step is None or step.detail is None or row is None:
        return None
    said = step.detail
    amount = Money(int(said["approvedMinor"]), row.currency)
    return Proposal(amount, str(said["reason"]), step.by, str(said["byId"]), step.at_us)


def _decided(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, approved: Money) -> Booked:
    bookings.hold(unit, call.tenant, booking_no)
    booked = desk.find(unit, call, booking_no, action=OVERRIDE_BOOKINGS)
    row = booked.row
    if row.approval not in DECIDED:
        raise Conflict(
            BOOKING_STATE,
            f"Booking {booking_no} has approval {row.approval}; only what is approved can be corrected",
            field="approvalStatus",
            hint="Wait for the decision, or override it with a reason",
        )
    most = claimable_total(booked.lines)
    if approved > most:
        raise invalid([Detail("approvedAmount", f"The approvedAmount must not be more than {most.text()}.")])
    return booked


def _approval(booked: Booked, approved: Money) -> ApprovalState:
    if approved.minor == 0:
        return "rejected"
    return "approved" if approved == claimable_total(booked.lines) else "partially_paid"
