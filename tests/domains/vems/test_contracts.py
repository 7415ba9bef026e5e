"""Contracts by API and by CSV: refused when they cannot stand, versioned, and never reaching a booking already made."""

from typing import Any

import pytest

from kiungo.kernel import json
from tests.domains.vems.cases import CT_AT, FR_CODE, body
from tests.domains.vems.conftest import Running
from tests.domains.vems.test_booking_api import book

CT: dict[str, Any] = {
    "facility": FR_CODE,
    "vendor": "V364",
    "lot": "LOT-2024-001",
    "service": "F8751",
    "effectiveFrom": "2025-01-01",
    "shaRate": "2000.00",
    "terms": {"any": {"vendorShare": "1300.00", "facilityShare": "600.00", "serviceFee": "100.00"}},
}


@pytest.fixture
def manager(site: Running) -> dict[str, str]:
    return site.key(roles=("contract_manager",))


def send(site: Running, method: str, path: str, sent: Any, headers: dict[str, str]) -> Any:
    content = sent if isinstance(sent, bytes) else json.dumps(sent)
    return site.client.request(method, f"/vems/v1{path}", content=content, headers=headers)


def test_a_contract_is_made_and_offered_at_once(site: Running, manager: dict[str, str]) -> None:
    before = site.client.get("/hmis/v1/services", params={"fr_code": FR_CODE}).json()["data"]
    made = send(site, "POST", "/contracts", CT, manager)
    assert made.status_code == 201
    data = json.loads(made.content)["data"]
    assert json.dumps(data["terms"]) == (b'{"any":{"vendorShare":1300.00,"facilityShare":600.00,"serviceFee":100.00}}')
    assert (data["version"], data["vendorPayee"], data["facilityPayee"]) == (1, "V364", FR_CODE)
    after = site.client.get("/hmis/v1/services", params={"fr_code": FR_CODE}).json()["data"]
    assert [one["serviceCode"] for one in after] == [*(one["serviceCode"] for one in before), "F8751"]
    assert send(site, "POST", "/contracts", CT, manager).json()["data"]["version"] == 1  # the same again is the same


def test_a_change_never_reaches_a_booking_already_made(site: Running, manager: dict[str, str]) -> None:
    first = book(site).content
    number = json.loads(first)["bookingNo"]
    shown = site.client.get(f"/hmis/v1/bookings/{number}").content
    contract = site.client.get("/vems/v1/contracts/CON-0001", headers=manager).json()["data"]
    terms = {"any": {"vendorShare": "9000.00", "facilityShare": "4000.00", "serviceFee": "2000.00"}}
    changed = send(site, "PUT", "/contracts/CON-0001", {**contract, "terms": terms, "shaRate": "15500.00"}, manager)
    assert changed.json()["data"]["version"] == 2
    send(site, "PUT", "/vendors/V364", {"name": "Renamed Imaging Ltd"}, manager)

    assert book(site).content == first
    assert site.client.get(f"/hmis/v1/bookings/{number}").content == shown
    fresh = book(site, body(claimID="later")).json()["services"][0]
    assert (fresh["vendorShare"], fresh["vendorName"]) == (9000.0, "Renamed Imaging Ltd")
    versions = site.client.get("/vems/v1/contracts/CON-0001/versions", headers=manager).json()["data"]
    assert [entry["contract"]["shaRate"] for entry in versions] == [15000.0, 15500.0]
    assert "contract.changed" in [event.topic for event in site.heard.events]


def test_a_change_over_another_change_is_refused(site: Running, manager: dict[str, str]) -> None:
    contract = site.client.get("/vems/v1/contracts/CON-0001", headers=manager).json()["data"]
    assert send(site, "PUT", "/contracts/CON-0001", {**contract, "isActive": False}, manager).status_code == 200
    late = send(site, "PUT", "/contracts/CON-0001", {**contract, "isCapitated": True}, manager)
    assert (late.status_code, "version 2" in late.json()["message"]) == (409, True)


