"""The review desk, on both engines: every decision, its events, and accumulators reversed exactly."""

import json
from decimal import Decimal
from typing import Any

import pytest

from kiungo.base.errors import Conflict, Forbidden, Incorrect, NotFound
from kiungo.domains.payor import checking, rebuild
from kiungo.domains.payor.explanation import explain
from kiungo.domains.payor.imports.shown import member_shown
from kiungo.domains.payor.payments import pay
from kiungo.domains.payor.store import desk, members
from kiungo.kernel import ledger
from kiungo.kernel.auth import system_call
from tests.domains.payor.conftest import GUIDE, House, person

ANN, BEN = person("ann"), person("ben")
EXCLUDED = {**GUIDE, "diagnosis_code": "Z51.12", "procedure_code": "15776", "amount": "5000.00"}
FAMILY = {**GUIDE, "insurance_id": "BC-200-001", "patient_name": "Amina Otieno", "date_of_service": None}


def pended(house: House, **fields: Any) -> str:
    answer = house.submit(**{**EXCLUDED, **fields})
    assert json.loads(answer.body)["status"] == "under_review"
    return answer.claim_id


def explained(house: House, claim_id: str) -> dict[str, Any]:
    def work(unit: Any) -> dict[str, Any]:
        row = house.payor.find(unit, system_call(1), claim_id)
        on_file = rebuild.read(unit, system_call(1), house.payor.repository, row)
        return explain(on_file, desk.steps(unit, 1, claim_id))

    return house.database.read(work)


def consistent(house: House) -> None:
    """The rows follow from the record, the totals from the entries, the ledger balances."""
    call = system_call(1)
    found, _ = house.database.read(
        lambda unit: checking.check_claims(house.payor.repository, house.payor.openings, unit, call)
    )
    assert found == []
    assert house.database.read(lambda unit: checking.check_accumulators(unit, 1)) == []
    assert house.database.read(lambda unit: ledger.verify(unit, 1)) == []


def used(house: House, family: str) -> dict[tuple[str, str, str], int]:
    found = house.database.read(lambda unit: members.used(unit, 1, family))
    return {key: amount for key, amount in found.items() if amount}


def test_a_reviewer_approves_part_and_the_patients_part_follows(house: House) -> None:
    claim_id = pended(house)
    house.write(lambda unit: house.desk.approve(unit, ANN, claim_id, allowed_total="3000.00", note="Scar repair"))
    shown = house.claim(claim_id)
    assert shown["status"] == "approved"
    assert (shown["expected_payment"], shown["patient_responsibility"]) == (Decimal(2400), Decimal(600))
    assert (shown["partly_approved"], shown["auto_approved"]) == (True, False)
    assert shown["notes"] == "Scar repair"
    why = explained(house, claim_id)
    assert why["balanced"] is True
    assert why["adjustments"].text() == "2000.00"
    assert house.topics() == ["claim.submitted", "claim.pended", "claim.decided"]
    body = house.heard[-1].payload["body"]
    assert (body["previous_status"], body["new_status"], body["status"]) == ("under_review", "approved", "approved")
    assert body["processed_by"] == "manual_review"  # that a person decided, not who
    consistent(house)


def test_a_reviewer_approves_the_whole(house: House) -> None:
    claim_id = pended(house)
    house.write(lambda unit: house.desk.approve(unit, ANN, claim_id))
    shown = house.claim(claim_id)
    assert (shown["status"], shown["expected_payment"]) == ("approved", Decimal(4000))
    assert shown["partly_approved"] is False
    consistent(house)


def test_a_reviewer_rejects_with_a_reason(house: House) -> None:
    claim_id = pended(house)
    house.write(lambda unit: house.desk.reject(unit, ANN, claim_id, reason="Cosmetic"))
    shown = house.claim(claim_id)
    assert (shown["status"], shown["rejection_reason"]) == ("rejected", "Cosmetic")
    assert shown["expected_payment"] == 0
    assert explained(house, claim_id)["balanced"] is True
    assert house.heard[-1].payload["body"]["rejection_reason"] == "Cosmetic"
    consistent(house)


