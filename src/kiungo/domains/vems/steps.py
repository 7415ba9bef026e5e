"""A booking's way after it was made: confirmed, delivered service by service, cancelled, or set by hand."""

from dataclasses import replace
from typing import cast

from kiungo.base.errors import Conflict, Detail
from kiungo.base.money import Money
from kiungo.domains.vems import deciding
from kiungo.domains.vems.desk import WRITE, Booked, BookingDesk
from kiungo.domains.vems.errors import BOOKING_STATE, booking_not_found, invalid
from kiungo.domains.vems.model import ApprovalState, BookingState
from kiungo.domains.vems.roles import OVERRIDE_BOOKINGS
from kiungo.domains.vems.rules.booking import may_become
from kiungo.domains.vems.store import bookings
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.kernel import audit
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

REASON_MAX = 500
STATES: tuple[BookingState, ...] = ("pending", "confirmed", "completed", "cancelled")
APPROVALS: tuple[ApprovalState, ...] = ("pending", "approved", "partially_paid", "rejected")


def confirm(desk: BookingDesk, unit: Unit, call: Call, booking_no: str) -> Booked:
    """The facility confirms a pending booking; again is the same. Raises: NotFound, Conflict BOOKING_STATE."""
    booked = _held(desk, unit, call, booking_no)
    if booked.row.state == "confirmed":
        return booked
    return _move(desk, unit, call, booked, "confirmed", "booking.confirmed", "Confirmed by the facility")


def complete_service(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, line_id: str) -> Booked:
    """One booked service was delivered; the last one completes the booking. Again is the same.

    Raises: NotFound BOOKING_NOT_FOUND (also for an unknown service of it), Conflict BOOKING_STATE.
    """
    booked = _held(desk, unit, call, booking_no)
    line = next((one for one in booked.lines if one.line_id == line_id), None)
    if line is None:
        raise booking_not_found(f"{booking_no}/{line_id}")
    if line.state == "completed":
        return booked
    if line.state == "cancelled" or not may_become(booked.row.state, "completed"):
        raise _wrong_state(booked, "completed")
    bookings.set_line_state(unit, call.tenant, booking_no, line.number, "completed")
    lines = tuple(replace(one, state="completed") if one is line else one for one in booked.lines)
    booked = Booked(replace(booked.row, updated_us=unit.now_us), lines)
    bookings.update(unit, call.tenant, booked.row)
    more = {"line": line.number, "serviceCode": line.service_code}
    desk.tell(unit, call, booked, "booking.service_completed", f"{line.service_name} was delivered", more)
    if all(one.state == "completed" for one in lines):
        return _move(desk, unit, call, booked, "completed", "booking.completed", "Every service was delivered")
    desk.write_records(unit, call, booked)
    _audit(unit, call, "complete", booked)
    return booked


def cancel(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, reason: str) -> Booked:
    """A booking will not happen; what was delivered or approved cannot be taken back this way.

    Raises: NotFound, Conflict BOOKING_STATE, Incorrect for a missing reason.
    """
    _check_reason(reason)
    booked = _held(desk, unit, call, booking_no)
    if booked.row.state == "cancelled":
        return booked
    if booked.row.approval in ("approved", "partially_paid") or any(line.state != "booked" for line in booked.lines):
        raise _wrong_state(booked, "cancelled")
    lines = tuple(replace(line, state="cancelled") for line in booked.lines)
    for line in lines:
        bookings.set_line_state(unit, call.tenant, booking_no, line.number, "cancelled")
    if desk.follower is not None:
        desk.follower.closed(unit, call.tenant, booking_no)
    booked = Booked(booked.row, lines)
    return _move(desk, unit, call, booked, "cancelled", "booking.cancelled", f"Cancelled: {reason}", {"reason": reason})


