"""What a correction changes is judged anew, and replacing a claim buys neither time nor a second payment."""

import json
from dataclasses import replace
from typing import Any

import pytest

from kiungo.base.errors import Conflict, Incorrect
from kiungo.base.time import TurnedClock
from kiungo.domains.payor.model import Coverage
from kiungo.domains.payor.store import members
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database
from tests.domains.payor.conftest import GUIDE, House, make_house, person
from tests.domains.payor.test_review import consistent
from tests.domains.payor.test_second_person import paid_above

ANN = person("ann")
CHECKUP: dict[str, Any] = {
    **GUIDE,
    "insurance_id": "BC-200-001",
    "patient_name": "Amina Otieno",
    "procedure_code": "99396",
    "amount": "210.00",
    "date_of_service": "2026-02-20",
}


@pytest.fixture
def turned(stepped_database: Database) -> House:
    return make_house(stepped_database)


def status(house: House, **fields: Any) -> tuple[str, str]:
    answer = house.submit(**{**CHECKUP, **fields})
    return answer.claim_id, json.loads(answer.body)["status"]


def test_a_correction_long_after_a_claim_in_time_is_in_time_for_its_days_only(
    turned: House, clock: TurnedClock
) -> None:
    first, _ = status(turned, amount="200.00")
    clock.turn(days=120)
    second, outcome = status(turned, amount="205.00", replaces=first)
    assert outcome == "approved"
    third, outcome = status(turned, amount="206.00", replaces=second)
    assert outcome == "approved"
    _, outcome = status(turned, amount="206.00", date_of_service="2026-02-21", replaces=third)
    assert outcome == "rejected"
    consistent(turned)


def test_replacing_a_claim_refused_as_late_is_still_late(turned: House, clock: TurnedClock) -> None:
    clock.turn(days=120)
    first, outcome = status(turned)
    assert outcome == "rejected"
    second, outcome = status(turned, replaces=first)
    assert outcome == "rejected"
    assert "Received 130 days after the service" in turned.claim(second)["rejection_reason"]


@pytest.mark.parametrize(
    "correction", [{"other_payer_paid": "100.00"}, {"prior_authorization": "AUTH-123456"}, {"emergency": True}]
)
def test_a_correction_is_not_answered_with_the_claim_it_corrects(house: House, correction: dict[str, Any]) -> None:
    first = house.submit(**GUIDE)
    other = house.submit(**GUIDE, **correction)
    assert (other.status, other.claim_id != first.claim_id) == (201, True)
    again = house.submit(**GUIDE, **correction, replaces=first.claim_id)
    assert again.status == 201
    assert house.claim(first.claim_id)["replaced_by"] == again.claim_id
    assert house.submit(**GUIDE, **correction, replaces=first.claim_id).claim_id == again.claim_id


def test_a_late_repeat_of_a_replaced_claim_is_answered_with_it_and_pays_nothing(house: House) -> None:
    """A queue that was stuck delivers the first version after its correction, twenty percent dearer."""
    first = house.submit(**GUIDE).claim_id
    second = house.submit(**{**GUIDE, "amount": "1000.00"}, replaces=first).claim_id
    late = house.submit(**GUIDE)
    body = json.loads(late.body)
    assert (late.status, late.claim_id, body["claim"]["replaced_by"]) == (200, first, second)
    assert second in body["message"]
    third = house.submit(**{**GUIDE, "amount": "900.00"}, replaces=second).claim_id
    for again in (GUIDE, {**GUIDE, "amount": "1000.00", "replaces": first}):
        assert house.submit(**again).status == 200
    assert [house.claim(one)["void"] for one in (first, second, third)] == [True, True, False]
    consistent(house)


def test_a_repeat_of_a_voided_claim_waits_for_a_person(house: House) -> None:
    first = house.submit(**GUIDE).claim_id
    house.write(lambda unit: house.desk.void(unit, ANN, first, reason="Never happened"))
    again = house.submit(**GUIDE)
    assert (again.status, again.claim_id != first, json.loads(again.body)["status"]) == (201, True, "under_review")
    assert house.claim(again.claim_id)["review_reason"] == "The same claim was voided before"
    assert house.submit(**GUIDE).claim_id == again.claim_id, "one of the content stands"
    assert house.write(lambda unit: house.desk.approve(unit, ANN, again.claim_id)).state == "approved"
    house.write(lambda unit: house.desk.void(unit, ANN, again.claim_id, reason="Nor this"))
    assert json.loads(house.submit(**GUIDE).body)["status"] == "under_review"
    consistent(house)


def test_a_replacement_that_was_voided_leaves_the_question_to_a_person(house: House) -> None:
    first = house.submit(**GUIDE).claim_id
    second = house.submit(**{**GUIDE, "amount": "1000.00"}, replaces=first).claim_id
    house.write(lambda unit: house.desk.void(unit, ANN, second, reason="Never happened"))
    assert json.loads(house.submit(**GUIDE).body)["status"] == "under_review"
    consistent(house)


def test_a_rejected_claim_is_returned_when_repeated_and_judged_anew_when_replaced(house: House) -> None:
    """The claim was right and the member's cover on file was wrong."""
    before = {**GUIDE, "date_of_service": "2019-12-31"}
    first = house.submit(**before)
    assert json.loads(first.body)["status"] == "rejected"
    member = house.database.read(lambda unit: members.find(unit, 1, "BC-789-456"))[0]
    longer = replace(member, coverages=(Coverage("STANDARD", "2019-01-01"),))
    house.write(lambda unit: house.registers.put_member(unit, system_call(1), longer))
    repeated = house.submit(**before)
    assert (repeated.status, repeated.claim_id) == (200, first.claim_id)
    anew = house.submit(**before, replaces=first.claim_id)
    assert (anew.status, json.loads(anew.body)["status"]) == (201, "approved")
    consistent(house)


def test_a_replacement_is_reviewed_with_the_same_place_in_time(turned: House, clock: TurnedClock) -> None:
    first, _ = status(turned, amount="200.00")
    clock.turn(days=120)
    second, _ = status(turned, replaces=first)
    turned.write(lambda unit: turned.desk.reopen(unit, ANN, second, reason="again"))
    assert turned.write(lambda unit: turned.desk.approve(unit, ANN, second)).state == "approved"


def test_a_large_payment_is_replaced_once(house: House) -> None:
    """While its replacement waits for a person the paid claim stands, so nothing may come in between."""
    paid = paid_above(house)
    own = person("own", provider="PROV-001")
    first = house.submit(own, **{**GUIDE, "replaces": paid}).claim_id
    with pytest.raises(Incorrect, match="which still stands"):
        house.submit(own, **{**GUIDE, "amount": "900.00", "replaces": first})
    second = house.submit(own, **{**GUIDE, "amount": "900.00", "replaces": paid}).claim_id
    house.write(lambda unit: house.desk.approve(unit, ANN, first))
    with pytest.raises(Conflict, match=f"was replaced by {first} already"):
        house.write(lambda unit: house.desk.approve(unit, ANN, second))
    consistent(house)