def test_information_is_asked_for_and_given(house: House) -> None:
    claim_id = pended(house)
    house.write(lambda unit: house.desk.request_information(unit, ANN, claim_id, question="Which scar?"))
    shown = house.claim(claim_id)
    assert (shown["status"], shown["review_reason"]) == ("under_review", "Which scar?")
    assert shown["information_requested"] is True
    other = person("other", provider="PROV-002")
    with pytest.raises(NotFound):
        house.write(lambda unit: house.desk.provide_information(unit, other, claim_id, text="mine"))
    own = person("own", provider="PROV-001")
    house.write(lambda unit: house.desk.provide_information(unit, own, claim_id, text="Left hand"))
    assert house.claim(claim_id)["review_reason"] == "Procedure not covered under patient's current plan"
    assert house.row(claim_id).desk == "open"
    consistent(house)


def test_a_large_amount_needs_two_different_people(house: House) -> None:
    claim_id = pended(house, amount="20000.00")
    approve = lambda call, **fields: house.write(  # noqa: E731
        lambda unit: house.desk.approve(unit, call, claim_id, **fields)
    )
    assert approve(ANN).desk == "second_approval"
    assert house.claim(claim_id)["status"] == "under_review"
    with pytest.raises(Forbidden):
        approve(ANN)
    assert approve(BEN, allowed_total="15000.00").desk == "second_approval"
    assert approve(ANN, allowed_total="15000.00").state == "approved"
    assert house.claim(claim_id)["expected_payment"] == Decimal(12000)
    consistent(house)


def test_reopening_takes_the_accumulators_back_exactly(house: House) -> None:
    claim_id = house.submit(**{**FAMILY, "amount": "110.00"}).claim_id
    assert house.claim(claim_id)["status"] == "approved"
    before = used(house, "FAM-200")
    assert before
    house.write(lambda unit: house.desk.reopen(unit, ANN, claim_id, reason="Wrong date"))
    assert used(house, "FAM-200") == {}
    assert house.claim(claim_id)["review_reason"] == "Reopened for review"
    house.write(lambda unit: house.desk.approve(unit, ANN, claim_id))
    assert used(house, "FAM-200") == before
    consistent(house)


def test_a_void_claim_gives_back_and_can_be_sent_again(house: House) -> None:
    claim_id = house.submit(**{**FAMILY, "amount": "110.00"}).claim_id
    house.write(lambda unit: house.desk.void(unit, ANN, claim_id, reason="Sent in error"))
    shown = house.claim(claim_id)
    assert (shown["void"], shown["void_reason"], shown["status"]) == (True, "Sent in error", "approved")
    told = house.heard[-1].payload["body"]
    assert (told["previous_status"], told["status"], told["new_status"]) == ("approved", "void", "void")
    assert (told["void"], told["processed_by"]) == (True, "manual_review")
    assert used(house, "FAM-200") == {}
    with pytest.raises(Conflict):
        house.write(lambda unit: house.desk.reopen(unit, ANN, claim_id, reason="again"))
    again = house.submit(**{**FAMILY, "amount": "110.00"})
    assert (again.status, json.loads(again.body)["status"]) == (201, "under_review")
    assert house.write(lambda unit: house.desk.approve(unit, ANN, again.claim_id)).state == "approved"
    consistent(house)


def test_a_replacement_voids_what_it_replaces(house: House) -> None:
    first = house.submit(**{**FAMILY, "amount": "110.00"}).claim_id
    answer = house.submit(**{**FAMILY, "amount": "100.00", "replaces": first})
    body = json.loads(answer.body)
    assert (answer.status, body["status"], body["claim"]["replaces"]) == (201, "approved", first)
    assert house.claim(first)["replaced_by"] == answer.claim_id
    fresh = used(house, "FAM-200")
    assert fresh["", "deductible:FAMILY-PLUS", fresh_year(fresh)] == 10_000
    consistent(house)


def test_a_replacement_is_judged_as_if_the_replaced_claim_were_gone(house: House) -> None:
    """620.00 meets the deductible of 500.00; so must the 600.00 in its place, and the authorization's units."""
    scan = {**FAMILY, "procedure_code": "70551", "prior_authorization": "AUTH-123456"}
    first = house.submit(**{**scan, "amount": "620.00"}).claim_id
    assert house.claim(first)["patient_responsibility"] == Decimal(524)
    second = house.submit(**{**scan, "amount": "600.00", "replaces": first}).claim_id
    assert house.claim(second)["patient_responsibility"] == Decimal(520)
    third = house.submit(**{**scan, "amount": "610.00", "replaces": second}).claim_id
    assert house.claim(third)["patient_responsibility"] == Decimal(522)
    assert used(house, "FAM-200")["BC-200-001", "authorization:AUTH-123456", "lifetime"] == 1
    consistent(house)


