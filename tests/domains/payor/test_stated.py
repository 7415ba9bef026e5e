"""Bodies nobody should send: each is refused with the field's name, and quickly."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.domains.payor import stated
from tests.domains.payor.conftest import GUIDE


def parse(**fields: Any) -> stated.Stated:
    return stated.parse(json.dumps({**GUIDE, **fields}).encode())


def complete(**fields: Any) -> Any:
    return stated.complete(parse(**fields), currency="USD", provider_id="P", today="2026-03-02")


def test_a_misspelt_field_is_named_with_the_right_one() -> None:
    with pytest.raises(Incorrect, match="procedure_cod is not a field of a claim; did you mean procedure_code"):
        stated.parse(
            json.dumps({k: v for k, v in GUIDE.items() if k != "procedure_code"} | {"procedure_cod": "1"}).encode()
        )


def test_a_foreign_field_is_noted_and_left_out() -> None:
    assert parse(hospital_wing="B").ignored == ("hospital_wing",)


def test_a_flood_of_unknown_fields_is_refused_at_once() -> None:
    begun = time.process_time()
    with pytest.raises(Incorrect, match="50000 fields"):
        parse(**{f"field_{number}": 1 for number in range(50_000)})
    assert time.process_time() - begun < 10  # looking for a near name for each takes a minute


def test_all_problems_come_in_one_answer() -> None:
    with pytest.raises(Incorrect) as refused:
        parse(patient_name=5, amount=True, priority="asap", emergency=1, date_of_service="03/10/2024", units=0)
    assert {detail.field for detail in refused.value.details} == {
        "patient_name", "amount", "priority", "emergency", "date_of_service", "units",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [1]}, "lines[0]"),
        ({"lines": [{}]}, "lines[0].amount"),
        ({"lines": [{"amount": "1"}] * 101}, "lines"),
        ({"lines": [{"amount": "1", "units": "2"}]}, "lines[0].units"),
        ({"lines": [{"amount": "1", "modifiers": ["LONG"]}]}, "lines[0].modifiers"),
        ({"lines": [{"amount": "1", "procedur_code": "2"}]}, "lines[0].procedur_code"),
        ({"diagnosis_codes": "J20.9"}, "diagnosis_codes"),
        ({"notes": "x" * 5_000}, "notes"),
        ({"notes": "a\u0001b"}, "notes"),
        ({"patient_name": "   "}, "patient_name"),
        ({"patient_gender": "male"}, "patient_gender"),
        ({"amount": {"value": 1}}, "amount"),
    ],
)
def test_each_wrong_shape_names_its_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Incorrect) as refused:
        parse(**fields)
    assert refused.value.field == named


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"amount": "1e3"}, "amount"),
        ({"amount": "1,250.00"}, "amount"),
        ({"amount": "$5"}, "amount"),
        ({"amount": "99999999999999999999"}, "amount"),
        ({"amount": "30.00", "lines": [{"amount": "10.00"}, {"amount": "19.99"}]}, "amount"),
        ({"amount": "30.00", "lines": [{"amount": "10.001"}, {"amount": "19.99"}]}, "lines[0].amount"),
        ({"date_of_service": "2026-03-04"}, "date_of_service"),
        ({"patient_dob": "2026-03-04"}, "patient_dob"),
        ({"other_payer_paid": "-1"}, "other_payer_paid"),
    ],
)
def test_what_the_plans_currency_or_the_calendar_cannot_hold(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Incorrect) as refused:
        complete(**fields)
    assert refused.value.field == named


def test_it_may_be_tomorrow_already_where_they_are() -> None:
    assert complete(date_of_service="2026-03-03").lines[0].service_date == "2026-03-03"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(stated.FIELDS)), JSON, max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_value_in_any_field_is_read_or_refused_by_name(fields: dict[str, Any]) -> None:
    with suppress(Incorrect):
        assert complete(**fields).total.minor > 0
