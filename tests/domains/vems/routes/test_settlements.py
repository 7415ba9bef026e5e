"""Settlements and the desk of payments over HTTP: lists, one with its postings, and decisions by two persons."""

from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key, rotate_key
from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.settlement.world import FACILITY, VENDOR, booking


def unknown_leg(office: Office) -> str:
    """A payment whose order was lost on the way; nobody knows whether it arrived."""
    office.world.fund("100000.00")
    office.world.twin.faults.plan("lost_request", times=2)
    office.approved()
    office.world.settle()
    (leg, _) = office.get("/legs", legStatus="unknown")["data"]
    return leg["reference"]


def test_a_settlement_shows_shares_payments_and_postings_to_the_cent(office: Office) -> None:
    office.world.fund("100000.00")
    number = office.approved()
    office.world.settle()
    (listed,) = office.get("/settlements")["data"]
    assert (listed["settlementNo"], listed["settlementStatus"]) == (number, "settled")
    assert listed["approvedAmount"] == 31000.00
    shown = office.get(f"/settlements/{number}")["data"]
    assert {(leg["payee"], leg["amount"], leg["legStatus"]) for leg in shown["legs"]} == {
        (VENDOR, 21000.00, "posted"), (FACILITY, 9000.00, "posted"),
    }  # fmt: skip
    assert {leg["destination"]["number"] for leg in shown["legs"]} == {"**0200", "********5678"}
    decision = shown["postings"][0]["postings"]
    assert sum(posting["amount"] for posting in decision) == 31000.00
    assert office.get(f"/bookings/{number}/settlements")["data"] == [shown]


def test_filters_and_pages(office: Office) -> None:
    numbers = [office.approved(claimID=f"C-{n}") for n in range(3)]
    office.world.clock.turn(seconds=60)
    numbers.append(office.approved(claimID="C-late"))
    first = office.get("/settlements", limit=3)
    rest = office.get("/settlements", limit=3, cursor=first["next"])
    assert first["data"][0]["bookingNo"] == numbers[3], "newest first"
    assert {one["bookingNo"] for one in first["data"] + rest["data"]} == set(numbers)
    assert (len(rest["data"]), rest["next"]) == (1, None)
    assert len(office.get("/settlements", settlementStatus="waiting", facility=FACILITY)["data"]) == 4
    for nothing in ({"settlementStatus": "settled"}, {"facility": "FID-0"}, {"payee": "V0"}, {"paymentMode": "cash"}):
        assert office.get("/settlements", **nothing)["data"] == []
    assert len(office.get("/settlements", bookingNo=numbers[0])["data"]) == 1
    legs = office.get("/legs", legStatus="waiting", limit=5)
    assert len(legs["data"]) == 5
    assert len(office.get("/legs", legStatus="waiting", limit=5, cursor=legs["next"])["data"]) == 3
    assert "float at mpesa" in legs["data"][0]["reason"]


def test_parts_of_a_booking_are_found_by_their_own_number(office: Office) -> None:
    office.world.decide(booking("VB0011223344AA/C"), "31000.00")
    assert office.get("/settlements/VB0011223344AA/C")["data"]["bookingNo"] == "VB0011223344AA"
    assert len(office.get("/bookings/VB0011223344AA/settlements")["data"]) == 1
    assert "Nothing is settled" in office.get("/bookings/VB0000000000/settlements", status=404)["message"]


def test_two_persons_close_an_unknown_payment_and_it_is_paid_again(office: Office) -> None:
    one = f"/legs/{unknown_leg(office)}"
    office.post(f"{one}/confirm", {"outcome": "failed"}, status=409)
    proposed = office.post(f"{one}/propose", {"outcome": "failed", "evidence": "call 123 with the rail"})["data"]
    assert (proposed["proposedOutcome"], proposed["legStatus"]) == ("failed", "unknown")
    refused = office.post(f"{one}/confirm", {"outcome": "failed"}, status=403)
    assert refused["error"] == "Ask a colleague"
    office.post(f"{one}/confirm", {"outcome": "paid"}, who="ben", status=409)
    closed = office.post(f"{one}/confirm", {"outcome": "failed"}, who="ben")["data"]
    assert (closed["legStatus"], closed["reason"]) == ("failed", "closed by ann and ben (desk)")
    assert [(step["what"], step["by"]) for step in closed["steps"]][-2:] == [
        ("proposed_failed", "ann"), ("failed", "system"),
    ]  # fmt: skip
    again = office.post(f"{one}/pay-again", status=201)["data"]
    assert again["legStatus"] == "held"
    office.world.settle()
    assert office.get(f"/legs/{again['reference']}")["data"]["legStatus"] == "posted"
    office.post(f"{one}/pay-again", status=409)


