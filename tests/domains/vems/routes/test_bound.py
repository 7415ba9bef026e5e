"""A credential bound to one owner, whatever scopes it was given by mistake, reaches nobody else's things."""

import httpx
import pytest

from tests.domains.vems.routes.conftest import Office

SCOPES = (
    "read:bookings", "write:bookings", "override:bookings", "read:contracts", "write:contracts", "follow:claims",
    "read:settlements", "decide:settlements", "fund:floats", "read:payees", "write:payees", "approve:payees",
    "read:statements", "reconcile:statements", "read:notifications", "write:notifications", "read:analytics",
)  # fmt: skip
OTHERS = ({"provider": "PROV-002"}, {"facility": "FID-0"}, {"payee": "V999"}, {"patient": "x"})
LISTS = (
    "/bookings", "/settlements", "/legs", "/clawbacks", "/notifications", "/opt-outs", "/contracts", "/payees",
    "/claims", "/rails", "/rails/bank/queue", "/analytics/payments", "/analytics/stakeholders",
)  # fmt: skip


@pytest.mark.parametrize("bindings", OTHERS)
def test_lists_are_refused_or_empty(office: Office, bindings: dict[str, str]) -> None:
    office.world.fund("100000.00")
    office.approved()
    office.world.settle()
    key = office.key(*SCOPES, bindings=bindings)
    for path in LISTS:
        answer = office.client.get("/vems/v1" + path, headers=key)
        assert answer.status_code == 403 or answer.json()["data"] == [], (path, answer.text)


@pytest.mark.parametrize("bindings", OTHERS)
def test_single_things_and_steps_are_not_there_for_them(office: Office, bindings: dict[str, str]) -> None:
    office.world.fund("100000.00")
    number = office.approved()
    office.world.settle()
    leg = office.get("/legs")["data"][0]["reference"]
    message = office.get("/notifications", channel="in_app")["data"][0]["notificationId"]
    contract = office.get("/contracts")["data"][0]["contractId"]
    key = office.key(*SCOPES, bindings=bindings)
    asked: list[tuple[str, str, object]] = [
        *(("GET", path, None) for path in (
            f"/bookings/{number}/trail", f"/bookings/{number}/revisions", f"/bookings/{number}/claim",
            f"/bookings/{number}/settlements", f"/settlements/{number}", f"/legs/{leg}", f"/contracts/{contract}",
            f"/contracts/{contract}/versions", "/payees/V364", "/rails/mpesa/proof",
        )),
        ("POST", f"/bookings/{number}/override", {"reason": "x", "bookingStatus": "completed"}),
        ("POST", f"/bookings/{number}/corrections", {"reason": "x", "approvedAmount": "1.00"}),
        ("POST", f"/legs/{leg}/propose", {"outcome": "returned", "evidence": "x"}),
        ("POST", f"/legs/{leg}/release", None),
        ("POST", f"/notifications/{message}/read", None),
        ("POST", "/opt-outs", {"channel": "sms", "address": "+254712345678"}),
        ("POST", "/payees/V364/details", {"preferences": [{"rail": "mpesa", "kind": "till", "number": "60020"}]}),
        ("POST", "/rails/mpesa/fundings", {"key": "X", "amount": "1.00"}),
        ("POST", "/rails/mpesa/resume", None),
        ("POST", "/facilities/FID-32-121583-3/enable", None),
    ]  # fmt: skip
    for method, path, sent in asked:
        answer = office.client.request(method, "/vems/v1" + path, headers=key, json=sent)
        assert answer.status_code in (403, 404), (method, path, answer.status_code, answer.text)


def test_the_refusal_says_what_the_credential_is_bound_to(office: Office) -> None:
    key = office.key(*SCOPES, bindings={"provider": "PROV-002"})
    answer: httpx.Response = office.client.get("/vems/v1/settlements", headers=key)
    assert answer.status_code == 403
    assert "bound to a provider" in answer.text


def test_a_payee_decides_nothing_about_its_own_payments(office: Office) -> None:
    office.world.fund("100000.00")
    office.approved()
    office.world.settle()
    leg = next(one for one in office.get("/legs")["data"] if one["payee"] == "V364")
    key = office.key(*SCOPES, bindings={"payee": "V364"})
    assert office.client.get(f"/vems/v1/legs/{leg['reference']}", headers=key).status_code == 200
    sent = {"outcome": "returned", "evidence": "x"}
    answer = office.client.post(f"/vems/v1/legs/{leg['reference']}/propose", headers=key, json=sent)
    assert answer.status_code == 403
