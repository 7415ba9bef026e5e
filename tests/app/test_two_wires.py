"""Claims we submit ourselves, decided by our own payor: over its claims API, and as the authority's eClaims bundles."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from kiungo.app.demo.stage import Stage, stage
from kiungo.app.registry import TENANT, ConnectorSettings
from kiungo.app.sample_data import FACILITY_KEY
from kiungo.domains.vems.settlement import store

NAIROBI = timezone(timedelta(hours=3))
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module", params=["hcms", "sha"])
def running(request: pytest.FixtureRequest) -> Iterator[Stage]:
    def choose(connected: ConnectorSettings) -> ConnectorSettings:
        return replace(connected, follow=connected.follow.model_copy(update={"payer": request.param}))

    with stage(choose=choose) as here:
        yield here


@pytest.fixture
def http(running: Stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=30, headers={"X-API-Key": running.keys[FACILITY_KEY]}) as client:
        yield client


def book(http: httpx.Client, claim_id: str, days_ago: int, *codes: str, **more: str) -> str:
    day = (TODAY - timedelta(days=days_ago)).isoformat()
    asked = {
        "patientCR": "CR1234567",
        "paymentMode": "sha",
        "facilityFrCode": "FID-32-121583-3",
        "claimID": claim_id,
        "services": [{"serviceCode": code, "serviceDate": f"{day}T10:00:00Z"} for code in codes],
        **more,
    }
    answer = http.post("/hmis/v1/bookings/cost-distribution", json=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["bookingNo"])


def complete(http: httpx.Client, number: str) -> None:
    for line in http.get(f"/hmis/v1/bookings/{number}").json()["bookedServices"]:
        path = f"/vems/v1/bookings/{number}/services/{line['serviceBookingId']}/complete"
        assert http.post(path).status_code == 200


def claim_of(http: httpx.Client, number: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/vems/v1/bookings/{number}/claim").json()["data"]
    return found


def until(ask: Callable[[], Any], wanted: Callable[[Any], bool], timeout_s: float = 15) -> Any:
    end_s = time.monotonic() + timeout_s
    while not wanted(found := ask()) and time.monotonic() < end_s:
        time.sleep(0.05)
    return found


def payor_claims(running: Stage) -> int:
    return int(running.system.database.read(lambda unit: unit.value("SELECT count(*) FROM payor_claim")))


def test_a_delivered_booking_with_a_diagnosis_is_claimed_and_approved(running: Stage, http: httpx.Client) -> None:
    before = payor_claims(running)
    number = book(http, "own-1", 2, "F8735", "F8736", diagnosisCode="8B20")
    complete(http, number)
    claim = until(lambda: claim_of(http, number), lambda found: found["status"] == "approved")
    assert (claim["status"], claim["approvedAmount"]) == ("approved", 31000), claim
    # The claims API decides in its answer; the authority takes the bundle, and is asked again.
    assert claim["reports"][0]["source"] == {"hcms": "submission", "sha": "poll"}[claim["payer"]]
    assert payor_claims(running) == before + 1
    legs = running.system.database.read(lambda unit: store.legs_of(unit, TENANT, number))
    assert sorted(leg.due.minor for leg in legs) == [900_000, 2_100_000]
    told = [step["what"] for step in http.get(f"/vems/v1/bookings/{number}/trail").json()["data"]]
    assert told.count("booking.claim_submitted") == 1


def test_a_claim_for_services_of_long_ago_is_rejected_with_the_payors_reason(
    running: Stage, http: httpx.Client
) -> None:
    number = book(http, "own-2", 120, "F8735", diagnosisCode="8B20")
    complete(http, number)
    claim = until(lambda: claim_of(http, number), lambda found: found["status"] == "rejected")
    assert (claim["status"], claim["approvedAmount"]) == ("rejected", 0)
    assert claim["reason"]


def test_without_a_diagnosis_the_claim_is_the_hospitals(running: Stage, http: httpx.Client) -> None:
    before = payor_claims(running)
    number = book(http, "own-3", 20, "F8735")
    complete(http, number)
    time.sleep(0.8)
    assert claim_of(http, number)["status"] == "unknown"
    assert payor_claims(running) == before


def test_a_claim_in_doubt_waits_for_the_reviewer_and_his_part_counts(running: Stage, http: httpx.Client) -> None:
    """The same scan twice on one day is asked about; the reviewer allows a part."""
    first = book(http, "own-4", 30, "F8735", diagnosisCode="8B20")
    second = book(http, "own-5", 30, "F8735", diagnosisCode="8B20")
    complete(http, first)
    until(lambda: claim_of(http, first), lambda found: found["status"] == "approved")
    complete(http, second)
    pending = until(lambda: claim_of(http, second), lambda found: found["status"] == "pending")
    assert pending["status"] == "pending"
    admin = {"X-API-Key": running.keys["admin"]}
    (waiting,) = http.get("/api/claims/", params={"booking_no": second}, headers=admin).json()["claims"]
    assert waiting["status"] == "under_review"
    claim_id = waiting["claim_id"]
    approval = {"allowed_total": "3000.00", "note": "one region only"}
    path, key = f"/api/review/claims/{claim_id}/approve", {"X-API-Key": running.keys["reviewer"]}
    assert http.post(path, json=approval, headers=key).status_code == 200
    decided = until(lambda: claim_of(http, second), lambda found: found["status"] == "partially_paid")
    assert (decided["status"], decided["approvedAmount"]) == ("partially_paid", 3000)


def test_the_payors_payment_is_found(running: Stage, http: httpx.Client) -> None:
    number = book(http, "own-6", 40, "F8736", diagnosisCode="8B20")
    complete(http, number)
    until(lambda: claim_of(http, number), lambda found: found["status"] == "approved")
    run = http.post("/api/payments/runs", json={}, headers={"X-API-Key": running.keys["cashier"]})
    assert run.status_code == 201, run.text
    paid = until(lambda: claim_of(http, number), lambda found: found["paidAmount"] is not None)
    assert (paid["paidAmount"], paid["state"]) == (16000, "closed")
    assert paid["paymentDate"] == datetime.now(NAIROBI).date().isoformat(), "the national scheme's own day"
