"""Banks' own habits: one reference for a payment, its charge and its return; the same id on every statement."""

from collections.abc import Callable
from datetime import date

import pytest

from kiungo.connectors.bank_eft.connector import BankRail
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.formats.bank_statements import camt053, mt940
from kiungo.formats.bank_statements.model import Entry, Part, Statement
from tests.domains.vems.settlement.world import BANK, BANK_SETTINGS, FACILITY, TENANT, World, booking, kes

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