def test_a_rotated_key_is_the_same_person(office: Office) -> None:
    one, call = f"/legs/{unknown_leg(office)}", system_call(1)
    write = office.world.database.write
    key, text = write(lambda unit: create_key(unit, call, name="carl", roles=("settlement_officer",)))
    office.people["carl"] = {"X-API-Key": text}
    office.post(f"{one}/propose", {"outcome": "paid", "evidence": "their statement"}, who="carl")
    _, rotated = write(lambda unit: rotate_key(unit, call, key.id, overlap_s=60))
    office.people["carl again"] = {"X-API-Key": rotated}
    office.post(f"{one}/confirm", {"outcome": "paid"}, who="carl again", status=403)
    assert office.get(one)["data"]["legStatus"] == "unknown"
    assert office.post(f"{one}/confirm", {"outcome": "paid"}, who="ben")["data"]["legStatus"] == "posted"


def test_a_paid_one_that_came_back_is_reversed_by_two_persons(office: Office) -> None:
    office.world.fund("100000.00")
    office.approved()
    office.world.settle()
    before = office.get("/rails")["data"]
    reference = office.get("/legs", payee=VENDOR)["data"][0]["reference"]
    sent = {"outcome": "returned", "evidence": "credit note 7"}
    office.post(f"/legs/{reference}/propose", sent)
    back = office.post(f"/legs/{reference}/confirm", {"outcome": "returned"}, who="ben")["data"]
    assert back["legStatus"] == "returned"
    floats = {one["rail"]: one["float"] for one in office.get("/rails")["data"]}
    assert floats["mpesa"] == {one["rail"]: one["float"] for one in before}["mpesa"] + 21000.00
    assert office.get("/settlements")["data"][0]["settlementStatus"] == "attention"


def test_what_waits_is_released_once_there_is_money_and_what_left_is_not(office: Office) -> None:
    office.approved()
    (leg, _) = office.get("/legs")["data"]
    assert office.post(f"/legs/{leg['reference']}/release")["data"]["legStatus"] == "waiting"
    office.post("/rails/mpesa/fundings", {"key": "F1", "amount": "50000.00"})
    assert office.post("/rails/mpesa/fundings", {"key": "F1", "amount": "50000.00"})["data"]["float"] == 50000.00
    assert office.post(f"/legs/{leg['reference']}/release")["data"]["legStatus"] == "held"
    office.world.settle()
    office.post(f"/legs/{leg['reference']}/release", status=409)
    assert office.get("/settlements")["data"][0]["settlementStatus"] == "settled"


