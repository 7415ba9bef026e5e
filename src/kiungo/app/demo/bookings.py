"""The bookings story, its straight way: from a registry's answer to money at a vendor and a facility."""

from decimal import Decimal

from kiungo.app.demo import reckoning
from kiungo.app.demo.claims import StoryBroken, body_of, is_refused, wait_until
from kiungo.app.demo.hospital import CHARGES, Hospital, Visit, total_of
from kiungo.app.demo.receiver import BOOKINGS, receiver
from kiungo.app.demo.stage import Stage
from kiungo.app.demo.story import Story
from kiungo.app.demo.troubles import tell_troubles
from kiungo.app.registry import BANK
from kiungo.app.sample_data import FACILITY_KEY
from kiungo.client import verify_webhook
from kiungo.domains.vems.sample import FACILITY, PATIENT, VENDOR

SECRET = "the-facility-and-we-know-it"  # noqa: S105 - the story's own
CLAIM_ID = "3663-gdhs-TAIFA-CARE"
PATIENT_NAME = "John Kamau Mwangi"
TOTAL, VENDOR_PART, FACILITY_PART, FEE = (Decimal(t) for t in ("31000.00", "21000.00", "9000.00", "1000.00"))
MAILBOXES = ("accounts@imaging.example", "finance@harbour.example")
HEARD = ("booking.created", "booking.claim_submitted", "booking.claim_approved")


def tell_bookings(story: Story, stage: Stage) -> None:
    """Tell the whole story, checking every figure on the way."""
    with (
        receiver(BOOKINGS) as target,
        story.http(stage.url, stage.keys[FACILITY_KEY]) as http,
        story.http(stage.url, stage.keys["settlement officer"]) as office,
    ):
        hospital = Hospital(story, stage, http, office, target)
        discover(hospital)
        listen(hospital)
        visit = Visit("approved whole", CLAIM_ID, CHARGES, days_ago=2)
        book(hospital, visit)
        submit(hospital, visit)
        follow(hospital, visit)
        hear(hospital, visit)
        settle(hospital, visit)
        inform(hospital, visit)
        trace(hospital, visit)
        prove_books(hospital)
        reckoning.show(hospital, [visit, *tell_troubles(hospital)])


def discover(hospital: Hospital) -> None:
    """Which facilities take part, what one offers, and who the patient is."""
    story, stage = hospital.story, hospital.stage
    story.begin("Discover facilities and the services of one")
    with story.http(stage.url, stage.keys["contract manager"]) as desk:
        found = body_of(desk.get("/vems/v1/facilities", params={"registry": "true"}))["data"]
    story.check("the registry knows it", FACILITY.fr_code in {one["frCode"] for one in found}, True)
    services = body_of(hospital.http.get("/hmis/v1/services", params={"fr_code": FACILITY.fr_code}))["data"]
    rates = {one["serviceCode"]: one["shaRate"] for one in services}
    for code, amount in CHARGES:
        story.check(f"{code} rate", rates.get(code), Decimal(amount))

    story.begin("Validate the patient with the client registry")
    with story.http(stage.url, stage.keys["booking supervisor"]) as desk:
        person = body_of(desk.get(f"/vems/v1/patients/{PATIENT}"))["data"]
    story.check("name", person["name"], PATIENT_NAME)
    story.check("eligible", person["eligible"], True)


def listen(hospital: Hospital) -> None:
    """The facility says where it wants to hear of its bookings."""
    hospital.story.begin("The facility registers a webhook for its bookings")
    answer = hospital.http.post(
        "/api/webhooks/",
        json={"webhook_url": hospital.target.url, "secret_key": SECRET, "events": ["booking_status_update"]},
    )
    hospital.story.check("status", answer.status_code, 201)


def book(hospital: Hospital, visit: Visit) -> None:
    """Two services are booked, and their cost is shared at once."""
    story = hospital.story
    story.begin("Book F8735 and F8736: the cost is shared")
    booked = hospital.book(visit)
    parts = {name: total_of(booked, name) for name in ("vendorShare", "facilityShare", "serviceFee")}
    story.check("totalAmount", booked["totalAmount"], TOTAL)
    story.check("vendor shares", parts["vendorShare"], VENDOR_PART)
    story.check("facility shares", parts["facilityShare"], FACILITY_PART)
    story.check("service fees", parts["serviceFee"], FEE)
    story.check("the parts add up", sum(parts.values()), booked["totalAmount"])


