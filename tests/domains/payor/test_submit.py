"""Submission end to end, on both engines: the guide's bodies to the digit, and what is stored."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from kiungo.base.errors import Incorrect, NotFound
from kiungo.domains.payor import errors
from kiungo.domains.payor.store import claims
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.webhooks import endpoints
from tests.domains.payor.cases import claim
from tests.domains.payor.conftest import GUIDE, House, person
from tests.plans import plan_of


def test_the_guides_claim_gets_the_guides_answer(house: House) -> None:
    answer = house.submit(**GUIDE)
    assert answer.status == 201
    body = json.loads(answer.body, parse_float=str)
    assert list(body) == ["success", "message", "claim", "status", "auto_approved", "processing_time_ms"]
    claim = body["claim"]
    assert list(claim) == [
        "claim_id", "patient_name", "insurance_id", "diagnosis_code", "procedure_code", "amount", "status",
        "coverage_validated", "coverage_message", "auto_approved", "submitted_date", "processed_date", "payor_id",
        "expected_payment", "patient_responsibility", "notes",
    ]  # fmt: skip
    assert body["success"] is True
    assert body["message"] == "Claim submitted successfully"
    assert claim["amount"] == "1250.00"
    assert (claim["expected_payment"], claim["patient_responsibility"]) == ("1000.00", "250.00")
    assert claim["status"] == body["status"] == "approved"
    assert claim["coverage_message"] == "Coverage validated successfully"
    assert claim["notes"] == "Auto-approved based on policy coverage"
    assert claim["payor_id"] == "PAY001"
    assert claim["claim_id"].startswith("CLM-")
    assert house.topics() == ["claim.submitted", "claim.decided"]


def test_an_excluded_procedure_is_answered_with_eight_fields(house: House) -> None:
    answer = house.submit(**{**GUIDE, "diagnosis_code": "Z51.12", "procedure_code": "15776", "amount": "5000.00"})
    body = json.loads(answer.body)
    claim_id = body["claim"].pop("claim_id")
    assert body == {
        "success": True,
        "message": "Claim submitted for manual review",
        "claim": {
            "status": "under_review",
            "coverage_validated": False,
            "coverage_message": "Procedure code 15776 is excluded from coverage",
            "auto_approved": False,
            "review_reason": "Procedure not covered under patient's current plan",
            "estimated_review_time": "24-48 hours",
            "reviewer_contact": "claims@payor.com",
        },
        "status": "under_review",
        "auto_approved": False,
    }
    assert house.claim(claim_id)["expected_payment"] is None
    assert house.row(claim_id).desk == "open"


def test_the_record_is_fhir_and_the_row_agrees_with_it(house: House) -> None:
    claim_id = house.submit(**GUIDE).claim_id
    row = house.row(claim_id)
    kinds = house.database.read(
        lambda unit: [
            house.payor.repository.read(unit, _call(), kind, id).type
            for kind, id in (
                ("Claim", row.claim_fhir),
                ("ClaimResponse", row.response_fhir),
                ("ExplanationOfBenefit", row.benefit_fhir),
                ("Patient", row.patient_fhir),
            )
        ]
    )
    assert kinds == ["Claim", "ClaimResponse", "ExplanationOfBenefit", "Patient"]
    shown = house.claim(claim_id)
    assert shown["amount"] == Decimal("1250.00")
    assert (shown["paid"], shown["void"]) == (False, False)


def _call():
    from kiungo.kernel.auth import system_call

    return system_call(1)


def test_an_unknown_insurance_id_is_refused_with_suggestions_and_stores_nothing(house: House) -> None:
    with pytest.raises(NotFound) as refused:
        house.submit(**{**GUIDE, "insurance_id": "INVALID-123"})
    answer = errors.render(refused.value, "req")
    assert answer.status == 404
    assert json.loads(answer.body) == {
        "error": "Insurance ID INVALID-123 not found or not covered by this payor",
        "error_code": "INSURANCE_NOT_FOUND",
        "claim_id": None,
        "suggestions": [
            "Verify insurance ID format",
            "Check if patient is enrolled with this payor",
            "Contact payor customer service",
        ],
    }
    assert house.value("SELECT COUNT(*) FROM payor_claim") == 0


def test_the_smallest_claim_works(house: House) -> None:
    smallest = {name: GUIDE[name] for name in ("insurance_id", "diagnosis_code", "procedure_code")}
    answer = house.submit(**smallest, patient_name="Test Patient", amount="150.00")
    body = json.loads(answer.body)
    assert (body["status"], body["auto_approved"]) == ("approved", True)
    assert house.claim(body["claim"]["claim_id"])["provider_id"] == "PROV-001"


def test_an_amount_may_be_a_number(house: House) -> None:
    body = json.loads(house.submit(**{**GUIDE, "amount": 1250}).body, parse_float=str)
    assert body["claim"]["amount"] == "1250.00"


def test_the_same_claim_again_is_the_same_claim(house: House) -> None:
    first, second = house.submit(**GUIDE), house.submit(**{**GUIDE, "notes": "sent again"})
    assert (first.status, second.status) == (201, 200)
    assert first.claim_id == second.claim_id
    assert json.loads(first.body)["claim"] == json.loads(second.body)["claim"]
    assert house.value("SELECT COUNT(*) FROM payor_claim") == 1
    assert house.topics() == ["claim.submitted", "claim.decided"]


def test_a_near_repetition_waits_for_a_person(house: House) -> None:
    house.submit(**GUIDE)
    body = json.loads(house.submit(**{**GUIDE, "amount": "1250.01"}).body)
    assert body["status"] == "under_review"
    assert body["claim"]["review_reason"] == "Possible duplicate of a claim already on file"
    assert body["claim"]["coverage_validated"] is True


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"amount": "-5"}, "amount"),
        ({"amount": "0.00"}, "amount"),
        ({"amount": "12.345"}, "amount"),
        ({"amount": None}, "amount"),
        ({"patient_name": ""}, "patient_name"),
        ({"date_of_service": "2024-02-30"}, "date_of_service"),
        ({"date_of_service": "2999-01-01"}, "date_of_service"),
        ({"priority": "asap"}, "priority"),
        ({"diagnosis_code": "bronchitis"}, "diagnosis_code"),
        ({"procedure_code": "9921"}, "procedure_code"),
        ({"emergency": "yes"}, "emergency"),
        ({"booking_no": "VB-NOT-THERE"}, "booking_no"),
        ({"replaces": "CLM-20240101-AAAAAA"}, "replaces"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(house: House, fields: dict, named: str) -> None:
    with pytest.raises(Incorrect) as refused:
        house.submit(**{**GUIDE, **fields})
    assert refused.value.field == named
    assert named in refused.value.message
    assert house.value("SELECT COUNT(*) FROM payor_claim") == 0


def test_a_claim_id_that_is_taken_is_drawn_again(house: House) -> None:
    drawn = iter(["AAAAAA", "AAAAAA", "AAAAAA", "BBBBBB"])

    class Drawing:
        def choices(self, _population: str, *, k: int) -> list[str]:
            return list(next(drawn))[:k]

    house.payor._rng = Drawing()  # type: ignore[assignment]
    first = house.submit(**GUIDE).claim_id
    second = house.submit(**{**GUIDE, "amount": "10.00"}).claim_id
    assert (first[-6:], second[-6:]) == ("AAAAAA", "BBBBBB")


def test_only_what_was_not_denied_is_on_file(house: House) -> None:
    """A line before cover and units above the day's limit are no services anybody could repeat."""
    lines = [
        {"procedure_code": "99213", "amount": "100.00", "date_of_service": "2019-12-31"},
        {"procedure_code": "85025", "amount": "90.00", "units": 3},
    ]
    fields = {name: GUIDE[name] for name in ("patient_name", "insurance_id", "diagnosis_code", "date_of_service")}
    claim_id = house.submit(**fields, amount="190.00", lines=lines).claim_id
    assert house.claim(claim_id)["status"] == "approved"
    ann = person("ann")
    for _ in range(2):
        rows = house.database.read(lambda unit: unit.rows("SELECT procedure_code, units FROM payor_service"))
        assert rows == [("85025", 2)]
        house.write(lambda unit: house.desk.reopen(unit, ann, claim_id, reason="again"))
        house.write(lambda unit: house.desk.approve(unit, ann, claim_id))


