"""`kiungo check`: a row that says another thing than its record is found, and one that does not is left alone."""

import json
from dataclasses import replace

import pytest

from kiungo.domains.payor import payments
from kiungo.domains.payor.checking import Difference, check_claims
from kiungo.domains.payor.store import reference
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from tests.domains.payor.conftest import GUIDE, House, person


def differences(house: House) -> list[Difference]:
    found, _ = house.database.read(
        lambda unit: check_claims(house.payor.repository, house.payor.openings, unit, system_call(1))
    )
    return found


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("paid_minor", 9_999_999),
        ("patient_minor", 1),
        ("state", "rejected"),
        ("plan_id", "FAMILY-PLUS"),
        ("currency", "KES"),
        ("payment_id", "PAY-X"),
        ("voided_us", 1),
        ("booking_no", "VB1"),
        ("provider_claim_id", "other"),
    ],
)
def test_a_column_that_was_changed_is_named(house: House, column: str, value: object) -> None:
    claim_id = house.submit(**GUIDE).claim_id
    assert differences(house) == []
    house.write(lambda unit: unit.execute(f"UPDATE payor_claim SET {column} = ? WHERE claim_id = ?", (value, claim_id)))
    named = [one.what for one in differences(house)]
    assert f"{column} of the row is not what the record says" in named


def test_a_cover_that_is_gone_from_the_record_is_named_and_stops_nothing(house: House) -> None:
    house.submit(**GUIDE)
    other = house.submit(**GUIDE | {"insurance_id": "BC-789-457", "patient_name": "Jane Doe"}).claim_id
    row = house.row(other)
    call, repository = system_call(1), house.payor.repository

    def delete(unit: Unit) -> None:
        benefit = json.loads(repository.read(unit, call, "ExplanationOfBenefit", row.benefit_fhir).body)
        cover = benefit["insurance"][0]["coverage"]["reference"].removeprefix("Coverage/")
        repository.delete(unit, call, "Coverage", cover)

    house.write(delete)
    assert [(one.id, one.what) for one in differences(house)] == [
        (other, "plan_id of the row is not what the record says")
    ]


def test_claims_of_every_state_agree_with_their_record(house: House) -> None:
    paid = house.submit(**GUIDE).claim_id
    house.write(lambda unit: payments.pay(house.payor, unit, person("clerk")))
    waiting = house.submit(**GUIDE | {"procedure_code": "15776"}).claim_id
    house.submit(**GUIDE | {"date_of_service": "2014-01-01"})
    voided = house.submit(**GUIDE | {"date_of_service": "2024-10-09"}).claim_id
    house.write(lambda unit: house.desk.void(unit, person("a"), voided, reason="wrong"))
    house.write(lambda unit: house.desk.void(unit, person("a"), paid, reason="wrong"))
    house.write(lambda unit: house.desk.request_information(unit, person("a"), waiting, question="why?"))
    assert differences(house) == []


def test_a_plan_that_changes_its_words_changes_no_claim(house: House) -> None:
    paid = house.submit(**GUIDE).claim_id
    house.submit(**GUIDE | {"procedure_code": "15776"})
    plan = house.database.read(lambda unit: reference.find_plan(unit, 1, "STANDARD"))
    assert plan is not None
    words = {"payor_id": "PAY002", "review_time": "5 days", "reviewer_contact": "new@payor.example"}
    house.write(lambda unit: house.registers.put_plan(unit, system_call(1), replace(plan, **words)))
    assert differences(house) == []
    house.write(lambda unit: payments.pay(house.payor, unit, person("clerk")))
    assert house.claim(paid)["payor_id"] == "PAY001"