def submit(hospital: Hospital, visit: Visit) -> None:
    """The hospital sends the claim with the booking number; the payor checks the one against the other."""
    hospital.story.begin("The hospital submits the claim with its booking number")
    claim = hospital.submit(visit)
    hospital.story.check("status", claim["status"], "approved")
    hospital.story.check("expected_payment", claim["expected_payment"], TOTAL)


def follow(hospital: Hospital, visit: Visit) -> None:
    """Nobody tells the bookings: they ask the payor, and find the approval."""
    hospital.story.begin("The bookings poll the payor and find the approval")
    claim = hospital.claim_of(visit, "approved")
    hospital.story.check("approved", claim["approvedAmount"], TOTAL)
    hospital.story.check("how it became known", claim["reports"][-1]["source"], "poll")


def hear(hospital: Hospital, visit: Visit) -> None:
    """Every change was told to the facility, signed."""
    story, target = hospital.story, hospital.target
    story.begin("Signed webhooks told the facility of each change")
    came = target.wait_for(len(HEARD))
    told = [verify_webhook(one.headers, one.body, SECRET).event for one in came]
    for event in told:
        story.tell("POST", BOOKINGS, event, 200, None)
    mine = [event["change"] for event in told if event["bookingNo"] == visit.booking_no]
    story.check("changes", mine[: len(HEARD)], list(HEARD))
    story.check("approvedAmount", told[-1].get("approvedAmount"), TOTAL)
    story.check("a changed webhook is refused", is_refused(came[-1], came[-1].body.replace(b"31000", b"91000")), True)


def settle(hospital: Hospital, visit: Visit) -> None:
    """The vendor is paid by M-Pesa, the facility by its bank; the fee stays here."""
    story, stage = hospital.story, hospital.stage
    story.begin("The vendor is paid by M-Pesa, the facility by its bank; the fee stays")
    legs = {leg.payee: leg for leg in hospital.paid(visit)}
    shares = reckoning.owed(hospital.settlement(visit))
    story.check("vendor", str(legs.get(VENDOR.code)), f"{VENDOR_PART} by mpesa: posted")
    story.check("facility", str(legs.get(FACILITY.fr_code)), f"{FACILITY_PART} by bank: posted")
    story.check("fee", shares.get("fee"), FEE)
    story.check("shillings M-Pesa moved", [one.shillings for one in stage.sandbox.mpesa.payments], [int(VENDOR_PART)])
    story.check("cents the bank moved", [minor for _, minor in stage.sandbox.bank.payments], [int(FACILITY_PART * 100)])
    if len(legs) != 2:
        raise StoryBroken("the payments did not happen")


def inform(hospital: Hospital, visit: Visit) -> None:
    """Each payee hears of its payment by SMS, by e-mail, and in the application."""
    story, stage = hospital.story, hospital.stage
    story.begin("Both payees are told by SMS, by e-mail and in the application")
    sms, mail = stage.sandbox.sms, stage.sandbox.smtp
    wait_until(lambda: len(sms.messages) >= 2 and len(mail.messages) >= 2)
    for number, text in sorted(sms.messages):
        story.remark(f"{number}: {text}")
    story.check("SMS", len(sms.messages), 2)
    story.check("e-mails", sorted(address for address, _ in mail.messages), sorted(MAILBOXES))
    path = "/vems/v1/notifications"
    found = body_of(hospital.office.get(path, params={"bookingNo": visit.booking_no, "channel": "in_app"}))["data"]
    story.check("in the application", sorted(one["recipient"] for one in found), PAYEES)


def trace(hospital: Hospital, visit: Visit) -> None:
    """Every step, message and posting of the booking, in order."""
    story = hospital.story
    story.begin("The booking's trail tells every step, posting and message in order")
    trail = body_of(hospital.http.get(f"/vems/v1/bookings/{visit.booking_no}/trail"))["data"]
    story.check("kinds", sorted({one["kind"] for one in trail}), ["message", "posting", "settlement", "step"])
    moments = [one["at"] for one in trail]
    story.check("in order", moments == sorted(moments), True)
    steps = [one["what"] for one in trail if one["kind"] == "step"]
    story.check("steps", steps[: len(HEARD)], list(HEARD))


def prove_books(hospital: Hospital) -> None:
    """The bank's statement explains our account there, and debits are credits."""
    hospital.story.begin("The bank's statement is matched and the ledger balances")
    reckoning.prove(hospital, BANK)


PAYEES = [FACILITY.fr_code, VENDOR.code]
