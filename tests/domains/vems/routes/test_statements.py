"""Rails over HTTP: floats, statements in three formats, the queue of open lines, and the balance proof."""

from datetime import date
from typing import Any

import pytest

from kiungo.base.money import Money
from kiungo.domains.vems.settlement import payees
from kiungo.formats.bank_statements import camt053, mt940
from kiungo.formats.bank_statements.model import Entry, Part, Statement
from tests.domains.vems.routes.conftest import Office
from tests.domains.vems.settlement.world import BANK, BANK_SETTINGS, FACILITY, VENDOR, person

DAY = date(2026, 3, 2)
Line = tuple[int, str, str]


def statement(*lines: Line, account: str = BANK_SETTINGS.account, number: int = 1, day: date = DAY) -> Statement:
    """A statement of (minor with sign, our reference, party) lines, from nothing on."""
    entries = tuple(
        Entry(
            day, day, Money(abs(minor), "KES"), "credit" if minor > 0 else "debit", f"T{number}{place}", "NTRF",
            parts=(Part(Money(abs(minor), "KES"), reference, party, party),),
        )
        for place, (minor, reference, party) in enumerate(lines)
    )  # fmt: skip
    closing = Money(sum(minor for minor, _, _ in lines), "KES")
    return Statement(account, f"S{number}", number, Money(0, "KES"), day, closing, day, entries)


def camt(found: Statement) -> bytes:
    return camt053.render((found,), message_id="M1")


def mt(found: Statement) -> bytes:
    return mt940.render((found,))


def upload(office: Office, body: bytes, status: int = 200, rail: str = "bank") -> Any:
    headers = office.person("ann") | {"content-type": "application/octet-stream"}
    answer = office.client.post(f"/vems/v1/rails/{rail}/statements", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
def paid_by_bank(office: Office) -> Office:
    """An approved booking that is paid by the bank; the file is out, no statement came yet."""

    def to_the_bank(unit: Any) -> None:
        for payee in (VENDOR, FACILITY):
            version = payees.propose_details(unit, person("ann"), payee, [BANK])
            payees.approve_details(unit, person("ben"), payee, version, hold_s=0)

    office.world.database.write(to_the_bank)
    office.post("/rails/bank/fundings", {"key": "OWN1", "amount": "100000.00"})
    office.approved()
    office.world.settle()
    return office


@pytest.mark.parametrize("render", [camt, mt])
def test_an_uploaded_statement_pays_and_proves_the_balance(paid_by_bank: Office, render: Any) -> None:
    legs = paid_by_bank.get("/legs", rail="bank")["data"]
    assert [leg["legStatus"] for leg in legs] == ["submitted", "submitted"]
    lines = [(-round(leg["amount"] * 100), leg["reference"], leg["payeeName"]) for leg in legs]
    body = render(statement((10_000_000, "", "OWN1"), *lines))
    (taken,) = upload(paid_by_bank, body)["data"]
    assert (taken["newLines"], taken["matched"]) == (3, 3)
    assert upload(paid_by_bank, body)["data"][0]["newLines"] == 0, "the same statement again changes nothing"
    assert {leg["legStatus"] for leg in paid_by_bank.get("/legs", rail="bank")["data"]} == {"posted"}
    proof = paid_by_bank.get("/rails/bank/proof")["data"]
    assert (proof["books"], proof["statement"], proof["unexplained"]) == (70000.00, 70000.00, 0)
    assert proof["isProven"] is True


def test_an_uploaded_portal_export_of_mpesa_pays(office: Office) -> None:
    office.world.fund("100000.00")
    office.world.twin.faults.plan("lost_answer", times=2)
    office.world.twin.faults.plan("dropped_result", times=2)
    office.approved()
    office.world.settle()
    (taken,) = upload(office, office.world.twin.statement_csv(), rail="mpesa")["data"]
    assert (taken["newLines"], taken["matched"]) == (2, 2)


def test_what_nobody_placed_waits_with_suggestions_until_persons_decide(paid_by_bank: Office) -> None:
    first, second = paid_by_bank.get("/legs", rail="bank")["data"]
    sums = [-round(leg["amount"] * 100) for leg in (first, second)]
    lines = [(sums[0], "", first["payeeName"]), (sums[1], "", "SOMEBODY"), (-5_000, "", "CHARGES"), (700, "", "?")]
    upload(paid_by_bank, camt(statement(*lines)))
    queue = {line["amount"]: line for line in paid_by_bank.get("/rails/bank/queue")["data"]}
    line = queue[sums[0] / 100]
    assert line["suggestions"][0]["reference"] == first["reference"]
    accept, refuse = "/rails/bank/accept", "/rails/bank/refuse"
    paid_by_bank.post(accept, {"lineId": line["lineId"], "reference": second["reference"]}, status=400)
    left = paid_by_bank.post(accept, {"lineId": line["lineId"], "reference": first["reference"]})["data"]
    assert len(left) == 3
    paid_by_bank.post(accept, {"lineId": line["lineId"], "reference": first["reference"]}, status=409)
    other = queue[sums[1] / 100]
    refused = {"lineId": other["lineId"], "reference": second["reference"]}
    left = paid_by_bank.post(refuse, refused)["data"]
    assert [one["suggestions"] for one in left if one["lineId"] == other["lineId"]] == [[]], "not suggested again"
    charges = {"lineId": queue[-50]["lineId"], "as": "bank_charges", "memo": "monthly fee"}
    assert len(paid_by_bank.post("/rails/bank/explain", charges)["data"]) == 2
    paid_by_bank.post("/rails/bank/explain", {**charges, "as": "payable:V364"}, status=422)
    proof = paid_by_bank.get("/rails/bank/proof")["data"]
    assert proof["unexplained"] == 0
    assert {item["what"] for item in proof["items"]} >= {"line without a payment", "money in, on no statement yet"}


@pytest.mark.parametrize("body", [b"", b"<", b"<Document/>", b":20:X", b"Date,Credit\n", b"\x00\xff", b"<!DOCTYPE a>"])
def test_what_is_no_statement_is_refused_and_leaves_nothing(office: Office, body: bytes) -> None:
    for rail in ("bank", "mpesa"):
        answer = office.client.post(f"/vems/v1/rails/{rail}/statements", content=body, headers=office.person("ann"))
        assert answer.status_code in (400, 422), (rail, answer.text)
        assert answer.json()["success"] is False
    assert office.rows("bank_statement") == office.rows("bank_line") == 0


def test_a_statement_of_another_account_or_with_other_balances_is_refused(office: Office) -> None:
    upload(office, camt(statement((500, "", "x"))))
    other = upload(office, camt(statement((500, "", "x"), account="0999999999", number=2)), 400)
    assert "is account 0110001234" in other["message"]
    changed = upload(office, camt(statement((700, "", "x"))), 400)
    assert "other balances" in changed["message"]


def test_a_paused_rail_is_resumed_by_a_person(office: Office) -> None:
    office.world.fund("100000.00")
    office.world.twin.faults.plan("locked_credential", times=1)
    office.approved()
    office.world.settle()
    paused = {rail["rail"]: rail["pausedBecause"] for rail in office.get("/rails")["data"]}
    assert paused["mpesa"]
    assert paused["bank"] is None
    office.world.twin.locked = False
    assert office.post("/rails/mpesa/resume")["data"]["pausedBecause"] is None
    office.world.settle(seconds=900)
    assert office.get("/settlements")["data"][0]["settlementStatus"] == "settled"
    office.post("/rails/pigeon/resume", status=404)
