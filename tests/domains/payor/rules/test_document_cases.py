"""The provider guide's own claims, to the digit."""

from kiungo.domains.payor.rules.pipeline import adjudicate
from tests.domains.payor.cases import case, claim, line, reasons


def test_the_guides_claim_is_approved_with_a_fifth_for_the_patient() -> None:
    result = adjudicate(case(claim()))
    assert result.outcome == "approved"
    assert (result.charge.text(), result.paid.text(), result.patient.text()) == ("1250.00", "1000.00", "250.00")
    assert reasons(result) == {"1 PR-2": "250.00"}
    assert [finding.text for finding in result.findings] == ["Coinsurance: 20 % of 1250.00 is 250.00"]


def test_a_small_claim_under_another_name_is_approved_with_a_note() -> None:
    result = adjudicate(case(claim(line(charge="150.00"), patient_name="Test Patient")))
    assert result.outcome == "approved"
    assert (result.paid.text(), result.patient.text()) == ("120.00", "30.00")
    assert result.findings[0].effect == "note"


def test_an_excluded_procedure_goes_to_review_with_the_guides_words() -> None:
    result = adjudicate(case(claim(line("15776", "5000.00"), diagnoses=("Z51.12",))))
    assert result.outcome == "under_review"
    pended = [finding for finding in result.findings if finding.effect == "pend"]
    excluded = next(finding for finding in pended if finding.reason == "204")
    assert excluded.text == "Procedure code 15776 is excluded from coverage"
    assert excluded.review == "Procedure not covered under patient's current plan"
    assert pended[0] is excluded


def test_a_claim_without_a_procedure_waits_for_a_person() -> None:
    result = adjudicate(case(claim(line(None, "150.00"))))
    assert result.outcome == "under_review"
    assert result.first("pend").text == "The claim names no procedure"


def test_the_plans_own_list_wins_over_general_validity() -> None:
    # J45.9 and M54.5 are headings in the present ICD-10-CM; the guide lists them as covered.
    for diagnosis in ("J45.9", "M54.5"):
        assert adjudicate(case(claim(diagnoses=(diagnosis,)))).outcome == "approved"
