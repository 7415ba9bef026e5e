"""Banks' own habits: one reference for a payment, its charge and its return; the same id on every statement."""

from collections.abc import Callable
from datetime import date

import pytest

from kiungo.base.errors import Conflict, Incorrect
from kiungo.connectors.bank_eft.connector import BankRail
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.reconciliation.service import accept, suggestions
from kiungo.domains.vems.settlement import desk
from kiungo.formats.bank_statements import camt053, mt940
from kiungo.formats.bank_statements.model import Entry, Part, Statement
from tests.domains.vems.settlement.world import BANK, BANK_SETTINGS, FACILITY, TENANT, World, booking, kes, person

Render = Callable[[tuple[Statement, ...]], bytes]
RENDERS: dict[str, Render] = {
    "camt.053": lambda some: camt053.render(some, message_id="M1"),
    "MT940": mt940.render,
}


@pytest.fixture
def banked(world: World) -> World:
    """The facility is paid through the bank."""
    world.payee(FACILITY, "Mnazi Moja", BANK)
    world.clock.turn(days=2)
    world.fund("100000.00")
    world.fund("100000.00", rail="bank", key="F2")
    world.decide(booking(), "31000.00")
    world.settle()
    return world


def _entry(day: date, amount: str, direction: str, reference: str, text: str = "") -> Entry:
    part = Part(kes(amount), reference, "Mnazi Moja", text)
    return Entry(day, day, kes(amount), direction, "FT1", is_reversal=direction == "credit", parts=(part,))


def _kept(world: World) -> list[tuple[int, str | None]]:
    sql = "SELECT amount_minor, used_as FROM bank_line WHERE rail = 'bank' ORDER BY booked_on, amount_minor"
    return world.database.read(lambda unit: [tuple(row) for row in unit.rows(sql)])


@pytest.mark.parametrize("name", RENDERS)
def test_lines_with_one_reference_of_the_bank_are_all_kept(banked: World, name: str) -> None:
    reference, day, later = banked.leg(FACILITY).reference, date(2026, 3, 4), date(2026, 3, 5)
    payment = _entry(day, "9000.00", "debit", reference)
    charges = (_entry(day, "25.00", "debit", "", "EFT charge"), _entry(day, "25.00", "debit", "", "EFT charge"))
    first = Statement(
        "0110001234", "SAME", 1, kes("100000.00"), day, kes("90950.00"), day, (charges[0], payment, charges[1])
    )
    banked.statement("bank", RENDERS[name]((first,)))
    assert _kept(banked) == [(-900_000, "payment"), (-2_500, None), (-2_500, None)]
    back = _entry(later, "9000.00", "credit", reference, "RETURN")
    second = Statement("0110001234", "SAME", 2, kes("90950.00"), later, kes("99950.00"), later, (back,))
    banked.statement("bank", RENDERS[name]((second,)))
    assert _kept(banked)[-1] == (900_000, "return")
    assert banked.leg(FACILITY).state == "returned"
    for again in (first, second):
        banked.statement("bank", RENDERS[name]((again,)))
    assert len(_kept(banked)) == 4
    assert banked.database.read(lambda unit: prove(unit, TENANT, "bank", "KES").unexplained.minor) == 0


def test_an_export_later_the_same_day_brings_only_its_new_lines(world: World) -> None:
    settings = BANK_SETTINGS.model_copy(update={"profile": "kenya_eft", "statement_format": "csv"})
    world.bank = BankRail(world.folder, settings, world.clock)
    head = "Date,Debit,Credit,Balance,Reference,Transaction Id,Narration\n"
    morning = "02/03/2026,25.00,,975.00,,FT1,a\n"
    taken_back = "02/03/2026,,-75.00,900.00,,FT2,deposit taken back\n"
    for rows in (morning, morning + taken_back, morning):
        world.statement("bank", (head + rows).encode())
    assert _kept(world) == [(-7_500, None), (-2_500, None)]