def test_a_suspended_contract_is_shown_and_not_booked(site: Running, manager: dict[str, str]) -> None:
    contract = site.client.get("/vems/v1/contracts/CON-0001", headers=manager).json()["data"]
    send(site, "PUT", "/contracts/CON-0001", {**contract, "isActive": False}, manager)
    listed = site.client.get("/hmis/v1/services", params={"fr_code": FR_CODE}).json()["data"]
    assert [one["isActive"] for one in listed if one["serviceCode"] == "F8735"] == [False]
    assert book(site).status_code == 422


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"shaRate": "1999.99"}, 422, "terms.any"),
        ({"shaRate": "2000.001"}, 422, "shaRate"),
        ({"shaRate": 0}, 422, "shaRate"),
        ({"terms": {}}, 422, "terms"),
        ({"terms": {"any": {"vendorPercent": 70, "facilityPercent": 20, "feePercent": 9.99}}}, 422, "terms.any"),
        ({"terms": {"sha": {"vendorPercent": "70.001", "facilityPercent": 20, "feePercent": 10}}}, 422, "terms.sha"),
        ({"terms": {"barter": CT["terms"]["any"]}}, 422, "terms.barter"),
        ({"terms": {"any": {**CT["terms"]["any"], "vendorPercent": 70}}}, 422, "terms.any"),
        ({"terms": {"any": {**CT["terms"]["any"], "total": "2000.01"}}}, 422, "terms.any.total"),
        ({"effectiveFrom": "2025-02-30"}, 422, "effectiveFrom"),
        ({"effectiveUntil": "2024-12-31"}, 422, "effectiveUntil"),
        ({"vendor": "V999"}, 422, "vendor"),
        ({"facility": "FID-0"}, 422, "facility"),
        ({"currency": "USD"}, 422, "currency"),
        ({"isCapitated": "yes"}, 422, "isCapitated"),
        ({"service": "F8735"}, 409, None),
    ],
)
def test_a_contract_that_cannot_stand_is_refused(
    site: Running, manager: dict[str, str], changes: dict[str, Any], status: int, field: str | None
) -> None:
    answer = send(site, "POST", "/contracts", {**CT, **changes}, manager)
    assert answer.status_code == status
    if field is not None:
        assert any(name.startswith(field) for name in answer.json()["errors"])
    count = site.vems.database.read(lambda unit: unit.value("SELECT count(*) FROM vems_contract"))
    assert count == 3


def test_an_overlap_says_with_whom_and_until_when(site: Running, manager: dict[str, str]) -> None:
    send(site, "PUT", "/vendors/V500", {"name": "Another Vendor"}, manager)
    answer = send(site, "POST", "/contracts", {**CT, "service": "F8735", "vendor": "V500"}, manager)
    assert answer.json()["message"] == (
        f"Contract CON-0001 with V364 covers F8735 at {FR_CODE} from 2024-01-01 until further notice"
    )


def test_modes_have_their_own_terms(site: Running, manager: dict[str, str]) -> None:
    terms = {"sha": CT["terms"]["any"], "cash": {"vendorPercent": 60, "facilityPercent": 35, "feePercent": 5}}
    assert send(site, "POST", "/contracts", {**CT, "terms": terms}, manager).status_code == 201
    services = [{"serviceCode": "F8751", "serviceDate": CT_AT}]
    cash = book(site, body(claimID="c", paymentMode="cash", services=services)).json()
    assert (cash["totalAmount"], cash["services"][0]["vendorShare"]) == (2000.0, 1200.0)
    assert book(site, body(claimID="m", paymentMode="mpesa", services=services)).status_code == 422


CSV = (
    b"facility,vendor,lot,service,effective_from,sha_rate,payment_mode,vendor_share,facility_share,service_fee,"
    b"vendor_percent,facility_percent,fee_percent,capitated\r\n"
)


PLACE = (FR_CODE, "V364", "LOT-2024-001")


def row(*cells: str) -> bytes:
    return ",".join(cells).encode() + b"\r\n"


