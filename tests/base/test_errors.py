"""Errors: a closed list, each code with one meaning."""

import pytest

from kiungo.base import errors
from kiungo.base.errors import Conflict, Detail, Incorrect, KiungoError, Unavailable, all_codes, define
from kiungo.base.money import AMOUNT_PRECISION

CATEGORIES = {
    errors.Incorrect: (400, "invalid"),
    errors.Unauthenticated: (401, "login"),
    errors.Forbidden: (403, "forbidden"),
    errors.NotFound: (404, "not-found"),
    errors.Conflict: (409, "conflict"),
    errors.Unsupported: (501, "not-supported"),
    errors.Busy: (429, "throttled"),
    errors.Unavailable: (503, "transient"),
    errors.Fault: (500, "exception"),
}


def test_the_categories_are_exactly_these() -> None:
    assert set(KiungoError.__subclasses__()) == set(CATEGORIES)
    for category, (status, issue) in CATEGORIES.items():
        assert (category.default_http_status, category.fhir_issue) == (status, issue)


def test_an_error_says_what_where_and_the_way_out() -> None:
    error = Incorrect(AMOUNT_PRECISION, "too fine", field="amount", hint="round it", details=(Detail("a", "b"),))
    assert (error.code, error.http_status, error.field, error.hint) == ("AMOUNT_PRECISION", 400, "amount", "round it")
    assert str(error) == "too fine"


@pytest.mark.parametrize(
    ("message", "hint", "told"),
    [
        ("too fine", "Round it", "too fine. Round it"),
        ("did you mean name?", "Ask again", "did you mean name? Ask again"),
        ("too fine", None, "too fine"),
    ],
)
def test_message_and_hint_are_told_as_sentences(message: str, hint: str | None, told: str) -> None:
    assert Incorrect(AMOUNT_PRECISION, message, hint=hint).told == told


def test_an_undefined_code_or_the_wrong_category_is_our_own_mistake_at_once() -> None:
    with pytest.raises(AssertionError, match="not defined"):
        Incorrect("NO_SUCH_CODE", "oops")
    with pytest.raises(AssertionError, match="defined for Incorrect"):
        Conflict(AMOUNT_PRECISION, "oops")


def test_a_code_keeps_its_one_meaning() -> None:
    assert define("AMOUNT_PRECISION", Incorrect, all_codes()["AMOUNT_PRECISION"].summary) == "AMOUNT_PRECISION"
    with pytest.raises(AssertionError, match="already defined"):
        define("AMOUNT_PRECISION", Unavailable, "another meaning")


def test_codes_are_sorted_capitals_with_one_sentence() -> None:
    codes = all_codes()
    assert list(codes) == sorted(codes)
    for code, definition in codes.items():
        assert code.isupper()
        assert definition.summary.endswith(".")
        assert 400 <= definition.http_status < 600
