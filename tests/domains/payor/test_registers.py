"""Two who write reference data at once lose nothing, and what was written wrongly can be taken back."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from kiungo.base.errors import Incorrect, NotFound
from kiungo.domains.payor.imports import csv_file
from kiungo.domains.payor.imports.kinds import build
from kiungo.domains.payor.routes.admin import plan_of
from kiungo.domains.payor.store import members, reference
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from tests.domains.payor.conftest import GUIDE, House

JANE = {"insurance_id": "BC-789-457", "name": "Jane Doe", "family_id": "FAM-789"}
HOLD_S = 0.3


def put(house: House, kind: str, **cells: str) -> Callable[[Unit], None]:
    """A unit that writes one row."""
    rows = ((1, build(kind, cells)),)
    return lambda unit: csv_file.write_rows(house.registers, unit, system_call(1), rows)


def together(house: House, *works: Callable[[Unit], Any]) -> list[Any]:
    """Run units that overlap: each stays open for a while after its work."""
    results: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        def slow(unit: Unit) -> None:
            works[number](unit)
            time.sleep(HOLD_S)

        try:
            results[number] = house.write(slow)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


def covers(house: House, member_id: str) -> list[tuple[str, str]]:
    """A member's covers as plan and first day."""
    found = house.database.read(lambda unit: members.find(unit, 1, member_id))
    assert found is not None
    return [(cover.plan_id, cover.valid_from) for cover in found[0].coverages]


def test_two_benefits_of_one_plan_are_both_kept(house: House) -> None:
    rows = [{"name": "A", "codes": "99213"}, {"name": "B", "codes": "85025"}]
    together(house, *(put(house, "benefits", plan_id="STANDARD", currency="USD", **row) for row in rows))
    plan = house.database.read(lambda unit: reference.find_plan(unit, 1, "STANDARD"))
    assert plan is not None
    assert sorted(benefit.name for benefit in plan.benefits) == ["A", "B"]


def test_two_covers_of_one_member_are_both_kept(house: House) -> None:
    for who in (JANE, {"insurance_id": "NEW-1", "name": "New One"}):
        before = 1 if who is JANE else 0
        works = [
            put(house, "members", plan_id=plan, valid_from=day, **who)
            for plan, day in (("FAMILY-PLUS", "2026-01-01"), ("NATIONAL", "2026-02-01"))
        ]
        together(house, *works)
        assert len(covers(house, who["insurance_id"])) == before + 2


def test_a_plan_and_a_fee_in_other_money_do_not_pass_each_other(house: House) -> None:
    plan = plan_of("KP", {"name": "k", "currency": "KES", "payor_id": "p", "fee_schedule": "SX", "benefits": []})
    fee = put(house, "fees", fee_schedule="SX", code="99213", amount="5.00", currency="USD")
    results = together(house, lambda unit: house.registers.put_plan(unit, system_call(1), plan), fee)
    assert sorted(type(result).__name__ for result in results) == ["Incorrect", "NoneType"]


def test_a_limit_of_money_is_an_amount_in_the_plans_money(house: House) -> None:
    limit = {"plan_id": "STANDARD", "limit_id": "Y", "codes": "99213", "unit": "amount", "period": "year"}
    house.write(put(house, "limits", **limit, most="1000.00", currency="USD"))
    first = house.submit(**GUIDE | {"amount": "1500.00"}).claim_id
    assert house.claim(first)["expected_payment"] == 800
    with pytest.raises(Incorrect, match="currency is required"):
        build("limits", {**limit, "most": "1000"})
    with pytest.raises(Incorrect, match="currency of plan STANDARD is USD"):
        house.write(put(house, "limits", **limit, most="1000", currency="KES"))
    with pytest.raises(Incorrect, match="currency belongs to a limit of amount"):
        build("limits", {**limit, "unit": "visits", "most": "10", "currency": "USD"})


def test_a_cover_that_should_not_have_been_written_is_removed(house: House) -> None:
    house.write(put(house, "members", **JANE, plan_id="STANDARD", valid_from="2026-01-01"))
    assert covers(house, "BC-789-457") == [("STANDARD", "2020-01-01"), ("STANDARD", "2026-01-01")]
    gone = {"insurance_id": "BC-789-457", "plan_id": "STANDARD", "valid_from": "2020-01-01", "remove": "yes"}
    house.write(put(house, "members", **gone))
    assert covers(house, "BC-789-457") == [("STANDARD", "2026-01-01")]
    early = house.submit(**GUIDE | {"insurance_id": "BC-789-457", "patient_name": "Jane Doe"}).claim_id
    assert house.row(early).state == "rejected"
    with pytest.raises(NotFound, match="has no cover under STANDARD from 2020-01-01"):
        house.write(put(house, "members", **gone))
