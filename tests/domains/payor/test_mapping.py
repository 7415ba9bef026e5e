"""Claims and decisions as FHIR and back: nothing is lost, and the FHIR is valid."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.domains.payor import sample
from kiungo.domains.payor.mapping import claim as claim_mapping
from kiungo.domains.payor.mapping import decision, people, terms
from kiungo.domains.payor.mapping.decision import Ids
from kiungo.domains.payor.model import Claim
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.rules.pipeline import adjudicate
from kiungo.fhir.prepare import prepare, prepare_made
from kiungo.kernel import json
from tests.domains.payor.cases import JOHN, case, line, usd
from tests.domains.payor.cases import claim as plain
from tests.domains.payor.rules.test_money import accumulated, claims, plans

IDS = Ids("c-1", "r-1", "e-1")
WORDS = st.one_of(
    st.none(), st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40).map(str.strip)
).filter(lambda text: text is None or text != "")


def with_ids(judged: Case) -> Case:
    return replace(
        judged,
        member=replace(judged.member, fhir_id="p-1"),
        coverage=replace(judged.coverage, fhir_id="v-1"),
    )


@given(claims(), WORDS, WORDS, WORDS, st.booleans(), st.sampled_from(("low", "urgent")))
@settings(max_examples=80, deadline=None)
def test_a_claim_comes_back_from_fhir_as_it_was(
    stated: Claim, name: str | None, notes: str | None, number: str | None, flag: bool, priority: str
) -> None:
    stated = replace(
        stated,
        patient_name=name or "x",
        notes=notes,
        provider_claim_id=number,
        booking_no=number,
        replaces=number,
        prior_authorization=number,
        referring_physician=name,
        patient_id=number,
        diagnoses=("J20.9", "I10"),
        itemized=flag,
        emergency=flag,
        priority=priority,  # type: ignore[arg-type]
        patient_birth_date="1985-06-15",
        patient_gender="F",
        ignored_fields=("a", "b"),
        received_on="2024-10-03",
    )
    judged = with_ids(case(stated))
    resource = claim_mapping.to_fhir(judged, id=IDS.claim, claim_id="CLM-1", submitted_us=1_727_951_400_000_000)
    stored = prepare(resource, id=IDS.claim)
    assert prepare_made(resource, id=IDS.claim) == stored
    assert claim_mapping.from_fhir(json.loads(stored.body(IDS.claim, 1, 0))) == stated


@given(claims(), plans(), accumulated())
@settings(max_examples=80, deadline=None)
def test_a_decision_comes_back_from_fhir_as_it_was(stated: Claim, plan: dict, used: dict) -> None:
    judged = with_ids(case(stated, plan=plan, used=used))
    result = adjudicate(judged)
    resource = decision.benefit(
        judged, result, IDS, claim_id="CLM-1", disposition="x", decided_us=1_727_951_400_000_000
    )
    assert prepare_made(resource, id="e-1") == prepare(resource, id="e-1")
    answer = decision.response(judged, result, IDS, claim_id="CLM-1", disposition="x", decided_us=1_727_951_400_000_000)
    assert prepare_made(answer, id="r-1") == prepare(answer, id="r-1")
    read = decision.result_of(json.loads(prepare(resource).body("e-1", 1, 0)), result.outcome)
    assert read.lines == result.lines
    assert read.findings == tuple(replace(finding, field=None) for finding in result.findings)
    assert (read.charge, read.allowed, read.paid, read.patient) == (
        result.charge, result.allowed, result.paid, result.patient,
    )  # fmt: skip


def test_each_part_the_patient_owes_has_its_own_category() -> None:
    """A deductible of 50.00, a copay of 20.00 and a fifth of the 180.00 that are left."""
    parts = {"deductible_member": usd("50.00"), "copay": usd("20.00"), "coinsurance_bp": 2_000}
    judged = with_ids(case(plain(line(charge="250.00")), plan=parts))
    resource = decision.benefit(judged, adjudicate(judged), IDS, claim_id="CLM-1", disposition="x", decided_us=0)
    for amounts in (resource["total"], resource["item"][0]["adjudication"]):
        told = {
            (entry["category"]["coding"][0]["system"], entry["category"]["coding"][0]["code"]): str(
                entry["amount"]["value"]
            )
            for entry in amounts
            if entry["category"]["coding"][0]["system"] in (terms.AMOUNT, terms.OWN_AMOUNT)
        }
        assert told == {
            (terms.AMOUNT, "submitted"): "250.00",
            (terms.AMOUNT, "eligible"): "250.00",
            (terms.AMOUNT, "benefit"): "144.00",
            (terms.OWN_AMOUNT, "patient"): "106.00",
            (terms.AMOUNT, "deductible"): "50.00",
            (terms.AMOUNT, "copay"): "20.00",
            (terms.OWN_AMOUNT, "coinsurance"): "36.00",
        }
    prepare(resource)


def test_everything_else_is_valid_fhir() -> None:
    judged = with_ids(case(plain(line())))
    result = adjudicate(judged)
    prepare(decision.response(judged, result, IDS, claim_id="CLM-1", disposition="x", decided_us=0))
    plan = replace(sample.PLANS[0], fhir_id="i-1")
    prepare(people.insurance_plan(plan))
    member = next(one for one in sample.MEMBERS if one.member_id == JOHN)
    member = replace(member, fhir_id="p-1")
    prepare(people.patient(member))
    prepare(people.patient(replace(member, name="Cher", gender=None, birth_date=None)))
    prepare(people.coverage(member, replace(member.coverages[0], fhir_id="v-1", valid_until="2030-01-01"), plan))
    for provider in sample.PROVIDERS:
        prepare(people.organization(replace(provider, fhir_id="o-1")))
