"""What a rail tells by itself, believed only as far as it fits the order it speaks of.

A callback may be forged, repeated, late or out of order. It counts when it names a leg whose order left us, and the
amount, the receiver and the rail's own id are those of that leg; a large sum counts only when a status query says so.
"""

from collections.abc import Mapping

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.domains.vems.model import contract_date
from kiungo.domains.vems.rules.settlement_states import SENT, UNCOVERED
from kiungo.domains.vems.settlement import accounts, store
from kiungo.domains.vems.settlement.legs import Legs
from kiungo.domains.vems.settlement.model import REFERENCE_LENGTH, Leg
from kiungo.kernel import ledger
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger.model import LEDGER_BALANCE_TOO_LOW
from kiungo.ports.payment import Answer, Notice

ID = "originator_conversation_id"
BATCH_MAX = 10_000


def apply_notice(legs: Legs, unit: Unit, tenant: int, rail: str, notice: Notice, *, source: str) -> str:
    """Apply one notice; returns what became of it: applied, repeated, kept, or refused with the reason."""
    if not notice.reference:
        return _of_whole_batch(legs, unit, tenant, rail, notice, source)
    leg = store.find_leg(unit, tenant, notice.reference)
    if leg is None or leg.rail != rail:
        return "refused: no leg of this rail has the reference"
    problem = mismatch(leg, notice, source)
    if problem:
        store.step(unit, tenant, leg.booking_no, "refused", reference=leg.reference, detail=f"{source}: {problem}")
        return f"refused: {problem}"
    if notice.returned:
        return _returned(legs, unit, tenant, leg, notice, source)
    if leg.state in SENT:
        return _on_its_way(legs, unit, tenant, leg, notice, source)
    return _closed_before(legs, unit, tenant, leg, notice, source)


def refuse_notice(unit: Unit, tenant: int, about: str, notice: Notice, *, source: str) -> None:
    """Say in the trail of an order that its own callback address was used to speak of another one."""
    leg = store.find_leg(unit, tenant, about)
    if leg is not None:
        detail = f"{source}: it speaks of another order, {notice.reference[:REFERENCE_LENGTH]}"
        store.step(unit, tenant, leg.booking_no, "refused", reference=about, detail=detail)


def _of_whole_batch(legs: Legs, unit: Unit, tenant: int, rail: str, notice: Notice, source: str) -> str:
    """A notice about everything that was submitted together."""
    batch = notice.answer.rail_ids.get("batch")
    members = [
        leg for leg in store.legs_in(unit, tenant, tuple(sorted(SENT)), rail=rail, limit=BATCH_MAX)
        if batch and leg.rail_ids.get("batch") == batch
    ]  # fmt: skip
    for leg in members:
        _on_its_way(legs, unit, tenant, leg, notice, source)
    return "applied" if members else "refused: no order on its way belongs to this batch"


def mismatch(leg: Leg, notice: Notice, source: str) -> str:
    """Why a notice cannot be about this leg, or nothing."""
    if leg.state in ("waiting", "held", "carried", "cancelled"):
        return "the leg's order has not left us"
    said, known = notice.answer.rail_ids.get(ID), leg.rail_ids.get(ID)
    if said and known and said != known:
        return "the rail's id is another one"
    if notice.amount is not None and notice.amount != leg.amount:
        return f"the amount is {notice.amount}, the order's {leg.amount}"
    if notice.destination_number is not None and notice.destination_number != leg.destination.number:
        return "the receiver is another one"
    if notice.answer.status == "paid" and source == "result" and notice.amount is None:
        return "it says paid and not how much"
    return ""


def _on_its_way(legs: Legs, unit: Unit, tenant: int, leg: Leg, notice: Notice, source: str) -> str:
    answer = notice.answer
    large = leg.amount.minor > legs.policy.confirm_above_minor
    if answer.status == "paid" and large and source == "result":
        if leg.state != "unknown":
            legs.to_unknown(unit, tenant, leg, "a large payment is reported; a status query has to confirm it")
        return "kept: to be confirmed"
    if answer.status == "unknown" and leg.state == "unknown":
        return "kept: still unknown"
    if answer.status in ("paid", "failed", "unknown"):
        legs.conclude(unit, tenant, leg, answer, source=source)
        return "applied"
    return "kept: no outcome"


def _closed_before(legs: Legs, unit: Unit, tenant: int, leg: Leg, notice: Notice, source: str) -> str:
    if notice.answer.status != "paid":
        return "kept: the leg is closed"
    if leg.state == "posted":
        return _paid_before(unit, tenant, leg, notice, source)
    return _paid_after_all(legs, unit, tenant, leg, notice, source)


def _paid_before(unit: Unit, tenant: int, leg: Leg, notice: Notice, source: str) -> str:
    receipt = notice.answer.receipt
    if receipt and leg.receipt and receipt != leg.receipt and source != "statement":
        detail = f"{source} names receipt {receipt}, the leg was paid with {leg.receipt}"
        store.step(unit, tenant, leg.booking_no, "second_receipt", reference=leg.reference, detail=detail)
        return "refused: another receipt"
    return "repeated"


