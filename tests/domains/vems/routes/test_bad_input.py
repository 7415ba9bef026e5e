"""Bad input on every route of bookings and their money: refused in the documented shape, and nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from kiungo.kernel import json
from tests.domains.vems.cases import FR_CODE, body
from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.settlement.world import VENDOR

MALFORMED = {
    "nothing": b"",
    "half": b'{"a": ',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "NUL": b'{"reason": "a\\u0000b", "claimID": "\\u0000"}',
    "surrogate": b'{"reason": "\\ud800", "claimID": "\\udfff"}',
    "deep": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "not a number": b'{"approvedAmount": NaN, "amount": Infinity}',
    "list": b"[]",
    "text": b'"x"',
    "number": b"7",
    "null": b"null",
}
TEXTS = (7, 1.5, True, [], ["x"], {}, {"a": 1}, "", " ", "x" * 5_000, "a\tb", "a\x7fb")
ENUMS = (*TEXTS, "unknown", "SHA", "Paid")
AMOUNTS = (-1, -0.01, "10.001", 0.001, "1e9", "1,000.00", "KES 5", "NaN", 10**30, True, [], {}, "", " ", "٣٤")
DATES = ("2026-02-30", "2026-13-01", "26-01-01", "2026-01-01T00:00:00Z", "tomorrow", 20260101, [], "٢٠٢٦-٠١-٠١")
MOMENTS = ("2025-02-30T10:00:00Z", "2025-11-02", "2025-11-02T25:00:00Z", "2025-11-02T10:51:00", "x", 1, None, "")


@dataclass(frozen=True)
class Write:
    """A write route with a good body, and for each field the values it must refuse."""

    method: str
    path: str
    good: Mapping[str, Any]
    bad: Mapping[str, tuple[Any, ...]]


SERVICE = {"serviceCode": "F8735", "serviceDate": "2025-11-02T10:51:00.000Z"}
PHONE = {"rail": "mpesa", "kind": "wallet", "number": "254712345678"}
CONTRACT = {
    "facility": FR_CODE, "vendor": "V364", "lot": "LOT-2024-001", "service": "F8735", "effectiveFrom": "2019-01-01",
    "effectiveUntil": "2019-12-31", "shaRate": 15000,
    "terms": {"any": {"vendorShare": 10000, "facilityShare": 4500, "serviceFee": 500}},
}  # fmt: skip


def percents(*shares: Any) -> dict[str, Any]:
    names = ("vendorPercent", "facilityPercent", "feePercent")
    return {"any": dict(zip(names, shares, strict=True))}


def writes(booking_no: str, leg: str) -> list[Write]:
    booking, one_leg = f"/vems/v1/bookings/{booking_no}", f"/vems/v1/legs/{leg}"
    return [
        Write("POST", "/hmis/v1/bookings/cost-distribution", body(claimID="BAD"), {
            "patientCR": TEXTS, "facilityFrCode": TEXTS, "claimID": TEXTS, "paymentMode": ENUMS,
            "services": (
                None, [], {}, "F8735", [1], [{}], 51 * [SERVICE], [SERVICE, SERVICE],
                *([{**SERVICE, "serviceDate": moment}] for moment in MOMENTS),
                *([{**SERVICE, "serviceCode": code}] for code in TEXTS),
            ),
            "diagnosisCode": (7, [], "x" * 99, "a\tb"),
        }),
        Write("POST", f"{booking}/cancel", {"reason": "no"}, {"reason": (7, [], "", " ", "x" * 501)}),
        Write("POST", f"{booking}/override", {"reason": "r", "approvalStatus": "partially_paid", "approvedAmount": 5}, {
            "reason": (7, [], "", " ", "x" * 501), "approvalStatus": ENUMS[:4], "approvedAmount": AMOUNTS,
            "bookingStatus": ("unknown", 7, "PENDING"),
        }),
        Write("POST", f"{booking}/corrections", {"approvedAmount": 5, "reason": "r"}, {
            "approvedAmount": AMOUNTS, "reason": TEXTS[:10],
        }),
        Write("PUT", f"{booking}/claim", {"reference": "R1"}, {
            "reference": (7, [], "", "x" * 5_000), "payer": (7, []),
        }),
        Write("POST", f"{one_leg}/propose", {"outcome": "paid", "evidence": "e"}, {
            "outcome": ENUMS, "evidence": TEXTS[:10],
        }),
        Write("POST", f"{one_leg}/confirm", {"outcome": "paid"}, {"outcome": ENUMS}),
        Write("PUT", "/vems/v1/payees/V900", {"name": "N"}, {
            "name": TEXTS, "language": (7, "klingon"), "phone": ("0712345678", "+0", "+2547123x", 7, []),
            "email": ("x", "a@b", "a b@c.example", 7),
        }),
        Write("POST", f"/vems/v1/payees/{VENDOR}/details", {"preferences": [PHONE]}, {
            "preferences": (
                None, [], {}, "x", [1], 6 * [PHONE], *([{**PHONE, "rail": rail}] for rail in (*TEXTS, "pigeon")),
                *([{**PHONE, "kind": kind}] for kind in ENUMS),
                *([{**PHONE, "number": number}] for number in (*TEXTS, "0712345678", "25471234567٨")),
            ),
        }),
        Write("POST", "/vems/v1/rails/mpesa/fundings", {"key": "BAD", "amount": 5}, {
            "key": TEXTS, "amount": (*AMOUNTS, 0, None),
        }),
        Write("POST", "/vems/v1/rails/bank/accept", {"lineId": "L", "reference": leg}, {
            "lineId": TEXTS, "reference": TEXTS,
        }),
        Write("POST", "/vems/v1/rails/bank/refuse", {"lineId": "L", "reference": leg}, {
            "lineId": TEXTS, "reference": TEXTS,
        }),
        Write("POST", "/vems/v1/rails/bank/explain", {"lineId": "L", "as": "suspense", "memo": "m"}, {
            "lineId": TEXTS, "as": (*ENUMS, "payable:V364"), "memo": TEXTS,
        }),
        Write("POST", "/vems/v1/opt-outs", {"channel": "sms", "address": "+254712345678"}, {
            "channel": (*ENUMS, "in_app"), "address": TEXTS,
        }),
        Write("PUT", "/vems/v1/vendors/V900", {"name": "N"}, {"name": TEXTS}),
        Write("PUT", "/vems/v1/lots/L900", {"name": "N"}, {"name": TEXTS}),
        Write("PUT", "/vems/v1/services/F900", {"name": "N"}, {"name": TEXTS}),
        Write("PUT", "/vems/v1/facilities/FID-9", {"name": "N"}, {
            "name": TEXTS, "isActive": ("yes", 1), "county": (7,),
        }),
        Write("POST", "/vems/v1/contracts", CONTRACT, {
            **dict.fromkeys(("facility", "vendor", "lot", "service"), (*TEXTS, "NOBODY")),
            "effectiveFrom": (*DATES, None, ""), "effectiveUntil": (*DATES, "2018-12-31"),
            "shaRate": (*AMOUNTS, 0, None, 14999.99), "isCapitated": ("yes", 1), "isActive": ("no", 0),
            "terms": (
                None, {}, [], {"any": 7}, {"any": {}}, {"weekly": CONTRACT["terms"]["any"]},  # type: ignore[index]
                *({"any": {**CONTRACT["terms"]["any"], "vendorShare": amount}} for amount in AMOUNTS),  # type: ignore[index]
                percents(50, 50, 1), percents(-10, 110, 0), percents("50.001", "49.999", 0), percents("x", 50, 50),
                percents([], 50, 50), percents(True, 50, 50),
            ),
            "version": ("1", 1.5, True, []),
        }),
    ]  # fmt: skip


def stored(office: Office) -> dict[str, int]:
    """How many rows every table has, but for the audit trail, which tells of refusals too."""

    def count(unit: Any) -> dict[str, int]:
        catalog = (
            "SELECT name FROM sqlite_master WHERE type = 'table'" if unit.engine == "sqlite"
            else "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )  # fmt: skip
        names = sorted(str(name) for (name,) in unit.rows(catalog) if not str(name).startswith(("audit", "sqlite_")))
        return {name: int(unit.value(f'SELECT count(*) FROM "{name}"')) for name in names}

    return office.world.database.read(count)


def refused(answer: httpx.Response, what: object) -> None:
    """The documented shape, a status of the caller's, and no inner word."""
    assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text)
    said = answer.json()
    assert said["success"] is False, what
    assert (said.get("message") and said.get("error")) or said["errors"], (what, answer.text)
    assert "Traceback" not in answer.text


