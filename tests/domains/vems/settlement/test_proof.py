"""The balance proof asks the account's last balance, in whichever order its statements came."""

from datetime import date
from itertools import permutations

import pytest

from kiungo.base.money import Money
from kiungo.domains.vems.reconciliation import service as reconciliation
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.ports.payment import AccountStatement, StatementLine
from tests.domains.vems.settlement.world import TENANT, World

KES = "KES"


@pytest.fixture
def world(stepped_database, clock) -> World:
    from random import Random

    return World(stepped_database, clock, Random(1))


def statement(number: int, opening: int, *amounts: int, day: int = 2) -> AccountStatement:
    on = date(2026, 3, day)
    booked = tuple(
        StatementLine(f"L{number}-{n}", on, Money(amount, KES), (f"unknown {number}",), "somebody", "")
        for n, amount in enumerate(amounts)
    )
    closing = opening + sum(amounts)
    return AccountStatement("1", f"S{number}", Money(opening, KES), Money(closing, KES), on, on, booked)


def ingest(world: World, *statements: AccountStatement) -> None:
    for one in statements:
        world.database.write(
            lambda unit, one=one: reconciliation.ingest(world.settlements.legs, unit, TENANT, "bank", one)
        )


def proved(world: World):
    return world.database.read(lambda unit: prove(unit, TENANT, "bank", KES))


THREE = (statement(1, 1_000, -300), statement(2, 700, 500, -100), statement(3, 1_100, -50))


@pytest.mark.parametrize("order", permutations(range(3)))
def test_statements_of_one_day_are_one_chain(world: World, order: tuple[int, ...]) -> None:
    ingest(world, *(THREE[n] for n in order))
    found = proved(world)
    assert found.statement == Money(1_050, KES)
    assert [item.amount.minor for item in found.items if "before" in item.what] == [-1_000]
    assert found.unexplained.minor == 0


def test_a_later_day_counts_whenever_it_came(world: World) -> None:
    ingest(world, statement(4, 1_050, -50, day=3), *THREE)
    assert proved(world).statement == Money(1_000, KES)
    assert proved(world).unexplained.minor == 0


def test_a_statement_that_is_missing_is_a_difference(world: World) -> None:
    ingest(world, THREE[0], THREE[2])
    found = proved(world)
    assert found.statement == Money(1_050, KES), "of two ends the statement that came last"
    assert found.unexplained.minor == -400, "what the missing one brought"


def test_lines_in_another_currency_are_another_proof(world: World) -> None:
    dollars = Money(700, "USD")
    line = StatementLine("U1", date(2026, 3, 2), dollars, (), "somebody", "")
    other = AccountStatement("2", "U", Money(0, "USD"), dollars, date(2026, 3, 2), date(2026, 3, 2), (line,))
    ingest(world, *THREE, other)
    assert proved(world).unexplained.minor == 0
    assert proved(world).statement == Money(1_050, KES)


def test_more_open_lines_than_are_listed_are_one_more_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "OPEN_MAX", 2)
    ingest(world, statement(1, 0, 10, 20, 30, 40))
    found = proved(world)
    assert [(item.what, item.amount.minor) for item in found.items] == [
        ("line without a payment", -10),
        ("line without a payment", -20),
        ("2 more lines without a payment", -70),
    ]
    assert found.unexplained.minor == 0
