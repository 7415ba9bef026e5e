"""The same claim in another dress: no date, another date, another sum, another member, or after a person refused it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from kiungo.base.time import TurnedClock
from kiungo.domains.payor import payments
from kiungo.kernel.database import Database
from tests.domains.payor.conftest import GUIDE, House, make_house, person

UNDATED = {name: value for name, value in GUIDE.items() if name != "date_of_service"}
NUMBERED = GUIDE | {"provider_claim_id": "INV-77"}
LATELY = {"date_of_service": (datetime.now(UTC) - timedelta(days=5)).date().isoformat()}
JANE = {"insurance_id": "BC-789-457", "patient_name": "Jane Doe"}
AMINA = {"insurance_id": "BC-200-001", "patient_name": "Amina Otieno"} | LATELY


@pytest.fixture
def evening(stepped_database: Database, clock: TurnedClock) -> House:
    """A payor two seconds before midnight."""
    now = clock.now()
    clock.turn(seconds=int((now.replace(hour=23, minute=59, second=58) - now).total_seconds()))
    return make_house(stepped_database)


def state(house: House, **fields: object) -> str:
    """What becomes of a claim."""
    return house.row(house.submit(**fields).claim_id).state


class TestWithoutADate:
    def test_a_claim_sent_again_after_midnight_is_the_same(self, evening: House, clock: TurnedClock) -> None:
        first = evening.submit(**UNDATED)
        clock.turn(seconds=5)
        again = evening.submit(**UNDATED)
        assert (again.status, again.claim_id) == (200, first.claim_id)
        paid = evening.write(lambda unit: payments.pay(evening.payor, unit, person("clerk")))
        assert [payment.amount.text() for payment in paid.payments] == ["1000.00"]

    def test_the_next_days_visit_is_another_claim(self, evening: House, clock: TurnedClock) -> None:
        first = evening.submit(**UNDATED)
        clock.turn(seconds=14 * 3_600)
        assert evening.submit(**UNDATED).claim_id != first.claim_id

    def test_yesterdays_visit_that_was_dated_is_another_than_todays(self, evening: House, clock: TurnedClock) -> None:
        dated = evening.submit(**UNDATED, date_of_service=clock.now().date().isoformat())
        assert evening.submit(**UNDATED).claim_id == dated.claim_id  # on the day itself they say the same
        clock.turn(seconds=5)
        assert evening.submit(**UNDATED).status == 201

    def test_a_line_that_was_dated_keeps_its_day(self, evening: House, clock: TurnedClock) -> None:
        lines = [
            {"procedure_code": "99213", "amount": "50.00", "date_of_service": "2024-10-03"},
            {"procedure_code": "85025", "amount": "20.00"},
        ]
        stated = {name: UNDATED[name] for name in UNDATED if name != "procedure_code"} | {"amount": "70.00"}
        first = evening.submit(**stated, lines=lines)
        clock.turn(seconds=5)
        assert evening.submit(**stated, lines=lines).claim_id == first.claim_id


class TestTheProvidersOwnNumber:
    @pytest.mark.parametrize(
        "change",
        [{"date_of_service": "2024-10-04"}, {"amount": "1400.00"}, {"procedure_code": "99214"}, JANE, AMINA],
    )
    def test_the_number_on_another_claim_is_asked_about(self, house: House, change: dict[str, str]) -> None:
        first = house.submit(**NUMBERED).claim_id
        second = house.submit(**NUMBERED | change).claim_id
        assert house.row(second).state == "under_review"
        assert house.claim(second)["review_reason"] == "The provider's own number is on file already"
        assert house.write(lambda unit: house.desk.approve(unit, person("a"), second)).state == "approved"
        assert house.row(first).state == "approved"

    def test_another_providers_number_says_nothing(self, house: House) -> None:
        house.submit(**NUMBERED)
        other = {"provider_id": "PROV-002", "date_of_service": "2024-10-04"}
        assert state(house, **NUMBERED | other) == "approved"

    def test_a_correction_names_what_it_replaces_and_is_not_asked_about(self, house: House) -> None:
        first = house.submit(**NUMBERED).claim_id
        second = house.submit(**NUMBERED | {"amount": "1400.00"}, replaces=first).claim_id
        third = house.submit(**NUMBERED | {"amount": "1500.00"}, replaces=second).claim_id
        assert house.row(third).state == "approved"

    def test_what_a_rule_rejected_may_come_again_in_a_better_form(self, house: House) -> None:
        early = NUMBERED | {"date_of_service": "2014-01-01"}
        assert state(house, **early) == "rejected"
        assert state(house, **NUMBERED) == "approved"

    def test_eight_members_under_one_number_at_once_are_asked_about_but_one(self, house: House) -> None:
        people = [{}, JANE, AMINA] * 3
        claims = [NUMBERED | {"date_of_service": f"2024-10-0{day + 1}"} | who for day, who in enumerate(people[:8])]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda one: house.submit(**one), claims))
        states = {answer.claim_id: house.row(answer.claim_id).state for answer in answers}
        assert len(states) == 7  # Amina's are of one day, and so one claim
        assert sorted(states.values()) == ["approved", *["under_review"] * 6]


class TestWhatAPersonRefused:
    def test_a_claim_a_person_rejected_does_not_pass_under_another_number(self, house: House) -> None:
        first = house.submit(**NUMBERED).claim_id
        house.write(lambda unit: house.desk.reopen(unit, person("a"), first, reason="doubted"))
        house.write(lambda unit: house.desk.reject(unit, person("a"), first, reason="never given"))
        again = house.submit(**NUMBERED | {"provider_claim_id": "INV-78"}).claim_id
        assert house.row(again).state == "under_review"
        assert house.claim(again)["review_reason"] == "Possible duplicate of a claim already on file"
        renamed = NUMBERED | {"date_of_service": "2024-10-05"}
        assert state(house, **renamed) == "under_review"

    def test_naming_the_rejected_claim_as_replaced_does_not_help(self, house: House) -> None:
        first = house.submit(**NUMBERED).claim_id
        house.write(lambda unit: house.desk.reopen(unit, person("a"), first, reason="doubted"))
        house.write(lambda unit: house.desk.reject(unit, person("a"), first, reason="never given"))
        assert state(house, **NUMBERED | {"notes": "please"}, replaces=first) == "under_review"

    def test_a_claim_a_person_voided_does_not_pass_under_another_number(self, house: House) -> None:
        first = house.submit(**NUMBERED).claim_id
        house.write(lambda unit: house.desk.void(unit, person("a"), first, reason="withdrawn"))
        assert state(house, **NUMBERED | {"provider_claim_id": "INV-78"}) == "under_review"

    def test_refused_services_use_up_no_units_and_come_back_with_the_decision(self, house: House) -> None:
        counts = GUIDE | {"procedure_code": "85025", "units": 2, "amount": "40.00"}
        first = house.submit(**counts).claim_id
        house.write(lambda unit: house.desk.reopen(unit, person("a"), first, reason="doubted"))
        house.write(lambda unit: house.desk.reject(unit, person("a"), first, reason="not these"))
        other = house.submit(**counts | {"amount": "90.00", "provider_id": "PROV-002"}).claim_id
        assert house.row(other).state == "approved"
        house.write(lambda unit: house.desk.void(unit, person("a"), other, reason="to try the first again"))
        house.write(lambda unit: house.desk.reopen(unit, person("a"), first, reason="it was given"))
        house.write(lambda unit: house.desk.approve(unit, person("a"), first))
        assert house.value("SELECT units FROM payor_service WHERE claim_id = ? AND refused = 0", first) == 2


def test_a_line_of_which_a_reviewer_allowed_nothing_uses_up_no_units(house: House) -> None:
    counts = GUIDE | {"procedure_code": "85025", "units": 2, "amount": "40000.00"}
    first = house.submit(**counts).claim_id
    assert house.row(first).state == "under_review"
    house.write(lambda unit: house.desk.approve(unit, person("a"), first, allowed={1: "0.00"}))
    other = house.submit(**counts | {"amount": "40.00"}).claim_id
    assert house.row(other).state == "approved"
