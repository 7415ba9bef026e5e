"""Setting a booking by hand: what moves little money one person may, what moves more waits for a second one.

At stake is the larger of what is settled so far and what the override would settle. Beyond the limit an override is
kept as a proposal and nothing changes; a colleague who says the same of the booking makes it happen.
"""

from dataclasses import dataclass
from typing import Final

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.domains.vems import proposals, steps
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.errors import BOOKING_STATE
from kiungo.domains.vems.roles import OVERRIDE_BOOKINGS
from kiungo.domains.vems.rules.claimable import claimable_total
from kiungo.domains.vems.rules.settlement_modes import settles_delivered
from kiungo.domains.vems.settlement import listing, store
from kiungo.domains.vems.store import bookings
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.kernel import audit
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

PROPOSED: Final = "override.proposed"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a booking is to be. Shapes: `approved` says how much, for what is approved in part."""

    state: str | None = None
    approval: str | None = None
    approved: Money | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """An override that waits for a second person."""

    wish: Wish
    reason: str
    by: str
    by_id: str
    at_us: int


def override(
    desk: BookingDesk, unit: Unit, call: Call, booking_no: str, wish: Wish, *, reason: str, alone_max: Money
) -> tuple[Booked, bool]:
    """Set a booking by hand, or propose it where more than `alone_max` is at stake; says whether it was done.

    Raises: as `steps.override`; Conflict BOOKING_STATE for another amount of what is approved in part already.
    """
    steps.check_override(reason=reason, state=wish.state, approval=wish.approval, approved=wish.approved)
    booked = _held(desk, unit, call, booking_no)
    _refuse_another_amount(booked.row, wish)
    if at_stake(unit, call.tenant, booked, wish) <= alone_max:
        return _do(desk, unit, call, booking_no, wish, reason), True
    said = {
        "state": wish.state, "approval": wish.approval, "reason": reason, "byId": call.principal.id,
        "approvedMinor": None if wish.approved is None else wish.approved.minor,
    }  # fmt: skip
    text = f"Proposed to set by hand to {described(wish)}: {reason}"
    bookings.note(unit, call.tenant, booking_no, PROPOSED, text, by=call.principal.name, detail=said)
    audit.record(unit, call, "propose", kind="booking", id=booking_no, person=booked.row.patient_fhir)
    return booked, False


def confirm(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, wish: Wish) -> Booked:
    """Agree with a proposed override by saying the same; it takes effect.

    Raises: as `override`; Forbidden TWO_PERSONS_NEEDED; Conflict BOOKING_STATE when something else is proposed,
    PROPOSAL_OLD when that was too long ago.
    """
    steps.check_wish(state=wish.state, approval=wish.approval, approved=wish.approved)
    booked = _held(desk, unit, call, booking_no)
    proposal = _proposed(unit, call.tenant, booking_no)
    if proposal is None or proposal.wish != wish:
        raise Conflict(
            BOOKING_STATE,
            f"Nobody has proposed to set {booking_no} by hand to {described(wish)}",
            field="approvalStatus",
            hint="Read the booking's trail, or propose it",
        )
    proposals.refuse_old(unit, proposal.at_us, "override")
    proposals.refuse_proposer(unit, call, proposal.by_id, "override")
    _refuse_another_amount(booked.row, wish)
    return _do(desk, unit, call, booking_no, wish, proposal.reason)


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
    minor = said["approvedMinor"]
    approved = None if minor is None else Money(int(minor), row.currency)
    wish = Wish(said["state"], said["approval"], approved)
    return Proposal(wish, str(said["reason"]), step.by, str(said["byId"]), step.at_us)


def at_stake(unit: Unit, tenant: int, booked: Booked, wish: Wish) -> Money:
    """How much money a wish would settle or take back; nothing when it decides nothing."""
    row = booked.row
    nothing = Money.zero(row.currency)
    delivered = _settled_delivered(booked) if wish.state == "completed" != row.state else nothing
    if wish.approval in (None, row.approval):
        return delivered
    # Given back to the payer, its own word holds again, which may take back what is settled.
    after = claimable_total(booked.lines) if wish.approval == "approved" else wish.approved or nothing
    settled = sum(
        store.get_settlement(unit, tenant, number).approved_minor
        for number in listing.numbers_of(unit, tenant, row.booking_no)
    )
    return max(nothing if wish.approval == "rejected" else after, Money(settled, row.currency), delivered)


def _settled_delivered(booked: Booked) -> Money:
    """What is settled when every service counts as delivered, without a payer's decision."""
    mode = booked.row.mode
    minor = sum(one.share.total.minor for one in booked.lines if settles_delivered(mode, capitated=one.capitated))
    return Money(minor, booked.row.currency)


def described(wish: Wish) -> str:
    """A wish in a few words."""
    words = [word for word in (wish.state, wish.approval) if word is not None]
    return " and ".join(words) + (f", {wish.approved}" if wish.approved is not None else "")


def _refuse_another_amount(row: BookingRow, wish: Wish) -> None:
    if wish.approved is not None and wish.approval == row.approval:
        raise Conflict(
            BOOKING_STATE,
            f"{row.booking_no} is {wish.approval} already; by hand no other amount is settled",
            field="approvedAmount",
            hint="Propose a correction of what is approved",
        )


def _held(desk: BookingDesk, unit: Unit, call: Call, booking_no: str) -> Booked:
    bookings.hold(unit, call.tenant, booking_no)
    return desk.find(unit, call, booking_no, action=OVERRIDE_BOOKINGS)


def _do(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, wish: Wish, reason: str) -> Booked:
    return steps.override(
        desk, unit, call, booking_no, reason=reason, state=wish.state, approval=wish.approval, approved=wish.approved
    )
