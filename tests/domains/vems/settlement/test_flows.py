"""What happens to bookings, settled: decisions line by line, two vendors apart, cash and capitated services."""

from kiungo.domains.vems.settlement import store
from kiungo.domains.vems.settlement.flows import SettlementFlows
from kiungo.kernel.outbox import Event
from tests.domains.vems.settlement.world import FACILITY, TENANT, VENDOR, World


def line(number: int, vendor: str = VENDOR, *, capitated: bool = False, approved: int | None = None) -> dict:
    found = {
        "number": number, "serviceCode": f"F873{number}", "vendor": vendor, "vendorPayee": "", "facilityPayee": "",
        "isCapitated": capitated, "vendorMinor": 1_000_000, "facilityMinor": 450_000, "feeMinor": 50_000,
        "totalMinor": 1_500_000,
    }  # fmt: skip
    return found if approved is None else found | {"approvedMinor": approved}


def happen(world: World, topic: str, lines: list[dict], mode: str = "sha", **more: object) -> None:
    flows = SettlementFlows(world.settlements, "mpesa")
    subscriber = {"booking.completed": flows.on_completed, "booking.claim_paid": flows.on_paid}.get(
        topic, flows.on_decision
    )
    payload = {
        "bookingNo": "VB1", "claimID": "CLM-1", "facility": FACILITY, "mode": mode, "currency": "KES", "lines": lines,
        "payer": "SHA", "version": 1, **more,
    }  # fmt: skip
    number = str(payload["bookingNo"])
    world.database.write(lambda unit: subscriber(unit, Event(1, TENANT, topic, number, unit.now_us, payload)))
    world.settle()


def test_two_lines_of_one_vendor_are_one_settlement_with_two_legs(world: World) -> None:
    world.fund("100000.00")
    happen(world, "booking.claim_approved", [line(1, approved=1_500_000), line(2, approved=1_500_000)])
    assert sorted(payment.shillings for payment in world.twin.payments) == [9_000, 20_000]
    assert world.settlement("VB1").state == "settled"


def test_a_rejected_line_of_another_vendor_gets_nothing(world: World) -> None:
    world.fund("100000.00")
    happen(world, "booking.claim_partially_paid", [line(1, approved=1_500_000), line(2, "V999", approved=0)])
    assert world.settlement(f"VB1/{VENDOR}").approved_minor == 1_500_000
    assert world.settlement("VB1/V999").approved_minor == 0
    assert world.legs("VB1/V999") == []
    assert sum(payment.shillings for payment in world.twin.payments) == 14_500


def test_a_decision_told_again_or_improved_pays_the_difference(world: World) -> None:
    world.fund("100000.00")
    half = [line(1, approved=750_000)]
    happen(world, "booking.claim_partially_paid", half)
    happen(world, "booking.claim_partially_paid", half)
    happen(world, "booking.claim_approved", [line(1, approved=1_500_000)], version=2)
    assert sum(payment.shillings for payment in world.twin.payments) == 14_500
    assert world.balance("fee:revenue") == -50_000


def test_cash_and_capitated_services_settle_when_delivered_and_collected(world: World) -> None:
    world.fund("100000.00")
    happen(world, "booking.completed", [line(1), line(2, capitated=True)], mode="cash")
    assert world.twin.payments == []
    assert world.balance(f"receivable:{FACILITY}") == 2 * 1_050_000
    assert world.settlement("VB1/C").pays_on == "remittance"
    happen(world, "booking.completed", [line(1), line(2, capitated=True)], mode="sha")
    assert world.balance(f"receivable:{FACILITY}") == 2 * 1_050_000


def test_money_a_payer_says_it_sent_is_booked_once(world: World) -> None:
    happen(world, "booking.claim_approved", [line(1, approved=1_500_000)], mode="other_insurances")
    for _ in range(2):
        happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=1_000_000)
    assert world.settlement("VB1").remitted_minor == 1_000_000
    happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=1_500_000)
    world.settle()
    assert world.settlement("VB1").state == "settled"
    assert world.balance("receivable:SHA") == 0
    assert sum(payment.shillings for payment in world.twin.payments) == 14_500


