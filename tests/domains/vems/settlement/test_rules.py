"""The pure rules: shares that end exact, routes that never split, states that never lead back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.domains.vems.reconciliation.matching import Candidate, references_in, suggest
from kiungo.domains.vems.rules.settlement_modes import MODES, base_minor, plan_of
from kiungo.domains.vems.rules.settlement_routing import Route, choose
from kiungo.domains.vems.rules.settlement_shares import dues_of, entitlements
from kiungo.domains.vems.rules.settlement_states import STEPS, allows, settlement_state
from kiungo.domains.vems.settlement.model import Preference, SettlementPolicy
from kiungo.ports.payment import Capabilities, Destination, StatementLine
from tests.domains.vems.settlement.world import booking, kes

MINOR = st.integers(0, 10**9)


@given(MINOR, MINOR, MINOR, st.lists(st.integers(0, 10**6), max_size=8))
def test_shares_sum_to_the_base_end_exact_and_never_fall_while_it_grows(vendor, facility, fee, steps) -> None:
    shares = (("vendor", vendor), ("facility", facility), ("fee", fee))
    total = vendor + facility + fee
    before = (0, 0, 0)
    for base in [*sorted(total * step // 10**6 for step in steps), total]:
        parts = entitlements(shares, base)
        assert sum(parts) == base
        assert parts[0] >= before[0]
        assert parts[1] >= before[1]
        assert parts[2] - before[2] >= -3
        before = parts
    assert before == (vendor, facility, fee)


ACCRUED = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))


@given(st.lists(st.tuples(ACCRUED, st.integers(0, 100)), min_size=1, max_size=8))
def test_dues_never_exceed_what_arrived_and_end_exact_when_all_did(decisions) -> None:
    """Each decision may raise the shares in other proportions, and then some more of all of it arrives."""
    committed, base, accrued = [0, 0], 0, (0, 0, 0)

    def pay() -> None:
        dues = dues_of([("vendor", accrued[0], committed[0]), ("facility", accrued[1], committed[1]),
                        ("fee", accrued[2], 0)], base)  # fmt: skip
        assert dues[2] == 0
        for place in (0, 1):
            committed[place] += dues[place]
            assert dues[place] >= 0
        assert sum(committed) <= base

    for more, percent in decisions:
        accrued = tuple(had + new for had, new in zip(accrued, more, strict=True))
        base = max(base, sum(accrued) * percent // 100)
        pay()
    base = sum(accrued)
    pay()
    assert committed == list(accrued[:2])


@pytest.mark.parametrize("base", [-1, 101])
def test_a_base_outside_the_shares_is_refused(base: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        entitlements((("vendor", 60), ("fee", 40)), base)


def test_zero_and_one_cent() -> None:
    shares = (("vendor", 2_100_000), ("facility", 900_000), ("fee", 100_000))
    assert entitlements(shares, 0) == (0, 0, 0)
    assert entitlements(shares, 1) == (0, 0, 1)


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.integers(1, 10**7))
def test_the_base_of_a_plan_is_never_more_than_all_of_it(approved, booked, plan) -> None:
    assert 0 <= base_minor(approved, booked, plan) <= plan
    assert base_minor(booked, booked, plan) == plan


def test_every_mode_has_its_plan() -> None:
    policy = SettlementPolicy()
    plans = {mode: plan_of(booking(mode=mode), policy) for mode in MODES}
    assert plans["sha"].pays_on == "approval"
    assert plans["other_insurances"].pays_on == "remittance"
    assert plans["cash"].total_minor == 2_200_000
    assert plans["cash"].owed_by == "FID-32-121583-3"
    assert plans["mpesa"].owed_by == "patients"
    assert plan_of(booking(), SettlementPolicy(sha_pays_on="remittance")).pays_on == "remittance"


PHONE = Preference("mobile", Destination("wallet", "254712345678"))
BANK = Preference("bank", Destination("bank_account", "0110009999", "11", "002"))
RAILS = {
    "mobile": Capabilities(
        "mobile", "KES", frozenset({"wallet"}), 99_999_900, {"wallet": 25_000_000}, whole_units=True
    ),
    "bank": Capabilities("bank", "KES", frozenset({"bank_account"}), 100_000_000),
}


def route(total: int, *preferences: Preference, paused=None, currency="KES"):
    return choose(preferences, RAILS, paused or {}, total_minor=total, currency=currency)


def test_the_first_preference_that_can_pay_it_all_is_taken() -> None:
    assert route(123_456, PHONE, BANK) == Route(PHONE, 123_400, 56)
    assert route(25_000_099, PHONE, BANK) == Route(PHONE, 25_000_000, 99)
    assert route(25_000_100, PHONE, BANK) == Route(BANK, 25_000_100, 0)
    assert route(99, PHONE) == Route(PHONE, 0, 99)


def test_where_nobody_can_pay_there_is_a_reason() -> None:
    assert "at most" in route(25_000_100, PHONE)
    assert "paused" in route(100, PHONE, BANK, paused={"mobile": "credential"})
    assert "cannot pay USD" in route(100, PHONE, currency="USD")
    assert "no payment details" in route(100)


def test_no_state_leads_back_to_where_an_order_could_leave_again() -> None:
    could_leave = {"waiting", "held"}
    for state, after in STEPS.items():
        if state not in ("waiting", "held", "submitting"):
            assert not after & could_leave, state
    assert allows("submitting", "held"), "only for an order that was certainly not taken"
    assert not allows("unknown", "held")


def test_a_settlement_says_the_worst_of_its_legs() -> None:
    state = settlement_state([("posted", ""), ("unknown", "lost")], outstanding=kes("0.00"), version=1)
    assert state == ("attention", "lost")
    assert settlement_state([("waiting", "float")], outstanding=kes("0.00"), version=1)[0] == "waiting"
    assert settlement_state([("held", "")], outstanding=kes("0.00"), version=1) == ("paying", "held")
    assert settlement_state([], outstanding=kes("0.05"), version=1)[0] == "waiting"
    assert settlement_state([], outstanding=kes("0.00"), version=1) == ("settled", "")


def line(text: str, amount: str = "-9000.00", party: str = "") -> StatementLine:
    from datetime import date

    return StatementLine("L1", date(2026, 3, 2), kes(amount), (text,), party, text)


def test_references_are_found_in_any_text_and_look_alikes_are_not() -> None:
    assert references_in(line("EFT/7K3MZQ4X2BHDA/x 7k3mzq4x2bhda")) == ("7K3MZQ4X2BHDA",)
    assert references_in(line("7K3MZQ4X2BHDAX")) == ()
    assert references_in(line("0000000000000")) == ()


def test_suggestions_have_the_same_amount_and_the_likeliest_party_first() -> None:
    day = line("x").booked_on
    candidates = [
        Candidate("A", kes("-9000.00"), "Somebody Else", day),
        Candidate("B", kes("-9000.00"), "Mnazi Moja", day),
        Candidate("C", kes("-9000.01"), "Mnazi Moja", day),
        Candidate("D", kes("-9000.00"), "Mnazi Moja", day.replace(month=4)),
    ]
    assert [found.reference for found in suggest(line("MNAZI MOJA"), candidates)] == ["B", "A"]
