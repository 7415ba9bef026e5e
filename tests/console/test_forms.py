"""Forms: limits, bad input, and the token that says which page they came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.console.forms import FIELDS_MAX, VALUE_CHARACTERS_MAX, filled, parse_form
from kiungo.console.visit import form_token, token_fits


def test_fields_are_read_and_trimmed() -> None:
    assert parse_form(b"patient_name=John+Doe+&amount=1250.00&notes=") == {
        "patient_name": "John Doe",
        "amount": "1250.00",
        "notes": "",
    }
    assert parse_form("name=Zoë".encode().replace("ë".encode(), b"%C3%AB")) == {"name": "Zoë"}
    assert parse_form(b"") == {}


@pytest.mark.parametrize(
    "body",
    [
        b"name=%FF%FE",
        b"name=\xff",
        b"name=%00",
        b"%00=1",
        b"&".join(b"f%d=1" % number for number in range(FIELDS_MAX + 1)),
        b"notes=" + b"x" * (VALUE_CHARACTERS_MAX + 1),
    ],
)
def test_an_unreadable_form_is_refused(body: bytes) -> None:
    with pytest.raises(Incorrect) as refused:
        parse_form(body)
    assert refused.value.code == "FORM_UNREADABLE"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        fields = parse_form(body)
    except Incorrect:
        return
    assert all(value == value.strip() for value in fields.values())


def test_only_what_was_filled_in_is_sent_on() -> None:
    assert filled({"a": "1", "b": "", "c": "3"}, "a", "b", "d") == {"a": "1"}


def test_a_token_belongs_to_one_session() -> None:
    assert token_fits("session-one", form_token("session-one"))
    assert not token_fits("session-two", form_token("session-one"))
    assert not token_fits("session-one", "")
    assert not token_fits("session-one", "ü")
    assert not token_fits("", form_token(""))
