"""Bank files and statements: unknowns closed, returns found, every line used once, both balances proved."""

import pytest

from kiungo.base.errors import Conflict, Incorrect
from kiungo.base.money import Money
from kiungo.domains.vems.reconciliation import service as reconciliation
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.settlement import desk
from tests.domains.vems.settlement.test_settling import is_whole
from tests.domains.vems.settlement.world import BANK, FACILITY, TENANT, VENDOR, World, booking, kes, person

NO_LINE = Money(0, "KES")


@pytest.fixture
def banked(stepped_database, clock) -> World:
    from random import Random

    world = World(stepped_database, clock, Random(1)).with_payees(facility=BANK)
    world.fund("100000.00")
    world.fund("100000.00", rail="bank", key="F2")
    return world


def proof(world: World, rail: str):
    return world.database.read(lambda unit: prove(unit, TENANT, rail, "KES"))


def end_day(world: World) -> None:
    world.step(3_600)
    world.bank_twin.end_day()
    world.step(3_600)


def test_a_bank_leg_is_submitted_by_file_and_posted_by_the_statement(banked: World) -> None:
    banked.decide(booking(), "31000.00")
    banked.settle()
    assert banked.leg(FACILITY).state == "submitted", "the bank's acceptance is not yet payment"
    end_day(banked)
    assert banked.leg(FACILITY).state == "posted"
    assert banked.leg(FACILITY).reason == "paid, says the statement"
    assert banked.bank_twin.payments == [(banked.leg(FACILITY).reference, 900_000)]
    assert banked.settlement().state == "settled"
    assert proof(banked, "bank").unexplained == NO_LINE
    assert is_whole(banked)


def test_orders_of_many_bookings_leave_in_one_file(banked: World) -> None:
    for number in range(5):
        banked.decide(booking(f"VB{number}", vendor="1.00", facility="9000.00", fee="1.00"), "9002.00")
    banked.settle()
    assert len(banked.bank_twin.payments) == 5
    assert len([name for name in banked.folder.used if name.startswith("out/")]) == 1


def test_a_lost_b2b_answer_is_closed_by_the_organisations_statement(banked: World) -> None:
    banked.twin.faults.plan("lost_answer")
    banked.twin.faults.plan("dropped_result")
    banked.decide(booking(), "31000.00")
    banked.settle()
    assert banked.leg(VENDOR).state == "unknown"
    banked.statement("mpesa", banked.twin.statement_csv())
    banked.statement("mpesa", banked.twin.statement_csv())
    assert banked.leg(VENDOR).state == "posted"
    assert banked.twin.requests == 1
    assert proof(banked, "mpesa").unexplained == NO_LINE
    assert is_whole(banked)


def test_a_returned_payment_is_owed_again_and_paid_to_new_details(banked: World) -> None:
    banked.bank_twin.faults.plan("returned")
    banked.decide(booking(), "31000.00")
    banked.settle()
    banked.step(86_400)
    end_day(banked)
    leg = banked.leg(FACILITY)
    assert leg.state == "returned"
    assert "RETURN" in leg.reason
    assert banked.balance(f"payable:{FACILITY}") == -900_000
    assert proof(banked, "bank").unexplained == NO_LINE
    banked.database.write(lambda unit: desk.pay_again(banked.settlements, unit, person("ann"), leg.reference))
    banked.settle()
    end_day(banked)
    assert banked.settlement().state == "settled"
    assert proof(banked, "bank").unexplained == NO_LINE
    assert is_whole(banked)


def test_a_refused_transfer_and_a_refused_file_fail_their_legs(banked: World) -> None:
    banked.bank_twin.faults.plan("rejected")
    banked.decide(booking(), "31000.00")
    banked.settle()
    assert (banked.leg(FACILITY).state, banked.leg(FACILITY).cause) == ("failed", "payee")
    banked.bank_twin.faults.plan("file_rejected")
    banked.decide(booking("VB2"), "31000.00")
    banked.settle()
    assert banked.leg(FACILITY, "VB2").state == "failed"
    assert banked.bank_twin.payments == []


def test_a_lost_rename_is_unknown_until_the_statement_tells(banked: World) -> None:
    banked.folder.fails_with = ["unknown"]
    banked.bank_twin.faults.plan("lost_answer")
    banked.decide(booking(), "31000.00")
    banked.settle()
    assert banked.leg(FACILITY).state == "unknown"
    end_day(banked)
    assert banked.leg(FACILITY).state == "posted"
    assert len(banked.bank_twin.payments) == 1