@pytest.fixture
def begun(office: Office) -> tuple[Office, list[Write]]:
    """An office with a settled booking, and the write routes about it."""
    office.world.fund("100000.00")
    office.world.twin.faults.plan("lost_request")
    number = office.approved()
    office.world.settle()
    leg = office.get("/legs", legStatus="unknown")["data"][0]["reference"]
    return office, writes(number, leg)


def test_malformed_bodies_are_refused_on_every_route(begun: tuple[Office, list[Write]]) -> None:
    office, routes = begun
    before = stored(office)
    for write in routes:
        for name, sent in MALFORMED.items():
            headers = office.person("ann") | {"content-type": "application/json"}
            answer = office.client.request(write.method, write.path, content=sent, headers=headers)
            refused(answer, (write.path, name))
    assert stored(office) == before


def test_every_wrong_field_is_refused_by_its_name(begun: tuple[Office, list[Write]]) -> None:
    office, routes = begun
    before = stored(office)
    for write in routes:
        for field, values in write.bad.items():
            for value in values:
                sent = json.dumps({**write.good, field: value})
                headers = office.person("ann") | {"content-type": "application/json"}
                answer = office.client.request(write.method, write.path, content=sent, headers=headers)
                refused(answer, (write.path, field, str(value)[:40]))
                assert answer.status_code != 401
    after = stored(office)
    assert after == before, {name: (before[name], after[name]) for name in after if after[name] != before[name]}