def fresh_year(found: dict[tuple[str, str, str], int]) -> str:
    return next(period for _, bucket, period in found if bucket == "deductible:FAMILY-PLUS")


def test_a_payment_run_pays_books_and_tells(house: House) -> None:
    first = house.submit(**GUIDE).claim_id
    second = house.submit(**{**GUIDE, "amount": "150.00"}).claim_id
    run = house.write(lambda unit: pay(house.payor, unit, ANN, method="ACH"))
    assert [(p.provider_id, p.amount.text(), p.claims) for p in run.payments] == [("PROV-001", "1120.00", 2)]
    assert house.claim(first)["paid"] is True
    assert house.claim(second)["payment"]["payment_reference"] == run.payments[0].reference
    told = [event.payload["body"] for event in house.heard if event.topic == "claim.paid"]
    assert {body["event_type"] for body in told} == {"payment_processed"}
    assert told[0]["payment_details"]["payment_method"] == "ACH"
    assert cents(house, "payor:cash") == -112_000
    assert cents(house, "payor:payable:PROV-001") == 0
    with pytest.raises(Conflict):
        house.write(lambda unit: pay(house.payor, unit, ANN))
    consistent(house)


def test_what_was_paid_for_a_void_claim_is_owed_back(house: House) -> None:
    claim_id = house.submit(**GUIDE).claim_id
    house.write(lambda unit: pay(house.payor, unit, ANN))
    with pytest.raises(Conflict):
        house.write(lambda unit: house.desk.reopen(unit, ANN, claim_id, reason="late"))
    house.write(lambda unit: house.desk.void(unit, ANN, claim_id, reason="Never happened"))
    assert cents(house, "payor:recoverable:PROV-001") == 100_000
    assert cents(house, "payor:expense") == 0
    consistent(house)


def cents(house: House, account: str) -> int:
    return house.value("SELECT posted_dr - posted_cr FROM ledger_account WHERE id = ? AND currency = 'USD'", account)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda desk, unit, id: desk.approve(unit, ANN, id, allowed={1: "9000.00"}), Incorrect),
        (lambda desk, unit, id: desk.approve(unit, ANN, id, allowed={7: "1.00"}), Incorrect),
        (lambda desk, unit, id: desk.approve(unit, ANN, id, allowed_total="0.00"), Incorrect),
        (lambda desk, unit, id: desk.reject(unit, ANN, id, reason="  "), Incorrect),
        (lambda desk, unit, id: desk.reject(unit, ANN, "CLM-20200101-AAAAAA", reason="x"), NotFound),
        (lambda desk, unit, id: desk.reopen(unit, ANN, id, reason="x"), Conflict),
    ],
)
def test_what_a_reviewer_cannot_do_changes_nothing(house: House, act: Any, error: type[Exception]) -> None:
    claim_id = pended(house)
    before = house.row(claim_id)
    with pytest.raises(error):
        house.write(lambda unit: act(house.desk, unit, claim_id))
    assert house.row(claim_id) == before
    consistent(house)


def test_visits_of_a_day_stay_one_visit_when_one_of_the_claims_goes(house: House) -> None:
    therapy = {**FAMILY, "procedure_code": "97110", "amount": "42.00", "modifiers": ["76"]}
    first, second = (house.submit(**therapy, provider_claim_id=name).claim_id for name in ("a", "b"))
    member = house.database.read(lambda unit: members.find(unit, 1, "BC-200-001"))[0]

    def shown() -> dict[str, int]:
        rows = house.database.read(lambda unit: members.used(unit, 1, "FAM-200"))
        return {row["bucket"]: row["used"] for row in member_shown(member, rows)["accumulators"]}

    assert shown()["visits:FAMILY-PLUS:PHYSIO"] == 1
    house.write(lambda unit: house.desk.void(unit, ANN, first, reason="Sent in error"))
    assert shown()["visits:FAMILY-PLUS:PHYSIO"] == 1
    house.write(lambda unit: house.desk.void(unit, ANN, second, reason="Sent in error"))
    assert shown()["visits:FAMILY-PLUS:PHYSIO"] == 0
    consistent(house)
