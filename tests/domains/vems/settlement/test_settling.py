"""From a decision to money at the payees: the document's booking, partial payments, shortage, carry, clawback."""

from datetime import timedelta

import pytest

from kiungo.base.errors import Conflict, Forbidden, Incorrect
from kiungo.base.time import SECOND_US, date_of
from kiungo.domains.vems.settlement import accounts, desk, payees, store
from kiungo.domains.vems.settlement.notices import apply_notice
from kiungo.domains.vems.settlement.trail import trail
from kiungo.formats.bank_statements import xml
from kiungo.kernel import ledger
from kiungo.ports.payment import Answer, Notice
from tests.domains.vems.settlement.world import (
    BANK,
    FACILITY,
    FACILITY_PHONE,
    TENANT,
    VENDOR,
    World,
    booking,
    kes,
    person,
)


def paid_to(world: World) -> dict[str, int]:
    """Shillings by receiving number, as the rail's truth has it."""
    sums: dict[str, int] = {}
    for payment in world.twin.payments:
        sums[payment.party] = sums.get(payment.party, 0) + payment.shillings
    return sums


def owed_back(world: World) -> int:
    """What all payees owe us back. Units: minor."""
    return sum(
        line.debit_minor - line.credit_minor
        for line in world.database.read(lambda unit: ledger.trial_balance(unit, TENANT))
        if line.account.startswith("owed:")
    )


def is_whole(world: World) -> bool:
    lines = world.database.read(lambda unit: ledger.trial_balance(unit, TENANT))
    balanced = sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines)
    return balanced and world.database.read(lambda unit: ledger.verify(unit, TENANT)) == []