def test_the_line_of_a_return_that_persons_booked_before_is_placed_by_a_person(banked: World) -> None:
    """The bank brings money back and does not say which payment it was."""
    leg, day = banked.leg(FACILITY), date(2026, 3, 4)
    paid = Statement(
        "0110001234", "S1", 1, kes("100000.00"), day, kes("91000.00"), day,
        (_entry(day, "9000.00", "debit", leg.reference),),
    )  # fmt: skip
    banked.statement("bank", camt053.render((paid,), message_id="M1"))
    write = banked.database.write
    write(lambda unit: desk.propose_outcome(unit, person("ann"), leg.reference, "returned", "the bank rang"))
    write(lambda unit: desk.confirm_outcome(banked.settlements, unit, person("ben"), leg.reference, "returned"))
    back = Statement(
        "0110001234", "S2", 2, kes("91000.00"), day, kes("100000.00"), day, (_entry(day, "9000.00", "credit", ""),)
    )
    banked.statement("bank", camt053.render((back,), message_id="M2"))
    ((line, (suggested,)),) = banked.database.read(lambda unit: suggestions(unit, TENANT, "bank"))
    assert suggested.reference == leg.reference
    write(lambda unit: accept(banked.settlements.legs, unit, person("ann"), "bank", line.line_id, leg.reference))
    proof = banked.database.read(lambda unit: prove(unit, TENANT, "bank", "KES"))
    assert [item.what for item in proof.items] == [
        "balance before the first statement",
        "money in, on no statement yet",
    ]
    assert proof.unexplained.minor == 0


def test_a_line_that_cannot_be_the_payment_is_refused_and_stays_open(banked: World) -> None:
    banked.decide(booking("VB2"), "31000.00")
    leg, day = banked.leg(FACILITY, "VB2"), date(2026, 3, 4)
    assert leg.state == "held"
    line = _entry(day, "9000.00", "debit", "")
    found = Statement("0110001234", "S1", 1, kes("9000.00"), day, kes("0.00"), day, (line,))
    banked.statement("bank", camt053.render((found,), message_id="M1"))
    ((line, _),) = banked.database.read(lambda unit: suggestions(unit, TENANT, "bank"))
    with pytest.raises(Incorrect, match="is held"):
        banked.database.write(
            lambda unit: accept(banked.settlements.legs, unit, person("ann"), "bank", line.line_id, leg.reference)
        )
    assert len(banked.database.read(lambda unit: suggestions(unit, TENANT, "bank"))) == 1


def test_a_file_of_another_account_is_refused_wherever_it_comes_from(banked: World) -> None:
    day = date(2026, 3, 4)
    banked.statement("bank", camt053.render((Statement("0110001234", "S1", 1, kes("0.00"), day, kes("0.00"), day, ()),),
                                            message_id="M1"))  # fmt: skip
    other = Statement("0220005678", "S9", 1, kes("0.00"), day, kes("0.00"), day, ())
    with pytest.raises(Incorrect, match="bank is account 0110001234"):
        banked.statement("bank", camt053.render((other,), message_id="M2"))


def test_own_money_is_known_by_its_whole_key_and_a_key_counts_for_one_sum(banked: World) -> None:
    banked.fund("500.00", rail="bank", key="T1")
    banked.fund("500.00", rail="bank", key="T1")
    with pytest.raises(Conflict, match=r"T1 is KES 500\.00 at bank already"):
        banked.fund("700.00", rail="bank", key="T1")
    day = date(2026, 3, 4)
    lines = (_entry(day, "500.00", "credit", "", "own transfer T10"), _entry(day, "500.00", "credit", "", "own, T1."))
    found = Statement("0110001234", "S1", 1, kes("0.00"), day, kes("1000.00"), day, lines)
    banked.statement("bank", camt053.render((found,), message_id="M1"))
    sql = "SELECT used_as FROM bank_line WHERE rail = 'bank' ORDER BY line_id"
    used = banked.database.read(lambda unit: [row[0] for row in unit.rows(sql)])
    assert sorted(used, key=str) == [None, "funding"]
    open_lines = banked.database.read(lambda unit: suggestions(unit, TENANT, "bank"))
    assert ["T10" in line.text for line, _ in open_lines] == [True]