def _paid_after_all(legs: Legs, unit: Unit, tenant: int, leg: Leg, notice: Notice, source: str) -> str:
    """The rail said failed, or persons did, and the money moved all the same.

    An order leaves once, so its money moves once: what was booked before is not booked again, also when it came back.
    """
    if leg.paid_journal is not None:
        return "repeated"
    if leg.state == "failed":
        to = accounts.payable(leg.payee_id)
        after = "posted"
    else:  # replaced: the payee was paid once more, and owes it back
        to, after = accounts.owed(leg.payee_id), ""
    try:
        with unit.savepoint():
            journal = accounts.move(
                unit, tenant, key=f"leg/{leg.reference}/late", kind="settlement.late_payment", memo=leg.booking_no,
                moves=[(to, accounts.cash(leg.rail), leg.amount)],
            )  # fmt: skip
    except Conflict as refusal:
        if refusal.code != LEDGER_BALANCE_TOO_LOW:
            raise
        return _uncovered(unit, tenant, leg, notice, source)
    assert journal is not None, "a leg moves more than nothing"
    if after:
        store.advance(
            unit, tenant, leg, "posted", reason=f"paid after all, says the {source}",
            changes={"receipt": notice.answer.receipt, "paid_journal": journal.id},
        )  # fmt: skip
        legs.publish(unit, tenant, leg, "settlement.leg_paid", receipt=notice.answer.receipt)
        store.refresh(unit, tenant, leg.booking_no)
        return "applied"
    unit.execute(
        "UPDATE settlement_leg SET paid_journal = ? WHERE tn = ? AND reference = ?",
        (journal.id, tenant, leg.reference),
    )
    _claim(unit, tenant, leg, leg.amount)
    return "applied: paid twice, claimed back"


def _uncovered(unit: Unit, tenant: int, leg: Leg, notice: Notice, source: str) -> str:
    """The money moved and our books have none left at the rail: kept, and booked once money was put there."""
    if leg.cause != UNCOVERED:
        reason = f"paid after all, says the {source}; our float at {leg.rail} does not cover it"
        unit.execute(
            "UPDATE settlement_leg SET cause = ?, reason = ?, receipt = ?, updated_us = ?"
            " WHERE tn = ? AND reference = ?",
            (UNCOVERED, reason, notice.answer.receipt, unit.now_us, tenant, leg.reference),
        )
        store.step(unit, tenant, leg.booking_no, "paid_uncovered", reference=leg.reference, detail=reason)
    return "kept: our float does not cover it"


def book_uncovered(legs: Legs, unit: Unit, tenant: int, reference: str) -> None:
    """Try again to book a payment that was made and that our float did not cover."""
    legs.take(unit, tenant, [reference])
    leg = store.find_leg(unit, tenant, reference)
    if leg is not None and leg.cause == UNCOVERED and leg.paid_journal is None:
        notice = Notice(reference, Answer("paid", receipt=leg.receipt), leg.amount)
        _paid_after_all(legs, unit, tenant, leg, notice, "rail")


def _returned(legs: Legs, unit: Unit, tenant: int, leg: Leg, notice: Notice, source: str) -> str:
    """The receiver's bank sent the money back."""
    if leg.state in SENT:
        legs.to_posted(unit, tenant, leg, Answer("paid", receipt=notice.answer.receipt), source=source)
        leg = store.get_leg(unit, tenant, leg.reference)
    if leg.state == "returned":
        return "repeated"
    if leg.state != "posted":
        return "kept: the payment that came back is not known"
    assert leg.paid_journal is not None, "a posted leg has its journal"
    journal = ledger.reverse(
        unit, tenant, leg.paid_journal, f"leg/{leg.reference}/returned", effective=contract_date(unit.now_us),
        memo=leg.booking_no,
    )  # fmt: skip
    reason = notice.answer.reason or "the bank returned the payment"
    store.advance(
        unit, tenant, leg, "returned", reason=reason, changes={"cause": "payee", "return_journal": journal.id}
    )
    legs.publish(unit, tenant, leg, "settlement.leg_returned", reason=reason)
    legs.see_to(unit, tenant, leg)
    store.refresh(unit, tenant, leg.booking_no)
    return "applied"


def _claim(unit: Unit, tenant: int, leg: Leg, amount: Money) -> None:
    unit.execute(
        "INSERT INTO settlement_clawback (tn, booking_no, payee_id, currency, amount_minor, recovered_minor, reason,"
        " created_us) VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
        (tenant, leg.booking_no, leg.payee_id, amount.currency, amount.minor, f"{leg.reference} was paid twice",
         unit.now_us),
    )  # fmt: skip
    store.step(unit, tenant, leg.booking_no, "paid_twice", reference=leg.reference, detail=f"{amount} claimed back")


def context_of(args: Mapping[str, str]) -> dict[str, str]:
    """What a rail's door knew about a stored message."""
    return {name: args[name] for name in ("reference", "kind", "name") if name in args}