def test_the_claims_of_a_booking_are_found_by_their_index(house: House) -> None:
    if house.database.engine != "sqlite":
        pytest.skip("PostgreSQL plans by statistics, which an empty table does not have")
    query = (
        "EXPLAIN QUERY PLAN SELECT claim_id FROM payor_claim WHERE tn = 1 AND booking_no = ?"
        " ORDER BY submitted_us DESC, claim_id DESC LIMIT 10"
    )
    plan = house.database.read(lambda unit: unit.rows(query, ("VB1",)))
    assert "payor_claim_booking_number" in plan[0][3]


@pytest.mark.parametrize(
    ("index", "work"),
    [
        ("payor_claim_content", lambda unit: claims.find_same(unit, 1, "BC-789-456", (b"0", b"1"), but="x")),
        (
            "payor_claim_provider_number",
            lambda unit: claims.of_own_number(unit, 1, claim(provider_claim_id="INV-1"), but="x"),
        ),
        ("webhook_endpoint_url", lambda unit: endpoints.wanting(unit, 1, "provider:PROV-001", "claim_status_update")),
    ],
)
def test_what_every_submission_asks_is_read_by_its_index(
    database: Database, index: str, work: Callable[[Unit], object]
) -> None:
    """However many claims there are: a wrong choice of the engine reads all of a provider's, or all of a day's."""
    plan = plan_of(database, work)
    assert index in plan, plan
