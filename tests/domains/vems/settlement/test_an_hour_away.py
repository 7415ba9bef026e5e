"""Rails away for an hour: orders that did not leave wait with their reason, leave once, and everything is caught up."""

from collections.abc import Iterator
from random import Random

import pytest

from kiungo.base.time import TurnedClock
from kiungo.kernel.database import Database
from tests.domains.vems.settlement.world import BANK, FACILITY, VENDOR, World, booking

NUMBERS = [f"VB00000000000{number}" for number in range(6)]


@pytest.fixture
def world(stepped_database: Database, clock: TurnedClock) -> Iterator[World]:
    world = World(stepped_database, clock, Random(1)).with_payees(facility=BANK)
    world.fund("500000.00")
    world.fund("500000.00", "bank", key="F2")
    world.settle()
    yield world
    world.http.close()


def decide_all(world: World) -> None:
    for number in NUMBERS:
        world.decide(booking(number), "31000.00")


def states(world: World, payee_id: str) -> set[tuple[str, str]]:
    return {(world.leg(payee_id, number).state, world.leg(payee_id, number).reason) for number in NUMBERS}


def test_a_mobile_rail_that_nobody_reaches_for_an_hour(world: World) -> None:
    world.wire.is_cut = True
    decide_all(world)
    for _ in range(60):
        world.step(60)
    assert states(world, VENDOR) == {("held", "not taken: no token: ConnectError")}
    assert world.twin.payments == []
    world.wire.is_cut = False
    world.settle(seconds=60)
    assert {state for state, _ in states(world, VENDOR)} == {"posted"}
    assert sorted(payment.shillings for payment in world.twin.payments) == [21_000] * len(NUMBERS)


def test_a_bank_that_takes_no_file_for_an_hour_and_is_late_with_its_statement(world: World) -> None:
    world.folder.fails_with = ["not_put"] * 1_000
    decide_all(world)
    for _ in range(60):
        world.step(60)
    assert states(world, FACILITY) == {("held", "not taken: the folder cannot be written to")}
    tried = 1_000 - len(world.folder.fails_with)
    assert tried < 70, "one job asks for all of them, not each leg for itself again and again"
    world.folder.fails_with = []
    world.bank_twin.faults.plan("late_statement", times=3)
    for _ in range(3):
        world.settle(seconds=61, steps=2)
        world.bank_twin.end_day()
    assert {state for state, _ in states(world, FACILITY)} == {"submitted"}
    world.bank_twin.end_day()
    world.settle()
    assert {state for state, _ in states(world, FACILITY)} == {"posted"}
    assert sorted(minor for _, minor in world.bank_twin.payments) == [900_000] * len(NUMBERS)
    assert all(world.settlement(number).state == "settled" for number in NUMBERS)


def test_funds_that_run_out_in_the_middle_of_many_orders(world: World) -> None:
    world.twin.balance_shillings = 3 * 21_000 + 5_000
    decide_all(world)
    world.settle(steps=2)
    found = sorted(world.leg(VENDOR, number).state for number in NUMBERS)
    assert found == ["failed"] * 3 + ["posted"] * 3
    world.twin.balance_shillings = 100_000
    world.settle(seconds=901, steps=2)
    assert {world.leg(VENDOR, number).state for number in NUMBERS} == {"posted"}
    assert sorted(payment.shillings for payment in world.twin.payments) == [21_000] * len(NUMBERS)
