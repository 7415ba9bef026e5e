"""Outcomes nobody knows: never submitted again, closed by a callback, a query, or two persons."""

import pytest

from kiungo.base.errors import Conflict, Forbidden
from kiungo.connectors.mpesa.webhook import receive
from kiungo.domains.vems.settlement import desk, store
from kiungo.kernel import json
from kiungo.kernel.jobs import Retry, queue
from tests.domains.vems.settlement.test_settling import is_whole, paid_to
from tests.domains.vems.settlement.world import FACILITY, TENANT, VENDOR, World, booking, person


@pytest.fixture
def funded(world: World) -> World:
    world.fund("100000.00")
    return world


def test_a_lost_answer_is_one_payment_closed_by_the_late_callback(funded: World) -> None:
    funded.twin.faults.plan("lost_answer", times=2)
    funded.twin.faults.plan("late_result", times=2)
    funded.decide(booking(), "31000.00")
    funded.settle()
    assert [leg.state for leg in funded.legs()] == ["unknown", "unknown"]
    assert funded.settlement().state == "attention"
    for _ in range(40):
        funded.step(900)
    assert funded.settlement().state == "settled"
    assert paid_to(funded) == {"600200": 21_000, "254712345678": 9_000}
    assert funded.twin.requests == 2
    assert is_whole(funded)


def test_a_phone_payment_without_any_word_is_closed_by_the_status_query(funded: World) -> None:
    funded.twin.faults.plan("dropped_result", times=2)
    funded.twin.faults.plan("lost_answer", times=2)
    funded.decide(booking(), "31000.00")
    for _ in range(10):
        funded.step(300)
    assert funded.leg(FACILITY).state == "posted"
    assert funded.leg(FACILITY).reason == "paid, says the status"
    assert funded.leg(VENDOR).state == "unknown", "a business payment without its id waits for statement or persons"
    assert "was lost" in funded.leg(VENDOR).reason or "no answer came" in funded.leg(VENDOR).reason
    for _ in range(20):
        funded.step(6 * 3_600)
    assert "the statement or two persons must decide" in funded.leg(VENDOR).reason
    assert funded.twin.requests == 2


def test_two_persons_close_what_nobody_else_can(funded: World) -> None:
    funded.twin.faults.plan("lost_request", times=2)
    funded.decide(booking(), "31000.00")
    funded.settle()
    reference = funded.leg(VENDOR).reference
    write = funded.database.write
    with pytest.raises(Conflict):
        write(lambda unit: desk.confirm_outcome(funded.settlements, unit, person("ben"), reference, "failed"))
    write(lambda unit: desk.propose_outcome(unit, person("ann"), reference, "failed", "the rail's desk says no"))
    with pytest.raises(Forbidden):
        write(lambda unit: desk.confirm_outcome(funded.settlements, unit, person("ann"), reference, "failed"))
    with pytest.raises(Conflict):
        write(lambda unit: desk.confirm_outcome(funded.settlements, unit, person("ben"), reference, "paid"))
    write(lambda unit: desk.confirm_outcome(funded.settlements, unit, person("ben"), reference, "failed"))
    again = write(lambda unit: desk.pay_again(funded.settlements, unit, person("ann"), reference))
    funded.settle()
    assert funded.leg(VENDOR).reference == again != reference
    assert funded.leg(VENDOR).state == "posted"
    assert paid_to(funded)["600200"] == 21_000


def test_persons_who_were_wrong_are_found_out_and_the_money_is_claimed_back(funded: World) -> None:
    funded.twin.faults.plan("lost_answer", times=2)
    funded.twin.faults.plan("late_result", times=2)
    funded.decide(booking(), "31000.00")
    funded.settle()
    reference, write = funded.leg(VENDOR).reference, funded.database.write
    write(lambda unit: desk.propose_outcome(unit, person("ann"), reference, "failed", "guess"))
    write(lambda unit: desk.confirm_outcome(funded.settlements, unit, person("ben"), reference, "failed"))
    write(lambda unit: desk.pay_again(funded.settlements, unit, person("ann"), reference))
    for _ in range(40):
        funded.step(900)
    assert paid_to(funded)["600200"] == 42_000
    assert funded.balance(f"owed:{VENDOR}") == 2_100_000
    assert funded.balance("cash:mpesa") == 100_000_00 - 51_000_00
    assert is_whole(funded)


def test_forged_repeated_and_reworded_callbacks_change_nothing(funded: World) -> None:
    for fault in ("forged_result", "duplicate_result"):
        funded.twin.faults.plan(fault, times=2)
    funded.decide(booking(), "31000.00")
    funded.step()
    funded.step()
    assert [leg.state for leg in funded.legs()] == ["submitted", "submitted"], "the forged ones were not believed"
    for _ in range(10):
        funded.step(60)
    assert funded.settlement().state == "settled"
    assert funded.refused_callbacks == 2
    assert len(funded.twin.payments) == 2
    assert is_whole(funded)


