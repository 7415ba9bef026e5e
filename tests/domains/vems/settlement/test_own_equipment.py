"""A facility with equipment of its own is vendor and facility of one booking: one payee with two shares."""

from dataclasses import replace

import pytest

from kiungo.domains.vems.settlement.model import Payable
from tests.domains.vems.settlement.world import FACILITY, World, booking


def own_booking(number: str = "VB0011223344AA", vendor: str = "21000.00") -> Payable:
    found = booking(number, vendor)
    shares = tuple(replace(share, payee_id=FACILITY) if share.role == "vendor" else share for share in found.shares)
    return replace(found, shares=shares)


def test_what_it_owes_back_is_recovered_from_both_its_shares(world: World) -> None:
    world.fund("100000.00")
    world.decide(own_booking(), "31000.00")
    world.settle()
    world.decide(own_booking(), "0.00", version=2)
    assert world.balance(f"owed:{FACILITY}") == 3_000_000
    world.decide(own_booking("VB0011223344BB", vendor="9000.00"), "19000.00")
    world.settle()
    assert world.balance(f"owed:{FACILITY}") == 3_000_000 - 1_800_000
    assert world.balance(f"payable:{FACILITY}") == 0
    assert sum(payment.shillings for payment in world.twin.payments) == 30_000


def test_a_lowered_approval_takes_back_what_waits_for_either_share(world: World) -> None:
    world.decide(own_booking(), "31000.00")
    world.decide(own_booking(), "0.00", version=2)
    world.fund("100000.00")
    world.settle()
    assert world.twin.payments == []
    assert world.balance(f"owed:{FACILITY}") == 0
    assert world.balance(f"payable:{FACILITY}") == 0
    assert world.settlement().state == "settled"


@pytest.mark.parametrize(
    ("vendor", "funds"), [("1000.00", "1000.00"), ("1000.00", "9000.00"), ("21000.00", "21000.00")]
)
@pytest.mark.parametrize("approved", ["9000.00", "5500.00", "300.00", "0.00"])
def test_a_partial_cut_with_one_share_paid_leaves_what_it_is_entitled_to(
    world: World, vendor: str, funds: str, approved: str
) -> None:
    both = int(float(vendor)) + 9_000
    payable = own_booking(vendor=vendor)
    world.fund(funds)
    world.decide(payable, f"{both + 1_000}.00")
    world.settle()
    assert sorted(leg.state for leg in world.legs()) == ["posted", "waiting"]
    world.decide(payable, approved, version=2)
    world.fund("90000.00", key="F2")
    world.settle()
    entitled = sum(share.accrued_minor for share in world.settlement().shares if share.role != "fee")
    paid = 100 * sum(payment.shillings for payment in world.twin.payments)
    assert paid - world.balance(f"owed:{FACILITY}") - world.balance(f"payable:{FACILITY}") == entitled
    assert -100 < world.balance(f"payable:{FACILITY}") <= 0
    assert world.settlement().state == "settled"
