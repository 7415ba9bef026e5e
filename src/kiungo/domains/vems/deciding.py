"""Writes what a payer says about a booking's claim: once for each change, with the event settlement waits for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kiungo.base.money import Money
from kiungo.domains.vems import events
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.rules.claimable import claimable_total
from kiungo.domains.vems.rules.following import Judged, judge, kept_of, split_of, standing_of
from kiungo.domains.vems.store import bookings, claims
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.kernel import audit
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit
from kiungo.ports.payer import Report

TOPIC_OF = {
    "approved": "booking.claim_approved",
    "partially_paid": "booking.claim_partially_paid",
    "rejected": "booking.claim_rejected",
}
PAID = "booking.claim_paid"
Closes = Callable[[ClaimRow], bool]


def apply(
    desk: BookingDesk,
    unit: Unit,
    call: Call,
    row: ClaimRow,
    report: Report,
    *,
    source: str,
    closes: Closes,
    next_us: int,
) -> ClaimRow:
    """Bring a followed claim up to what its payer says; the same report again changes nothing.

    Shapes: `source` says how we learned it; `closes` whether a row needs no more asking. Returns the row as written.
    """
    bookings.hold(unit, call.tenant, row.booking_no)
    booking = bookings.find(unit, call.tenant, row.booking_no)
    current = claims.find(unit, call.tenant, row.booking_no)
    if booking is None or current is None:
        return row
    booked = Booked(booking, bookings.lines_of(unit, call.tenant, row.booking_no))
    foreign = _why_foreign(booked, report)
    if foreign is not None:
        row = replace(current, failures=0, last_poll_us=unit.now_us, next_poll_us=next_us, note=foreign)
        claims.update(unit, call.tenant, row)
        return row
    judged = judge(booked.lines, report)
    row = replace(
        current,
        reference=report.reference or current.reference,
        failures=0,
        last_poll_us=unit.now_us,
        next_poll_us=next_us,
        note=None,
    )
    booked = _claimed(desk, unit, call, booked, row)
    if judged.approval == "pending":
        row = replace(row, status="pending") if current.status == "unknown" else row
    else:
        row, booked = _decide(desk, unit, call, row, booked, judged, report, source)
    row = _pay(desk, unit, call, row, booked, report, source)
    if closes(row):
        row = replace(row, state="closed", next_poll_us=None)
    claims.update(unit, call.tenant, row)
    return row


def _why_foreign(booked: Booked, report: Report) -> str | None:
    """Why a claim that names no booking is not this booking's, whoever linked the two; None when it may be."""
    asked = claimable_total(booked.lines)
    if report.patient is not None and report.patient != booked.row.patient_cr:
        return f"{report.reference} is a claim for another patient; link this booking's own"
    if report.claimed is not None and report.claimed != asked:
        return f"{report.reference} is a claim of {report.claimed}, not of {asked}; link this booking's own"
    return None


def decision(
    row: ClaimRow | None, booked: Booked, judged: Judged, version: int, *, reason: str | None, payer: str
) -> dict[str, Any]:
    """What every decision's event holds. See events.py."""
    return {
        "version": version,
        "payer": payer,
        "reference": row.reference if row else None,
        "approvedMinor": judged.approved.minor,
        "paidMinor": row.paid_minor if row else None,
        "keptMinor": row.kept_minor if row else None,
        "decidedOn": row.decided_on if row else None,
        "paymentDate": row.payment_date if row else None,
        "reason": reason,
        "lines": [events.line_of(line, part.minor) for line, part in zip(booked.lines, judged.lines, strict=True)],
    }


def _claimed(desk: BookingDesk, unit: Unit, call: Call, booked: Booked, claim: ClaimRow) -> Booked:
    """A payer that knows the claim fixes the booking: it can be revised no more."""
    if booked.row.claimed_us is not None:
        return booked
    row = replace(booked.row, claimed_us=unit.now_us, updated_us=unit.now_us)
    bookings.update(unit, call.tenant, row)
    booked = Booked(row, booked.lines)
    more = {"payer": claim.payer, "reference": claim.reference}
    desk.tell(unit, call, booked, "booking.claim_submitted", f"{claim.payer} has the claim as {claim.reference}", more)
    return booked


