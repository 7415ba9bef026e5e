"""Properties of every adjudication, whatever the claim and the plan."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.base.money import Money
from kiungo.domains.payor.book import Limit
from kiungo.domains.payor.model import FAMILY, Adjudication, Claim, Line
from kiungo.domains.payor.rules.case import Case, deductible_of, out_of_pocket_of
from kiungo.domains.payor.rules.pipeline import adjudicate
from tests.domains.payor.cases import AMINA, SNAPSHOT, case, claim

DEDUCTIBLE, OUT_OF_POCKET = deductible_of("FAMILY-PLUS"), out_of_pocket_of("FAMILY-PLUS")
CODES = ("99213", "99214", "85025", "80053", "36415", "99396", "76700", "97110", "70551", "15776", "99999", None)


@st.composite
def lines(draw: st.DrawFn, *, codes: tuple[str | None, ...] = CODES, dates: tuple[str, ...] = ("2024-10-03",)) -> Line:
    prior = draw(st.one_of(st.none(), st.integers(0, 200_000)))
    return Line(
        number=0,
        service_date=draw(st.sampled_from(dates)),
        procedure=draw(st.sampled_from(codes)),
        charge=Money(draw(st.integers(1, 500_000)), "USD"),
        units=draw(st.integers(1, 6)),
        modifiers=draw(st.sampled_from(((), ("59",), ("25", "LT")))),
        prior_paid=None if prior is None else Money(prior, "USD"),
    )


@st.composite
def claims(draw: st.DrawFn, **options: tuple[str, ...]) -> Claim:
    drawn = draw(st.lists(lines(**options), min_size=1, max_size=5))
    numbered = [
        Line(i, one.service_date, one.procedure, one.charge, one.units, one.modifiers, one.prior_paid)
        for i, one in enumerate(drawn, 1)
    ]
    return claim(*numbered, member_id=AMINA)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, object]:
    def money(top: int) -> Money | None:
        return draw(st.one_of(st.none(), st.integers(0, top).map(lambda minor: Money(minor, "USD"))))

    return {
        "coinsurance_bp": draw(st.integers(0, 10_000)),
        "deductible_member": money(100_000),
        "deductible_family": money(150_000),
        "out_of_pocket_member": money(200_000),
        "out_of_pocket_family": money(300_000),
        "copay": money(5_000),
        "copay_counts_to_cap": draw(st.booleans()),
        "no_fee": draw(st.sampled_from(("accept", "review", "deny"))),
        "unlisted_procedure": draw(st.sampled_from(("accept", "review", "deny"))),
        "authorization_missing": draw(st.sampled_from(("review", "deny"))),
        "review_above": money(500_000),
    }


@st.composite
def accumulated(draw: st.DrawFn) -> dict[tuple[str, str, str], int]:
    used = {}
    for bucket in (DEDUCTIBLE, OUT_OF_POCKET):
        own = draw(st.integers(0, 250_000))
        used[AMINA, bucket, "2024"] = own
        used[FAMILY, bucket, "2024"] = own + draw(st.integers(0, 250_000))
    return used


def check_every_cent(judged: Case, result: Adjudication) -> None:
    for one in result.lines:
        adjusted = sum(item.amount.minor for item in one.adjustments if item.group != "PR")
        assert one.charge.minor == one.paid.minor + one.patient.minor + adjusted
        assert 0 <= one.paid.minor <= one.allowed.minor <= one.charge.minor
        assert one.patient.minor >= 0
        assert all(item.amount.minor > 0 for item in (*one.adjustments, *one.shares))
        moved = [f for f in result.findings if f.line == one.number and f.amount is not None]
        by_reason = Counter[tuple[str | None, str | None]]()
        for finding in moved:
            by_reason[finding.group, finding.reason] += finding.amount.minor  # type: ignore[union-attr]
        shown = {(item.group, item.reason): item.amount.minor for item in (*one.adjustments, *one.shares)}
        assert {key: minor for key, minor in by_reason.items() if minor} == merged(shown, one)
    assert result.paid + result.patient <= result.charge


def merged(shown: dict[tuple[str, str], int], _line: object) -> dict[tuple[str, str], int]:
    return shown


@given(claims(), plans(), accumulated())
@settings(max_examples=150, deadline=None)
def test_every_cent_is_accounted_for_and_caps_hold(stated: Claim, plan: dict[str, object], used: dict) -> None:
    judged = case(stated, plan=plan, used=used)
    result = adjudicate(judged)
    check_every_cent(judged, result)
    assert adjudicate(judged) == result
    after = Counter(used)
    for entry in result.entries:
        after[entry.member_id, entry.bucket, entry.period] += entry.amount
    own = judged.book.plan
    for bucket, member_most, family_most in (
        (DEDUCTIBLE, own.deductible_member, own.deductible_family),
        (OUT_OF_POCKET, own.out_of_pocket_member, own.out_of_pocket_family),
    ):
        for who, most in ((AMINA, member_most), (FAMILY, family_most)):
            before = used[who, bucket, "2024"]
            assert most is None or after[who, bucket, "2024"] <= max(before, most.minor)


@given(
    st.lists(claims(codes=("99213", "76700", "85025"), dates=("2024-10-03", "2024-10-04")), min_size=2, max_size=5),
    st.randoms(),
)
@settings(max_examples=150, deadline=None)
def test_the_order_of_claims_does_not_change_a_members_year(stated: list[Claim], rng: object) -> None:
    # One tier of cost sharing and no copay by the visit, so that money moves between claims only.
    plan = {
        "benefits": (),
        "suspect_within_bp": None,
        "review_above": None,
        "fee_schedule": None,
        "unlisted_procedure": "accept",
    }
    shuffled = list(stated)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert abs(year(stated, plan) - year(shuffled, plan)) <= len(stated) * 5  # half a cent a line is rounded


def year(stated: list[Claim], plan: dict[str, object]) -> int:
    used: Counter[tuple[str, str, str]] = Counter()
    patient = 0
    for one in stated:
        plain = [Line(i.number, i.service_date, i.procedure, i.charge, 1, ("59",)) for i in one.lines]
        result = adjudicate(case(claim(*plain, member_id=AMINA), plan=plan, used=used))
        patient += result.patient.minor
        for entry in result.entries:
            used[entry.member_id, entry.bucket, entry.period] += entry.amount
    return patient


@given(claims(codes=("99213", "76700", "85025", "97110")), plans(), accumulated())
@settings(max_examples=150, deadline=None)
def test_services_come_to_the_same_on_one_claim_as_on_several(stated: Claim, plan: dict, used: dict) -> None:
    same = {"suspect_within_bp": None, "review_above": None, "unlisted_procedure": "accept", "no_fee": "accept"}
    lines = tuple(replace(line, modifiers=("59",)) for line in stated.lines)
    snapshot = replace(SNAPSHOT, unit_limits={}, pairs={})
    together = adjudicate(case(claim(*lines, member_id=AMINA), plan=plan | same, used=used, snapshot=snapshot))
    after, counted = Counter(used), Counter(used)
    apart = []
    for line in lines:
        alone = claim(replace(line, number=1), member_id=AMINA)
        found = adjudicate(case(alone, plan=plan | same, used=after, snapshot=snapshot))
        apart += [(found.lines[0].paid, found.lines[0].patient)]
        after.update({(entry.member_id, entry.bucket, entry.period): entry.amount for entry in found.entries})
    counted.update({(entry.member_id, entry.bucket, entry.period): entry.amount for entry in together.entries})
    assert [(line.paid, line.patient) for line in together.lines] == apart
    money = [{key: used for key, used in sums.items() if used and "visits:" not in key[1]} for sums in (after, counted)]
    assert money[0] == money[1]  # a day is one visit on however many claims it is counted


LIMITS = (
    Limit("VISITS", "97110", "visits", "year", 2),
    Limit("UNITS", "99213", "units", "year", 7),
    Limit("MONEY", "*", "amount", "year", 600_000),
    Limit("LIFE", "85025", "visits", "lifetime", 1),
)


@given(
    st.lists(
        claims(codes=("97110", "99213", "85025"), dates=("2024-10-01", "2024-10-02", "2024-10-03")),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_limits_are_never_passed_whatever_is_taken_back(stated: list[Claim], data: st.DataObject) -> None:
    book = replace(SNAPSHOT.plans["FAMILY-PLUS"], limits=LIMITS)
    snapshot = replace(SNAPSHOT, plans={"FAMILY-PLUS": book}, unit_limits={})
    used: Counter[tuple[str, str, str]] = Counter()
    standing: list[tuple[Claim, Adjudication]] = []
    for one in stated:
        result = adjudicate(case(one, snapshot=snapshot, used=used, plan={"review_above": None}))
        standing.append((one, result))
        for entry in result.entries:
            used[entry.member_id, entry.bucket, entry.period] += entry.amount
        if data.draw(st.booleans(), label="take one back"):
            _, gone = standing.pop(data.draw(st.integers(0, len(standing) - 1), label="which"))
            for entry in gone.entries:
                used[entry.member_id, entry.bucket, entry.period] -= entry.amount
        paid = [
            (line, shown)
            for each, outcome in standing
            if outcome.outcome == "approved"
            for line, shown in zip(each.lines, outcome.lines, strict=True)
            if not shown.denied
        ]
        assert len({line.service_date for line, _ in paid if line.procedure == "97110"}) <= 2
        assert len({line.service_date for line, _ in paid if line.procedure == "85025"}) <= 1
        assert sum(line.units for line, _ in paid if line.procedure == "99213") <= 7
        assert sum(shown.allowed.minor for _, shown in paid) <= 600_000
        assert all(amount >= 0 for amount in used.values())
