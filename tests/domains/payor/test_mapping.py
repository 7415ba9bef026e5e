"""Claims and decisions as FHIR and back: nothing is lost, and the FHIR is valid."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.domains.payor import sample
from kiungo.domains.payor.mapping import claim as claim_mapping
from kiungo.domains.payor.mapping import decision, people, terms
from kiungo.domains.payor.mapping.decision import Ids
from kiungo.domains.payor.mapping.records import Records
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


RECORDS = Records()
MOMENTS = st.integers(0, 4_000_000_000_000_000)
RESOURCE_IDS = st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True)
DISPOSITIONS = st.sampled_from(["Auto-approved", "", "Claim exceeds the limit. Ask us: 0800"])


@given(
    stated=claims(), number=WORDS, booking=WORDS, ids=st.tuples(*[RESOURCE_IDS] * 5), at_us=MOMENTS,
    zone=st.sampled_from(["UTC", "Africa/Nairobi"]), disposition=DISPOSITIONS, plan=plans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_a_claims_records_are_indexed_as_any_other(
    stated: Claim, number: str | None, booking: str | None, ids: tuple[str, ...], at_us: int, zone: str,
    disposition: str, plan: dict,
) -> None:  # fmt: skip
    """Each twice: a mould is made when a record like it comes again."""
    claim, answer, benefit, patient, coverage = ids
    stated = replace(stated, provider_claim_id=number, booking_no=booking, notes=number, replaces=booking)
    judged = case(stated, plan={**plan, "time_zone": zone})
    judged = replace(
        judged,
        member=replace(judged.member, fhir_id=patient),
        coverage=replace(judged.coverage, fhir_id=coverage),
    )
    result, names = adjudicate(judged), Ids(claim, answer, benefit)
    claim_id = f"CLM-{claim}"
    told = {"claim_id": claim_id, "disposition": disposition, "decided_us": at_us}
    resource = claim_mapping.to_fhir(judged, id=claim, claim_id=claim_id, submitted_us=at_us)
    for _ in range(2):
        found = RECORDS.claim(judged, names, claim_id=claim_id, submitted_us=at_us)
        assert found == prepare_made(resource, id=claim)
        found = RECORDS.response(judged, result, names, **told)
        assert found == prepare_made(decision.response(judged, result, names, **told), id=answer)
        found = RECORDS.benefit(judged, result, names, **told)
        assert found == prepare_made(decision.benefit(judged, result, names, **told), id=benefit)
