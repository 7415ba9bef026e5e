"""Amounts are found in whatever usual unit they were sent."""

import json
from urllib.parse import quote

import pytest

from kiungo.fhir.search.units import KINDS, UCUM, others
from kiungo.formats.ucum import find_measure
from tests.fhir.conftest import Server, observation

AMOUNTS = {"g": 5.4, "mg": 5400, "kg": 7, "Cel": 37.5, "[degF]": 99.5, "10*9/L": 4}


def test_the_units_of_a_kind_measure_the_same() -> None:
    for kind in KINDS:
        codes = kind.split()
        measures = [find_measure(code) for code in codes]
        assert None not in measures, kind
        assert len({measure.dimension for measure in measures if measure}) == 1, kind
        for code in codes:
            assert [other.code for other in others(code)] == [c for c in codes if c != code]
            for other in others(code):
                back = next(o for o in others(other.code) if o.code == code)
                assert back.of(other.of(1.25)) == pytest.approx(1.25)
    assert others("{score}") == others("nonsense") == ()


def test_a_quantity_is_found_in_every_unit_of_its_kind(server: Server) -> None:
    for number, (unit, value) in enumerate(AMOUNTS.items()):
        quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
        server.ask("PUT", f"/Observation/o{number}", observation("Patient/p", id=f"o{number}", valueQuantity=quantity))

    def found(value: str, name: str = "value-quantity") -> set[str]:
        ids = server.search_ids(f"/Observation?{name}={quote(value)}")
        return {list(AMOUNTS)[int(logical_id[1:])] for logical_id in ids}

    assert found(f"5.4|{UCUM}|g") == found(f"5400|{UCUM}|mg") == found(f"0.0054|{UCUM}|kg") == {"g", "mg"}
    assert found(f"5.40|{UCUM}|g") == {"g", "mg"}
    assert found(f"ap5.5|{UCUM}|g") == found(f"ap5500|{UCUM}|mg") == {"g", "mg"}
    for prefix, kept in {"gt": "more", "lt": "less", "ge": "more same", "le": "less same", "ne": "less more"}.items():
        for amount in (f"5.4|{UCUM}|g", f"5400|{UCUM}|mg", f"0.0054|{UCUM}|kg", f"5400000|{UCUM}|ug"):
            wanted = {"more": {"kg"}, "same": {"g", "mg"}, "less": set()}
            assert found(f"{prefix}{amount}") == set().union(*(wanted[one] for one in kept.split())), (prefix, amount)
    assert found(f"sa5000|{UCUM}|mg") == {"g", "mg", "kg"}
    assert found(f"eb6|{UCUM}|kg") == {"g", "mg"}
    assert found(f"gt99|{UCUM}|[degF]") == {"Cel", "[degF]"}
    assert found(f"8867-4$gt5.41|{UCUM}|g", "code-value-quantity") == {"kg"}
    assert found("gt5399||mg") == {"mg"}
    assert found(f"37.5|{UCUM}|Cel") == found(f"99.5|{UCUM}|[degF]") == {"Cel", "[degF]"}
    assert found(f"4000|{UCUM}|/uL") == {"10*9/L"}
    assert found("5400||mg") == {"mg"}, "without a system it is the unit's text that is meant"
    assert found(f"8867-4$5400|{UCUM}|mg", "code-value-quantity") == {"g", "mg"}
    assert found(f'value-quantity eq "5.4|{UCUM}|g"', "_filter") == {"g", "mg"}
    assert server.ask("GET", "/Observation?value-quantity=5_4").status_code == 400


@pytest.mark.parametrize(
    ("asked", "found"), [("70", ["69.5", "70"]), ("ne70", ["70.5"]), ("70.5", ["70.5"]), ("70.0", ["70"])]
)
def test_a_number_stands_for_a_range_without_its_upper_end(server: Server, asked: str, found: list[str]) -> None:
    for value in ("69.5", "70", "70.5"):
        body = json.dumps({**observation("Patient/p", id=value), "valueQuantity": {"unit": "kg"}})
        body = body.replace('"unit"', f'"value": {value}, "unit"')
        assert server.ask("PUT", f"/Observation/{value}", body.encode()).status_code == 201
    assert sorted(server.search_ids(f"/Observation?value-quantity={asked}")) == found
