"""The guide's API over real HTTP: its examples to the digit, its sample client as printed, its errors by the word."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kiungo.base.money import Money
from kiungo.kernel import json, ledger
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger import Posting
from tests.domains.vems.cases import CLAIM_ID, CT_AT, FR_CODE, MRI_AT, body
from tests.domains.vems.conftest import Running, Start

PRINTED = b"""{"success":true,"claimID":"3663-gdhs-TAIFA-CARE","bookingNo":"VB673D4F2A1B3E","bookingStatus":"pending",
"totalAmount":31000.00,"services":[{"serviceCode":"F8735","serviceName":"CT Scan - Contrast Enhanced",
"serviceDate":"2025-11-02T10:51:00.000Z","vendorCode":"V364","vendorName":"Medical Imaging Solutions Ltd",
"vendorShare":10000.00,"facilityShare":4500.00,"serviceFee":500.00,"vemsTotal":15000.00},{"serviceCode":"F8736",
"serviceName":"MRI Scan - Full Body","serviceDate":"2025-11-03T14:30:00.000Z","vendorCode":"V364",
"vendorName":"Medical Imaging Solutions Ltd","vendorShare":11000.00,"facilityShare":4500.00,"serviceFee":500.00,
"vemsTotal":16000.00}]}""".replace(b"\n", b"")
BASES = ("/hmis/v1", "/api/v1")
BOOKING_NO = re.compile(r"VB[0-9A-F]{12}\Z")


def book(site: Running, sent: dict[str, Any] | None = None, base: str = "/hmis/v1", **options: Any) -> Any:
    return site.client.post(f"{base}/bookings/cost-distribution", content=json.dumps(sent or body()), **options)


@pytest.mark.parametrize("base", BASES)
def test_a_service_is_offered_as_printed(site: Running, base: str) -> None:
    answer = site.client.get(f"{base}/services", params={"fr_code": FR_CODE})
    assert answer.status_code == 200
    data = json.loads(answer.content)
    assert data["success"] is True
    assert json.dumps(data["data"][0]) == (
        b'{"serviceCode":"F8735","serviceName":"CT Scan - Contrast Enhanced","vendorCode":"V364",'
        b'"vendorName":"Medical Imaging Solutions Ltd","shaRate":15000.00,"vendorShare":10000.00,'
        b'"facilityShare":4500.00,"serviceFee":500.00,"isCapitated":false,"isActive":true}'
    )


@pytest.mark.parametrize("base", BASES)
def test_a_cost_distribution_is_answered_to_the_digit(site: Running, base: str) -> None:
    answer = book(site, base=base)
    assert answer.status_code == 200
    number = answer.json()["bookingNo"]
    assert BOOKING_NO.match(number)
    assert answer.content == PRINTED.replace(b"VB673D4F2A1B3E", number.encode())


def test_a_booking_is_shown_field_for_field(site: Running) -> None:
    number = book(site).json()["bookingNo"]
    answer = site.client.get(f"/hmis/v1/bookings/{number}")
    assert answer.status_code == 200
    shown = json.loads(answer.content)
    assert list(shown) == [
        "bookingId", "bookingNo", "bookingDate", "bookingStatus", "approvalStatus", "paymentMode", "override",
        "createdAt", "updatedAt", "patient", "bookedServices",
    ]  # fmt: skip
    assert shown["patient"] == {
        "name": "John Kamau Mwangi",
        "phone": "+254712345678",
        "dateOfBirth": "1985-05-15",
        "gender": "Male",
        "identificationType": "National ID",
        "identificationNo": "12345678",
    }
    assert (shown["bookingDate"], shown["bookingStatus"], shown["approvalStatus"]) == (CT_AT, "pending", "pending")
    assert (shown["paymentMode"], shown["override"]) == ("sha", False)
    assert re.match(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z", shown["bookingId"])
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", shown["createdAt"])
    first = shown["bookedServices"][0]
    del first["serviceBookingId"]
    assert json.dumps(first) == (
        b'{"serviceDate":"2025-11-02T10:51:00.000Z","serviceStatus":"booked","vendorShare":10000.00,'
        b'"facilityShare":4500.00,"service":{"name":"CT Scan - Contrast Enhanced","code":"F8735",'
        b'"shaRate":15000.00,"isCapitated":false},"vendor":{"name":"Medical Imaging Solutions Ltd","code":"V364"},'
        b'"lot":{"number":"LOT-2024-001","name":"Diagnostic Imaging Services"}}'
    )


def test_the_same_body_is_the_same_booking_and_another_revises_it(site: Running) -> None:
    first = book(site)
    assert book(site).content == first.content
    written = [{"serviceCode": "F8735", "serviceDate": "2025-11-02T13:51:00+03:00"}, *body()["services"][1:]]
    assert book(site, body(services=written)).content == first.content

    one = book(site, body(services=body()["services"][:1]))
    number = first.json()["bookingNo"]
    assert one.status_code == 200
    assert (one.json()["bookingNo"], one.json()["totalAmount"]) == (number, 15000.0)

    history = site.client.get(f"/vems/v1/bookings/{number}/revisions").json()["data"]
    assert [entry["revision"] for entry in history] == [1]
    assert [line["service_code"] for line in history[0]["services"]] == ["F8735", "F8736"]
    assert sum(line["vendor_minor"] for line in history[0]["services"]) == 2_100_000
    assert book(site).json()["totalAmount"] == 31000.0
    revisions = site.client.get(f"/vems/v1/bookings/{number}/revisions").json()["data"]
    assert [entry["revision"] for entry in revisions] == [1, 2]
    assert site.heard.topics == ["booking.created", "booking.revised", "booking.revised"]


def test_a_confirmed_booking_is_fixed_but_repeats_are_answered(site: Running) -> None:
    number = book(site).json()["bookingNo"]
    assert site.client.post(f"/vems/v1/bookings/{number}/confirm").json()["bookingStatus"] == "confirmed"
    again = book(site)
    assert (again.status_code, again.json()["bookingStatus"]) == (200, "confirmed")
    other = book(site, body(paymentMode="cash"))
    assert other.status_code == 409
    assert other.json() == {
        "success": False,
        "message": f"Booking {number} for this claim can no longer be changed: it is confirmed",
        "error": "Send the same services again to get the same booking, or use another claimID for another booking",
    }


def test_eight_at_once_are_one_booking(site: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: book(site), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["bookingNo"] for answer in answers}) == 1
    assert site.heard.topics == ["booking.created"]
    count = site.vems.database.read(lambda unit: unit.value("SELECT count(*) FROM vems_booking"))
    assert count == 1


@pytest.mark.parametrize(
    ("sent", "status", "wanted"),
    [
        (
            body(facilityFrCode="FID-INVALID-CODE"),
            404,
            {"message": "Facility not found", "error": "No facility found with FR code 'FID-INVALID-CODE'"},
        ),
        (
            body(patientCR="CR9999999"),
            404,
            {"message": "Patient not found in HIE", "error": "No patient record found with CR number 'CR9999999'"},
        ),
        (
            body(services=[{"serviceCode": "F9999", "serviceDate": CT_AT}]),
            404,
            {"message": "Service with code 'F9999' not found", "error": "Service not found in facility contracts"},
        ),
        (
            body(services=[{"serviceCode": "F8751", "serviceDate": CT_AT}]),
            422,
            {
                "message": "Service 'F8751' is not available in this facility's contracts",
                "error": "Service not contracted at this facility",
            },
        ),
        (
            body(services=[{"serviceCode": "F8735", "serviceDate": "yesterday"}]),
            422,
            {"errors": {"services.0.serviceDate": ["The services.0.serviceDate must be a valid date."]}},
        ),
    ],
)
def test_refusals_are_the_guides(site: Running, sent: dict[str, Any], status: int, wanted: dict[str, Any]) -> None:
    answer = book(site, sent)
    assert (answer.status_code, answer.json()) == (status, {"success": False, **wanted})
    assert site.vems.database.read(lambda unit: unit.value("SELECT count(*) FROM vems_booking")) == 0


@pytest.mark.parametrize(
    "sent",
    [b"", b"{", b"null ,", b"\xff\xfe", b'{"patientCR": "\\u0000"}', b"[" * 100, b'{"claimID":"1","claimID":"2"}'],
)
def test_what_is_not_json_is_400_in_the_guides_shape(site: Running, sent: bytes) -> None:
    answer = site.client.post("/hmis/v1/bookings/cost-distribution", content=sent)
    assert answer.status_code == 400
    assert set(answer.json()) == {"success", "message", "error"}


def test_other_refusals_keep_the_shape(site: Running) -> None:
    unknown = site.client.get("/hmis/v1/bookings/VB000000000000")
    assert (unknown.status_code, unknown.json()["message"]) == (404, "Booking not found")
    assert site.client.get("/hmis/v1/services").json() == {
        "success": False,
        "errors": {"fr_code": ["The fr_code field is required."]},
    }
    assert site.client.get("/hmis/v1/services", params={"fr_code": "FID-9"}).status_code == 404
    assert site.client.delete("/hmis/v1/services").json()["success"] is False
    assert site.client.get("/hmis/v1/nothing").json()["success"] is False


def test_services_are_delivered_one_by_one(site: Running) -> None:
    number = book(site).json()["bookingNo"]
    shown = site.client.get(f"/hmis/v1/bookings/{number}").json()
    ct, mri = (service["serviceBookingId"] for service in shown["bookedServices"])
    path = f"/vems/v1/bookings/{number}/services"
    half = site.client.post(f"{path}/{ct}/complete").json()
    assert (half["bookingStatus"], [s["serviceStatus"] for s in half["bookedServices"]]) == (
        "pending",
        ["completed", "booked"],
    )
    assert site.client.post(f"/vems/v1/bookings/{number}/cancel", json={"reason": "late"}).status_code == 409
    whole = site.client.post(f"{path}/{mri}/complete").json()
    assert whole["bookingStatus"] == "completed"
    assert site.client.post(f"{path}/{mri}/complete").json()["updatedAt"] == whole["updatedAt"]
    assert site.client.post(f"{path}/nothing/complete").status_code == 404
    trail = site.client.get(f"/vems/v1/bookings/{number}/trail").json()["data"]
    assert [step["what"] for step in trail] == [
        "booking.created", "booking.service_completed", "booking.service_completed", "booking.completed",
    ]  # fmt: skip


def test_a_cancelled_booking_needs_a_reason_and_stays_cancelled(site: Running) -> None:
    number = book(site).json()["bookingNo"]
    path = f"/vems/v1/bookings/{number}/cancel"
    assert site.client.post(path, json={}).json()["errors"] == {"reason": ["The reason field is required."]}
    answer = site.client.post(path, json={"reason": "The patient moved"})
    assert (answer.json()["bookingStatus"], answer.json()["bookedServices"][0]["serviceStatus"]) == (
        "cancelled",
        "cancelled",
    )
    assert site.client.post(f"/vems/v1/bookings/{number}/confirm").status_code == 409
    assert book(site, body(paymentMode="cash")).status_code == 409


def test_an_override_is_by_hand_with_a_reason_and_shows(site: Running) -> None:
    number = book(site).json()["bookingNo"]
    path, sent = f"/vems/v1/bookings/{number}/override", {"approvalStatus": "approved", "reason": "Letter of 3 May"}
    assert site.client.post(path, json=sent).status_code == 401
    assert site.client.post(path, json=sent, headers=site.key("write:bookings")).status_code == 403
    supervisor = site.key(roles=("booking_supervisor",))
    assert site.client.post(path, json={"reason": "x"}, headers=supervisor).status_code == 422
    assert site.client.post(path, json={**sent, "approvalStatus": "x"}, headers=supervisor).status_code == 422
    waits = site.client.post(path, json=sent, headers=supervisor)
    assert (waits.status_code, waits.json()["override"], waits.json()["approvalStatus"]) == (202, False, "pending")
    assert waits.json()["message"] == "A second person has to confirm: approved"
    agree, second = f"{path}/confirm", site.key(roles=("booking_supervisor",))
    assert site.client.post(agree, json=sent, headers=supervisor).status_code == 403
    assert site.client.post(agree, json={"approvalStatus": "rejected"}, headers=second).status_code == 409
    answer = site.client.post(agree, json=sent, headers=second).json()
    assert (answer["override"], answer["approvalStatus"]) == (True, "approved")
    assert site.client.post(agree, json=sent, headers=second).status_code == 409, "done already"
    overridden, decided = site.heard.events[-2:]
    assert (overridden.topic, overridden.payload["before"]["approvalStatus"]) == ("booking.overridden", "pending")
    assert overridden.payload["reason"] == "Letter of 3 May"
    assert (decided.topic, decided.payload["approvedMinor"]) == ("booking.claim_approved", 3_100_000)
    part = {"approvalStatus": "partially_paid", "reason": "Letter of 4 May"}
    assert site.client.post(path, json=part, headers=supervisor).status_code == 422
    assert site.client.post(path, json={**part, "approvedAmount": 155}, headers=supervisor).status_code == 202
    assert site.client.post(agree, json={**part, "approvedAmount": "155.00"}, headers=second).status_code == 200
    part_event = site.heard.events[-1].payload
    assert [line["approvedMinor"] for line in part_event["lines"]] == [7_500, 8_000]
    assert part_event["version"] > decided.payload["version"]


def test_without_facility_authentication_a_credential_bound_to_its_facility_is_needed(start: Start) -> None:
    site = start(opened=False)
    refused = book(site)
    assert refused.status_code == 401
    assert set(refused.json()) == {"success", "message", "error"}
    assert site.client.get("/hmis/v1/services", params={"fr_code": FR_CODE}).status_code == 401
    own = site.key(roles=("facility",), bindings={"facility": FR_CODE})
    other = site.key(roles=("facility",), bindings={"facility": "FID-1"})
    assert book(site, headers=other).status_code == 403
    number = book(site, headers=own).json()["bookingNo"]
    assert site.client.get(f"/hmis/v1/bookings/{number}", headers=own).status_code == 200
    assert site.client.get(f"/hmis/v1/bookings/{number}", headers=other).status_code == 404
    assert site.client.post(f"/vems/v1/bookings/{number}/confirm", headers=other).status_code == 404
    assert len(site.client.get("/vems/v1/bookings", headers=own).json()["data"]) == 1
    assert site.client.get("/vems/v1/bookings", headers=other).json()["data"] == []
    assert site.client.get("/vems/v1/bookings", headers=other, params={"facility": FR_CODE}).status_code == 403


def test_bookings_are_fhir_records_too(site: Running) -> None:
    number = book(site).json()["bookingNo"]
    shown = site.client.get(f"/hmis/v1/bookings/{number}").json()
    repository, call = site.vems.desk.repository, system_call(1)

    def read(kind: str, id: str) -> Any:
        return site.vems.database.read(lambda unit: json.loads(repository.read(unit, call, kind, id).body))

    task = read("Task", shown["bookingId"])
    requests = [read("ServiceRequest", service["serviceBookingId"]) for service in shown["bookedServices"]]
    assert (task["status"], task["identifier"][0]["value"]) == ("requested", number)
    assert [item["reference"] for item in task["basedOn"]] == [f"ServiceRequest/{one['id']}" for one in requests]
    assert [one["code"]["coding"][0]["code"] for one in requests] == ["F8735", "F8736"]
    assert {one["subject"]["reference"] for one in requests} == {task["for"]["reference"]}
    book(site, body(services=[{"serviceCode": "F8736", "serviceDate": MRI_AT}]))
    assert read("ServiceRequest", requests[0]["id"])["status"] == "revoked"
    assert read("ServiceRequest", requests[1]["id"])["status"] == "active"
    site.client.post(f"/vems/v1/bookings/{number}/services/{requests[1]['id']}/complete")
    assert read("Task", shown["bookingId"])["status"] == "completed"
    assert read("ServiceRequest", requests[1]["id"])["status"] == "completed"


SAMPLE = Path(__file__).parent / "samples" / "guide_client.py.txt"


def test_the_guides_python_client_runs_as_printed(site: Running, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(SAMPLE.read_text().replace("https://api.vems.go.ke", site.url))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("Total Amount: KES 15000.0", "")


def test_an_idempotency_key_gives_the_first_answer_again(site: Running) -> None:
    headers = {"Idempotency-Key": "one"}
    first = book(site, headers=headers)
    assert book(site, headers=headers).content == first.content
    assert book(site, body(claimID="another"), headers=headers).status_code == 422
    assert CLAIM_ID in first.text


def test_the_trail_tells_steps_payments_postings_and_messages_in_order(site: Running) -> None:
    number = book(site).json()["bookingNo"]
    later_us = site.vems.database.clock.now_us() + 60_000_000

    def work(unit: Unit) -> None:
        for account in ("a", "b"):
            ledger.open_account(unit, 1, account, "KES")
        money = Posting("a", "b", Money.parse("21000.00", "KES"))
        for memo in (number, "VB-another"):
            ledger.post(unit, 1, key=memo, kind="test", postings=[money], effective=date(2026, 1, 2), memo=memo)
        unit.execute(
            "INSERT INTO settlement_step (tn, booking_no, reference, at_us, what, who, detail) VALUES"
            " (1, ?, 'LEG1', ?, 'leg.posted', 'system', 'paid')",
            (number, later_us),
        )
        unit.execute(
            "INSERT INTO notification (tn, notification_id, key, about, recipient, channel, address, template,"
            " language, subject, body, state, reason, attempt, provider_id, created_us, updated_us) VALUES"
            " (1, 'n', 'k', ?, 'V364', 'sms', '+254', 'paid', 'en', '', 'x', 'sent', '', 1, '', ?, ?)",
            (number, later_us, later_us),
        )

    site.vems.database.write(work)
    trail = site.client.get(f"/vems/v1/bookings/{number}/trail").json()["data"]
    assert [(line["kind"], line["what"]) for line in trail] == [
        ("step", "booking.created"),
        ("posting", "test"),
        ("settlement", "leg.posted"),
        ("message", "paid"),
    ]
    assert trail[1]["detail"]["postings"] == [{"debit": "a", "credit": "b", "amount": 21000.0}]
    assert "+254" not in str(trail)