def test_a_folder_that_was_away_only_delays(banked: World) -> None:
    banked.folder.fails_with = ["not_put", "not_put"]
    banked.decide(booking(), "31000.00")
    for _ in range(5):
        banked.step(61)
    assert banked.leg(FACILITY).state == "submitted"
    assert len(banked.bank_twin.payments) == 1


def test_a_line_is_used_once_and_what_nobody_knows_waits_for_a_person(banked: World) -> None:
    banked.decide(booking(), "31000.00")
    banked.settle()
    reference = banked.leg(FACILITY).reference
    twice = f"""Date,Debit,Credit,Balance,Reference,Transaction Id,Narration
02/03/2026,9000.00,,1000.00,{reference},FT1,pay
02/03/2026,9000.00,,-8000.00,{reference},FT2,pay once more
02/03/2026,9000.00,,-17000.00,,FT3,Mnazi Moja
02/03/2026,25.00,,-17025.00,,FT4,charges
"""
    from kiungo.connectors.bank_eft.connector import BankRail
    from tests.domains.vems.settlement.world import BANK_SETTINGS

    settings = BANK_SETTINGS.model_copy(update={"profile": "kenya_eft", "statement_format": "csv"})
    banked.bank = BankRail(banked.folder, settings, banked.clock)
    banked.statement("bank", twice.encode())
    queue = banked.database.read(lambda unit: reconciliation.suggestions(unit, TENANT, "bank"))
    assert [(line.line_id, len(found)) for line, found in queue] == [("FT2/0", 0), ("FT3/0", 0), ("FT4/0", 0)]
    assert proof(banked, "bank").unexplained == NO_LINE
    legs, write = banked.settlements.legs, banked.database.write
    with pytest.raises(Conflict):
        write(lambda unit: reconciliation.accept(legs, unit, person("ann"), "bank", "FT2/0", reference))
    with pytest.raises(Incorrect):
        write(lambda unit: reconciliation.accept(legs, unit, person("ann"), "bank", "FT4/0", reference))
    write(
        lambda unit: reconciliation.explain(
            unit, person("ann"), "bank", "FT4/0", account="expense:charges", memo="March"
        )
    )
    with pytest.raises(Conflict):
        write(
            lambda unit: reconciliation.explain(
                unit, person("ann"), "bank", "FT4/0", account="expense:charges", memo="again"
            )
        )
    assert banked.balance("expense:charges") == 2_500
    assert proof(banked, "bank").unexplained == NO_LINE


def test_a_line_without_our_reference_is_suggested_and_accepted_by_a_person(banked: World) -> None:
    banked.twin.faults.plan("lost_answer")
    banked.twin.faults.plan("dropped_result")
    banked.decide(booking(), "31000.00")
    banked.settle()
    leg = banked.leg(VENDOR)
    statement = banked.twin.statement_csv().replace(leg.reference.encode(), b"")
    banked.statement("mpesa", statement)
    ((line, (suggestion,)),) = banked.database.read(lambda unit: reconciliation.suggestions(unit, TENANT, "mpesa"))
    assert suggestion.reference == leg.reference
    legs = banked.settlements.legs
    banked.database.write(
        lambda unit: reconciliation.accept(legs, unit, person("ann"), "mpesa", line.line_id, leg.reference)
    )
    assert banked.leg(VENDOR).state == "posted"
    assert proof(banked, "mpesa").unexplained == NO_LINE


def test_a_statement_that_does_not_add_up_or_changed_is_refused(banked: World) -> None:
    banked.decide(booking(), "31000.00")
    banked.settle()
    body = banked.twin.statement_csv()
    banked.statement("mpesa", body)
    lines = body.decode().splitlines()
    with pytest.raises(Incorrect):
        banked.statement("mpesa", "\n".join([*lines, lines[1].replace("UCB", "X")]).encode())
    with pytest.raises(Incorrect):
        banked.statement("mpesa", b"nonsense")


def test_own_money_is_found_by_its_key_and_the_proof_names_what_differs(banked: World) -> None:
    banked.bank_twin.deposit(10_000_000, "TOPUP F2")
    end_day(banked)
    found = proof(banked, "bank")
    assert found.unexplained == NO_LINE
    assert [item.what for item in found.items] == ["balance before the first statement"]
    banked.fund("5.00", rail="bank", key="F9")
    assert proof(banked, "bank").items[-1].amount == kes("5.00")
