"""The payer port over the authority's FHIR: bundles that are the same claim, decisions and payments in batches."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import httpx
import pytest

from kiungo.base.errors import Incorrect, Unauthenticated, Unavailable
from kiungo.base.money import Money
from kiungo.base.time import SystemClock, TurnedClock
from kiungo.connectors.sha import mapping
from kiungo.connectors.sha.connector import ShaPayer, open_payer
from kiungo.connectors.sha.profile import PROFILES
from kiungo.connectors.sha.settings import ShaSettings
from kiungo.connectors.sha.twin import ShaTwin, Verdict
from kiungo.fhir.validation import validate
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.sandbox import Faults, serve
from kiungo.ports.payer import ApprovedService, Claim, ClaimedService, Query
from tests.connectors.sha.conftest import settings_for, stepped_payer

PROFILE = PROFILES["eclaims-0.1.0"]


def kes(text: str) -> Money:
    return Money.parse(text, "KES")


CLAIM = Claim(
    booking_no="VB673D4F2A1B3E",
    claim_id="3663-gdhs-TAIFA-CARE",
    facility="FID-32-121583-3",
    facility_name="Harbour County Hospital",
    patient="CR1234567",
    patient_name="John Kamau Mwangi",
    birth_date="1985-05-15",
    gender="male",
    diagnosis="8B20",
    services=(
        ClaimedService(1, "F8735", "CT Scan - Contrast Enhanced", "2025-11-02", kes("15000.00")),
        ClaimedService(2, "F8736", "MRI Scan - Full Body", "2025-11-03", kes("16000.00")),
    ),
    total=kes("31000.00"),
)
QUERY = Query(CLAIM.booking_no, CLAIM.claim_id)


def test_the_bundle_is_valid_r4_and_always_the_same() -> None:
    made = mapping.bundle(CLAIM, PROFILE)
    for entry in made["entry"]:
        validate(entry["resource"])
    validate(made)
    assert made == mapping.bundle(CLAIM, PROFILE)
    other = mapping.bundle(replace(CLAIM, booking_no="VB000000000000"), PROFILE)
    assert other["id"] != made["id"]
    claim = made["entry"][-1]["resource"]
    assert [item["net"]["value"] for item in claim["item"]] == [Decimal("15000.00"), Decimal("16000.00")]
    assert claim["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0] == {
        "system": "http://id.who.int/icd/release/11/mms",
        "code": "8B20",
    }


def test_a_claim_is_taken_then_approved_then_paid(payer: ShaPayer, twin: ShaTwin) -> None:
    twin.decide = lambda claim: Verdict(after_s=3_600)
    taken = payer.submit(CLAIM)
    assert (taken.status, taken.booking_no) == ("pending", CLAIM.booking_no)
    assert payer.statuses([QUERY])[CLAIM.booking_no].status == "pending"
    twin.clock.turn(seconds=3_600)  # type: ignore[attr-defined]
    approved = payer.statuses([QUERY])[CLAIM.booking_no]
    assert (approved.status, approved.approved, approved.paid) == ("approved", kes("31000.00"), None)
    assert approved.services == (
        ApprovedService("", kes("15000.00"), 1),
        ApprovedService("", kes("16000.00"), 2),
    )
    twin.pay(CLAIM.booking_no, Decimal("20000.00"))
    twin.pay(CLAIM.booking_no, Decimal("11000.00"))
    paid = payer.statuses([QUERY])[CLAIM.booking_no]
    assert (paid.paid, paid.payment_date) == (kes("31000.00"), twin.clock.now().date().isoformat())


def test_a_part_and_nothing_are_told_apart(payer: ShaPayer, twin: ShaTwin) -> None:
    twin.decide = lambda claim: Verdict(items={1: Decimal("12345.67")})
    payer.submit(CLAIM)
    part = payer.statuses([QUERY])[CLAIM.booking_no]
    assert (part.status, part.approved) == ("approved", kes("12345.67"))
    twin.rule(CLAIM.booking_no, Verdict("reject", reason="Not eligible on the day"))
    nothing = payer.statuses([QUERY])[CLAIM.booking_no]
    assert (nothing.status, nothing.approved, nothing.reason) == (
        "rejected",
        kes("0.00"),
        "Not eligible on the day",
    )


def test_a_repeat_is_the_same_claim(payer: ShaPayer, twin: ShaTwin) -> None:
    twin.faults.plan("lost_answer")
    with pytest.raises(Unavailable):
        payer.submit(CLAIM)
    payer.submit(CLAIM)
    assert (twin.bundles, len(twin.claims)) == (2, 1)


def test_unknown_claims_are_left_out_and_many_cost_one_question(payer: ShaPayer, twin: ShaTwin) -> None:
    claims = [replace(CLAIM, booking_no=f"VB{number:012X}") for number in range(30)]
    for claim in claims[:20]:
        twin.decide = lambda claim: Verdict("wait")
        payer.submit(claim)
    before = twin.requests
    found = payer.statuses([Query(claim.booking_no, claim.claim_id) for claim in claims])
    assert set(found) == {claim.booking_no for claim in claims[:20]}
    assert twin.requests == before + 1


def test_what_is_on_later_pages_counts_too(payer: ShaPayer, twin: ShaTwin) -> None:
    claims = [replace(CLAIM, booking_no=f"VB{number:012X}") for number in range(7)]
    for claim in claims:
        payer.submit(claim)
        twin.pay(claim.booking_no, Decimal("20000.00"))
        twin.pay(claim.booking_no, Decimal("11000.00"))
    twin.page_max = 3
    found = payer.statuses([Query(claim.booking_no, claim.claim_id) for claim in claims])
    assert {report.paid for report in found.values()} == {kes("31000.00")}
    assert set(found) == {claim.booking_no for claim in claims}


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("http://elsewhere.test/fhir/ClaimResponse?page=2", "elsewhere"),
        ("http://twin.test.elsewhere.test/fhir", "elsewhere"),
        ("http://twin.test/fhir/ClaimResponse?page=2", "more than 50 pages"),
    ],
)
def test_a_next_page_is_asked_for_at_the_authority_only_and_not_for_ever(
    clock: TurnedClock, twin: ShaTwin, link: str, says: str
) -> None:
    hosts = set()

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.add(request.url.host)
        if request.method == "POST":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 300})
        return httpx.Response(200, json={"resourceType": "Bundle", "link": [{"relation": "next", "url": link}]})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http, pytest.raises(Unavailable, match=says):
        stepped_payer(twin, clock, http).statuses([QUERY])
    assert hosts == {"twin.test"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"diagnosis": "8B20"}, "not covered"), ({"facility_name": "x"}, "not covered")],
)
def test_a_refusal_says_why(payer: ShaPayer, twin: ShaTwin, changes: dict[str, str], says: str) -> None:
    twin.decide = lambda claim: Verdict("refuse", reason="the service is not covered")
    with pytest.raises(Incorrect, match=says) as refused:
        payer.submit(replace(CLAIM, **changes))
    assert refused.value.code == "CLAIM_REFUSED"


@pytest.mark.parametrize(
    ("fault", "wait_s"), [("down", 120), ("too_many", 120), ("lost_request", 60), ("not_json", 60)]
)
def test_a_bad_day_is_unavailable_with_a_time_to_wait(
    payer: ShaPayer, twin: ShaTwin, fault: str, wait_s: float
) -> None:
    payer.submit(CLAIM)
    twin.faults.plan(fault)
    with pytest.raises(Unavailable) as away:
        payer.statuses([QUERY])
    assert (away.value.code, away.value.retry_after_s) == ("PAYER_AWAY", wait_s)
    assert CLAIM.booking_no in payer.statuses([QUERY])


def test_tokens_are_kept_while_they_live_and_renewed_once(payer: ShaPayer, twin: ShaTwin, clock: TurnedClock) -> None:
    payer.submit(CLAIM)
    payer.statuses([QUERY])
    count = twin.requests
    payer.statuses([QUERY])
    assert twin.requests == count + 2  # decisions and payments, no token
    twin.faults.plan("token_lost")
    assert CLAIM.booking_no in payer.statuses([QUERY])
    clock.turn(seconds=400)
    assert CLAIM.booking_no in payer.statuses([QUERY])


def test_wrong_credentials_are_unavailable(twin: ShaTwin) -> None:
    served = serve({"sha": ShaTwin(SystemClock(), Faults(Random(1)))}, SystemClock())
    url, egress = served.url("sha"), EgressPolicy(allow_loopback=True)
    good = open_payer(settings_for(twin, base_url=url), egress, SystemClock())
    assert good.submit(CLAIM).status == "pending"
    assert good.statuses([QUERY])[CLAIM.booking_no].approved == kes("31000.00")
    bad = open_payer(settings_for(twin, base_url=url, client_secret="no"), egress, SystemClock())
    with pytest.raises(Unavailable):
        bad.statuses([QUERY])
    served.close()


@pytest.mark.parametrize(
    "resource",
    [
        {"outcome": "error", "status": "active", "total": [{"category": {"coding": [{"code": "benefit"}]}}]},
        {"outcome": "complete", "status": "active"},
        {"outcome": "complete", "status": "cancelled"},
        {"outcome": "whatever", "status": "active"},
        {},
    ],
)
def test_what_is_not_a_decision_is_pending(resource: dict[str, object]) -> None:
    request = {"identifier": {"system": PROFILE.booking_system, "value": "VB1"}}
    found = {"entry": [{"resource": {"resourceType": "ClaimResponse", "request": request, **resource}}]}
    assert mapping.responses(found, PROFILE, [Query("VB1", "C1")])["VB1"].status == "pending"


def test_notices_are_not_believed(payer: ShaPayer) -> None:
    with pytest.raises(Unauthenticated):
        payer.check_notice({}, b"{}")


def test_settings_are_checked(twin: ShaTwin) -> None:
    for wrong in ({"base_url": "x"}, {"client_id": ""}, {"profile": "1"}, {"batch_max": 0}, {"nonsense": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            settings_for(twin, **wrong)
    with pytest.raises(ValueError, match="base_url"):
        ShaSettings()
