"""The bookings story, where it is not straight: a claim paid in part, one rejected, a payment nobody answered for."""

from decimal import Decimal
from typing import Any

from kiungo.app.demo import reckoning
from kiungo.app.demo.claims import body_of, wait_until
from kiungo.app.demo.hospital import CHARGES, DIAGNOSIS, Hospital, Visit
from kiungo.app.notices import EVENTS, PATH
from kiungo.app.registry import MPESA
from kiungo.app.sample_data import HOSPITAL, HOSPITAL_ID
from kiungo.app.server import own_url
from kiungo.domains.vems.sample import FACILITY, VENDOR

ALLOWED = ("15000.00", "5000.00")
"""What the reviewer allows of the two services: of the second, 5 parts of 16."""
PARTS_ALLOWED = {"vendor": "13437.50", "facility": "5906.25", "fee": "656.25"}
ORDERS = 3
"""What M-Pesa is ever asked to pay: one vendor, of three bookings."""


def tell_troubles(hospital: Hospital) -> list[Visit]:
    """Tell the three; returns them for the reckoning."""
    partly = Visit("approved in part", "4120-part", (CHARGES[0], ("F8736", "18000.00")), days_ago=10)
    rejected = Visit("rejected", "4121-late", CHARGES, days_ago=120)
    unanswered = Visit("answer lost", "4122-lost", CHARGES[:1], days_ago=4)
    agree_on_notices(hospital)
    pay_in_part(hospital, partly)
    reject(hospital, rejected)
    complete(hospital, unanswered)
    lose_the_answer(hospital, unanswered)
    find_it(hospital, unanswered)
    return [partly, rejected, unanswered]


def agree_on_notices(hospital: Hospital) -> None:
    """From here on nobody polls for a decision: the payor sends it."""
    story, stage = hospital.story, hospital.stage
    story.begin("The payor is asked to send its decisions to the bookings' own door")
    with story.http(stage.url, stage.keys[HOSPITAL]) as http:
        answer = http.post(
            "/api/webhooks/",
            json={
                "provider_id": HOSPITAL_ID,
                "webhook_url": own_url(stage.system.settings) + PATH,
                "secret_key": stage.sandbox.notice_secret,
                "events": list(EVENTS),
            },
        )
    story.check("status", answer.status_code, 201)


def pay_in_part(hospital: Hospital, visit: Visit) -> None:
    """The claim asks for more than was booked; a reviewer allows less than both."""
    story, stage = hospital.story, hospital.stage
    story.begin("A claim over its booking goes to review, and 20000.00 of it are approved")
    hospital.book(visit)
    story.check("status", hospital.submit(visit)["status"], "under_review")
    with story.http(stage.url, stage.keys["reviewer"]) as desk:
        answer = desk.post(
            f"/api/review/claims/{visit.payor_claim}/approve",
            json={
                "lines": [{"line": number, "allowed": amount} for number, amount in enumerate(ALLOWED, 1)],
                "note": "The second scan was of one region only",
            },
        )
    story.check("approved", body_of(answer)["claim"]["expected_payment"], Decimal("20000.00"))
    claim = hospital.claim_of(visit, "partially_paid")
    story.check("known by a notice", claim["reports"][-1]["source"], "notice")

    story.begin("Each share is paid in part: whole shillings by M-Pesa, the cents wait for the next payment")
    legs = {leg.payee: leg for leg in hospital.paid(visit)}
    shares = reckoning.owed(hospital.settlement(visit))
    for role, amount in PARTS_ALLOWED.items():
        story.check(f"{role} is owed", shares.get(role), Decimal(amount))
    story.check("vendor is paid", str(legs.get(VENDOR.code)), "13437.00 by mpesa: posted")
    story.check("facility is paid", str(legs.get(FACILITY.fr_code)), "5906.25 by bank: posted")


def reject(hospital: Hospital, visit: Visit) -> None:
    """A claim sent too late is denied; nothing moves for it."""
    story = hospital.story
    story.begin("A claim sent after the filing limit is rejected, and no money moves")
    hospital.book(visit)
    story.check("status", hospital.submit(visit)["status"], "rejected")
    claim = hospital.claim_of(visit, "rejected")
    story.check("a reason is given", bool(claim["reason"]), True)
    story.check("approvalStatus", _booking(hospital, visit)["approvalStatus"], "rejected")
    story.check("payments", len(hospital.legs(visit)), 0)


def complete(hospital: Hospital, visit: Visit) -> None:
    """A booking with a diagnosis: once the service was delivered, its claim is submitted from here."""
    story = hospital.story
    story.begin("A booking with a diagnosis submits its own claim once the service was delivered")
    hospital.stage.sandbox.mpesa.faults.plan("lost_answer")
    hospital.stage.sandbox.mpesa.faults.plan("dropped_result")
    hospital.book(visit, diagnosis=DIAGNOSIS)
    line = _booking(hospital, visit)["bookedServices"][0]["serviceBookingId"]
    done = hospital.http.post(f"/vems/v1/bookings/{visit.booking_no}/services/{line}/complete")
    story.check("bookingStatus", body_of(done)["bookingStatus"], "completed")
    claim = hospital.claim_of(visit, "approved")
    story.check("approved", claim["approvedAmount"], Decimal("15000.00"))


def lose_the_answer(hospital: Hospital, visit: Visit) -> None:
    """M-Pesa pays and hangs up: nobody here knows, so nobody pays again."""
    story, twin = hospital.story, hospital.stage.sandbox.mpesa
    story.begin("M-Pesa pays and its answer is lost: the payment is unknown, and is not sent again")
    legs = {leg.payee: leg for leg in hospital.paid(visit, but=("unknown",))}
    vendor = legs.get(VENDOR.code)
    story.check("vendor", str(vendor), "10000.00 by mpesa: unknown")
    story.check("facility", str(legs.get(FACILITY.fr_code)), "4500.00 by bank: posted")
    reference = vendor.reference if vendor else ""
    story.check("M-Pesa paid", [one.shillings for one in twin.payments if one.reference == reference], [10_000])
    if vendor:
        story.remark(f"{vendor.reference}: {vendor.reason}")


def find_it(hospital: Hospital, visit: Visit) -> None:
    """The organisation's statement shows the payment with our reference: that closes it."""
    story, stage = hospital.story, hospital.stage
    story.begin("The M-Pesa statement shows the payment, and closes it")
    statement, kind = stage.sandbox.mpesa.statement_csv(), {"Content-Type": "text/csv"}
    taken = hospital.office.post(f"/vems/v1/rails/{MPESA}/statements", content=statement, headers=kind)
    story.check("lines matched", body_of(taken)["data"][0]["matched"], ORDERS)
    wait_until(lambda: all(leg.state == "posted" for leg in hospital.legs(visit)))
    legs = {leg.payee: leg for leg in hospital.legs(visit)}
    vendor = legs.get(VENDOR.code)
    story.check("vendor", str(vendor), "10000.00 by mpesa: posted")
    twin = stage.sandbox.mpesa
    sent = [one.shillings for one in twin.payments if vendor and one.reference == vendor.reference]
    story.check("times it was paid", len(sent), 1)
    story.check("orders M-Pesa ever got", twin.requests, ORDERS)
    reckoning.prove(hospital, MPESA)


def _booking(hospital: Hospital, visit: Visit) -> dict[str, Any]:
    found: dict[str, Any] = body_of(hospital.http.get(f"/hmis/v1/bookings/{visit.booking_no}"))
    return found
