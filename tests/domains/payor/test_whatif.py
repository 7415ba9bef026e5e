"""Past claims under another plan: the differences, and nothing written."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kiungo.base.errors import Incorrect, NotFound
from kiungo.base.money import Money
from kiungo.domains.payor import whatif
from kiungo.domains.payor.book import Fee
from kiungo.domains.payor.snapshot import Reference
from kiungo.domains.payor.whatif import Comparison, changed_plan, compare
from kiungo.kernel.auth import system_call
from tests.domains.payor.cases import SNAPSHOT
from tests.domains.payor.conftest import GUIDE, House, person

STANDARD = SNAPSHOT.plans["STANDARD"].plan
FAMILY_PLUS = SNAPSHOT.plans["FAMILY-PLUS"].plan


def run(house: House, plan_id: str, **changes: str) -> Comparison:
    plan = house.database.read(lambda unit: house.payor.openings.snapshot(unit, 1)).plans[plan_id].plan
    return compare(
        house.database, house.payor.openings, house.payor.repository, system_call(1), changed_plan(plan, changes)
    )


def test_a_higher_coinsurance_moves_money_to_the_patient_and_writes_nothing(house: House) -> None:
    ids = [house.submit(**{**GUIDE, "amount": amount}).claim_id for amount in ("1250.00", "150.00")]
    before = [house.value(f"SELECT COUNT(*) FROM {table}") for table in ("audit", "outbox", "payor_entry")]
    found = run(house, "STANDARD", coinsurance_percent="30")
    assert [changed.claim_id for changed in found.changed] == ids
    assert (found.claims, found.paid_now, found.paid_then) == (2, 112_000, 98_000)
    assert (found.patient_now, found.patient_then) == (28_000, 42_000)
    after = [house.value(f"SELECT COUNT(*) FROM {table}") for table in ("audit", "outbox", "payor_entry")]
    assert before == after


def test_no_change_makes_no_difference(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whatif, "CLAIMS_A_PAGE", 2)
    visit: dict[str, Any] = {**GUIDE, "insurance_id": "BC-200-001", "date_of_service": None}
    for number in range(5):
        house.submit(**{**visit, "provider_claim_id": str(number), "modifiers": ["76"], "amount": "110.00"})
    found = run(house, "FAMILY-PLUS")
    assert (found.claims, found.changed) == (5, [])


def test_the_deductible_is_met_anew_in_each_world(house: House) -> None:
    visit: dict[str, Any] = {**GUIDE, "insurance_id": "BC-200-001", "amount": "110.00"}
    today = datetime.now(UTC).date()
    ten_days_ago = today - timedelta(days=10)  # five days of one year, lately
    first = ten_days_ago if ten_days_ago.year == today.year else date(today.year - 1, 12, 20)
    for number in range(5):
        house.submit(**{**visit, "date_of_service": (first + timedelta(days=number)).isoformat()})
    found = run(house, "FAMILY-PLUS", deductible_member="110.00")
    # Five visits of 110.00: now four meet the deductible and 60.00 of the fifth; then only the first.
    # What is above the deductible costs a copay of 25.00 and ten percent of the rest.
    assert found.patient_now == 50_000 + 2_500 + 250
    assert found.patient_then == 11_000 + 4 * (2_500 + 850)
    assert len(found.changed) == 4


def test_what_people_decided_stays_decided(house: House) -> None:
    claim_id = house.submit(**{**GUIDE, "procedure_code": "15776", "amount": "5000.00"}).claim_id
    house.write(lambda unit: house.desk.approve(unit, person("ann"), claim_id, allowed_total="3000.00"))
    found = run(house, "STANDARD", coinsurance_percent="50")
    assert (found.paid_now, found.paid_then) == (240_000, 150_000)


def test_another_fee_schedule_brings_its_fees(house: House) -> None:
    house.submit(**{**GUIDE, "amount": "110.00"})
    fee = Reference("NEW-FEES", Fee("99213", Money.parse("50.00", "USD")))
    house.write(lambda unit: house.registers.put_items(unit, system_call(1), [fee]))
    found = run(house, "STANDARD", fee_schedule="NEW-FEES")
    assert (found.paid_now, found.paid_then) == (8_800, 4_000)
    for schedule, problem in (("GONE", "has no fees"), ("NATIONAL-TARIFF-2024", "has fees in KES, not in USD")):
        with pytest.raises(Incorrect, match=problem):
            run(house, "STANDARD", fee_schedule=schedule)


@pytest.mark.parametrize("change", [{"currency": "KES"}, {"plan_id": "OTHER"}])
def test_what_a_plan_cannot_change_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Incorrect, match="cannot change"):
        changed_plan(STANDARD, change)


def test_a_wrong_change_is_named(house: House) -> None:
    with pytest.raises(Incorrect, match="coinsurance_percent"):
        changed_plan(STANDARD, {"coinsurance_percent": "120"})
    with pytest.raises(Incorrect, match="coinsurence"):
        changed_plan(STANDARD, {"coinsurence": "20"})
    with pytest.raises(NotFound):
        compare(
            house.database,
            house.payor.openings,
            house.payor.repository,
            system_call(1),
            replace(STANDARD, plan_id="GONE"),
        )


def test_a_plan_survives_the_way_through_its_columns() -> None:
    for plan in (STANDARD, FAMILY_PLUS, SNAPSHOT.plans["NATIONAL"].plan):
        assert changed_plan(plan, {}) == plan
