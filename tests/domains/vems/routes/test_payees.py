"""Payees over HTTP: where money goes is proposed by one, approved by another, and on hold for a day."""

import pytest

from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.settlement.world import VENDOR

BANK = {"rail": "bank", "kind": "bank_account", "number": "0110009999", "bankCode": "11", "branchCode": "002"}
PHONE = {"rail": "mpesa", "kind": "wallet", "number": "254712345678"}


def put(office: Office, payee: str, sent: object, status: int = 200) -> dict:
    answer = office.client.put(f"/vems/v1/payees/{payee}", headers=office.person("ann"), json=sent)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_payee_is_registered_and_its_details_need_a_second_person(office: Office) -> None:
    payee = {"name": "Amani Imaging", "language": "sw", "phone": "+254700000001", "email": "pay@amani.example"}
    assert put(office, "V500", payee)["data"]["details"] == []
    proposed = office.post("/payees/V500/details", {"preferences": [BANK, PHONE]}, status=201)["data"]
    assert proposed["details"][0]["preferences"] == [BANK, PHONE]
    refused = office.post("/payees/V500/details/1/approve", status=403)
    assert "cannot approve" in refused["message"]
    approved = office.post("/payees/V500/details/1/approve", who="ben")["data"]["details"][0]
    assert approved["detailsStatus"] == "active"
    assert approved["usableFrom"] == "2026-03-02T08:00:00.000Z", "the first details are usable at once"
    office.post("/payees/V500/details", {"preferences": [PHONE]}, status=201)
    changed = office.post("/payees/V500/details/2/approve", who="ben")["data"]["details"]
    assert changed[0]["usableFrom"] == "2026-03-03T08:00:00.000Z", "changed ones after a day"
    assert changed[1]["detailsStatus"] == "retired"
    office.post("/payees/V500/details/2/approve", who="ben", status=409)
    assert [one["payee"] for one in office.get("/payees", limit=1, after=VENDOR)["data"]] == ["V500"]


def test_held_details_hold_the_money_and_say_so(office: Office) -> None:
    office.world.fund("100000.00")
    office.post(f"/payees/{VENDOR}/details", {"preferences": [PHONE]}, status=201)
    office.post(f"/payees/{VENDOR}/details/2/approve", who="ben")
    office.approved()
    (leg,) = office.get("/legs", payee=VENDOR)["data"]
    assert leg["reason"] == "changed payment details are on hold until 2026-03-03T08:00:00Z"


def test_refused_details_are_never_used(office: Office) -> None:
    office.post(f"/payees/{VENDOR}/details", {"preferences": [PHONE]}, status=201)
    shown = office.post(f"/payees/{VENDOR}/details/2/refuse", who="ben")["data"]["details"]
    assert [one["detailsStatus"] for one in shown] == ["refused", "active"]


@pytest.mark.parametrize(
    ("preference", "field"),
    [
        ({**PHONE, "rail": "pigeon"}, "preferences.0.rail"),
        ({**PHONE, "rail": "bank"}, "preferences.0.kind"),
        ({**BANK, "bankCode": None}, "preferences.0.bankCode"),
        ({**PHONE, "kind": "card"}, "preferences.0.kind"),
        ({**PHONE, "number": 254712345678}, "preferences.0.number"),
        ("a phone", "preferences.0"),
    ],
)
def test_details_nobody_could_be_paid_by_are_refused(office: Office, preference: object, field: str) -> None:
    refused = office.post(f"/payees/{VENDOR}/details", {"preferences": [preference]}, status=422)
    assert field in refused["errors"], refused
    assert len(office.get(f"/payees/{VENDOR}")["data"]["details"]) == 1


def test_what_is_no_payee_is_refused(office: Office) -> None:
    assert set(put(office, "V 1", {"name": "", "phone": "0712", "email": "x"}, 422)["errors"]) == {
        "payee", "name", "phone", "email",
    }  # fmt: skip
    put(office, "platform", {"name": "The fee's own account"}, 422)
    office.get("/payees/V0", status=404)
    office.post("/payees/V0/details", {"preferences": [PHONE]}, status=404)
    office.post(f"/payees/{VENDOR}/details/nine/approve", status=409)
