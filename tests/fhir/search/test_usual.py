"""Statements kept by their form answer exactly as the planner does, for every value and every caller."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.fhir import searching
from kiungo.fhir.search.asked import Params
from kiungo.fhir.search.usual import form_of
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http.messages import parse_query
from tests.fhir.conftest import Server, patient

LOINC = "http://loinc.org"
USUAL = [
    ("Observation", "patient=Patient/p{n}&code=http://loinc.org|c{n}&_sort=-date&_count=2"),
    ("Observation", "patient=Patient/p{n}&code=c{n}"),
    ("Observation", "patient=Patient/p{n}&code=c{n}&status=final"),
    ("Observation", "subject=Patient/p{n}"),
    ("Observation", "code=c{n}&_count=1"),
    ("Observation", "combo-code=c{n}"),
    ("Patient", "family=Fam&_sort=birthdate"),
    ("Patient", "identifier=urn:mrn|m{n}"),
    ("Patient", "family=Fam"),
    ("Patient", "birthdate=19{n}0&_sort=-_id"),
]
LONG_WAY = [
    ("Patient", "gender=female&_sort=birthdate"),  # how many there are is counted
    ("Observation", "code=c1&status=final"),  # which begins is counted
    ("Observation", "date=ge2020&code=c1"),
    ("Observation", "code=c1,c2"),
    ("Observation", "code=c1&_include=Observation:subject"),
    ("Observation", "code:not=c1"),
    ("Observation", "subject:Patient.gender=female"),
    ("Patient", "birthdate=ap1980"),
    ("Patient", "gender=female&_count=0"),
    ("Patient", "gender=female&_total=accurate"),
    ("Patient", "name=Fam&_elements=name"),
    ("Observation", "_sort=code"),
]


def _observation(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final" if number % 2 else "amended",
        "code": {"coding": [{"system": LOINC if number % 3 else "urn:other", "code": f"c{number % 4}"}]},
        "subject": {"reference": f"Patient/p{number % 3}"},
        "effectiveDateTime": f"2020-01-{1 + number % 9:02d}",
    }


@pytest.fixture
def ward(server: Server) -> Server:
    for n in range(4):
        name = [{"family": f"Fam{n}"}]
        mrn = [{"system": "urn:mrn", "value": f"m{n}"}]
        body = patient(id=f"p{n}", gender="female", birthDate=f"19{n}0-02-03", identifier=mrn, name=name)
        assert server.ask("PUT", f"/Patient/p{n}", body).status_code == 201
    entries = [{"resource": _observation(n), "request": {"method": "POST", "url": "Observation"}} for n in range(24)]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    assert server.ask("POST", "", batch).status_code == 200
    return server


def _both(server: Server, type_name: str, params: Params) -> tuple[bytes | None, bytes]:
    store, place = server.store, searching.Place(type_name)

    def ask(unit: Any) -> tuple[bytes | None, bytes]:
        usual = searching.search_usual(store, unit, server.call, place, params)
        shown = None if usual is None else searching.rendered(store, server.call, *usual)
        return shown, store.search_in(unit, server.call, type_name, params)

    return server.database.read(ask)


def test_usual_searches_answer_as_the_planner_does(ward: Server) -> None:
    met = 0
    for type_name, text in USUAL:
        for number in (0, 1, 2, 3, 1):
            params = parse_query(text.format(n=number).encode())
            for _ in range(2):
                usual, planned = _both(ward, type_name, params)
                assert usual in (None, planned), (type_name, params)
        assert usual is not None, f"{text} is asked all the time"
        met += b'"entry"' in planned
    assert met == len(USUAL)


def test_pages_and_changes_are_seen(ward: Server) -> None:
    path = "/Observation?subject=Patient/p1&_count=3"
    for _ in range(3):
        assert len(ward.search_ids(path)) == 8
    gone = ward.search_ids(path)[0]
    ward.ask("DELETE", f"/Observation/{gone}")
    assert gone not in ward.search_ids(path)


def test_what_depends_on_values_goes_the_long_way(ward: Server) -> None:
    for type_name, text in LONG_WAY:
        for _ in range(3):
            usual, planned = _both(ward, type_name, parse_query(text.encode()))
            assert usual is None, text
            assert planned.startswith(b'{"resourceType":"Bundle"')


def test_rights_are_asked_each_time(ward: Server) -> None:
    path = "/Patient?gender=female"
    others = [ward.new_key("system/Patient.s"), ward.new_key("system/*.cruds", bindings={"patient": "p2"})]
    for _ in range(3):
        assert len(ward.search_ids(path)) == 4
        assert ward.search_ids(path, others[0]) == []  # may search, may not read
        assert ward.search_ids(path, others[1]) == ["p2"]
    bound = Call(ward.call.principal.__class__(1, "b", "api_key", "b", bindings={"patient": "p2"}), "r", "o")
    place = searching.Place("Patient")
    answer = ward.database.read(
        lambda unit: searching.search_usual(ward.store, unit, bound, place, [("gender", "female")])
    )
    assert answer is None


@given(st.text("aA|,\\/:.1", max_size=8), st.sampled_from(["code", "status", "subject", "value-string"]))
def test_a_form_tells_values_from_texts(value: str, name: str) -> None:
    """Two searches of one form differ in hashed values only, never in a text that the statement would hold."""
    one, other = form_of("Observation", [(name, value)]), form_of("Observation", [(name, "a")])
    if one is not None and other is not None and one[0] == other[0]:
        assert one[1] != other[1] or value == "a"
