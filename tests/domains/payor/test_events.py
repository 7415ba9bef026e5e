"""The guide's webhook flow and body: a `submitted` update at once, then the decision, field by field."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from kiungo.base.money import Money
from tests.domains.payor.conftest import GUIDE, House

DECIDED = [
    "event_type", "timestamp", "claim_id", "previous_status", "new_status", "status", "message", "processed_by",
    "processed_date", "patient_name", "insurance_id", "provider_id", "amount", "coverage_validated",
    "coverage_message", "auto_approved", "payment_details",
]  # fmt: skip


def bodies(house: House) -> list[dict[str, Any]]:
    return [event.payload["body"] for event in house.heard]


def test_first_submitted_then_the_decision_with_the_guides_fields(house: House) -> None:
    claim_id = house.submit(**GUIDE).claim_id
    submitted, decided = bodies(house)
    assert (submitted["previous_status"], submitted["new_status"], submitted["status"]) == (
        None, "submitted", "submitted",
    )  # fmt: skip
    assert "payment_details" not in submitted
    assert "coverage_validated" not in submitted
    assert list(decided) == DECIDED
    assert decided["event_type"] == "claim_status_update"
    assert decided["claim_id"] == claim_id
    assert (decided["previous_status"], decided["new_status"]) == ("submitted", "approved")
    assert decided["message"] == "Claim approved after validation"
    assert decided["processed_by"] == "automated_system"
    assert decided["amount"] == Money(125_000, "USD")
    details = decided["payment_details"]
    assert list(details) == ["approved_amount", "patient_responsibility", "expected_payment_date", "payment_method"]
    assert (details["approved_amount"].decimal(), details["payment_method"]) == (Decimal("1000.00"), "ACH")
    shown = house.claim(claim_id)
    assert decided["timestamp"] == decided["processed_date"] == shown["processed_date"]


def test_a_week_after_the_decision_the_money_is_expected(house: House) -> None:
    house.submit(**GUIDE)
    decided = bodies(house)[1]
    on = date.fromisoformat(decided["processed_date"][:10])
    assert decided["payment_details"]["expected_payment_date"] == (on + timedelta(days=7)).isoformat()


def test_a_claim_under_review_and_a_rejected_one_say_why(house: House) -> None:
    house.submit(**{**GUIDE, "procedure_code": "15776"})
    house.submit(**{**GUIDE, "date_of_service": "2019-01-01"})
    _, pended, _, rejected = bodies(house)
    assert (pended["new_status"], pended["coverage_validated"]) == ("under_review", False)
    assert pended["review_reason"] == pended["message"] == "Procedure not covered under patient's current plan"
    assert pended["processed_date"] is None
    assert (rejected["new_status"], rejected["rejection_reason"]) == (
        "rejected", "The service of 2019-01-01 was given before cover began on 2020-01-01",
    )  # fmt: skip
    assert "payment_details" not in rejected


def test_the_senders_own_numbers_come_along(house: House) -> None:
    house.submit(**{**GUIDE, "provider_claim_id": "HOSP-7"})
    assert {body["provider_claim_id"] for body in bodies(house)} == {"HOSP-7"}
    assert {event.payload["provider_id"] for event in house.heard} == {"PROV-001"}
