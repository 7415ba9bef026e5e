"""Who collects and when it is paid out: each payment mode in the running system, both ways of KIUNGO_SETTLE_ON."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from kiungo.app.cli import app
from kiungo.app.demo.stage import Stage, stage
from kiungo.app.registry import BANK, MPESA, TENANT, ConnectorSettings, SettleSettings, connector_settings
from kiungo.app.sample_data import FACILITY_KEY, HOSPITAL
from kiungo.base.errors import Incorrect, NotFound
from kiungo.base.money import Money
from kiungo.domains.vems.settlement import accounts, store
from kiungo.domains.vems.settlement.model import SettlementRow
from kiungo.kernel import json, ledger

DAY = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
FACILITY, VENDOR, RENAL_VENDOR = "FID-32-121583-3", "V364", "V412"


def on_remittance(connected: ConnectorSettings) -> ConnectorSettings:
    follow = connected.follow.model_copy(update={"insurer": "hcms"})
    return replace(connected, settle=SettleSettings(on="remittance"), follow=follow)


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with stage(choose=on_remittance) as here:
        yield here


@pytest.fixture
def http(running: Stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=30, headers={"X-API-Key": running.keys[FACILITY_KEY]}) as client:
        yield client


def book(http: httpx.Client, claim_id: str, mode: str, *codes: str) -> dict[str, Any]:
    asked = {
        "patientCR": "CR1234567",
        "paymentMode": mode,
        "facilityFrCode": FACILITY,
        "claimID": claim_id,
        "services": [{"serviceCode": code, "serviceDate": f"{DAY}T10:00:00Z"} for code in codes],
    }
    answer = http.post("/hmis/v1/bookings/cost-distribution", json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = http.get(f"/hmis/v1/bookings/{answer.json()['bookingNo']}").json()
    return found


def complete(http: httpx.Client, booked: dict[str, Any]) -> None:
    for line in booked["bookedServices"]:
        path = f"/vems/v1/bookings/{booked['bookingNo']}/services/{line['serviceBookingId']}/complete"
        assert http.post(path).status_code == 200


def settlement(running: Stage, number: str) -> SettlementRow | None:
    return running.system.database.read(lambda unit: store.find_settlement(unit, TENANT, number))


def paid_out(running: Stage, number: str) -> dict[str, str]:
    legs = running.system.database.read(lambda unit: store.legs_of(unit, TENANT, number))
    return {leg.payee_id: f"{leg.amount.text()} by {leg.rail}" for leg in legs if leg.state != "waiting"}


def balance(running: Stage, account: str) -> int:
    """What an account holds; nothing before its first movement opens it, whichever test comes first."""
    try:
        return running.system.database.read(
            lambda unit: ledger.balance(unit, TENANT, account, "KES").balance.net_dr  # type: ignore[no-any-return]
        )
    except NotFound:
        return 0


def remit(running: Stage, number: str, rail: str, amount: str) -> None:
    money = Money.parse(amount, "KES")
    running.system.database.write(
        lambda unit: running.system.money.settlements.remit(
            unit, TENANT, number, rail=rail, amount=money, key=f"test-{number}"
        )
    )


def until(condition: Callable[[], Any], timeout_s: float = 10) -> Any:
    end_s = time.monotonic() + timeout_s
    while not (found := condition()) and time.monotonic() < end_s:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(("mode", "day_shift"), [("sha", 0), ("other_insurances", 10)])
def test_a_payers_booking_waits_for_its_money(running: Stage, http: httpx.Client, mode: str, day_shift: int) -> None:
    """The payer sends it: shares are owed at the approval, and paid out at the remittance."""
    number = book(http, f"{mode}-1", mode, "F8735")["bookingNo"]
    day = (datetime.now(UTC) - timedelta(days=3 + day_shift)).date().isoformat()
    claim = {
        "patient_name": "John Kamau Mwangi",
        "insurance_id": "CR1234567",
        "diagnosis_code": "8B20",
        "amount": "15000.00",
        "booking_no": number,
        "lines": [{"procedure_code": "F8735", "amount": "15000.00", "date_of_service": day}],
    }
    taken = http.post("/api/claims/", json=claim, headers={"X-API-Key": running.keys[HOSPITAL]})
    assert taken.json()["claim"]["status"] == "approved", taken.text
    decided = until(lambda: settlement(running, number))
    assert (decided.approved_minor, decided.remitted_minor, decided.pays_on) == (1_500_000, 0, "remittance")
    assert (decided.state, paid_out(running, number)) == ("waiting", {})
    assert "not yet remitted" in decided.reason
    owed = balance(running, accounts.receivable("hcms"))
    run = http.post("/api/payments/runs", json={}, headers={"X-API-Key": running.keys["cashier"]})
    assert run.status_code == 201, run.text
    both = {VENDOR: "10000.00 by mpesa", FACILITY: "4500.00 by bank"}
    assert until(lambda: paid_out(running, number) == both), paid_out(running, number)
    assert balance(running, accounts.receivable("hcms")) == owed - 1_500_000


def test_cash_is_collected_by_the_facility_which_keeps_its_share(running: Stage, http: httpx.Client) -> None:
    booked = book(http, "cash-1", "cash", "F8735")
    before = balance(running, accounts.FEE)
    complete(http, booked)
    number = booked["bookingNo"]
    row = until(lambda: settlement(running, number))
    assert [(share.role, share.accrued_minor) for share in row.shares] == [("vendor", 1_000_000), ("fee", 50_000)]
    assert balance(running, accounts.receivable(FACILITY)) == 1_050_000
    assert paid_out(running, number) == {}
    remit(running, number, BANK, "10500.00")
    assert until(lambda: paid_out(running, number)) == {VENDOR: "10000.00 by mpesa"}
    assert balance(running, accounts.receivable(FACILITY)) == 0
    assert before - balance(running, accounts.FEE) == 50_000


def test_mpesa_is_collected_by_us(running: Stage, http: httpx.Client) -> None:
    booked = book(http, "mpesa-1", "mpesa", "F8736")
    complete(http, booked)
    number = booked["bookingNo"]
    row = until(lambda: settlement(running, number))
    assert (row.payer, row.approved_minor) == ("patients", 1_600_000)
    remit(running, number, MPESA, "16000.00")
    both = {VENDOR: "11000.00 by mpesa", FACILITY: "4500.00 by bank"}
    assert until(lambda: paid_out(running, number) == both), paid_out(running, number)
    assert balance(running, accounts.receivable("patients")) == 0


def test_a_capitated_service_is_paid_from_what_the_facility_holds(running: Stage, http: httpx.Client) -> None:
    booked = book(http, "capitated-1", "sha", "F8740")
    before = balance(running, accounts.receivable(FACILITY))
    complete(http, booked)
    number = booked["bookingNo"] + "/C"
    row = until(lambda: settlement(running, number))
    assert [(share.role, share.accrued_minor) for share in row.shares] == [("vendor", 666_701), ("fee", 33_300)]
    assert balance(running, accounts.receivable(FACILITY)) - before == 700_001
    remit(running, number, BANK, "7000.01")
    assert until(lambda: paid_out(running, number)) == {RENAL_VENDOR: "6667.00 by mpesa"}


def test_the_setting_is_shown_and_a_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    assert connector_settings().settle.on == "approval"
    monkeypatch.setenv("KIUNGO_SETTLE_ON", "remittance")
    assert "paid out at remittance (KIUNGO_SETTLE_ON)" in run("check").stdout
    assert json.loads(run("check", "--json").stdout)["settle_on"] == "remittance"
    monkeypatch.setenv("KIUNGO_SETTLE_ON", "delivery")
    with pytest.raises(Incorrect, match="KIUNGO_SETTLE_ON"):
        connector_settings()
    monkeypatch.setenv("KIUNGO_SETTLE_ON", "approval")
    monkeypatch.setenv("KIUNGO_FOLLOW_INSURER", "nobody")
    assert CliRunner().invoke(app, ["dev", "--port", "0"]).exit_code == 2