def test_a_file_is_imported_whole(site: Running, manager: dict[str, str]) -> None:
    sent = (
        b"\xef\xbb\xbf"
        + CSV
        + row(*PLACE, "F8751", "2025-01-01", "2000.00", "sha", "1300", "600", "100", "", "", "", "")
        + row(*PLACE, "F8751", "2025-01-01", "2000.00", "cash", "", "", "", "65", "30", "5", "")
    )  # fmt: skip
    done = send(site, "POST", "/contracts/import", sent, manager)
    assert done.status_code == 200
    assert (done.json()["data"]["rows"], len(done.json()["data"]["contracts"])) == (1, 1)
    contract_id = done.json()["data"]["contracts"][0]
    contract = site.client.get(f"/vems/v1/contracts/{contract_id}", headers=manager).json()["data"]
    assert set(contract["terms"]) == {"sha", "cash"}
    again = send(site, "POST", "/contracts/import", sent, manager).json()["data"]["contracts"]
    assert again == [contract_id]


def test_every_wrong_row_is_named_and_nothing_is_written(site: Running, manager: dict[str, str]) -> None:
    good = row(*PLACE, "F8751", "2025-01-01", "2000", "", "1300", "600", "100", "", "", "", "")
    sent = (
        CSV
        + good
        + row(*PLACE, "F8735", "2020-01-01", "15000", "", "14000", "900", "100.01", "", "", "", "")
        + row("FID-9", "V999", "LOT-2024-001", "F8736", "2025-01-01", "1", "", "1", "0", "0", "", "", "", "")
    )  # fmt: skip
    answer = send(site, "POST", "/contracts/import", sent, manager)
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"row 3.terms.any", "row 4.vendor", "row 4.facility"}
    assert answer.json()["message"].startswith("Nothing was imported: 3 problem(s)")
    assert site.vems.database.read(lambda unit: unit.value("SELECT count(*) FROM vems_contract")) == 3


