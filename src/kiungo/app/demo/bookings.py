"""The bookings story: from a registry's answer to money at a vendor and a facility, every shilling accounted for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from kiungo.app.demo.claims import StoryBroken, body_of, wait_until
from kiungo.app.demo.stage import Stage
from kiungo.app.demo.story import Story
from kiungo.app.money import COLLECT
from kiungo.app.registry import BANK, TENANT
from kiungo.app.sample_data import FACILITY_KEY, HOSPITAL
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.sample import FACILITY, PATIENT, VENDOR
from kiungo.domains.vems.settlement import store as settlement_store
from kiungo.domains.vems.settlement.model import Leg
from kiungo.kernel import jobs, ledger

CLAIM_ID = "3663-gdhs-TAIFA-CARE"
PATIENT_NAME = "John Kamau Mwangi"
CHARGES = (("F8735", "15000.00"), ("F8736", "16000.00"))
TOTAL, VENDOR_PART, FACILITY_PART, FEE = (Decimal(t) for t in ("31000.00", "21000.00", "9000.00", "1000.00"))


def tell_bookings(story: Story, stage: Stage) -> None:
    """Tell the whole story, checking every figure on the way."""
    with story.http(stage.url, stage.keys[FACILITY_KEY]) as http:
        discover(story, stage, http)
        booking_no = book(story, http)
        submit(story, stage, booking_no)
        follow(story, http, booking_no)
    legs = settle(story, stage, booking_no)
    tell(story, stage)
    prove_books(story, stage)
    show(story, legs)


def discover(story: Story, stage: Stage, http: httpx.Client) -> None:
    """Which facilities take part, what one offers, and who the patient is."""
    story.begin("Discover facilities and the services of one")
    with story.http(stage.url, stage.keys["contract manager"]) as desk:
        found = body_of(desk.get("/vems/v1/facilities", params={"registry": "true"}))["data"]
        story.check("the registry knows it", FACILITY.fr_code in {one["frCode"] for one in found}, True)
    services = body_of(http.get("/hmis/v1/services", params={"fr_code": FACILITY.fr_code}))
    offered = str(services)
    story.check("its services", [code for code, _ in CHARGES if code in offered], [code for code, _ in CHARGES])

    story.begin("Validate the patient with the client registry")
    with story.http(stage.url, stage.keys["booking supervisor"]) as desk:
        person = body_of(desk.get(f"/vems/v1/patients/{PATIENT}"))["data"]
    story.check("name", person["name"], PATIENT_NAME)
    story.check("eligible", person["eligible"], True)


def book(story: Story, http: httpx.Client) -> str:
    """Two services are booked, and their cost is shared at once."""
    story.begin("Book F8735 and F8736: the cost is shared")
    answer = http.post(
        "/hmis/v1/bookings/cost-distribution",
        json={
            "patientCR": PATIENT,
            "paymentMode": "sha",
            "facilityFrCode": FACILITY.fr_code,
            "claimID": CLAIM_ID,
            "services": [{"serviceCode": code, "serviceDate": f"{service_day()}T10:51:00.000Z"} for code, _ in CHARGES],
        },
    )
    story.check("status", answer.status_code, 200)
    booked = body_of(answer)
    parts = {name: total_of(booked, name) for name in ("vendorShare", "facilityShare", "serviceFee")}
    story.check("totalAmount", booked["totalAmount"], TOTAL)
    story.check("vendor shares", parts["vendorShare"], VENDOR_PART)
    story.check("facility shares", parts["facilityShare"], FACILITY_PART)
    story.check("service fees", parts["serviceFee"], FEE)
    story.check("the parts add up", sum(parts.values()), booked["totalAmount"])
    return str(booked["bookingNo"])


def submit(story: Story, stage: Stage, booking_no: str) -> None:
    """The hospital sends the claim with the booking number; the payor checks the one against the other."""
    story.begin("The hospital submits the claim with its booking number")
    with story.http(stage.url, stage.keys[HOSPITAL]) as hospital:
        answer = hospital.post(
            "/api/claims/",
            json={
                "patient_name": PATIENT_NAME,
                "insurance_id": PATIENT,
                "diagnosis_code": "8B20",
                "amount": str(TOTAL),
                "booking_no": booking_no,
                "lines": [
                    {"procedure_code": code, "amount": amount, "date_of_service": service_day()}
                    for code, amount in CHARGES
                ],
            },
        )
    claim = body_of(answer)["claim"]
    story.check("status", claim["status"], "approved")
    story.check("expected_payment", claim["expected_payment"], TOTAL)


def follow(story: Story, http: httpx.Client, booking_no: str) -> None:
    """Nobody tells the bookings: they ask the payor, and find the approval."""
    story.begin("The bookings poll the payor and find the approval")
    path = f"/hmis/v1/bookings/{booking_no}"
    with httpx.Client(base_url=http.base_url, headers=http.headers) as quiet:
        wait_until(lambda: body_of(quiet.get(path))["approvalStatus"] == "approved")
    story.check("approvalStatus", body_of(http.get(path))["approvalStatus"], "approved")


def settle(story: Story, stage: Stage, booking_no: str) -> list[Leg]:
    """The vendor is paid by M-Pesa, the facility by its bank; the fee stays here."""
    story.begin("The vendor is paid by M-Pesa, the facility by its bank")
    collected: list[str] = []

    def paid() -> bool:
        collect_now(stage, collected)
        return all(leg.state == "posted" for leg in legs_of(stage, booking_no)) and bool(legs_of(stage, booking_no))

    wait_until(paid, pause_s=0.5)
    legs = legs_of(stage, booking_no)
    told = {leg.payee_id: f"{leg.amount.text()} by {leg.rail}: {leg.state}" for leg in legs}
    story.check("vendor", told.get(VENDOR.code), f"{VENDOR_PART} by mpesa: posted")
    story.check("facility", told.get(FACILITY.fr_code), f"{FACILITY_PART} by bank: posted")
    story.check("payments", len(legs), 2)
    story.check("shillings M-Pesa moved", [one.shillings for one in stage.sandbox.mpesa.payments], [int(VENDOR_PART)])
    story.check("cents the bank moved", [minor for _, minor in stage.sandbox.bank.payments], [int(FACILITY_PART * 100)])
    if len(legs) != len(told) or not legs:
        raise StoryBroken("the payments did not happen")
    return legs


def tell(story: Story, stage: Stage) -> None:
    """Each payee hears of its payment by SMS and by e-mail."""
    story.begin("Both payees are told by SMS and e-mail")
    sms, mail = stage.sandbox.sms, stage.sandbox.smtp
    wait_until(lambda: len(sms.messages) >= 2 and len(mail.messages) >= 2)
    for number, text in sorted(sms.messages):
        story.remark(f"{number}: {text}")
    story.check("SMS", len(sms.messages), 2)
    story.check("e-mails", sorted(address for address, _ in mail.messages), sorted(MAILBOXES))


def prove_books(story: Story, stage: Stage) -> None:
    """The bank's statement explains our account there, and debits are credits."""
    story.begin("The bank's statement is matched and the ledger balances")
    database = stage.system.database
    proof = database.read(lambda unit: prove(unit, TENANT, BANK, "KES"))
    story.remark(f"our books at the bank {proof.books}, its statement {proof.statement}")
    story.check("unexplained", proof.unexplained.text(), "0.00")
    story.check("what the ledger's own check finds", database.read(lambda unit: ledger.verify(unit, TENANT)), [])
    with story.http(stage.url, stage.keys["admin"]) as http:
        balance = body_of(http.get("/api/admin/ledger/trial-balance"))
    story.check("balanced", balance["balanced"], True)
    total = next(total for total in balance["totals"] if total["currency"] == "KES")
    story.check("debits are credits", total["debits"], total["credits"])


