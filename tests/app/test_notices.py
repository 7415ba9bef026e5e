"""Our own payor tells our own bookings: registered by itself, once, and a decision is known without polling."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from kiungo.app.demo.stage import Stage, stage
from kiungo.app.notices import PATH, expect_notices
from kiungo.app.registry import TENANT
from kiungo.app.sample_data import HOSPITAL, HOSPITAL_ID
from kiungo.app.server import own_url
from kiungo.kernel.config import load_settings
from kiungo.kernel.webhooks import endpoints

DAY = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with stage() as here:
        ours = own_url(here.system.settings)
        expect_notices(here.system, "http://127.0.0.1:1", HOSPITAL_ID, "of-an-earlier-start")
        expect_notices(here.system, ours, HOSPITAL_ID, here.sandbox.notice_secret)
        yield here


def test_it_is_one_webhook_however_often_the_platform_starts(running: Stage) -> None:
    found = running.system.database.read(lambda unit: endpoints.listed(unit, TENANT, owner=HOSPITAL_ID))
    assert [one.url for one in found] == [running.url + PATH]


def test_a_decision_is_known_by_its_notice(running: Stage) -> None:
    with httpx.Client(base_url=running.url, timeout=30) as http:
        booked = http.post("/hmis/v1/bookings/cost-distribution", json=booking()).json()
        number = booked["bookingNo"]
        key = {"X-API-Key": running.keys[HOSPITAL]}
        claim = {
            "patient_name": "John Kamau Mwangi",
            "insurance_id": "CR1234567",
            "diagnosis_code": "8B20",
            "amount": "16000.00",
            "booking_no": number,
            "lines": [{"procedure_code": "F8735", "amount": "16000.00", "date_of_service": DAY}],
        }
        taken = http.post("/api/claims/", json=claim, headers=key).json()
        # The claim is over its booking, so polling found it under review before anybody decided.
        assert taken["status"] == "under_review", taken
        seen = wait(lambda: claim_of(http, running, number), lambda found: found["status"] == "pending")
        assert seen["status"] == "pending"
        running.system.database.write(
            lambda unit: unit.execute("UPDATE vems_claim SET next_poll_us = NULL WHERE booking_no = ?", (number,))
        )
        reviewer = {"X-API-Key": running.keys["reviewer"]}
        path = f"/api/review/claims/{taken['claim']['claim_id']}/approve"
        decided = http.post(path, json={"allowed_total": "15000.00", "note": "as booked"}, headers=reviewer)
        assert decided.status_code == 200, decided.text
        known = wait(lambda: claim_of(http, running, number), lambda found: found["status"] == "approved")
        assert (known["status"], known["reports"][-1]["source"]) == ("approved", "notice")


def test_a_facility_has_webhooks_of_its_own_and_sees_no_others(running: Stage) -> None:
    wanted = {"webhook_url": "http://127.0.0.1:9/hooks", "events": ["booking_status_update"]}
    mine, others = (
        {"X-API-Key": running.keys[name]} for name in ("facility FID-32-121583-3", HOSPITAL)
    )  # fmt: skip
    with httpx.Client(base_url=running.url, timeout=30) as http:
        made = http.post("/api/webhooks/", json=wanted, headers=mine)
        assert (made.status_code, made.json()["webhook"]["provider_id"]) == (201, "FID-32-121583-3")
        one = f"/api/webhooks/{made.json()['webhook']['id']}/"
        assert (http.get(one, headers=mine).status_code, http.get(one, headers=others).status_code) == (200, 404)
        assert len(http.get("/api/webhooks/", headers=mine).json()["webhooks"]) == 1
        foreign = http.post("/api/webhooks/", json=wanted | {"provider_id": HOSPITAL_ID}, headers=mine)
        assert foreign.status_code == 403
        assert http.delete(one, headers=mine).status_code == 204


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("10.0.0.7", "http://10.0.0.7:8000"),
        ("::1", "http://[::1]:8000"),
    ],
)
def test_where_the_platform_reaches_itself(host: str, expected: str) -> None:
    assert own_url(load_settings(mode="dev", host=host, port=8000)) == expected


def booking() -> dict[str, Any]:
    return {
        "patientCR": "CR1234567",
        "paymentMode": "sha",
        "facilityFrCode": "FID-32-121583-3",
        "claimID": "by-notice-1",
        "services": [{"serviceCode": "F8735", "serviceDate": f"{DAY}T10:51:00.000Z"}],
    }


def claim_of(http: httpx.Client, running: Stage, number: str) -> dict[str, Any]:
    key = {"X-API-Key": running.keys["booking supervisor"]}
    found: dict[str, Any] = http.get(f"/vems/v1/bookings/{number}/claim", headers=key).json()["data"]
    return found


def wait(ask: Any, until: Any, timeout_s: float = 10) -> Any:
    end_s = time.monotonic() + timeout_s
    while not until(found := ask()) and time.monotonic() < end_s:
        time.sleep(0.05)
    return found