def _decide(
    desk: BookingDesk,
    unit: Unit,
    call: Call,
    row: ClaimRow,
    booked: Booked,
    judged: Judged,
    report: Report,
    source: str,
) -> tuple[ClaimRow, Booked]:
    split = split_of(report)
    same = (row.status, row.approved_minor) == (judged.approval, judged.approved.minor) and row.split in (None, split)
    decided = replace(
        row,
        state="decided",
        status=judged.approval,
        approved_minor=judged.approved.minor,
        decided_on=report.decided_on or row.decided_on,
        reason=report.reason,
        split=split,
    )
    if same:
        return decided, booked
    decided = replace(decided, version=row.version + 1)
    _keep(unit, call, decided, report, source)
    if booked.row.state == "cancelled" and judged.approved.minor > (row.approved_minor or 0):
        text = f"{row.payer} says {judged.approval}; the booking is cancelled, and nothing more is settled"
        bookings.note(unit, call.tenant, row.booking_no, "claim.reported", text, by=call.principal.name)
        return decided, booked
    if booked.row.decided_by_hand:
        text = f"{row.payer} says {judged.approval}; what was set by hand holds"
        bookings.note(unit, call.tenant, row.booking_no, "claim.reported", text, by=call.principal.name)
        return decided, booked
    booking = replace(booked.row, approval=judged.approval, updated_us=unit.now_us)
    bookings.update(unit, call.tenant, booking)
    booked = Booked(booking, booked.lines)
    audit.record(
        unit, call, "decide", kind="booking", id=row.booking_no, person=booking.patient_fhir,
        detail=judged.approval.upper(),
    )  # fmt: skip
    more = decision(decided, booked, judged, decided.version, reason=report.reason, payer=row.payer)
    desk.tell(unit, call, booked, TOPIC_OF[judged.approval], _sentence(row.payer, judged, report), more)
    return decided, booked


def _pay(
    desk: BookingDesk, unit: Unit, call: Call, row: ClaimRow, booked: Booked, report: Report, source: str
) -> ClaimRow:
    """Money the payer says it sent, or kept back; a smaller sum than before is told as it is."""
    kept = kept_of(report)
    known = (row.paid_minor, row.kept_minor or 0, row.payment_date)
    if report.paid is None or (report.paid.minor, kept, report.payment_date) == known:
        return replace(row, payment_date=report.payment_date or row.payment_date)
    paid = replace(
        row,
        paid_minor=report.paid.minor,
        kept_minor=kept,
        payment_date=report.payment_date or row.payment_date,
        version=row.version + 1,
    )
    _keep(unit, call, paid, report, source)
    judged = judge(booked.lines, report)
    if judged.approval == "pending":
        judged = replace(judged, approved=Money(row.approved_minor or 0, row.currency))
    more = decision(paid, booked, judged, paid.version, reason=report.reason, payer=row.payer)
    day = f" on {paid.payment_date}" if paid.payment_date else ""
    back = f", and kept {report.kept} back" if kept else ""
    desk.tell(unit, call, booked, PAID, f"{row.payer} paid {report.paid}{day}{back}", more)
    return paid


def _keep(unit: Unit, call: Call, row: ClaimRow, report: Report, source: str) -> None:
    body: dict[str, Any] = {
        "reference": report.reference,
        "status": report.status,
        "said": report.said,
        "approved": report.approved,
        "paid": report.paid,
        **({"kept": report.kept} if kept_of(report) else {}),
        "decidedOn": report.decided_on,
        "paymentDate": report.payment_date,
        "reason": report.reason,
        "services": [{"code": one.code, "approved": one.approved} for one in report.services],
    }
    claims.add_report(unit, call.tenant, row.booking_no, row.version, source, body)


def _sentence(payer: str, judged: Judged, report: Report) -> str:
    if judged.approval == "rejected":
        return f"{payer} rejected the claim" + (f": {report.reason}" if report.reason else "")
    beyond = f"; {judged.excess} beyond the booking is left out" if judged.excess.minor else ""
    return f"{payer} approved {judged.approved}{beyond}"


def give_back(unit: Unit, tenant: int, booking_no: str) -> None:
    """Let the payer's own word hold again: it is asked at once, and what it said before is news once more."""
    row = claims.find(unit, tenant, booking_no)
    if row is not None:
        again = replace(row, state="open", status="pending", approved_minor=None, split=None, next_poll_us=unit.now_us)
        claims.update(unit, tenant, again)


def decide_by_hand(
    desk: BookingDesk, unit: Unit, call: Call, booked: Booked, *, reason: str, approved: Money | None
) -> None:
    """Tell settlement of a decision a person made: the next version after the payer's, and after earlier hands."""
    booking = booked.row
    status = booking.approval
    report = Report(
        booking.booking_no,
        "",
        status,
        "set by hand",
        approved=approved if status == "partially_paid" else None,
        reason=reason,
    )
    row = claims.find(unit, call.tenant, booking.booking_no)
    judged = judge(booked.lines, report, standing_of(booked.lines, row.split) if row is not None else None)
    by_hand = bookings.count_steps(unit, call.tenant, booking.booking_no, "booking.overridden")
    version = row.version + 1 if row else 1 + by_hand
    if row is not None:
        row = replace(row, version=version)
        claims.update(unit, call.tenant, row)
        _keep(unit, call, row, report, "by hand")
    payer = row.payer if row else booking.facility
    more = decision(row, booked, judged, version, reason=reason, payer=payer)
    desk.tell(unit, call, booked, TOPIC_OF[status], f"Set by hand to {judged.approved}", more)