def test_more_money_after_some_went_to_suspense_is_booked_once(world: World) -> None:
    happen(world, "booking.claim_approved", [line(1, approved=1_000_000)], mode="other_insurances")
    happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=1_200_000)
    assert world.balance("suspense") == -200_000
    happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=1_300_000)
    assert world.balance("suspense") == -300_000
    happen(world, "booking.claim_approved", [line(1, approved=1_500_000)], mode="other_insurances", version=2)
    assert world.balance("suspense") == 0
    assert world.settlement("VB1").remitted_minor == 1_300_000
    happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=1_500_000)
    assert world.settlement("VB1").state == "settled"
    assert world.balance("receivable:SHA") == 0


def test_money_told_again_is_not_booked_again_for_another_vendor(world: World) -> None:
    def two(first: int, **more: object) -> None:
        lines = [line(1, approved=first), line(2, "V999", approved=500_000)]
        happen(world, "booking.claim_approved", lines, mode="other_insurances", **more)

    def paid() -> None:
        lines = [line(1), line(2, "V999")]
        happen(world, "booking.claim_paid", lines, mode="other_insurances", paidMinor=1_500_000)

    two(500_000)
    paid()
    two(1_000_000, version=2)
    paid()
    received = sum(world.settlement(f"VB1/{vendor}").remitted_minor for vendor in (VENDOR, "V999"))
    assert received - world.balance("suspense") == 1_500_000


def two(world: World, topic: str, first: int, second: int, **more: object) -> None:
    """A decision about, or money for, a booking with a line of each of two vendors."""
    lines = [line(1, approved=first), line(2, "V999", approved=second)]
    happen(world, topic, lines, mode="other_insurances", **more)


def due_to(world: World, vendor: str) -> int:
    """What the payments to a vendor come to. Units: minor."""
    return sum(leg.due.minor for leg in world.legs(f"VB1/{vendor}") if leg.payee_id == vendor)


def test_money_beyond_one_vendors_approval_pays_what_is_approved_of_the_others_later(world: World) -> None:
    world.fund("100000.00")
    two(world, "booking.claim_approved", 500_000, 500_000)
    two(world, "booking.claim_paid", 500_000, 500_000, paidMinor=1_500_000)
    assert world.balance("suspense") == -500_000
    two(world, "booking.claim_approved", 1_000_000, 500_000, version=2)
    assert world.balance("suspense") == 0
    assert world.settlement(f"VB1/{VENDOR}").remitted_minor == 1_000_000
    assert world.settlement("VB1/V999").remitted_minor == 500_000
    assert world.balance("receivable:SHA") == 0
    two(world, "booking.claim_paid", 1_000_000, 500_000, paidMinor=1_500_000)
    assert world.balance("suspense") == 0, "told again, it is not booked again"
    assert due_to(world, VENDOR) == 666_666


def test_money_of_a_part_that_was_lowered_pays_the_part_that_was_raised(world: World) -> None:
    world.fund("100000.00")
    two(world, "booking.claim_approved", 500_000, 1_000_000)
    two(world, "booking.claim_paid", 500_000, 1_000_000, paidMinor=1_500_000)
    two(world, "booking.claim_approved", 1_000_000, 500_000, version=2)
    assert world.settlement(f"VB1/{VENDOR}").remitted_minor == 1_000_000
    assert world.settlement("VB1/V999").remitted_minor == 500_000
    assert world.balance("receivable:SHA") == 0
    assert due_to(world, VENDOR) == 666_666