def test_bodies_of_ten_megabytes_are_refused_unread(begun: tuple[Office, list[Write]]) -> None:
    office, routes = begun
    before = stored(office)
    large = b'{"reason": "' + b"x" * 10_000_000 + b'"}'
    for write in (*routes[:4], *routes[-2:]):
        answer = office.client.request(write.method, write.path, content=large, headers=office.person("ann"))
        assert answer.status_code == 413, write.path
        refused(answer, write.path)
    statement = office.client.post("/vems/v1/rails/bank/statements", content=large, headers=office.person("ann"))
    assert statement.status_code == 413
    assert stored(office) == before


@pytest.mark.parametrize(
    "path",
    [
        "/settlements?settlementStatus=paid", "/settlements?limit=0", "/settlements?limit=201", "/settlements?limit=٣",
        "/settlements?cursor=x", "/settlements?cursor=99999999999999999999_x", "/settlements?paymentMode=SHA",
        "/legs?legStatus=lost", "/legs?cursor=1_", "/notifications?channel=fax", "/notifications?unread=yes",
        "/notifications?deliveryStatus=lost", "/clawbacks?open=1", "/analytics/services?from=2026-02-30",
        "/analytics/cycles?from=2026-02-01&until=2026-01-01", "/analytics/approvals?format=xml",
        "/analytics/payments?from=x", "/analytics/stakeholders?from=0001-01-01&until=2026-01-01", "/bookings?limit=x",
        "/analytics/payments?until=9999-12-31", "/bookings?bookingStatus=lost", "/bookings?approvalStatus=x",
        "/claims?state=lost", "/settlements?payer=%00", "/payees?after=%FF", "/facilities?limit=-1",
    ],
)  # fmt: skip
def test_wrong_queries_are_refused(office: Office, path: str) -> None:
    answer = office.client.get("/vems/v1" + path, headers=office.person("ann"))
    assert answer.status_code in (400, 422), answer.text
    refused(answer, path)


@pytest.mark.parametrize(
    "path",
    [
        "/settlements/VB000000000000", "/settlements/%F0%9F%92%A9", "/legs/NOSUCH", "/payees/%E2%80%AE",
        "/rails/x/queue",
        "/bookings/VB000000000000/trail", "/bookings/%00/trail", "/contracts/x", "/bookings/x/settlements", "/nothing",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(office: Office, path: str) -> None:
    answer = office.client.get("/vems/v1" + path, headers=office.person("ann"))
    assert answer.status_code in (400, 404), answer.text
    refused(answer, path)


def test_names_of_every_script_are_kept_as_they_are(office: Office) -> None:
    for name in ("Hospitali ya Ng'ombe", "مستشفى", "医院", "Ωμέγα \u0301", "👩🏾‍⚕️ Clinic", 'O\'Brien \\ "Sons"'):
        headers = office.person("ann")
        for path in ("payees/V901", "vendors/V901", "facilities/FID-901"):
            answer = office.client.put(f"/vems/v1/{path}", json={"name": name}, headers=headers)
            if answer.status_code == 422:
                assert not name.isprintable(), (path, name)
                continue
            assert answer.json()["data"]["name"] == name, path


def test_another_facilitys_booking_is_not_there_for_any_step(office: Office) -> None:
    number = office.booked()
    before = stored(office)
    scopes = ("read:bookings", "write:bookings", "override:bookings", "read:settlements")
    other = office.key(*scopes, bindings={"facility": "FID-0"})
    line = office.client.get(f"/hmis/v1/bookings/{number}").json()["bookedServices"][0]["serviceBookingId"]
    before = stored(office)
    one = f"/vems/v1/bookings/{number}"
    asked = [
        ("GET", f"/hmis/v1/bookings/{number}", None), ("GET", f"{one}/trail", None), ("GET", f"{one}/revisions", None),
        ("GET", f"{one}/claim", None), ("GET", f"{one}/settlements", None), ("POST", f"{one}/confirm", None),
        ("POST", f"{one}/services/{line}/complete", None), ("POST", f"{one}/cancel", {"reason": "x"}),
        ("PUT", f"{one}/claim", {"reference": "R"}),
        ("POST", f"{one}/claim", {"diagnosisCode": "J20.9"}),
    ]  # fmt: skip
    for method, path, sent in asked:
        answer = office.client.request(method, path, json=sent, headers=other)
        assert answer.status_code == 404, (method, path, answer.text)
        refused(answer, path)
    book = office.client.post("/hmis/v1/bookings/cost-distribution", json=body(claimID="X"), headers=other)
    assert book.status_code == 403
    assert stored(office) == before