def test_a_file_forgets_no_payment_mode_that_is_on_file(site: Running, manager: dict[str, str]) -> None:
    """CON-0001 has terms for any mode: a file of what cash costs must not end all others."""
    cash = row(*PLACE, "F8735", "2024-01-01", "15000", "cash", "9000", "4000", "1000", "", "", "", "")
    before = site.client.get("/vems/v1/contracts/CON-0001", headers=manager).json()["data"]
    answer = send(site, "POST", "/contracts/import", CSV + cash, manager)
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {"row 2.payment_mode"})
    assert site.client.get("/vems/v1/contracts/CON-0001", headers=manager).json()["data"] == before
    both = cash + row(*PLACE, "F8735", "2024-01-01", "15000", "any", "10000", "4000", "1000", "", "", "", "")
    assert send(site, "POST", "/contracts/import", CSV + both, manager).status_code == 200


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (b"", "file"),
        (CSV.replace(b"vendor_percent", b"vendor_share"), "file"),
        (CSV + row(*PLACE, "F8751", "2025-01-01", "2000", "", "1300", "600", "100", "65", "", "", ""), "row 2.any"),
        (b"facility,vendor\r\n", "file"),
        (CSV, "file"),
        (CSV.replace(b"capitated", b"kapitated"), "file"),
        (b"\xff\xfe", "file"),
        (CSV + b"only,three,cells\r\n", "row 2"),
        (CSV + row(FR_CODE, "", "L", "F8751", "2025-13-01", "x", "", *"111", "", "", "", "maybe"), "row 2.vendor"),
        (CSV + b'"unclosed\r\n', "line 1"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused(site: Running, manager: dict[str, str], sent: bytes, field: str) -> None:
    answer = send(site, "POST", "/contracts/import", sent, manager)
    assert (answer.status_code, field in answer.json()["errors"]) == (422, True), answer.text


def test_lists_of_master_data_are_paged_by_their_codes(site: Running, manager: dict[str, str]) -> None:
    for number in range(5):
        send(site, "PUT", f"/vendors/X{number}", {"name": f"Vendor {number}"}, manager)

    def codes(**query: str | int) -> list[str]:
        found = site.client.get("/vems/v1/vendors", params=query, headers=manager).json()["data"]
        return [one["code"] for one in found]

    whole, first = codes(), codes(limit=4)
    assert whole == sorted(whole) == [*first, *codes(after=first[-1])]
    assert site.client.get("/vems/v1/vendors", params={"limit": 0}, headers=manager).status_code == 422


@pytest.mark.parametrize("path", ["vendors", "lots", "services", "equipment", "contracts", "facilities"])
def test_following_next_lists_everything_once(site: Running, path: str) -> None:
    headers = site.key("*:*")
    send(site, "PUT", "/facilities/FID-99", {"name": "Second", "county": "Nairobi", "isActive": True}, headers)
    for number in range(2):
        send(site, "PUT", f"/lots/LOT-X{number}", {"name": "x"}, headers)
        machine = {"name": "MRI", "vendor": "V364", "facility": FR_CODE, "lot": "LOT-2024-001"}
        send(site, "PUT", f"/equipment/EQ-X{number}", machine, headers)
    whole = site.client.get(f"/vems/v1/{path}", headers=headers).json()
    assert whole["next"] is None
    assert len(whole["data"]) >= 2
    found, after = [], ""
    for _ in whole["data"]:
        page = site.client.get(f"/vems/v1/{path}", params={"limit": 1, "after": after}, headers=headers).json()
        found += page["data"]
        after = page["next"]
    assert (found, after) == (whole["data"], None)


def test_master_data_is_kept_and_listed(site: Running, manager: dict[str, str]) -> None:
    machine = {
        "name": "Dialysis machine", "vendor": "V412", "facility": FR_CODE, "lot": "LOT-2024-002",
        "services": ["F8740"], "serialNumber": "D-9",
    }  # fmt: skip
    assert send(site, "PUT", "/equipment/EQ-9", machine, manager).status_code == 200
    listed = site.client.get("/vems/v1/equipment", headers=manager).json()["data"]
    assert {**machine, "equipmentId": "EQ-9", "inUse": True} in listed
    assert send(site, "PUT", "/lots/LOT-9", {"name": ""}, manager).json()["errors"] == {"name": ["is required"]}
    assert send(site, "PUT", "/lots/LOT-9", [], manager).status_code == 422
    facility = {"name": "New Clinic", "county": "Kwale"}
    assert send(site, "PUT", "/facilities/FID-9", facility, manager).status_code == 200
    assert site.client.get("/hmis/v1/services", params={"fr_code": "FID-9"}).json() == {"success": True, "data": []}
    send(site, "PUT", "/facilities/FID-9", {**facility, "isActive": False}, manager)
    assert site.client.get("/hmis/v1/services", params={"fr_code": "FID-9"}).status_code == 404


def test_administration_needs_its_scopes(site: Running) -> None:
    plain = site.key(roles=("facility",))
    assert site.client.get("/vems/v1/contracts").status_code == 401
    assert site.client.get("/vems/v1/contracts", headers=plain).status_code == 403
    assert send(site, "POST", "/contracts", CT, plain).status_code == 403
    assert send(site, "POST", "/contracts/import", CSV, plain).status_code == 403


def test_a_manager_bound_to_a_facility_keeps_its_contracts_alone(site: Running, manager: dict[str, str]) -> None:
    bound = site.key(roles=("contract_manager",), bindings={"facility": FR_CODE})
    assert send(site, "POST", "/contracts", CT, bound).status_code == 201
    assert send(site, "PUT", "/facilities/FID-2", {"name": "Another"}, manager).status_code in (200, 201)
    assert send(site, "POST", "/contracts", {**CT, "facility": "FID-2"}, bound).status_code == 403
    assert send(site, "PUT", "/vendors/V999", {"name": "Anybody's"}, bound).status_code == 403
