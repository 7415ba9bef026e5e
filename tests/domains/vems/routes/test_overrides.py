"""Setting a booking by hand: what moves money needs a second person, whichever way it is tried."""

from dataclasses import replace

import pytest

from kiungo.base.errors import Forbidden
from kiungo.base.money import Money
from kiungo.domains.vems import overriding
from kiungo.domains.vems.overriding import Wish
from kiungo.domains.vems.store import bookings
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from tests.domains.vems.cases import CT_AT, body
from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.settlement.world import person

APPROVED = {"reason": "the fund said so", "approvalStatus": "approved"}


def test_nothing_is_paid_on_one_persons_word(office: Office) -> None:
    office.world.fund("100000.00")
    number = office.booked()
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    office.world.settle()
    assert office.world.twin.payments == []
    assert office.get(f"/bookings/{number}/settlements", status=404)
    (proposed,) = [s for s in office.get(f"/bookings/{number}/trail")["data"] if "Proposed to set by hand" in str(s)]
    assert "the fund said so" in str(proposed)
    office.post(f"/bookings/{number}/override/confirm", APPROVED, status=403)
    office.post(f"/bookings/{number}/override/confirm", APPROVED, who="ben")
    office.world.settle()
    assert len(office.world.twin.payments) == 2


def test_money_is_not_taken_back_by_a_detour_over_pending(office: Office) -> None:
    office.world.fund("100000.00")
    number = office.approved()
    office.world.settle()
    back = {"reason": "x", "approvalStatus": "pending"}
    office.post(f"/bookings/{number}/override", back, status=202)
    office.post(f"/bookings/{number}/override/confirm", back, who="ben")
    office.post(f"/bookings/{number}/override", {"reason": "x", "approvalStatus": "rejected"}, status=202)
    assert office.get("/clawbacks")["data"] == []


def test_what_moves_no_money_is_one_persons(office: Office) -> None:
    number = office.booked()
    confirmed = office.post(f"/bookings/{number}/override", {"reason": "x", "bookingStatus": "confirmed"})
    assert confirmed["bookingStatus"] == "confirmed"
    rejected = office.post(f"/bookings/{number}/override", {"reason": "x", "approvalStatus": "rejected"})
    assert (rejected["approvalStatus"], rejected["override"]) == ("rejected", True)


def test_another_proposal_takes_the_place_of_the_first(office: Office) -> None:
    number = office.booked()
    part = {"reason": "y", "approvalStatus": "partially_paid", "approvedAmount": "10000.00"}
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    office.post(f"/bookings/{number}/override", part, status=202)
    office.post(f"/bookings/{number}/override/confirm", APPROVED, who="ben", status=409)
    office.post(f"/bookings/{number}/override/confirm", part | {"approvedAmount": "10000.01"}, who="ben", status=409)
    answer = office.post(f"/bookings/{number}/override/confirm", part, who="ben")
    assert (answer["approvalStatus"], answer["override"]) == ("partially_paid", True)


def test_another_amount_of_what_is_approved_in_part_is_a_correction(office: Office) -> None:
    number = office.booked()
    part = {"reason": "y", "approvalStatus": "partially_paid", "approvedAmount": "10000.00"}
    office.post(f"/bookings/{number}/override", part, status=202)
    office.post(f"/bookings/{number}/override/confirm", part, who="ben")
    refused = office.post(f"/bookings/{number}/override", part | {"approvedAmount": "20000.00"}, status=409)
    assert "correction" in str(refused)


def test_a_proposal_ends_when_the_booking_is_revised(office: Office) -> None:
    """ "Approved" is of what the booking was worth when it was proposed."""
    number = office.booked(services=[{"serviceCode": "F8735", "serviceDate": "2026-03-02T09:00:00.000Z"}])
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    assert office.booked() == number, "revised to two services"
    refused = office.post(f"/bookings/{number}/override/confirm", APPROVED, who="ben", status=409)
    assert "Nobody has proposed" in str(refused)


def test_a_proposal_ends_when_the_booking_is_cancelled(office: Office) -> None:
    number = office.booked()
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    office.post(f"/bookings/{number}/cancel", {"reason": "the patient was discharged"})
    refused = office.post(f"/bookings/{number}/override/confirm", APPROVED, who="ben", status=409)
    assert "Nobody has proposed" in str(refused)


def test_a_long_trail_hides_neither_a_proposal_nor_its_end(office: Office) -> None:
    number = office.booked()

    def busy(unit: Unit) -> None:
        for turn in range(1_001):
            bookings.note(unit, 1, number, "claim.reported", f"turn {turn}", by="the payer")

    office.world.database.write(busy)
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    assert office.world.database.read(lambda unit: overriding.waiting(unit, 1, number)) is not None
    office.booked(services=[{"serviceCode": "F8735", "serviceDate": "2026-03-02T09:00:00.000Z"}])
    office.post(f"/bookings/{number}/override/confirm", APPROVED, who="ben", status=409)


