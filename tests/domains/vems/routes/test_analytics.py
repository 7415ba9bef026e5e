"""Reports over HTTP on both engines: figures to the cent, periods to the day, CSV that is safe to open, streams."""

import csv
import io
from typing import Any

import pytest

from kiungo.base.time import iso_millis
from kiungo.domains.vems.analytics import payments
from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.settlement.test_own_equipment import own_booking
from tests.domains.vems.settlement.world import FACILITY, TENANT, VENDOR, kes

DAY_S = 86_400


def sheet(office: Office, name: str, **query: str) -> list[dict[str, str]]:
    answer = office.client.get(
        f"/vems/v1/analytics/{name}", params=query | {"format": "csv"}, headers=office.person("ann")
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{name}_')
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def quarter(office: Office) -> Office:
    """Four bookings on 2 March 2026: approved after two days and paid after three, in part, rejected, cancelled."""
    office.world.fund("200000.00")
    service = {"serviceCode": "F8735", "serviceDate": iso_millis(office.world.clock.now_us())}
    numbers = [office.booked(claimID=f"C{n}", services=[service]) for n in range(4)]
    office.post(f"/bookings/{numbers[3]}/cancel", {"reason": "the machine is down"})
    office.post(f"/bookings/{numbers[0]}/confirm")
    line = office.client.get(f"/hmis/v1/bookings/{numbers[0]}").json()["bookedServices"][0]["serviceBookingId"]
    office.post(f"/bookings/{numbers[0]}/services/{line}/complete")
    office.world.clock.turn(seconds=2 * DAY_S)
    said = {"reason": "the letter"}
    for number, status, more in (
        (numbers[0], "approved", {}),
        (numbers[1], "partially_paid", {"approvedAmount": "7500.00"}),
        (numbers[2], "rejected", {}),
    ):
        wish = said | {"approvalStatus": status} | more
        office.post(f"/bookings/{number}/override", wish, status=200) if status == "rejected" else office.overridden(
            number, wish
        )
    office.world.clock.turn(seconds=DAY_S)
    office.world.settle()
    return office


def test_figures_are_right_to_the_cent(quarter: Office) -> None:
    (service,) = quarter.get("/analytics/services")["data"]
    assert (service["booked"], service["completed"], service["cancelled"]) == (4, 1, 1)
    assert (service["totalAmount"], service["completedAmount"]) == (60000.00, 15000.00)
    (approval,) = quarter.get("/analytics/approvals")["data"]
    assert (approval["approved"], approval["partiallyPaid"], approval["rejected"]) == (1, 1, 1)
    assert approval["approvalPercent"] == 66.67
    assert approval["approvedAmount"] == 22500.00
    month, everything = quarter.get("/analytics/cycles")["data"]
    assert (month["month"], everything["month"], month["payments"]) == ("2026-03", "all", 2)
    assert month["claimedToDecidedMeanDays"] == 2.0
    assert (month["decidedToPaidMedianDays"], month["claimedToPaidNinthDecileDays"]) == (1.0, 3.0)
    sides = {row["role"]: row for row in quarter.get("/analytics/stakeholders")["data"]}
    assert sum(row["owedAmount"] for row in sides.values()) == 22500.00
    assert sides["vendor"]["owedAmount"] == 15000.00
    assert sides["vendor"]["paidAmount"] == 15000.00
    assert sides["facility"]["payee"] == FACILITY
    assert sides["fee"]["paidAmount"] == sides["fee"]["owedAmount"]


def test_a_payee_with_two_roles_is_one_row_and_its_payments_count_once(office: Office) -> None:
    office.world.fund("200000.00")
    number = office.booked()
    office.world.database.write(
        lambda unit: office.world.settlements.decide(unit, TENANT, own_booking(number), kes("31000.00"), 1)
    )
    office.world.settle()
    sides = {row["role"]: row for row in office.get("/analytics/stakeholders")["data"]}
    assert set(sides) == {"vendor and facility", "fee"}
    assert sides["vendor and facility"]["owedAmount"] == sides["vendor and facility"]["paidAmount"] == 30_000


def test_periods_begin_and_end_at_midnight_in_nairobi(quarter: Office) -> None:
    def booked(**query: str) -> int:
        return sum(row["booked"] for row in quarter.get("/analytics/services", **query)["data"])

    assert booked(**{"from": "2026-03-02", "until": "2026-03-02"}) == 4
    assert booked(**{"from": "2026-03-03", "until": "2026-03-31"}) == 0
    assert booked(**{"from": "2026-02-01", "until": "2026-03-01"}) == 0
    late = {"serviceCode": "F8735", "serviceDate": "2026-03-02T21:30:00Z"}
    quarter.booked(claimID="LATE", services=[late])
    assert booked(**{"from": "2026-03-03", "until": "2026-03-03"}) == 1, "half past midnight in Nairobi"


def test_csv_says_what_json_says(quarter: Office) -> None:
    for name in ("services", "approvals", "cycles", "stakeholders", "payments"):
        rows: list[dict[str, Any]] = quarter.get(f"/analytics/{name}")["data"]
        lines = sheet(quarter, name)
        assert len(rows) == len(lines) > 0, name
        for row, line in zip(rows, lines, strict=True):
            assert list(row) == list(line)
            for cell, text in zip(row.values(), line.values(), strict=True):
                decimals = len(text.partition(".")[2])
                told = f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell or "")
                assert text == told or (cell == 0 and float(text) == 0), (name, cell, text)


def test_a_payee_called_like_a_formula_harms_nobody(quarter: Office) -> None:
    answer = quarter.client.put(
        f"/vems/v1/payees/{VENDOR}", json={"name": "=HYPERLINK(0)"}, headers=quarter.person("ann")
    )
    assert answer.status_code == 200
    assert "'=HYPERLINK(0)" in {line["name"] for line in sheet(quarter, "stakeholders")}
    assert "'=HYPERLINK(0)" in {line["payeeName"] for line in sheet(quarter, "payments")}


def test_payments_are_streamed_page_by_page(quarter: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments, "PAGE", 1)
    rows = quarter.get("/analytics/payments")["data"]
    assert len(rows) == 4
    assert len({row["reference"] for row in rows}) == 4
    assert len(sheet(quarter, "payments")) == 4
    assert quarter.get("/analytics/payments", facility="FID-0")["data"] == []
    assert sheet(quarter, "payments", facility="FID-0") == []


def test_a_facility_gets_its_own_figures_only(quarter: Office) -> None:
    key = quarter.key("read:analytics", bindings={"facility": "FID-0"})
    for name in ("services", "approvals", "cycles", "stakeholders", "payments"):
        answer = quarter.client.get(f"/vems/v1/analytics/{name}?facility={FACILITY}", headers=key)
        assert answer.json()["data"] == [], name
    assert quarter.client.get("/vems/v1/analytics/services", headers=quarter.key("read:bookings")).status_code == 403