def test_the_documents_booking_is_paid_and_every_cent_is_in_the_ledger(world: World) -> None:
    world.fund("50000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    assert paid_to(world) == {"600200": 21_000, "254712345678": 9_000}
    assert world.settlement().state == "settled"
    assert world.balance("receivable:SHA") == 3_100_000
    assert world.balance("cash:mpesa") == 2_000_000
    assert world.balance("fee:revenue") == -100_000
    assert world.balance(f"payable:{VENDOR}") == 0
    assert world.topics().count("settlement.leg_paid") == 2
    assert world.topics()[-1] == "settlement.settled"
    assert is_whole(world)


def test_a_decision_seen_twice_and_a_restart_pay_once(world: World) -> None:
    world.fund("50000.00")
    for _ in range(3):
        world.decide(booking(), "31000.00")
        world.settle()
    assert len(world.twin.payments) == 2


def test_a_shortage_waits_with_its_reason_and_goes_on_when_money_comes(world: World) -> None:
    world.fund("20000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    assert world.leg(FACILITY).state == "posted"
    assert world.leg(VENDOR).state == "waiting"
    assert "holds KES 11000.00, KES 21000.00 is needed" in world.leg(VENDOR).reason
    assert world.settlement().state == "waiting"
    world.fund("10000.00", key="F2")
    world.fund("10000.00", key="F2")
    world.settle()
    assert world.settlement().state == "settled"
    assert world.balance("cash:mpesa") == 0


def test_partial_payments_end_exact_and_whole_shillings_are_carried(world: World) -> None:
    world.fund("50000.00")
    world.decide(booking(), "10000.00", 1)
    world.settle()
    assert paid_to(world) == {"600200": 6_774, "254712345678": 2_903}
    assert world.balance(f"payable:{VENDOR}") == -19
    world.decide(booking(), "20000.01", 2)
    world.settle()
    world.decide(booking(), "31000.00", 3)
    world.settle()
    assert paid_to(world) == {"600200": 21_000, "254712345678": 9_000}
    assert world.balance(f"payable:{VENDOR}") == 0
    assert world.balance("fee:revenue") == -100_000
    assert is_whole(world)


def test_less_than_a_shilling_is_carried_and_no_leg_leaves(world: World) -> None:
    world.fund("100.00")
    world.decide(booking(vendor="0.60", facility="0.30", fee="0.10"), "1.00")
    world.settle()
    assert [leg.state for leg in world.legs()] == ["carried", "carried"]
    world.decide(booking("VB2", vendor="0.60", facility="0.30", fee="0.10"), "1.00")
    world.settle()
    assert paid_to(world) == {"600200": 1}
    assert world.balance(f"payable:{VENDOR}") == -20
    assert is_whole(world)


def test_a_lower_approval_before_payment_cancels_and_after_it_is_claimed_back(world: World) -> None:
    world.fund("9000.00")
    world.decide(booking(), "31000.00", 1)
    world.settle()
    world.decide(booking(), "15500.00", 2)
    world.fund("20000.00", key="F2")
    world.settle()
    assert paid_to(world) == {"600200": 10_500, "254712345678": 9_000}
    assert world.balance(f"owed:{FACILITY}") == 450_000
    assert world.balance("receivable:SHA") == 1_550_000
    world.decide(booking("VB2"), "31000.00", 1)
    world.fund("40000.00", key="F3")
    world.settle()
    assert paid_to(world)["254712345678"] == 9_000 + 4_500
    assert world.balance(f"owed:{FACILITY}") == 0
    assert is_whole(world)


def test_a_rejected_claim_pays_nothing_and_an_over_approval_no_more_than_booked(world: World) -> None:
    world.fund("99999.00")
    world.decide(booking(), "0.00")
    assert world.settlement().state == "settled"
    world.decide(booking("VB2"), "99999.00")
    world.settle()
    assert sum(paid_to(world).values()) == 30_000


@pytest.mark.parametrize(
    ("mode", "capitated", "payees_paid"),
    [
        ("other_insurances", False, {VENDOR, FACILITY}),
        ("mpesa", False, {VENDOR, FACILITY}),
        ("cash", False, {VENDOR}),
        ("sha", True, {VENDOR}),
    ],
)
def test_modes_without_a_float_pay_when_the_money_came(world: World, mode: str, capitated: bool, payees_paid) -> None:
    payable = booking(mode=mode, capitated=capitated)
    world.fund("50000.00")
    world.decide(payable, "31000.00")
    world.settle()
    assert world.twin.payments == []
    assert "not yet remitted" in world.settlement().reason
    due = "31000.00" if FACILITY in payees_paid else "22000.00"
    for _ in range(2):
        world.database.write(
            lambda unit: world.settlements.remit(
                unit, TENANT, payable.booking_no, rail="mpesa", amount=kes(due), key="R1"
            )
        )
    world.settle()
    assert {leg.payee_id for leg in world.legs()} == payees_paid
    assert world.settlement().state == "settled"
    assert is_whole(world)


def test_money_nobody_expected_goes_to_suspense(world: World) -> None:
    world.decide(booking(mode="other_insurances"), "31000.00")
    world.database.write(
        lambda unit: world.settlements.remit(
            unit, TENANT, "VB0011223344AA", rail="mpesa", amount=kes("31000.50"), key="R1"
        )
    )
    assert world.balance("suspense") == -50


@pytest.mark.parametrize("mode", ["other_insurances", "sha"])
def test_money_in_suspense_is_drawn_when_a_later_decision_approves_more(world: World, mode: str) -> None:
    payable = booking(mode=mode)

    def remit(amount: str, key: str) -> None:
        world.database.write(
            lambda unit: world.settlements.remit(
                unit, TENANT, payable.booking_no, rail="mpesa", amount=kes(amount), key=key
            )
        )

    world.decide(payable, "10000.00")
    remit("31000.00", "R1")
    world.settle()
    assert world.balance("suspense") == -2_100_000
    world.decide(payable, "20000.00", version=2)
    world.settle()
    assert world.balance("suspense") == -1_100_000
    world.decide(payable, "31000.00", version=3)
    world.settle()
    assert world.balance("suspense") == world.balance("receivable:SHA") == 0
    assert sum(paid_to(world).values()) == 30_000
    assert world.settlement().state == "settled"
    assert is_whole(world)


def test_money_sent_back_from_suspense_is_not_drawn(world: World) -> None:
    payable = booking(mode="other_insurances")
    world.decide(payable, "10000.00")

    def work(unit) -> None:
        world.settlements.remit(unit, TENANT, payable.booking_no, rail="mpesa", amount=kes("31000.00"), key="R1")
        back = [("suspense", "cash:mpesa", kes("21000.00"))]
        accounts.move(unit, TENANT, key="line/1", kind="bank.explained", memo="line 1", moves=back)

    world.database.write(work)
    world.decide(payable, "31000.00", version=2)
    world.settle()
    assert world.balance("suspense") == 0
    assert "not yet remitted" in world.settlement().reason


def test_a_payment_is_never_split_to_stay_below_a_limit(world: World) -> None:
    world.fund("900000.00")
    world.decide(booking(vendor="21000.00", facility="250000.01", fee="0.00"), "271000.01")
    world.settle()
    assert world.leg(FACILITY).state == "posted", "cents are carried: 250,000 is the limit"
    world.decide(booking("VB2", vendor="21000.00", facility="250001.00", fee="0.00"), "271001.00")
    world.settle()
    assert world.leg(FACILITY, "VB2").state == "waiting"
    assert "at most" in world.leg(FACILITY, "VB2").reason


def test_changed_details_need_a_second_person_and_a_day(world: World) -> None:
    world.fund("100000.00")

    def propose(unit) -> int:
        return payees.propose_details(unit, person("ann"), FACILITY, [FACILITY_PHONE])

    version = world.database.write(propose)
    with pytest.raises(Forbidden):
        world.database.write(lambda unit: payees.approve_details(unit, person("ann"), FACILITY, version, hold_s=86_400))
    world.decide(booking(), "31000.00")
    world.settle()
    assert world.leg(FACILITY).state == "posted", "a proposal alone stops nothing"
    world.database.write(lambda unit: payees.approve_details(unit, person("ben"), FACILITY, version, hold_s=86_400))
    world.decide(booking("VB2"), "31000.00")
    world.settle()
    assert "on hold until" in world.leg(FACILITY, "VB2").reason
    world.step(86_400)
    world.settle()
    assert world.settlement("VB2").state == "settled"
    with pytest.raises(Conflict):
        world.database.write(lambda unit: payees.approve_details(unit, person("ben"), FACILITY, version, hold_s=1))


def test_a_payee_without_details_waits(world: World) -> None:
    world.fund("100000.00")
    world.database.write(lambda unit: unit.execute("DELETE FROM settlement_payee_details"))
    world.decide(booking(), "31000.00")
    assert world.leg(VENDOR).reason == "the payee has no approved payment details"


def test_what_contradicts_itself_is_refused(world: World) -> None:
    for wrong in (booking(mode="barter"), booking(vendor="-1.00")):
        with pytest.raises(Incorrect):
            world.decide(wrong, "1.00")
    with pytest.raises(Incorrect):
        world.decide(booking(), "-1.00")


def test_the_trail_tells_every_step_in_order(world: World) -> None:
    world.fund("50000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    steps = [row[1] for row in world.database.read(lambda unit: store.steps_of(unit, TENANT, "VB0011223344AA"))]
    assert steps[0] == "decided"
    for state in ("waiting", "held", "submitting", "submitted", "posted"):
        assert steps.count(state) == 2


def test_only_what_failed_or_came_back_is_paid_again(world: World) -> None:
    world.fund("50000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    with pytest.raises(Conflict):
        world.database.write(
            lambda unit: desk.pay_again(world.settlements, unit, person("ann"), world.leg(VENDOR).reference)
        )


def test_a_failed_payment_of_a_claim_rejected_since_is_not_owed_and_not_paid_again(world: World) -> None:
    world.fund("50000.00")
    world.twin.closed_parties.add("600200")
    world.decide(booking(), "31000.00")
    for _ in range(5):
        world.step(3_600)
    failed = world.leg(VENDOR)
    assert failed.state == "failed"
    world.decide(booking(), "0.00", version=2)
    assert owed_back(world) == world.balance(f"owed:{FACILITY}") == 900_000, "the vendor never had the money"
    assert world.balance(f"payable:{VENDOR}") == 0
    with pytest.raises(Conflict):
        world.database.write(lambda unit: desk.pay_again(world.settlements, unit, person("ann"), failed.reference))
    world.twin.closed_parties.clear()
    world.settle()
    assert paid_to(world) == {"254712345678": 9_000}
    assert world.settlement().state == "settled"
    assert is_whole(world)


def test_a_failed_payment_is_lowered_and_what_it_loses_is_not_kept_back_elsewhere(world: World) -> None:
    world.fund("90000.00")
    world.twin.closed_parties.add("600200")
    world.decide(booking(), "31000.00")
    for _ in range(5):
        world.step(3_600)
    world.twin.closed_parties.clear()
    world.decide(booking(), "15500.00", version=2)
    rest = world.leg(VENDOR).reference
    world.database.write(lambda unit: desk.pay_again(world.settlements, unit, person("ann"), rest))
    world.decide(booking("VB2"), "31000.00")
    world.settle()
    assert owed_back(world) == world.balance(f"payable:{VENDOR}") == 0
    assert paid_to(world)["600200"] == 10_500 + 21_000
    assert is_whole(world)


def test_a_payment_that_came_back_is_lowered_without_a_claim_and_an_unknown_one_with_it(world: World) -> None:
    world.fund("90000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    reference = world.leg(VENDOR).reference
    write = world.database.write
    write(lambda unit: desk.propose_outcome(unit, person("ann"), reference, "returned", "the statement"))
    write(lambda unit: desk.confirm_outcome(world.settlements, unit, person("ben"), reference, "returned"))
    world.decide(booking(), "0.00", version=2)
    assert owed_back(world) == world.balance(f"owed:{FACILITY}") == 900_000
    assert world.balance(f"payable:{VENDOR}") == 0
    world.twin.faults.plan("lost_answer", times=2)
    world.twin.faults.plan("dropped_result", times=2)
    world.decide(booking("VB2", facility="10000.00"), "32000.00")
    world.step(5)
    assert world.leg(VENDOR, "VB2").state == "unknown"
    world.decide(booking("VB2", facility="10000.00"), "0.00", version=2)
    assert world.balance(f"owed:{VENDOR}") == 2_100_000, "nobody knows: it may have the money"
    assert is_whole(world)


def test_a_failed_payment_taken_back_that_moved_after_all_is_claimed_back(world: World) -> None:
    world.fund("90000.00")
    world.twin.closed_parties.add("600200")
    world.decide(booking(), "31000.00")
    for _ in range(5):
        world.step(3_600)
    failed = world.leg(VENDOR)
    world.decide(booking(), "0.00", version=2)
    notice = Notice(failed.reference, Answer("paid", receipt="LATE1"), failed.amount)
    world.database.write(
        lambda unit: apply_notice(world.settlements.legs, unit, TENANT, "mpesa", notice, source="result")
    )
    assert world.balance(f"owed:{VENDOR}") == 2_100_000
    assert is_whole(world)


def test_a_held_payment_does_not_leave_after_its_approval_was_lowered(world: World) -> None:
    world.fund("90000.00")
    world.database.write(lambda unit: world.settlements.legs.pause(unit, TENANT, "mpesa", "locked"))
    world.decide(booking(vendor="20999.60", facility="9000.40"), "31000.00")
    world.database.write(lambda unit: unit.execute("DELETE FROM settlement_rail"))
    assert {leg.state for leg in world.legs()} <= {"held", "waiting"}
    world.decide(booking(vendor="20999.60", facility="9000.40"), "15500.00", version=2)
    world.settle()
    assert paid_to(world) == {"600200": 10_499, "254712345678": 4_500}
    assert owed_back(world) == 0
    assert world.balance(f"payable:{VENDOR}") == -80
    assert is_whole(world)


def test_what_a_payee_owes_elsewhere_is_kept_back_when_it_is_paid_again(world: World) -> None:
    world.fund("90000.00")
    world.decide(booking("VB2"), "31000.00")
    world.settle()
    world.twin.closed_parties.add("600200")
    world.decide(booking(), "31000.00")
    for _ in range(5):
        world.step(3_600)
    failed = world.leg(VENDOR)
    world.decide(booking("VB2"), "0.00", version=2)
    again = world.database.write(lambda unit: desk.pay_again(world.settlements, unit, person("ann"), failed.reference))
    assert again == failed.reference
    assert world.balance(f"owed:{VENDOR}") == world.balance(f"payable:{VENDOR}") == 0
    assert is_whole(world)


def test_the_whole_trail_has_steps_postings_and_messages_in_order(world: World) -> None:
    world.notifies = True
    world.fund("50000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    lines = world.database.read(lambda unit: trail(unit, TENANT, "VB0011223344AA"))
    assert [line.at_us for line in lines] == sorted(line.at_us for line in lines)
    posted = [line for line in lines if line.title == "settlement.leg posted"]
    assert sorted(line.amount for line in posted) == [kes("9000.00"), kes("21000.00")]
    assert sum(line.what == "message" for line in lines) == 6
    assert lines[0].title == "decided"


def test_the_books_and_the_bank_have_the_day_it_is_in_nairobi(world: World) -> None:
    seconds_since_midnight = world.clock.now_us() // SECOND_US % 86_400
    world.step(22.5 * 3_600 - seconds_since_midnight + 86_400)
    world.payee(FACILITY, "Mnazi Moja", BANK)
    world.step(2 * 86_400)
    today_utc = date_of(world.clock.now_us())
    nairobi = today_utc + timedelta(days=1)
    world.fund("50000.00")
    world.fund("50000.00", "bank", key="F2")
    world.decide(booking(), "31000.00")
    files: list[bytes] = []
    put = world.folder.put
    world.folder.put = lambda box, name, body: files.append(body) or put(box, name, body)  # type: ignore[method-assign]
    world.step(2)
    assert xml.parse(files[0], "payment").value("CstmrCdtTrfInitn/PmtInf/ReqdExctnDt/Dt") == nairobi.isoformat()
    days = {day for (day,) in world.database.read(lambda unit: unit.rows("SELECT effective FROM ledger_journal"))}
    assert days == {nairobi.isoformat()}