def test_money_that_is_lowered_and_rises_to_the_same_sum_again_is_booked_each_time(world: World) -> None:
    """What a part gave to another one and what then arrives for it anew are two things, though the sum is the same."""
    world.fund("100000.00")
    two(world, "booking.claim_approved", 500_000, 500_000)
    two(world, "booking.claim_paid", 500_000, 500_000, paidMinor=1_000_000, version=2)
    two(world, "booking.claim_approved", 0, 1_000_000, version=3)
    assert world.settlement(f"VB1/{VENDOR}").remitted_minor == 0
    two(world, "booking.claim_approved", 500_000, 1_000_000, version=4)
    two(world, "booking.claim_paid", 500_000, 1_000_000, paidMinor=1_500_000, version=5)
    assert world.settlement(f"VB1/{VENDOR}").remitted_minor == 500_000
    assert world.balance("receivable:SHA") == 0


def test_no_more_is_paid_out_than_arrived_when_a_later_decision_is_cut_otherwise(world: World) -> None:
    """Two lines of one vendor with different proportions: the first is paid, then the second is approved too."""
    world.fund("100000.00")
    lean = {"vendorMinor": 100_000, "facilityMinor": 1_350_000}

    def decided(first: int, second: int, version: int) -> None:
        lines = [line(1, approved=first), line(2, approved=second) | lean]
        happen(world, "booking.claim_approved", lines, mode="other_insurances", version=version)

    def ordered() -> int:
        return sum(leg.due.minor for leg in world.legs("VB1"))

    decided(1_500_000, 0, 1)
    happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=1_500_000, version=2)
    assert ordered() == 1_450_000
    decided(1_500_000, 1_500_000, 3)
    assert ordered() == 1_450_000, "nothing more has arrived"
    happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=1_600_000, version=4)
    assert 1_450_000 < ordered() <= 1_550_000
    happen(world, "booking.claim_paid", [line(1)], mode="other_insurances", paidMinor=3_000_000, version=5)
    assert ordered() == 2_900_000
    assert world.settlement("VB1").state == "settled"


INSURED = {"mode": "other_insurances"}


def of(world: World, number: str, topic: str, lines: list[dict], **more: object) -> None:
    """The same as `happen`, for a booking of another number."""
    happen(world, topic, lines, bookingNo=number, **INSURED, **more)


def test_what_a_payer_kept_back_is_covered_by_what_it_had_sent_too_much(world: World) -> None:
    """The first claim is paid and then rejected; the second's money is less by that, and yet all of it is paid."""
    world.fund("100000.00")
    of(world, "VB1", "booking.claim_approved", [line(1, approved=1_000_000)])
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_000_000, version=2)
    of(world, "VB1", "booking.claim_rejected", [line(1, approved=0)], version=3)
    float_before = world.balance("cash:mpesa")
    of(world, "VB2", "booking.claim_approved", [line(1, approved=1_500_000)])
    for _ in range(2):
        of(world, "VB2", "booking.claim_paid", [line(1)], paidMinor=500_000, keptMinor=1_000_000, version=2)
    assert world.settlement("VB2").remitted_minor == 1_500_000
    assert world.settlement("VB1").remitted_minor == 0
    assert world.balance("receivable:SHA") == 0
    assert world.settlement("VB2").state == "settled"
    paid = 100 * sum(payment.shillings for payment in world.twin.payments)
    assert world.balance("cash:mpesa") == 10_000_000 + 1_500_000 - paid
    assert world.balance("cash:mpesa") <= float_before + 500_000
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_000_000, version=4)
    assert world.balance("cash:mpesa") == 10_000_000 + 1_500_000 - paid, "told again, it came once"


def test_what_was_kept_back_for_a_claim_nobody_told_us_of_is_covered_when_we_learn_of_it(world: World) -> None:
    of(world, "VB1", "booking.claim_approved", [line(1, approved=1_000_000)])
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_000_000, version=2)
    of(world, "VB2", "booking.claim_approved", [line(1, approved=1_500_000)])
    of(world, "VB2", "booking.claim_paid", [line(1)], paidMinor=500_000, keptMinor=1_000_000, version=2)
    assert world.settlement("VB2").remitted_minor == 500_000
    assert world.balance("receivable:SHA") == 1_000_000
    of(world, "VB1", "booking.claim_rejected", [line(1, approved=0)], version=3)
    assert world.settlement("VB2").remitted_minor == 1_500_000
    assert world.balance("receivable:SHA") == 0
    assert world.settlement("VB2").state == "settled"


