"""Approvals lowered around payments that failed, came back or are unknown: nothing leaves twice or without a person."""

import pytest

from kiungo.domains.vems.settlement import desk, listing
from tests.domains.vems.settlement.test_settling import is_whole, owed_back, paid_to
from tests.domains.vems.settlement.world import TENANT, VENDOR, World, booking, person


@pytest.fixture
def failed(world: World) -> World:
    """The vendor's account is closed, and its payment of 21,000.00 has failed."""
    world.fund("90000.00")
    world.twin.closed_parties.add("600200")
    world.decide(booking(), "31000.00")
    for _ in range(5):
        world.step(3_600)
    assert world.leg(VENDOR).state == "failed"
    return world


def work(world: World) -> None:
    for _ in range(3):
        world.step(3_600)


def back(world: World) -> None:
    """Two persons say that the vendor's payment came back."""
    reference, write = world.leg(VENDOR).reference, world.database.write
    write(lambda unit: desk.propose_outcome(unit, person("ann"), reference, "returned", "the statement"))
    write(lambda unit: desk.confirm_outcome(world.settlements, unit, person("ben"), reference, "returned"))


def unknown(world: World) -> str:
    """The vendor's payment was ordered and no answer came."""
    world.fund("90000.00")
    world.twin.faults.plan("lost_request", times=2)
    world.decide(booking(), "31000.00")
    world.step(5)
    assert world.leg(VENDOR).state == "unknown"
    return world.leg(VENDOR).reference


def fails(world: World, reference: str) -> None:
    write = world.database.write
    write(lambda unit: desk.propose_outcome(unit, person("ann"), reference, "failed", "their desk"))
    write(lambda unit: desk.confirm_outcome(world.settlements, unit, person("ben"), reference, "failed"))


def test_the_rest_of_a_failed_payment_waits_for_a_person(failed: World) -> None:
    asked = failed.twin.requests
    failed.decide(booking(), "15500.00", version=2)
    failed.twin.closed_parties.clear()
    work(failed)
    rest = failed.leg(VENDOR)
    assert (rest.state, rest.due.text(), rest.cause) == ("failed", "10500.00", "payee")
    assert "did not reach the payee" in rest.reason
    assert failed.settlement().state == "attention"
    assert failed.twin.requests == asked, "nothing was sent without a person"
    failed.database.write(lambda unit: desk.pay_again(failed.settlements, unit, person("ann"), rest.reference))
    work(failed)
    assert paid_to(failed)["600200"] == 10_500
    assert failed.settlement().state == "settled"
    assert is_whole(failed)


def test_what_was_taken_back_whole_and_approved_again_waits_for_a_person_too(failed: World) -> None:
    failed.decide(booking(), "0.00", version=2)
    failed.twin.closed_parties.clear()
    failed.decide(booking(), "31000.00", version=3)
    work(failed)
    assert (failed.leg(VENDOR).state, failed.leg(VENDOR).due.text()) == ("failed", "21000.00")
    again = failed.leg(VENDOR).reference
    failed.database.write(lambda unit: desk.pay_again(failed.settlements, unit, person("ann"), again))
    work(failed)
    assert paid_to(failed)["600200"] == 21_000
    assert is_whole(failed)


def test_the_rest_of_a_payment_that_came_back_waits_for_a_person(world: World) -> None:
    world.fund("90000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    back(world)
    world.decide(booking(), "15500.00", version=2)
    work(world)
    assert (world.leg(VENDOR).state, world.leg(VENDOR).due.text()) == ("failed", "10500.00")
    assert paid_to(world)["600200"] == 21_000, "as it was before it came back"
    assert is_whole(world)


def test_a_lowered_payment_that_only_lacked_funds_goes_on_by_itself(world: World) -> None:
    world.fund("90000.00")
    world.twin.balance_shillings = 10_000
    world.decide(booking(), "31000.00")
    world.settle()
    assert world.leg(VENDOR).cause == "funds"
    world.twin.balance_shillings = 90_000
    world.decide(booking(), "15500.00", version=2)
    work(world)
    assert paid_to(world)["600200"] == 10_500
    assert world.settlement().state == "settled"


def test_an_unknown_payment_that_fails_after_its_approval_was_taken_back_settles_its_claim(world: World) -> None:
    reference = unknown(world)
    world.decide(booking(), "0.00", version=2)
    assert world.balance(f"owed:{VENDOR}") == 2_100_000
    fails(world, reference)
    work(world)
    assert world.balance(f"owed:{VENDOR}") == world.balance(f"payable:{VENDOR}") == 0
    assert {leg.state for leg in world.legs() if leg.payee_id == VENDOR} == {"replaced"}
    open_claims = world.database.read(
        lambda unit: listing.clawbacks(unit, TENANT, payee=VENDOR, open_only=True, limit=9)
    )
    assert open_claims == []
    assert is_whole(world)


def test_an_unknown_payment_that_fails_after_its_approval_was_halved_leaves_the_half_to_a_person(world: World) -> None:
    reference = unknown(world)
    world.decide(booking(), "15500.00", version=2)
    fails(world, reference)
    work(world)
    assert (world.leg(VENDOR).state, world.leg(VENDOR).due.text()) == ("failed", "10500.00")
    assert reference in world.leg(VENDOR).reason
    assert world.balance(f"owed:{VENDOR}") == 0
    again = world.leg(VENDOR).reference
    world.database.write(lambda unit: desk.pay_again(world.settlements, unit, person("ann"), again))
    work(world)
    assert paid_to(world)["600200"] == 10_500
    assert world.leg(VENDOR).state == "posted"
    assert is_whole(world)


def test_a_payment_that_comes_back_after_its_approval_was_lowered_settles_its_claim(world: World) -> None:
    world.fund("90000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    world.decide(booking(), "15500.00", version=2)
    assert world.balance(f"owed:{VENDOR}") == 1_050_000
    back(world)
    work(world)
    assert world.balance(f"owed:{VENDOR}") == 0
    assert (world.leg(VENDOR).state, world.leg(VENDOR).due.text()) == ("failed", "10500.00")
    assert owed_back(world) == 450_000, "the facility's part is still with the facility"
    assert is_whole(world)
