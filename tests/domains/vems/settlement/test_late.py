"""What a rail or a bank says late: once more, in another order, or when our float is short. Nothing counts twice."""

from datetime import date

import pytest

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.reconciliation.service import ingest
from kiungo.domains.vems.settlement import desk
from kiungo.domains.vems.settlement.model import Leg
from kiungo.domains.vems.settlement.notices import apply_notice
from kiungo.ports.payment import AccountStatement, Answer, Notice, StatementLine
from tests.domains.vems.settlement.world import FACILITY, TENANT, VENDOR, World, booking, kes, person

DAY = date(2026, 3, 2)


def _told_paid(world: World, leg: Leg) -> str:
    notice = Notice(leg.reference, Answer("paid", receipt="UCX1"), leg.amount, leg.destination.number)
    return world.database.write(
        lambda unit: apply_notice(world.settlements.legs, unit, TENANT, "mpesa", notice, source="result")
    )


def _statement(world: World, before: str, after: str, *lines: tuple[str, str, str]) -> None:
    shown = tuple(StatementLine(line, DAY, kes(amount), (ref,), "Upendo", "") for line, amount, ref in lines)
    statement = AccountStatement("600000", "S1", kes(before), kes(after), DAY, DAY, shown)
    world.database.write(lambda unit: ingest(world.settlements.legs, unit, TENANT, "mpesa", statement))


def _claims(world: World) -> list[tuple[int, int]]:
    sql = "SELECT amount_minor, recovered_minor FROM settlement_clawback ORDER BY id"
    return world.database.read(lambda unit: unit.rows(sql))


def _unexplained(world: World) -> Money:
    return world.database.read(lambda unit: prove(unit, TENANT, "mpesa", "KES").unexplained)


def _failed(world: World) -> Leg:
    world.twin.closed_parties.add("600200")
    world.decide(booking(), "31000.00")
    world.settle()
    world.twin.closed_parties.clear()
    return world.leg(VENDOR)


def test_a_payment_that_was_made_twice_is_claimed_back_once_however_often_it_is_told(world: World) -> None:
    world.fund("100000.00")
    first = _failed(world)
    again = world.database.write(lambda unit: desk.pay_again(world.settlements, unit, person("ann"), first.reference))
    world.settle()
    assert _told_paid(world, first) == "applied: paid twice, claimed back"
    assert _told_paid(world, first) == "repeated"
    facility = world.leg(FACILITY).reference
    _statement(
        world, "100000.00", "49000.00",
        ("UCX1", "-21000.00", first.reference), ("UCX2", "-21000.00", again), ("UCX3", "-9000.00", facility),
    )  # fmt: skip
    assert (_claims(world), world.balance(f"owed:{VENDOR}"), _unexplained(world).minor) == (
        [(2_100_000, 0)],
        2_100_000,
        0,
    )
    world.decide(booking("VB2", vendor="63000.00", facility="0.00", fee="0.00"), "63000.00")
    world.settle()
    assert [leg.due.text() for leg in world.legs("VB2")] == ["42000.00"]
    assert (_claims(world), world.balance(f"owed:{VENDOR}")) == ([(2_100_000, 2_100_000)], 0)


def test_the_first_line_of_a_payment_that_came_back_is_no_second_payment(world: World) -> None:
    world.fund("100000.00")
    world.decide(booking(), "31000.00")
    world.settle()
    reference = world.leg(VENDOR).reference
    world.database.write(lambda unit: desk.propose_outcome(unit, person("ann"), reference, "returned", "the desk"))
    world.database.write(
        lambda unit: desk.confirm_outcome(world.settlements, unit, person("ben"), reference, "returned")
    )
    facility = world.leg(FACILITY).reference
    _statement(
        world, "100000.00", "91000.00",
        ("UCX1", "-21000.00", reference), ("UCX2", "21000.00", reference), ("UCX3", "-9000.00", facility),
    )  # fmt: skip
    assert (world.balance("cash:mpesa"), _claims(world), _unexplained(world).minor) == (9_100_000, [], 0)
    assert world.leg(VENDOR).state == "returned"


@pytest.mark.parametrize("was", ["posted", "failed"])
def test_a_statement_may_name_the_return_before_its_payment(world: World, was: str) -> None:
    world.fund("100000.00")
    if was == "failed":
        reference = _failed(world).reference
    else:
        world.decide(booking(), "31000.00")
        world.settle()
        reference = world.leg(VENDOR).reference
    facility = world.leg(FACILITY).reference
    _statement(
        world, "100000.00", "91000.00",
        ("UCX3", "-9000.00", facility), ("UCX2", "21000.00", reference), ("UCX1", "-21000.00", reference),
    )  # fmt: skip
    assert (world.leg(VENDOR).state, world.balance("cash:mpesa")) == ("returned", 9_100_000)
    assert (_claims(world), _unexplained(world).minor) == ([], 0)


def test_a_late_payment_that_the_float_does_not_cover_is_kept_and_not_made_again(world: World) -> None:
    world.fund("30000.00")
    leg = _failed(world)
    world.decide(booking("VB2", vendor="15000.00", facility="0.00", fee="0.00"), "15000.00")
    world.settle()
    assert world.balance("cash:mpesa") == 600_000
    assert _told_paid(world, leg) == "kept: our float does not cover it"
    _statement(world, "30000.00", "9000.00", ("UCX1", "-21000.00", leg.reference))
    with pytest.raises(Conflict, match="paid after all"):
        world.database.write(lambda unit: desk.pay_again(world.settlements, unit, person("ann"), leg.reference))
    sent = len(world.twin.payments)
    world.fund("60000.00", key="F2")
    world.settle()
    assert (world.leg(VENDOR).state, world.balance("cash:mpesa")) == ("posted", 4_500_000)
    assert (len(world.twin.payments), _claims(world)) == (sent, [])