def test_the_address_of_one_order_closes_no_other(funded: World) -> None:
    funded.twin.faults.plan("dropped_result", times=2)
    funded.decide(booking(), "31000.00")
    funded.step()
    ours, other = funded.leg(FACILITY), funded.leg(VENDOR)
    result = {
        "ResultCode": 0, "ResultDesc": "ok", "TransactionID": "FAKE123456",
        "ResultParameters": {"ResultParameter": [{"Key": "Amount", "Value": "21000.00"}]},
        "ReferenceData": {"ReferenceItem": [{"Key": "BillReferenceNumber", "Value": other.reference}]},
    }  # fmt: skip
    body = json.dumps({"Result": result})
    funded.database.write(
        lambda unit: receive(
            unit, tenant=TENANT, rail="mpesa", reference=ours.reference, kind="result", body=body
        )
    )  # fmt: skip
    funded.step()
    assert funded.leg(VENDOR).state == other.state == "submitted"
    steps = funded.database.read(lambda unit: store.steps_of(unit, TENANT, ours.booking_no))
    assert [row[2] for row in steps if row[1] == "refused"] == [ours.reference]


def test_a_large_sum_is_believed_only_when_the_query_says_so(funded: World) -> None:
    funded.fund("900000.00", key="F2")
    funded.decide(booking(vendor="600000.00"), "610000.00")
    funded.settle(steps=2)
    assert funded.leg(VENDOR).state == "unknown"
    assert "status query has to confirm" in funded.leg(VENDOR).reason
    for _ in range(4):
        funded.step(300)
    assert funded.leg(VENDOR).state == "posted"


def test_no_funds_at_the_rail_is_a_failure_that_is_tried_again_later(funded: World) -> None:
    funded.twin.balance_shillings = 10_000
    funded.decide(booking(), "31000.00")
    funded.settle()
    assert funded.leg(VENDOR).state == "failed"
    assert funded.leg(VENDOR).cause == "funds"
    assert funded.leg(FACILITY).state == "posted"
    funded.twin.balance_shillings = 50_000
    funded.step(901)
    funded.settle()
    assert funded.settlement().state == "settled"
    assert [leg.state for leg in funded.legs() if leg.payee_id == VENDOR] == ["replaced", "posted"]


def test_a_locked_credential_stops_all_sending_until_a_person_resumes(funded: World) -> None:
    funded.twin.faults.plan("locked_credential")
    funded.decide(booking(), "31000.00")
    funded.settle()
    asked = funded.twin.requests
    funded.decide(booking("VB2"), "31000.00")
    funded.settle()
    assert funded.twin.requests == asked
    assert "is paused" in funded.legs("VB2")[0].reason
    funded.twin.locked = False
    funded.database.write(lambda unit: desk.resume_rail(funded.settlements, unit, person("ann"), "mpesa"))
    for _ in range(4):
        funded.step(901)
    assert funded.settlement("VB2").state == "settled"
    assert funded.settlement().state == "settled"
    assert is_whole(funded)


def test_a_closed_receiver_fails_and_waits_for_a_person(funded: World) -> None:
    funded.twin.closed_parties.add("600200")
    funded.decide(booking(), "31000.00")
    for _ in range(5):
        funded.step(3_600)
    assert funded.leg(VENDOR).state == "failed"
    assert funded.leg(VENDOR).cause == "payee"
    assert funded.settlement().state == "attention"


def test_a_process_that_dies_after_the_intent_leaves_an_unknown_not_a_second_order(funded: World) -> None:
    funded.decide(booking(), "31000.00")
    legs = funded.settlements.legs
    claimed = funded.database.write(lambda unit: queue.claim(unit, count=10, allowance=lambda lane: 10))
    first = next(job for job in claimed if job.kind == "settlement.submit")
    batch = funded.database.write(
        lambda unit: legs.begin_submission(unit, 1, first.id, "mpesa", first.args["reference"])
    )
    funded.mpesa.submit(batch)
    funded.step(61)
    funded.settle()
    assert len(funded.twin.payments) == 2
    assert funded.settlement().state == "settled", "the callback closed it"


def test_a_failing_database_while_keeping_the_answer_leaves_an_unknown(funded: World) -> None:
    inner, died = funded.handlers["settlement.submit"], []

    def dies_once(job):
        effect = inner(job)
        if not died:
            died.append(job.id)
            raise Retry("the machine stopped", after_s=1)
        return effect

    funded.handlers["settlement.submit"] = dies_once
    funded.twin.faults.plan("dropped_result")
    funded.decide(booking(), "31000.00")
    for _ in range(6):
        funded.step(2)
    states = {leg.state for leg in funded.legs()}
    assert states == {"unknown", "posted"}
    assert len(funded.twin.payments) == 2