def show(story: Story, legs: list[Leg]) -> None:
    """The table of money moved; a wrong sum fails the story."""
    story.begin("Money moved")
    rows = [(leg.payee_id, leg.rail, leg.reference, leg.amount.text()) for leg in legs]
    moved = sum((Decimal(row[-1]) for row in rows), Decimal(0))
    story.table(
        ("to", "by", "reference", "KES"), [*rows, ("fee", "kept", "", str(FEE)), ("", "", "", str(moved + FEE))]
    )
    story.check("paid out and kept", moved + FEE, TOTAL)


MAILBOXES = ("accounts@imaging.example", "finance@harbour.example")


def service_day() -> str:
    """The services were delivered two days ago."""
    return (datetime.now(UTC) - timedelta(days=2)).date().isoformat()


def total_of(booked: dict[str, Any], name: str) -> Decimal:
    """One share over all services of a booking."""
    return sum((Decimal(service[name]) for service in booked["services"]), Decimal(0))


def legs_of(stage: Stage, booking_no: str) -> list[Leg]:
    """The payments of a booking as they stand."""
    return list(stage.system.database.read(lambda unit: settlement_store.legs_of(unit, TENANT, booking_no)))


def collect_now(stage: Stage, collected: list[str]) -> None:
    """The bank's files are fetched every minute; the story does not wait for it."""
    collected.append(f"story-{len(collected)}")
    stage.system.database.write(lambda unit: jobs.enqueue(unit, COLLECT, {}, tenant=TENANT, key=collected[-1]))
