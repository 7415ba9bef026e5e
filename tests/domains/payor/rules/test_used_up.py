"""What a claim takes from a patient, a limit and an authorization: by what was accepted, in whatever order it came."""

from dataclasses import replace
from typing import Any

import pytest

from kiungo.domains.payor import stated
from kiungo.domains.payor.book import Limit, UnitLimit
from kiungo.domains.payor.model import Adjudication, Authorization, Ruling
from kiungo.domains.payor.rules.pipeline import adjudicate
from kiungo.kernel import json
from tests.domains.payor.cases import JOHN, MEMBERS, SNAPSHOT, case, claim, line, usd

PLAIN: dict[str, Any] = {
    "copay": None,
    "coinsurance_bp": 0,
    "deductible_member": None,
    "deductible_family": None,
    "out_of_pocket_member": None,
    "out_of_pocket_family": None,
    "benefits": (),
    "fee_schedule": None,
    "suspect_within_bp": None,
    "review_above": None,
    "authorization_codes": (),
    "unlisted_procedure": "accept",
}
PHYSIO = Authorization("AU1", JOHN, ("97110",), "2024-01-01", None, 10)


def _used(found: Adjudication) -> dict[str, int]:
    return {entry.bucket: entry.amount for entry in found.entries}


@pytest.mark.parametrize("order", [("100.00", "5.00"), ("5.00", "100.00"), ("12.00", "5.00")])
def test_a_copay_is_the_same_in_whatever_order_the_lines_come(order: tuple[str, str]) -> None:
    plan = PLAIN | {"copay": usd("20.00")}
    lines = [line("99213", charge, number=number) for number, charge in enumerate(order, start=1)]
    found = adjudicate(case(claim(*lines), plan=plan))
    assert found.patient.minor == min(2_000, sum(one.charge.minor for one in lines))


@pytest.mark.parametrize(("second", "outcome"), [(None, "under_review"), ("0.00", "approved"), ("30.00", "approved")])
def test_what_the_first_insurer_paid_is_asked_for_each_line(second: str | None, outcome: str) -> None:
    member = MEMBERS[JOHN]
    other = replace(member, coverages=tuple(replace(cover, order=2) for cover in member.coverages))
    lines = (line("99213", "100.00", prior_paid="80.00"), line("99214", "100.00", number=2, prior_paid=second))
    assert adjudicate(case(claim(*lines), member=other, plan=PLAIN)).outcome == outcome


def test_an_authorization_loses_what_was_accepted_of_its_own_services() -> None:
    plan = PLAIN | {"authorization_codes": ("97110", "97530")}
    snapshot = replace(SNAPSHOT, unit_limits={"97110": (UnitLimit("97110", 3),)})
    asked = claim(line("97110", "500.00", units=5), prior_authorization="AU1")
    cut = adjudicate(case(asked, plan=plan, authorization=PHYSIO, snapshot=snapshot))
    assert _used(cut) == {"authorization:AU1": 3}
    other = claim(line("97530", "500.00", units=5), prior_authorization="AU1")
    ruled = adjudicate(case(other, plan=plan, authorization=PHYSIO, ruling=Ruling("approve", "seen")))
    assert (ruled.outcome, _used(ruled)) == ("approved", {})


def test_a_line_of_which_a_reviewer_allows_nothing_uses_up_no_visit() -> None:
    limit = Limit("PHYS", "99213", "visits", "year", 1)

    def judged(*allowed: int) -> Adjudication:
        ruling = Ruling("approve", "seen", {number: usd("0.00") for number in allowed})
        lines = (line("99213", "100.00"), line("99214", "100.00", number=2))
        made = case(claim(*lines), plan=PLAIN, ruling=ruling)
        return adjudicate(replace(made, book=replace(made.book, limits=(limit,))))

    assert list(_used(judged()).values()) == [1]
    assert _used(judged(1)) == {}


@pytest.mark.parametrize("field", [{"other_payer_paid": "1000.00"}, {"units": 2}, {"modifiers": ["LT"]}])
def test_what_belongs_to_a_line_is_not_dropped_at_the_head_of_a_claim(field: dict[str, Any]) -> None:
    sent = {
        "patient_name": "John Doe",
        "insurance_id": JOHN,
        "diagnosis_code": "J20.9",
        "amount": "1250.00",
        "lines": [{"procedure_code": "99213", "amount": "1250.00"}],
    }
    assert stated.parse(json.dumps(sent))
    with pytest.raises(Exception, match="belongs to a line"):
        stated.parse(json.dumps(sent | field))