def test_a_correction_by_two_persons_claims_back_what_was_paid(office: Office) -> None:
    office.world.fund("100000.00")
    number = office.approved()
    office.world.settle()
    one = f"/bookings/{number}/corrections"
    office.post(f"{one}/confirm", {"approvedAmount": 10000}, status=409)
    office.post(one, {"approvedAmount": "10000.00", "reason": "the MRI was not done"})
    office.post(f"{one}/confirm", {"approvedAmount": "10000.00"}, status=403)
    office.post(f"{one}/confirm", {"approvedAmount": "9999.00"}, who="ben", status=409)
    office.world.clock.turn(seconds=7 * 86_400 + 1)
    late = office.post(f"{one}/confirm", {"approvedAmount": "10000.00"}, who="ben", status=409)
    assert "7 days ago" in str(late)
    office.post(one, {"approvedAmount": "10000.00", "reason": "the MRI was not done"})
    corrected = office.post(f"{one}/confirm", {"approvedAmount": "10000.00"}, who="ben")
    assert corrected["approvalStatus"] == "partially_paid"
    owed = {claim["payee"]: claim["openAmount"] for claim in office.get("/clawbacks", open="true")["data"]}
    first = office.get("/clawbacks", limit=1)
    rest = office.get("/clawbacks", limit=1, cursor=first["next"])
    assert {claim["payee"] for claim in first["data"] + rest["data"]} == {VENDOR, FACILITY}
    assert rest["next"] is None
    shares = {share["payee"]: share["owedAmount"] for share in office.get("/settlements")["data"][0]["shares"]}
    assert sum(shares.values()) == 10000.00
    assert owed == {VENDOR: round(21000 - shares[VENDOR], 2), FACILITY: round(9000 - shares[FACILITY], 2)}
    office.post(f"{one}/confirm", {"approvedAmount": "10000.00"}, who="ben", status=409)
    texts = [line["text"] for line in office.get(f"/bookings/{number}/trail")["data"]]
    assert any("by ann and ben: the MRI was not done" in text for text in texts)
    office.post(one, {"approvedAmount": "31000.01", "reason": "more"}, status=422)


def test_the_trail_has_every_step_message_and_posting_in_order(office: Office) -> None:
    office.world.fund("100000.00")
    number = office.approved()
    office.world.settle()
    trail = office.get(f"/bookings/{number}/trail")["data"]
    assert [line["at"] for line in trail] == sorted(line["at"] for line in trail)
    kinds = {line["kind"] for line in trail}
    assert kinds == {"step", "settlement", "posting", "message"}
    whats = [line["what"] for line in trail]
    for what in ("booking.created", "booking.overridden", "decided", "settlement.decision", "held", "posted", "paid"):
        assert what in whats, what
    assert whats.index("booking.created") < whats.index("decided") < whats.index("posted") < whats.index("paid")
    phases = [line["detail"]["phase"] for line in trail if line["what"] == "settlement.leg"]
    assert phases == ["held", "held", "posted", "posted"], "the money is held, and then it moves"
    messages = [line["detail"]["channel"] for line in trail if line["kind"] == "message"]
    assert sorted(messages) == sorted(2 * ["in_app", "sms", "email"])


def test_bound_credentials_see_their_own_and_nothing_else(office: Office) -> None:
    number = office.approved()
    read = "read:settlements"
    for bindings, seen in (
        ({"facility": FACILITY}, 1), ({"facility": "FID-0"}, 0), ({"payee": VENDOR}, 1), ({"payee": "V0"}, 0),
    ):  # fmt: skip
        key = office.key(read, bindings=bindings)
        listed = office.client.get("/vems/v1/settlements?facility=FID-0&payee=V0", headers=key).json()["data"]
        bound = office.client.get("/vems/v1/settlements", headers=key).json()["data"]
        assert len(bound) == seen, bindings
        assert not listed or "payee" in bindings, "a filter never widens"
        one = office.client.get(f"/vems/v1/settlements/{number}", headers=key)
        assert one.status_code == (200 if seen else 404), bindings
        legs = office.client.get("/vems/v1/legs", headers=key).json()["data"]
        assert {leg["payee"] for leg in legs} <= set(bindings.values())
        if seen and "payee" in bindings:
            assert {leg["payee"] for leg in one.json()["data"]["legs"]} == {VENDOR}
            assert one.json()["data"]["postings"] == []


def test_a_repeat_with_its_key_is_done_once(office: Office) -> None:
    one = f"/legs/{unknown_leg(office)}"
    office.post(f"{one}/propose", {"outcome": "failed", "evidence": "x"})
    first = office.post(f"{one}/confirm", {"outcome": "failed"}, who="ben", **{"Idempotency-Key": "k1"})
    assert office.post(f"{one}/confirm", {"outcome": "failed"}, who="ben", **{"Idempotency-Key": "k1"}) == first
    office.post(f"{one}/confirm", {"outcome": "paid"}, who="ben", status=422, **{"Idempotency-Key": "k1"})
