"""Money that came in for a booking: a statement line is said to be it, once, and what waited is paid out."""

from typing import Any

import pytest

from kiungo.base.money import Money
from tests.domains.vems.cases import CT_AT
from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.routes.test_statements import camt, statement, upload
from tests.domains.vems.settlement.world import FACILITY, VENDOR

REMIT = "/rails/bank/remittances"


def delivered(office: Office, mode: str) -> str:
    """A booking of a mode without a claim whose service was delivered."""
    services = [{"serviceCode": "F8735", "serviceDate": CT_AT}]
    number = office.booked(paymentMode=mode, services=services, claimID=f"paid-by-{mode}")
    line = office.client.get(f"/hmis/v1/bookings/{number}").json()["bookedServices"][0]["serviceBookingId"]
    office.post(f"/bookings/{number}/services/{line}/complete")
    return number


def line_ids(office: Office) -> list[str]:
    return [line["lineId"] for line in office.get("/rails/bank/queue")["data"]]


def settled(office: Office, number: str) -> Any:
    return office.get(f"/bookings/{number}/settlements")["data"][0]


@pytest.mark.parametrize(
    ("mode", "minor", "payees"), [("cash", 1_050_000, {VENDOR}), ("mpesa", 1_500_000, {VENDOR, FACILITY})]
)
def test_what_was_collected_is_paid_out_when_its_line_is_named(
    office: Office, mode: str, minor: int, payees: set[str]
) -> None:
    office.world.fund("100000.00")
    number = delivered(office, mode)
    assert (settled(office, number)["settlementStatus"], settled(office, number)["legs"]) == ("waiting", [])
    upload(office, camt(statement((minor, "", "HARBOUR COUNTY HOSPITAL"))))
    (line,) = line_ids(office)
    found = office.post(REMIT, {"lineId": line, "settlementNo": number})["data"]
    assert (found["remittedAmount"], {leg["payee"] for leg in found["legs"]}) == (minor / 100, payees)
    office.world.settle()
    assert settled(office, number)["settlementStatus"] == "settled"
    assert line_ids(office) == []
    office.post(REMIT, {"lineId": line, "settlementNo": number}, status=409)
    assert office.get("/rails/bank/proof")["data"]["unexplained"] == 0
    assert settled(office, number)["remittedAmount"] == minor / 100


def test_money_the_payer_told_of_is_not_booked_twice(office: Office) -> None:
    number = office.approved()
    whole = Money(3_100_000, "KES")
    office.world.database.write(
        lambda unit: office.world.settlements.remit(unit, 1, number, rail="bank", amount=whole, key=f"{number}/3100000")
    )
    upload(office, camt(statement((3_100_000, "", "SHA"))))
    before = office.get("/rails/bank/proof")["data"]
    assert len(before["items"]) == 2, "money on no statement, and a line without a payment"
    (line,) = line_ids(office)
    assert office.post(REMIT, {"lineId": line, "settlementNo": number})["data"]["remittedAmount"] == 31_000
    proof = office.get("/rails/bank/proof")["data"]
    assert (proof["items"], proof["books"], proof["unexplained"]) == ([], 31_000, 0)


def test_money_the_payer_told_of_and_the_bank_cut_otherwise_is_booked_once(office: Office) -> None:
    number = office.approved()
    whole = Money(3_100_000, "KES")
    office.world.database.write(
        lambda unit: office.world.settlements.remit(unit, 1, number, rail="bank", amount=whole, key=f"{number}/1:31000")
    )
    upload(office, camt(statement((1_000_000, "", "SHA"), (2_150_000, "", "SHA"))))
    first, second = sorted(line_ids(office), key=lambda line: line_amount(office, line))
    office.post(REMIT, {"lineId": first, "settlementNo": number})
    proof = office.get("/rails/bank/proof")["data"]
    assert (proof["books"], proof["unexplained"]) == (31_000, 0)
    assert {item["amount"] for item in proof["items"]} == {21_000, -21_500}
    office.post(REMIT, {"lineId": second, "settlementNo": number})
    proof = office.get("/rails/bank/proof")["data"]
    assert (proof["items"], proof["books"], proof["unexplained"]) == ([], 31_500, 0)
    assert settled(office, number)["remittedAmount"] == 31_000
    assert office.world.balance("suspense") == -50_000, "more came than was told and owed"


def line_amount(office: Office, line: str) -> float:
    """What a line in the queue comes to."""
    return next(found["amount"] for found in office.get("/rails/bank/queue")["data"] if found["lineId"] == line)


def test_what_cannot_be_a_remittance_is_refused(office: Office) -> None:
    number = delivered(office, "cash")
    upload(office, camt(statement((-700, "", "CHARGES"))))
    (line,) = line_ids(office)
    assert "cannot be taken back" in office.post(REMIT, {"lineId": line, "settlementNo": number}, status=400)["message"]
    office.post(REMIT, {"lineId": line, "settlementNo": "VB0"}, status=404)
    office.post(REMIT, {"lineId": "none", "settlementNo": number}, status=404)
    office.post("/rails/visa/remittances", {"lineId": line, "settlementNo": number}, status=404)
    office.post(REMIT, {"lineId": 7}, status=422)
    assert settled(office, number)["remittedAmount"] == 0
    assert line_ids(office) == [line]


def test_a_line_of_money_the_payer_took_back_makes_it_owe_again(office: Office) -> None:
    office.world.fund("100000.00")
    number = delivered(office, "mpesa")
    upload(office, camt(statement((1_500_000, "", "J KAMAU"), (-500_000, "", "REVERSED"))))
    first, back = sorted(line_ids(office), key=lambda line: -line_amount(office, line))
    office.post(REMIT, {"lineId": first, "settlementNo": number})
    found = office.post(REMIT, {"lineId": back, "settlementNo": number})["data"]
    assert found["remittedAmount"] == 10_000
    proof = office.get("/rails/bank/proof")["data"]
    assert (proof["items"], proof["books"], proof["unexplained"]) == ([], 10_000, 0)
    office.post(REMIT, {"lineId": back, "settlementNo": number}, status=409)
