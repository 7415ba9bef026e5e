"""Money: exact to the minor unit, and nothing that is not an exact amount gets in."""

import copy
import pickle
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.base.money import EXPONENTS, MINOR_MAX, Money, exponent_of

currencies = st.sampled_from(sorted(EXPONENTS))
minors = st.integers(-MINOR_MAX, MINOR_MAX)
amounts = st.builds(Money, minors, currencies)


@given(amounts)
def test_what_is_written_is_read_back(amount: Money) -> None:
    assert Money.parse(amount.text(), amount.currency) == amount
    assert Money.parse(amount.decimal(), amount.currency) == amount


@given(amounts)
def test_text_has_exactly_the_decimals_of_the_currency(amount: Money) -> None:
    whole, _, fraction = amount.text().partition(".")
    assert len(fraction) == EXPONENTS[amount.currency]
    assert str(int(whole)) == whole or whole == "-0"
    assert Decimal(amount.text()) == amount.decimal()
    assert str(amount.decimal()) == amount.text() or amount.minor == 0 or "E" in str(amount.decimal())


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("1250.00", "USD", 125_000),
        ("1250", "KES", 125_000),
        (1250, "KES", 125_000),
        (" 15000.5 ", "KES", 1_500_050),
        (Decimal("1.5"), "TND", 1_500),
        ("-0.05", "EUR", -5),
        ("-0", "EUR", 0),
        ("007", "JPY", 7),
        ("12.00", "JPY", 12),
        (Decimal("1E+3"), "USD", 100_000),
        (str(MINOR_MAX), "JPY", MINOR_MAX),
    ],
)
def test_amounts_as_people_write_them(value: object, currency: str, minor: int) -> None:
    assert Money.parse(value, currency) == Money(minor, currency)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        *(1.5, 1250.0, float("nan"), float("inf"), True, None, [], {}, b"12"),
        *("", " ", ".", "1.", ".5", "+1", "--1", "1e3", "1E3", "1,250.00", "1 250", "1_000", "KES 5", "$5", "0x10"),
        *("NaN", "Infinity", "-Infinity", "sNaN", "٣٤٥", "１２３", "²", "1\u066b5", "1\n5", "12\x00", "1.5.2"),
        *(Decimal("NaN"), Decimal("Infinity"), Decimal("1E+30"), Decimal("1E-30"), 10**30, "9" * 40, "0." + "1" * 40),
    ],
)
def test_what_is_not_a_plain_decimal_number_is_refused(value: object) -> None:
    with pytest.raises(Incorrect) as refused:
        Money.parse(value, "KES", field="lines[0].amount")  # type: ignore[arg-type]
    assert refused.value.code == "AMOUNT_NOT_A_NUMBER"
    assert refused.value.field == "lines[0].amount"
    assert refused.value.hint


@given(amounts, st.integers(1, 9), st.integers(0, 6))
def test_one_digit_too_many_is_never_rounded_away(amount: Money, digit: int, zeros: int) -> None:
    point = "" if "." in amount.text() else "."
    text = f"{amount.text()}{point}{'0' * zeros}{digit}"
    for value in (text, Decimal(text)):
        with pytest.raises(Incorrect) as refused:
            Money.parse(value, amount.currency)
        assert refused.value.code == "AMOUNT_PRECISION"


def test_digits_beyond_the_precision_of_decimal_arithmetic_are_refused_too() -> None:
    with pytest.raises(Incorrect, match="more than the 2 decimals"):
        Money.parse("900000000000000.0000000000000001", "USD")


@pytest.mark.parametrize("value", [str(MINOR_MAX + 1), f"-{MINOR_MAX + 1}", "999999999999999999"])
def test_amounts_beyond_what_the_ledger_holds_are_refused(value: str) -> None:
    with pytest.raises(Incorrect) as refused:
        Money.parse(value, "JPY")
    assert refused.value.code == "AMOUNT_TOO_LARGE"


@pytest.mark.parametrize("currency", ["", "kes", "KE", "XXX", "KÉS", "USD "])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(Incorrect) as refused:
        exponent_of(currency)
    assert refused.value.code == "CURRENCY_UNKNOWN"


@given(amounts, st.integers(0, 20_000))
def test_percent_is_rounded_half_up_as_decimal_does(amount: Money, basis_points: int) -> None:
    exact = Decimal(amount.minor * basis_points) / 10_000
    assert amount.percent(basis_points).minor == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def test_percent_of_the_documented_claim() -> None:
    assert Money.parse("1250.00", "USD").percent(8_000) == Money(100_000, "USD")
    assert Money(1, "USD").percent(5_000) == Money(1, "USD")
    assert Money(-1, "USD").percent(5_000) == Money(-1, "USD")
    assert Money(1, "USD").percent(4_999) == Money(0, "USD")


@given(
    st.integers(0, MINOR_MAX),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any),
)
def test_parts_sum_to_the_whole_and_are_fair_to_a_minor_unit(minor: int, weights: list[int]) -> None:
    whole = Money(minor, "KES")
    parts = whole.allocate(weights)
    assert sum(part.minor for part in parts) == minor
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert 0 <= part.minor * total - minor * weight + total <= 2 * total
        assert part.minor == 0 if weight == 0 else part.minor >= 0


def test_a_tie_goes_to_the_earlier_part() -> None:
    assert [part.minor for part in Money(100, "USD").allocate([1, 1, 1])] == [34, 33, 33]


@pytest.mark.parametrize(("minor", "weights"), [(100, []), (100, [0, 0]), (100, [2, -1]), (-100, [1])])
def test_a_split_that_means_nothing_is_refused(minor: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="allocate"):
        Money(minor, "USD").allocate(weights)


@given(minors, minors, minors)
def test_sums_and_order(first: int, second: int, third: int) -> None:
    a, b, c = (Money(minor, "KES") for minor in (first, second, third))
    assert (a + b) + c == a + (b + c)
    assert a - b == a + (-b)
    assert a * 3 == a + a + a
    assert (a < b) == (first < second)
    assert (a >= b) == (first >= second)
    assert min(a, b) + max(a, b) == a + b
    assert bool(a) == (first != 0)


def test_currencies_never_mix_and_money_never_multiplies_by_a_fraction() -> None:
    shilling, dollar = Money(1, "KES"), Money(1, "USD")
    for operation in (lambda: shilling + dollar, lambda: shilling - dollar, lambda: shilling < dollar):
        with pytest.raises(ValueError, match="KES and USD"):
            operation()
    assert shilling != dollar
    with pytest.raises(TypeError):
        shilling * 0.16  # type: ignore[operator]
    with pytest.raises(TypeError):
        shilling * True


def test_money_is_a_value() -> None:
    amount = Money(5, "KES")
    with pytest.raises(AttributeError):
        amount.minor = 6
    with pytest.raises(AttributeError):
        del amount.currency
    assert copy.deepcopy(amount) == pickle.loads(pickle.dumps(amount)) == amount
    assert {amount: "five"}[Money(5, "KES")] == "five"
    assert (amount == 5) is False
    assert repr(amount) == "Money(minor=5, currency='KES')"