def test_what_was_kept_back_is_covered_by_what_waits_in_suspense(world: World) -> None:
    of(world, "VB1", "booking.claim_approved", [line(1, approved=1_000_000)])
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_200_000, version=2)
    of(world, "VB2", "booking.claim_approved", [line(1, approved=1_500_000)])
    of(world, "VB2", "booking.claim_paid", [line(1)], paidMinor=1_300_000, keptMinor=200_000, version=2)
    assert (world.settlement("VB2").remitted_minor, world.balance("suspense")) == (1_500_000, 0)
    assert world.balance("receivable:SHA") == 0


def test_another_payer_s_money_covers_nothing(world: World) -> None:
    of(world, "VB1", "booking.claim_approved", [line(1, approved=1_000_000)], payer="other")
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_200_000, version=2, payer="other")
    of(world, "VB2", "booking.claim_approved", [line(1, approved=1_500_000)])
    of(world, "VB2", "booking.claim_paid", [line(1)], paidMinor=1_300_000, keptMinor=200_000, version=2)
    assert (world.settlement("VB2").remitted_minor, world.balance("suspense")) == (1_300_000, -200_000)


def test_money_that_did_not_come_after_all_is_taken_off_the_books(world: World) -> None:
    world.fund("20000.00")
    of(world, "VB1", "booking.claim_approved", [line(1, approved=1_000_000)])
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_200_000, version=2)
    before = world.balance("cash:mpesa")
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=700_000, version=3)
    assert world.balance("cash:mpesa") == before - 500_000
    assert (world.settlement("VB1").remitted_minor, world.balance("suspense")) == (700_000, 0)
    assert world.balance("receivable:SHA") == 300_000
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_000_000, version=4)
    assert (world.settlement("VB1").remitted_minor, world.balance("receivable:SHA")) == (1_000_000, 0)
    assert world.balance("cash:mpesa") == before - 200_000


def test_money_that_pays_another_claim_is_not_taken_off_the_first(world: World) -> None:
    """The payer contradicts itself: it kept back what it had sent, and then says that it had sent nothing."""
    world.fund("100000.00")
    of(world, "VB1", "booking.claim_approved", [line(1, approved=1_000_000)])
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_000_000, version=2)
    of(world, "VB1", "booking.claim_rejected", [line(1, approved=0)], version=3)
    of(world, "VB2", "booking.claim_approved", [line(1, approved=1_500_000)])
    of(world, "VB2", "booking.claim_paid", [line(1)], paidMinor=500_000, keptMinor=1_000_000, version=2)
    before = world.balance("cash:mpesa")
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=0, version=4)
    assert world.balance("cash:mpesa") == before
    assert [world.settlement(number).remitted_minor for number in ("VB1", "VB2")] == [0, 1_500_000]
    trail = world.database.read(lambda unit: store.steps_of(unit, TENANT, "VB1"))
    assert "less than is booked" in trail[-1][-1]


def test_money_taken_back_that_the_float_does_not_have_stays_and_is_told(world: World) -> None:
    of(world, "VB1", "booking.claim_approved", [line(1, approved=1_000_000)])
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=1_000_000, version=2)
    before = world.balance("cash:mpesa")
    assert before < 1_000_000
    of(world, "VB1", "booking.claim_paid", [line(1)], paidMinor=0, version=3)
    assert (world.balance("cash:mpesa"), world.settlement("VB1").remitted_minor) == (before, 1_000_000)
    trail = world.database.read(lambda unit: store.steps_of(unit, TENANT, "VB1"))
    assert "KES 10000.00 less than is booked" in trail[-1][-1]
