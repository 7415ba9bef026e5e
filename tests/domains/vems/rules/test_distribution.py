"""The documents' figures to the cent, and what holds for every distribution."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import KiungoError
from kiungo.base.money import Money
from kiungo.domains.vems.model import ANY_MODE, Amounts, Contract, Percentages, contract_day
from kiungo.domains.vems.rules.booking import price, total_of
from kiungo.domains.vems.rules.contracts import overlap, problems
from kiungo.domains.vems.rules.distribution import distribute
from kiungo.domains.vems.sample import CONTRACTS, CT_CONTRACT, MRI_CONTRACT, RENAL_CONTRACT
from tests.domains.vems.cases import CT_AT, book, request


def kes(text: str) -> Money:
    return Money.parse(text, "KES")


def contract(terms: Amounts | Percentages, rate: str = "15000.00") -> Contract:
    return replace(CT_CONTRACT, sha_rate=kes(rate), terms={ANY_MODE: terms})


def test_the_guides_booking_is_shared_as_printed() -> None:
    lines = price(book(), request())
    assert [(line.share.vendor.text(), line.share.facility.text(), line.share.fee.text()) for line in lines] == [
        ("10000.00", "4500.00", "500.00"),
        ("11000.00", "4500.00", "500.00"),
    ]
    assert [line.share.total.text() for line in lines] == ["15000.00", "16000.00"]
    assert total_of(lines, "KES").text() == "31000.00"
    assert sum(line.share.vendor.minor for line in lines) == 2_100_000
    assert sum(line.share.facility.minor for line in lines) == 900_000
    assert sum(line.share.fee.minor for line in lines) == 100_000


def test_percentages_take_the_largest_remainder_once() -> None:
    shared = distribute(RENAL_CONTRACT, "sha")
    assert shared is not None
    assert (shared.vendor.text(), shared.facility.text(), shared.fee.text()) == ("6667.01", "3000.00", "333.00")


@given(
    total=st.integers(1, 10**12),
    cuts=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).map(sorted),
)
def test_shares_sum_to_the_total_whatever_the_percentages(total: int, cuts: list[int]) -> None:
    low, high = cuts
    terms = Percentages(low, high - low, 10_000 - high, Money(total, "KES"))
    made = contract(terms, rate="99999999999999.00")
    shared = distribute(made, "cash")
    assert not problems(made)
    assert shared is not None
    assert shared.total == Money(total, "KES")
    for part, weight in ((shared.vendor, low), (shared.facility, high - low), (shared.fee, 10_000 - high)):
        assert abs(part.minor * 10_000 - total * weight) < 10_000


@given(parts=st.tuples(*[st.integers(0, 10**10)] * 3), rate=st.integers(1, 10**10))
def test_a_total_above_the_sha_rate_is_refused_and_no_other(parts: tuple[int, int, int], rate: int) -> None:
    made = replace(
        CT_CONTRACT,
        sha_rate=Money(rate, "KES"),
        terms={ANY_MODE: Amounts(*(Money(part, "KES") for part in parts))},
    )
    codes = {problem.code for problem in problems(made)}
    assert ("above_rate" in codes) == (sum(parts) > rate)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (Amounts(kes("10000"), kes("4500"), kes("500.01")), "above the SHA rate of 15000.00"),
        (Amounts(kes("-1"), kes("4500"), kes("500")), "negative"),
        (Percentages(6_000, 3_000, 999), "100 %"),
        (Percentages(6_000, 3_000, 1_000, kes("15000.01")), "above the SHA rate"),
        (Amounts(Money(100, "USD"), kes("1"), kes("1")), "must be in KES"),
    ],
)
def test_wrong_terms_are_named(terms: Amounts | Percentages, says: str) -> None:
    (problem,) = problems(contract(terms))
    assert problem.field == "terms.any"
    assert says in problem.message


def test_an_unknown_mode_and_turned_dates_are_named() -> None:
    wrong = replace(CT_CONTRACT, terms={"barter": CT_CONTRACT.terms[ANY_MODE]}, effective_until="2023-01-01")
    assert {problem.field for problem in problems(wrong)} == {"terms.barter", "effectiveUntil"}


def test_a_mode_with_its_own_terms_uses_them() -> None:
    own = Amounts(kes("9000"), kes("4000"), kes("1000"))
    made = replace(CT_CONTRACT, terms={**CT_CONTRACT.terms, "cash": own})
    cash, sha = distribute(made, "cash"), distribute(made, "sha")
    assert cash is not None
    assert sha is not None
    assert (cash.total.text(), sha.total.text()) == ("14000.00", "15000.00")
    assert distribute(replace(made, terms={"cash": own}), "sha") is None


def test_overlaps_are_found_across_vendors_and_days_are_both_included() -> None:
    first = replace(CT_CONTRACT, contract_id="A", effective_from="2025-01-01", effective_until="2025-06-30")
    later = replace(first, contract_id="B", vendor="V999", effective_from="2025-07-01", effective_until=None)
    assert overlap(later, [first, MRI_CONTRACT]) is None
    assert overlap(replace(later, effective_from="2025-06-30"), [first]) is first
    assert overlap(replace(first, effective_until=None), [later]) is later
    assert overlap(first, [first]) is None
    assert overlap(replace(later, facility="FID-1", effective_from="2025-01-01"), [first]) is None


days = st.dates().map(lambda day: day.isoformat())


@given(days, st.none() | days, days, st.none() | days, days)
def test_two_contracts_overlap_exactly_when_they_share_a_day(
    from_a: str, until_a: str | None, from_b: str, until_b: str | None, day: str
) -> None:
    one = replace(CT_CONTRACT, contract_id="A", effective_from=from_a, effective_until=until_a)
    two = replace(CT_CONTRACT, contract_id="B", effective_from=from_b, effective_until=until_b)
    if problems(one) or problems(two):
        return
    assert (overlap(one, [two]) is None) == (overlap(two, [one]) is None)
    if one.holds_on(day) and two.holds_on(day):
        assert overlap(one, [two]) is two
    if overlap(one, [two]) is not None:
        assert any(one.holds_on(edge) and two.holds_on(edge) for edge in (from_a, from_b))


def test_a_day_is_a_day_in_nairobi() -> None:
    assert contract_day(0) == "1970-01-01"
    assert contract_day(21 * 3_600_000_000) == "1970-01-02"


@pytest.mark.parametrize(
    ("code", "at", "wanted"),
    [
        ("F9999", CT_AT, (404, "Service with code 'F9999' not found", "Service not found in facility contracts")),
        (
            "F8735",
            "2023-12-31T20:59:59Z",
            (
                422,
                "Service 'F8735' is not available in this facility's contracts",
                "Service not contracted at this facility",
            ),
        ),
        (
            "F8751",
            CT_AT,
            (
                422,
                "Service 'F8751' is not available in this facility's contracts",
                "Service not contracted at this facility",
            ),
        ),
    ],
)
def test_what_is_not_contracted_is_refused_in_the_guides_words(
    code: str, at: str, wanted: tuple[int, str, str]
) -> None:
    with pytest.raises(KiungoError) as refused:
        price(book(), request((code, at)))
    assert (refused.value.http_status, refused.value.message, refused.value.hint) == wanted


def test_the_sample_contracts_stand() -> None:
    assert [problem for one in CONTRACTS for problem in problems(one)] == []
