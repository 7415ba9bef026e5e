"""Claims for booked equipment: each booking pays once, whoever asks and however many at a time."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kiungo.base.errors import Conflict, Incorrect
from kiungo.base.money import Money
from kiungo.domains.payor.payments import pay
from kiungo.kernel.database import Database, Unit
from kiungo.ports.bookings import BookedService, Booking
from tests.domains.payor.conftest import House, make_house, person

ANN = person("ann")
SCAN = {
    "patient_name": "John Kamau Mwangi",
    "insurance_id": "CR1234567",
    "diagnosis_code": "CA40.0",
    "procedure_code": "F8735",
    "amount": "15000.00",
    "provider_id": "PROV-004",
    "booking_no": "VB673D4F2A1B3E",
}


class Ledger:
    """Whoever keeps the bookings; one booking is enough."""

    def find(self, unit: Unit, tenant: int, booking_no: str) -> Booking | None:
        unit.value("SELECT 1")
        if (tenant, booking_no) != (1, SCAN["booking_no"]):
            return None
        amount = Money(1_500_000, "KES")
        services = (BookedService("F8735", amount),)
        return Booking(booking_no, "CR1234567", "FID-32-121583-3", live=True, services=services, total=amount)


@pytest.fixture
def house(database: Database) -> House:
    return make_house(database, bookings=Ledger())


def status(answer: Any) -> str:
    return json.loads(answer.body)["status"]


def test_a_booked_scan_is_approved_and_found_by_its_booking(house: House) -> None:
    answer = house.submit(**SCAN)
    body = json.loads(answer.body)
    assert (body["status"], body["claim"]["booking_no"]) == ("approved", SCAN["booking_no"])
    assert house.claim(answer.claim_id)["currency"] == "KES"


def test_a_second_claim_of_a_booking_is_rejected_and_the_same_one_returned(house: House) -> None:
    first = house.submit(**SCAN)
    assert house.submit(**SCAN).claim_id == first.claim_id
    second = house.submit(**{**SCAN, "provider_claim_id": "again"})
    assert json.loads(second.body)["claim"]["rejection_reason"] == f"Booking {SCAN['booking_no']} was already claimed"


def test_reopening_beside_another_claim_of_the_booking_leaves_one(house: House) -> None:
    first = house.submit(**{**SCAN, "amount": "14000.00"}).claim_id
    house.write(lambda unit: house.desk.reject(unit, ANN, first, reason="wrong sum"))
    held, results = threading.Event(), {}

    def reopen() -> None:
        def slow(unit: Unit) -> str:
            row = house.desk.reopen(unit, ANN, first, reason="look")
            held.set()
            time.sleep(0.5)
            return row.state

        results["reopen"] = house.write(slow)

    thread = threading.Thread(target=reopen)
    thread.start()
    held.wait(10)
    second = house.submit(**SCAN)
    thread.join(20)
    assert (results, status(second)) == ({"reopen": "under_review"}, "rejected")


def test_a_person_cannot_pay_a_booking_twice_either(house: House) -> None:
    first = house.submit(**SCAN)
    second = house.submit(**{**SCAN, "provider_claim_id": "again"}).claim_id
    with pytest.raises(Conflict, match="was claimed by"):
        house.write(lambda unit: house.desk.reopen(unit, ANN, second, reason="look"))
    house.write(lambda unit: house.desk.void(unit, ANN, first.claim_id, reason="wrong"))
    house.write(lambda unit: house.desk.reopen(unit, ANN, second, reason="look"))
    house.write(lambda unit: house.desk.approve(unit, ANN, second))
    assert house.claim(second)["status"] == "approved"


def test_what_differs_from_the_booking_waits_for_a_person(house: House) -> None:
    body = json.loads(house.submit(**{**SCAN, "amount": "14000.00"}).body)
    assert (body["status"], body["claim"]["review_reason"]) == ("under_review", "The claim differs from its booking")


def test_without_anybody_who_keeps_bookings_such_a_claim_is_refused(database: Database) -> None:
    bare = make_house(database)
    with pytest.raises(Incorrect, match="booking_no"):
        bare.submit(**SCAN)


def test_of_eight_claims_at_once_for_one_booking_one_is_approved(house: House) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: house.submit(**{**SCAN, "provider_claim_id": str(n)}), range(8)))
    assert sorted(status(answer) for answer in answers) == ["approved"] + ["rejected"] * 7


def test_two_payment_runs_at_once_pay_once(house: House) -> None:
    house.submit(**SCAN)

    def run(_number: int) -> int:
        try:
            return sum(p.amount_minor for p in house.write(lambda unit: pay(house.payor, unit, ANN)).payments)
        except Conflict:
            return 0

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(4))) == 1_500_000
    assert house.value("SELECT COUNT(*) FROM payor_payment") == 1
