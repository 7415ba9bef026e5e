"""A mould finds where values go in the index, or says that it cannot."""

from collections.abc import Sequence
from typing import Any

import pytest

from kiungo.fhir.moulds import IDENTIFIER, MOMENT, Mould
from kiungo.fhir.prepare import prepare_made


def appointment(number: str, person: str, at: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "identifier": [{"system": "urn:x", "value": number}],
        "status": "booked",
        "description": "A visit",
        "start": at,
        "participant": [{"actor": {"reference": f"Patient/{person}"}, "status": "accepted"}],
    }


def made(values: Sequence[Any]) -> dict[str, Any]:
    number, person, at_us = values
    return appointment(number, person, f"2026-01-01T00:00:{at_us // 1_000 % 60:02d}.000Z")


def test_a_value_whose_text_is_not_what_its_kind_says_is_refused() -> None:
    with pytest.raises(ValueError, match="not alike"):
        Mould(made, (IDENTIFIER, "Patient", MOMENT))


def test_a_value_that_becomes_text_to_search_is_refused() -> None:
    def named(values: Sequence[Any]) -> dict[str, Any]:
        return {"resourceType": "Patient", "name": [{"family": values[0]}]}

    with pytest.raises(ValueError, match="not alike"):
        Mould(named, (IDENTIFIER,))


def test_a_moulded_resource_is_prepared_as_any_other() -> None:
    def today(values: Sequence[Any]) -> dict[str, Any]:
        return appointment(values[0], values[1], "2026-01-01T00:00:00.000Z")

    mould = Mould(today, (IDENTIFIER, "Patient"))
    for values in (("A-1", "p1"), ("", "p2"), ("Patient/p1", "p1")):
        resource = today(values)
        assert mould.prepare(resource, values, id="a") == prepare_made(resource, id="a")
