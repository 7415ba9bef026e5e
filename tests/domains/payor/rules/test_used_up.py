"""What a claim takes from a patient, a limit and an authorization: by what was accepted, in whatever order it came."""

from dataclasses import replace
from typing import Any

import pytest

from kiungo.domains.payor import stated
from kiungo.domains.payor.book import Limit, LimitUnit, UnitLimit
from kiungo.domains.payor.model import Adjudication, Authorization, Claim, Line, Ruling
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
NO_EDITS = replace(SNAPSHOT, unit_limits={}, pairs={})
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


CAP = Limit("CAP", "*", "amount", "year", 10_000)


def limited(stated: Claim, *limits: Limit, **fields: Any) -> Adjudication:
    """A claim judged under a plan with these limits and nothing else."""
    made = case(stated, plan=PLAIN, **fields)
    return adjudicate(replace(made, book=replace(made.book, limits=limits), snapshot=NO_EDITS))


@pytest.mark.parametrize("unit", ["visits", "units"])
def test_what_one_limit_denies_takes_no_room_from_another(unit: LimitUnit) -> None:
    none = Limit("NONE", "97110", unit, "year", 0)
    lines = (line("97110", "100.00"), line("99213", "90.00", number=2))
    for limits in ((CAP, none), (none, CAP)):
        found = limited(claim(*lines), *limits)
        assert [one.paid.text() for one in found.lines] == ["0.00", "90.00"]
        assert [entry.amount for entry in found.entries] == [9_000]


def test_a_day_whose_service_another_limit_denies_is_no_visit() -> None:
    visits, units = Limit("V", "*", "visits", "year", 1), Limit("U", "97110", "units", "year", 0)
    lines = (line("97110", "10.00", day="2024-10-01"), line("99213", "90.00", number=2, day="2024-10-02"))
    assert [one.denied for one in limited(claim(*lines), visits, units).lines] == [True, False]


def test_the_narrower_of_two_limits_of_money_counts_in_both() -> None:
    narrow = Limit("NARROW", "99213", "amount", "year", 4_000)
    lines = (line("99213", "90.00"), line("99214", "90.00", number=2))
    for limits in ((CAP, narrow), (narrow, CAP)):
        found = limited(claim(*lines), *limits)
        assert [one.paid.text() for one in found.lines] == ["40.00", "60.00"]


def second_insurer(*lines: Line, plan: dict[str, Any], used: dict[Any, int] | None = None) -> Adjudication:
    member = MEMBERS[JOHN]
    other = replace(member, coverages=tuple(replace(cover, order=2) for cover in member.coverages))
    return adjudicate(case(claim(*lines), member=other, plan=PLAIN | plan, used=used, snapshot=NO_EDITS))


def test_a_deductible_the_first_insurer_covered_is_not_used_up() -> None:
    lines = (line("99213", "100.00", prior_paid="100.00"), line("85025", "100.00", number=2, prior_paid="0.00"))
    found = second_insurer(*lines, plan={"deductible_member": usd("100.00")})
    assert [(one.paid.text(), one.patient.text()) for one in found.lines] == [("0.00", "0.00"), ("0.00", "100.00")]


@pytest.mark.parametrize(
    ("prior", "paid", "patient"),
    [("0.00", "60.00", "40.00"), ("30.00", "60.00", "10.00"), ("80.00", "20.00", "0.00"), ("100.00", "0.00", "0.00")],
)
def test_what_the_first_insurer_paid_covers_what_is_above_our_limit(prior: str, paid: str, patient: str) -> None:
    found = limited(claim(line("99213", "100.00", prior_paid=prior)), Limit("L", "*", "amount", "year", 6_000))
    assert (found.paid.text(), found.patient.text(), found.allowed.text()) == (paid, patient, "60.00")
    assert [entry.amount for entry in found.entries] == [6_000]


@pytest.mark.parametrize(("prior", "patient"), [("0.00", "100.00"), ("80.00", "20.00"), ("150.00", "0.00")])
def test_what_the_first_insurer_paid_covers_a_service_we_do_not(prior: str, patient: str) -> None:
    found = limited(claim(line("99213", "100.00", prior_paid=prior)), Limit("L", "*", "visits", "year", 0))
    assert (found.outcome, found.paid.text(), found.patient.text()) == ("rejected", "0.00", patient)
    shown = found.lines[0]
    assert shown.denied
    assert sum(one.amount.minor for one in shown.adjustments) == 10_000


def test_nothing_is_relieved_of_what_the_provider_bears() -> None:
    lines = (line("99213", "100.00", prior_paid="80.00"), line("99213", "100.00", number=2, prior_paid="80.00"))
    second = adjudicate(case(claim(*lines), plan=PLAIN)).lines[1]
    assert [(one.group, one.amount.text()) for one in second.adjustments] == [("CO", "100.00")]


def test_one_visit_costs_one_copay_on_however_many_claims() -> None:
    plan = PLAIN | {"copay": usd("25.00")}
    first = adjudicate(case(claim(line("99213", "10.00")), plan=plan))
    used = {(entry.member_id, entry.bucket, entry.period): entry.amount for entry in first.entries}
    again = adjudicate(case(claim(line("85025", "100.00")), plan=plan, used=used))
    assert (first.patient.text(), again.patient.text()) == ("10.00", "15.00")
    elsewhere = adjudicate(case(claim(line("85025", "100.00"), provider_id="PROV-002"), plan=plan, used=used))
    tomorrow = adjudicate(case(claim(line("85025", "100.00", day="2024-10-04")), plan=plan, used=used))
    assert (elsewhere.patient.text(), tomorrow.patient.text()) == ("25.00", "25.00")


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
