"""Index rows: which are written, and which are not because another parameter's rows answer."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.fhir import definitions
from kiungo.fhir.indexing import expressions, values
from kiungo.fhir.indexing.extraction import extract, source
from kiungo.fhir.indexing.parameters import INDEXED_KINDS, OWN_COLUMNS, parameters_of
from tests.fhir.conftest import observation, patient


def test_every_type_compiles_and_every_parameter_has_a_source() -> None:
    without = []
    for name in definitions.resource_types():
        compile(source(name), name, "exec")
        for parameter in parameters_of(name).values():
            if parameter.kind in INDEXED_KINDS and parameter.code not in OWN_COLUMNS and not parameter.sources:
                without.append((name, parameter.code))
    assert without == []


def test_keys_never_change() -> None:
    """Stored rows hold these numbers: a change of order would make every index wrong."""
    assert parameters_of("Observation")["code"].key == 1683
    assert parameters_of("Patient")["identifier"].key == 1825
    assert definitions.type_ids()["Patient"] == 103


def test_rows_of_an_observation() -> None:
    rows = extract(observation("Patient/p"))
    assert len(rows.token) == 3  # category, code, status; combo-code has none of its own
    assert len(rows.reference) == 1  # subject; patient has none of its own
    assert len(rows.compartment) == 2
    assert (len(rows.date), len(rows.number)) == (1, 1)
    assert rows.sort_ms == int(datetime(2024, 5, 1, 10, tzinfo=UTC).timestamp() * 1000)
    assert rows.person == "p"


def test_rows_of_a_patient() -> None:
    rows = extract(patient())
    assert {text for _, text, _ in rows.string} == {"mwangi", "amina", "zuri"}
    assert len(rows.string) == 3
    assert rows.person is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024-01-01T00:00:00.000", "2024-12-31T23:59:59.999"),
        ("2024-02", "2024-02-01T00:00:00.000", "2024-02-29T23:59:59.999"),
        ("2024-12", "2024-12-01T00:00:00.000", "2024-12-31T23:59:59.999"),
        ("2024-02-29", "2024-02-29T00:00:00.000", "2024-02-29T23:59:59.999"),
        ("2024-02-29T10:00:00+03:00", "2024-02-29T07:00:00.000", "2024-02-29T07:00:00.999"),
        ("2024-02-29T10:00:00.5Z", "2024-02-29T10:00:00.500", "2024-02-29T10:00:00.599"),
        ("2024-02-29T10:00:00.123456Z", "2024-02-29T10:00:00.123", "2024-02-29T10:00:00.123"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000", "2016-12-31T23:59:59.999"),
    ],
)
def test_date_spans(text: str, low: str, high: str) -> None:
    def ms(t: str) -> int:
        return values.to_ms(datetime.fromisoformat(t).replace(tzinfo=UTC))

    assert values.date_span(text) == (ms(low), ms(high))


def test_number_spans_follow_the_written_precision() -> None:
    assert values.number_span("100") == (99.5, 100.5)
    assert values.number_span("5.40") == (5.395, 5.405)
    assert values.number_span("1e2") == (50.0, 150.0)


def test_references() -> None:
    assert values.reference_target("Patient/1") == values.target_of("Patient", "1")
    assert values.reference_target("Patient/1/_history/3") == values.target_of("Patient", "1")
    assert values.reference_target("http://other.org/Patient/1") != values.target_of("Patient", "1")
    assert values.reference_target("#inside") is None
    assert values.target_of("Patient", "1") & 0xFF == definitions.type_ids()["Patient"]


@given(st.text(max_size=40))
def test_the_expression_reader_understands_or_refuses(text: str) -> None:
    with contextlib.suppress(expressions.NotUnderstood):
        expressions.parse(text)


@given(st.text(max_size=300))
def test_normal_is_stable(text: str) -> None:
    once = values.normal(text)
    assert values.normal(once) == once