def test_a_proposal_of_long_ago_is_made_again(office: Office) -> None:
    number = office.booked()
    database = office.world.database
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    office.world.clock.turn(seconds=7 * 86_400 + 1)
    assert database.read(lambda unit: overriding.waiting(unit, 1, number)) is None
    refused = office.post(f"/bookings/{number}/override/confirm", APPROVED, who="ben", status=409)
    assert "7 days ago" in str(refused)
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    office.post(f"/bookings/{number}/override/confirm", APPROVED, who="ben")


def test_confirming_nothing_names_the_field(office: Office) -> None:
    number = office.booked()
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    refused = office.post(f"/bookings/{number}/override/confirm", {}, who="ben", status=422)
    assert "bookingStatus" in refused["errors"]


def test_a_rotated_key_is_the_same_person(office: Office) -> None:
    number = office.booked()
    office.post(f"/bookings/{number}/override", APPROVED, status=202)
    desk, database = office.vems.desk, office.world.database
    proposal = database.read(lambda unit: overriding.waiting(unit, 1, number))
    assert proposal is not None
    same = person("ann")
    same = replace(same, principal=replace(same.principal, id=proposal.by_id, scopes=frozenset({"*:*"})))
    with pytest.raises(Forbidden):
        database.write(lambda unit: overriding.confirm(desk, unit, same, number, Wish(approval="approved")))


@pytest.mark.parametrize(("most", "done"), [("31000.00", True), ("30999.99", False)])
def test_the_limit_is_to_the_cent(office: Office, most: str, done: bool) -> None:
    number = office.booked()
    found = office.world.database.write(
        lambda unit: overriding.override(
            office.vems.desk, unit, system_call(1), number, Wish(approval="approved"), reason="the letter",
            alone_max=Money.parse(most, "KES"),
        )
    )  # fmt: skip
    assert found[1] is done


def test_a_booking_that_is_decided_is_not_changed_by_sending_it_again(office: Office) -> None:
    number = office.approved(claimID="fixed")
    one = [{"serviceCode": "F8735", "serviceDate": CT_AT}]
    refused = office.client.post("/hmis/v1/bookings/cost-distribution", json=body(claimID="fixed", services=one))
    assert refused.status_code == 409, refused.text
    assert "it is approved" in refused.text
    assert office.get(f"/bookings/{number}/settlements")["data"][0]["approvedAmount"] == 31_000


def test_a_booking_with_a_delivered_service_is_not_changed_by_sending_it_again(office: Office) -> None:
    number = office.booked(claimID="delivered", paymentMode="cash")
    line = office.client.get(f"/hmis/v1/bookings/{number}").json()["bookedServices"][0]["serviceBookingId"]
    office.post(f"/bookings/{number}/services/{line}/complete")
    one = [{"serviceCode": "F8736", "serviceDate": CT_AT}]
    refused = office.client.post(
        "/hmis/v1/bookings/cost-distribution", json=body(claimID="delivered", paymentMode="cash", services=one)
    )
    assert refused.status_code == 409, refused.text


def services(office: Office, number: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = office.client.get(f"/hmis/v1/bookings/{number}").json()["bookedServices"]
    return found


def test_a_cash_booking_completed_by_hand_settles_like_one_that_was_delivered(office: Office) -> None:
    by_hand, usual = office.booked(paymentMode="cash"), office.booked(paymentMode="cash", claimID="CL-2")
    done = {"reason": "the ward wrote it down on paper", "bookingStatus": "completed"}
    office.post(f"/bookings/{by_hand}/override", done, status=202)
    assert office.get(f"/bookings/{by_hand}/settlements", status=404)
    office.post(f"/bookings/{by_hand}/override/confirm", done, who="ben")
    for service in services(office, usual):
        office.post(f"/bookings/{usual}/services/{service['serviceBookingId']}/complete")
    office.world.settle()
    settled = [office.get(f"/bookings/{number}/settlements")["data"] for number in (by_hand, usual)]
    money = [[(one["approvedAmount"], one["settlementStatus"]) for one in some] for some in settled]
    assert money[0] == money[1] != []
    assert {one["serviceStatus"] for one in services(office, by_hand)} == {"completed"}


def test_completing_a_payers_booking_by_hand_moves_no_money(office: Office) -> None:
    number = office.booked()
    office.post(f"/bookings/{number}/override", {"reason": "x", "bookingStatus": "completed"})
    assert office.get(f"/bookings/{number}/settlements", status=404)
