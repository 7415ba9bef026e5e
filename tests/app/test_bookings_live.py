"""Bookings in the running system: open in dev with simulated systems around them, honest where none is connected."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kiungo.app.demo.stage import Stage, stage
from kiungo.app.registry import ConnectorSettings, FollowSettings, connector_settings
from kiungo.app.sandbox import Sandbox
from kiungo.app.system import open_system
from kiungo.base.errors import Incorrect
from kiungo.connectors.sms.settings import SmsSettings
from kiungo.domains.vems.loading import load_sample
from kiungo.kernel.auth import system_call
from kiungo.kernel.config import load_settings

DOCUMENTED = {
    "patientCR": "CR1234567",
    "paymentMode": "sha",
    "facilityFrCode": "FID-32-121583-3",
    "claimID": "3663-gdhs-TAIFA-CARE",
    "services": [
        {"serviceCode": "F8735", "serviceDate": "2025-11-02T10:51:00.000Z"},
        {"serviceCode": "F8736", "serviceDate": "2025-11-03T14:30:00.000Z"},
    ],
}
BOOK = "/hmis/v1/bookings/cost-distribution"


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with stage() as here:
        yield here


@pytest.fixture
def http(running: Stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize("base", ["/hmis/v1", "/api/v1"])
def test_the_documents_booking_is_answered_without_a_key(http: httpx.Client, base: str) -> None:
    answer = http.post(f"{base}/bookings/cost-distribution", json=DOCUMENTED)
    assert answer.status_code == 200, answer.text
    assert '"totalAmount":31000.00' in answer.text
    number = answer.json()["bookingNo"]
    assert http.get(f"{base}/bookings/{number}").json()["approvalStatus"] == "pending"
    assert http.get(f"/vems/v1/bookings/{number}/claim", headers={"X-API-Key": "wrong"}).status_code == 401


def test_an_unknown_patient_is_asked_of_the_simulated_registry(running: Stage, http: httpx.Client) -> None:
    asked = running.sandbox.afyalink.requests
    answer = http.post(BOOK, json=DOCUMENTED | {"patientCR": "CR0000000", "claimID": "nobody"})
    assert (answer.status_code, answer.json()["message"]) == (404, "Patient not found in HIE")
    assert running.sandbox.afyalink.requests > asked


def test_what_is_open_in_dev_does_not_open_more(http: httpx.Client) -> None:
    assert http.get("/vems/v1/contracts").status_code == 401
    assert http.get("/vems/v1/claims").status_code == 401


def test_a_facilitys_key_is_bound_to_it(running: Stage, http: httpx.Client) -> None:
    key = {"X-API-Key": running.keys["facility FID-32-121583-3"]}
    assert http.get("/vems/v1/bookings", headers=key).status_code == 200
    other = http.get("/vems/v1/bookings", params={"facility": "FID-1"}, headers=key)
    assert other.status_code == 403


@pytest.mark.parametrize(
    "path", ["/callbacks/money/1/ABCDEFGHJKLMN/result/WRONG", "/callbacks/money/2/A/result/B", "/callbacks/sms/1/wrong"]
)
def test_a_callback_without_the_secret_finds_nothing(running: Stage, http: httpx.Client, path: str) -> None:
    answer = http.post(path, json={"Result": {"ResultCode": 0}})
    assert answer.status_code == 404
    kept = running.system.database.read(lambda unit: unit.value("SELECT count(*) FROM inbox WHERE source = 'mpesa'"))
    assert kept == 0


def test_a_forged_notice_of_a_payer_is_refused(http: httpx.Client) -> None:
    answer = http.post("/vems/v1/payers/hcms/notices", json={"event_type": "claim_status_update"})
    assert answer.status_code == 401


def test_without_a_registry_an_unknown_patient_is_503_with_retry_after(tmp_path: Path) -> None:
    settings = load_settings(mode="dev", data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'dev.db'}")
    system = open_system(settings, ConnectorSettings())
    system.database.write(lambda unit: load_sample(system.vems.contracts, unit, system_call(1)))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(system.site), base_url="http://kiungo") as client:
            return await client.post(BOOK, json=DOCUMENTED)

    try:
        answer = asyncio.run(ask())
    finally:
        system.close()
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "KIUNGO_AFYALINK_" in answer.text


def test_one_variable_connects_a_connector_and_asks_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connector_settings().sms is None
    monkeypatch.setenv("KIUNGO_SMS_USERNAME", "hospital")
    monkeypatch.setenv("KIUNGO_SMS_API_KY", "a-secret-value")
    with pytest.raises(Incorrect) as refused:
        connector_settings()
    named = {detail.field for detail in refused.value.details}
    assert named == {"KIUNGO_SMS_API_KY", "KIUNGO_SMS_API_KEY", "KIUNGO_SMS_REPORT_KEY"}
    assert "a-secret-value" not in str(refused.value.details)


def test_the_environment_wins_over_the_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    sms = SmsSettings(username="twin", api_key="k", report_key="r" * 16)
    twins = ConnectorSettings(sms=sms, follow=FollowSettings(interval_s=1))
    monkeypatch.setenv("KIUNGO_SMS_USERNAME", "hospital")
    monkeypatch.setenv("KIUNGO_SMS_API_KEY", "k")
    monkeypatch.setenv("KIUNGO_SMS_REPORT_KEY", "r" * 16)
    found = connector_settings().over(twins)
    assert found.sms is not None
    assert (found.sms.username, found.follow.interval_s) == ("hospital", 1)


def test_a_payer_that_is_not_connected_cannot_be_followed(tmp_path: Path) -> None:
    settings = load_settings(mode="dev", data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'dev.db'}")
    with pytest.raises(Incorrect, match="KIUNGO_FOLLOW_PAYER"):
        open_system(settings, ConnectorSettings(follow=FollowSettings(payer="sha")))


def test_a_taken_port_does_not_stop_the_simulators() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sandbox = Sandbox(taken.getsockname()[1])
        try:
            assert httpx.get(sandbox.url + "/nobody").status_code == 404
            assert sandbox.url != f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            sandbox.close()