def override(
    desk: BookingDesk,
    unit: Unit,
    call: Call,
    booking_no: str,
    *,
    reason: str,
    state: str | None = None,
    approval: str | None = None,
    approved: Money | None = None,
) -> Booked:
    """An administrator sets a booking's state or approval by hand, whatever the usual way allows.

    Completed by hand, every service counts as delivered. A decision set by hand settles as a payer's does; `approved`
    says how much of the booking in parts.
    Raises: NotFound; Forbidden; Incorrect when the reason or both values are missing, or one is no state.
    """
    check_override(reason=reason, state=state, approval=approval, approved=approved)
    booked = _held(desk, unit, call, booking_no, action=OVERRIDE_BOOKINGS)
    old = booked.row
    row = replace(
        old,
        state=cast("BookingState", state or old.state),
        approval=cast("ApprovalState", approval or old.approval),
        overridden=1,
        decided_by_hand=_by_hand(old, approval),
        updated_us=unit.now_us,
    )
    is_delivered = row.state == "completed" and old.state != "completed"
    booked = _delivered(unit, call, booked) if is_delivered else booked
    booked = Booked(row, booked.lines)
    bookings.update(unit, call.tenant, row)
    desk.write_records(unit, call, booked, task_only=not is_delivered)
    more = {
        "reason": reason,
        "before": {"bookingStatus": old.state, "approvalStatus": old.approval},
        "after": {"bookingStatus": row.state, "approvalStatus": row.approval},
    }
    _audit(unit, call, "override", booked)
    desk.tell(unit, call, booked, "booking.overridden", f"Set by hand: {reason}", more)
    if is_delivered:
        desk.tell(unit, call, booked, "booking.completed", "Every service counts as delivered")
    if row.approval not in (old.approval, "pending"):
        deciding.decide_by_hand(desk, unit, call, booked, reason=reason, approved=approved)
    elif approval == "pending" and old.decided_by_hand:
        deciding.give_back(unit, call.tenant, booking_no)
    return booked


def _delivered(unit: Unit, call: Call, booked: Booked) -> Booked:
    """The booking with every service of it delivered."""
    for line in booked.lines:
        bookings.set_line_state(unit, call.tenant, booked.row.booking_no, line.number, "completed")
    return Booked(booked.row, tuple(replace(line, state="completed") for line in booked.lines))


def _by_hand(old: BookingRow, approval: str | None) -> int:
    """Whether a person's decision stands after an override; one to pending gives the decision back to the payer."""
    if approval in (None, old.approval):
        return old.decided_by_hand
    return int(approval != "pending")


def check_override(*, reason: str, state: str | None, approval: str | None, approved: Money | None) -> None:
    """Raises: Incorrect when the reason or both values are missing, one is no state, or a part has no amount."""
    _check_reason(reason)
    check_wish(state=state, approval=approval, approved=approved)


def check_wish(*, state: str | None, approval: str | None, approved: Money | None) -> None:
    """Raises: Incorrect when both values are missing, one is no state, or a part has no amount."""
    problems = []
    if state is None and approval is None:
        problems.append(Detail("bookingStatus", "The bookingStatus or approvalStatus field is required."))
    if state is not None and state not in STATES:
        problems.append(Detail("bookingStatus", "The selected bookingStatus is invalid."))
    if approval is not None and approval not in APPROVALS:
        problems.append(Detail("approvalStatus", "The selected approvalStatus is invalid."))
    if approval == "partially_paid" and (approved is None or approved.minor <= 0):
        problems.append(Detail("approvedAmount", "The approvedAmount field is required."))
    if problems:
        raise invalid(problems)


def _held(desk: BookingDesk, unit: Unit, call: Call, booking_no: str, *, action: str = WRITE) -> Booked:
    bookings.hold(unit, call.tenant, booking_no)
    return desk.find(unit, call, booking_no, action=action)


def _move(
    desk: BookingDesk,
    unit: Unit,
    call: Call,
    booked: Booked,
    state: BookingState,
    topic: str,
    text: str,
    more: dict[str, str] | None = None,
) -> Booked:
    if not may_become(booked.row.state, state):
        raise _wrong_state(booked, state)
    booked = Booked(replace(booked.row, state=state, updated_us=unit.now_us), booked.lines)
    bookings.update(unit, call.tenant, booked.row)
    desk.write_records(unit, call, booked, task_only=state == "confirmed")
    _audit(unit, call, topic.removeprefix("booking."), booked)
    desk.tell(unit, call, booked, topic, text, dict(more) if more else None)
    return booked


def _audit(unit: Unit, call: Call, action: str, booked: Booked) -> None:
    audit.record(unit, call, action, kind="booking", id=booked.row.booking_no, person=booked.row.patient_fhir)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise invalid([Detail("reason", "The reason field is required.")])
    if len(reason) > REASON_MAX:
        raise invalid([Detail("reason", f"The reason must not be greater than {REASON_MAX} characters.")])


def _wrong_state(booked: Booked, wanted: str) -> Conflict:
    row = booked.row
    return Conflict(
        BOOKING_STATE,
        f"Booking {row.booking_no} is {row.state} with approval {row.approval}; it cannot become {wanted}",
        field="bookingStatus",
        hint="Look at the booking first; an administrator can override with a reason",
    )
