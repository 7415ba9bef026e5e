"""Composites, places, full text, filters and the modifiers that look further, through the API on both engines."""

from typing import Any
from urllib.parse import quote

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.search.query import parse_query
from tests.fhir.conftest import Server, observation, patient

LOINC = "http://loinc.org"
TYPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}], "text": "Record number"}


def _component(code: str, value: float) -> dict[str, Any]:
    quantity = {"value": value, "unit": "mm[Hg]", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity}


@pytest.fixture
def ward(server: Server) -> Server:
    """Patients, readings, places and a list."""
    named = {"identifier": [{"system": "http://example.org/mrn", "value": "MRN-1", "type": TYPE}]}
    told = {
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml">Allergic to <b>latex</b></div>',
        }
    }
    server.ask("PUT", "/Patient/p1", patient(id="p1", **named, **told))
    server.ask("PUT", "/Patient/p2", patient(id="p2", gender="male", name=[{"family": "Otieno", "given": ["Brian"]}]))
    pressure = observation("Patient/p1", "85354-9", "2024-01-10", id="bp1")
    del pressure["valueQuantity"]
    pressure["component"] = [_component("8480-6", 150), _component("8462-4", 80)]
    server.ask("PUT", "/Observation/bp1", pressure)
    server.ask("PUT", "/Observation/hr1", {**observation("Patient/p1", when="2024-02-01", id="hr1")})
    smokes = observation("Patient/p2", "72166-2", "2024-03-01", id="smoke")
    del smokes["valueQuantity"]
    smokes["valueCodeableConcept"] = {
        "coding": [{"system": "http://snomed.info/sct", "code": "8517006", "display": "Ex-smoker"}]
    }
    smokes["note"] = [{"text": "Stopped after the Pneumonia"}]
    server.ask("PUT", "/Observation/smoke", smokes)
    word = observation("Patient/p2", "8251-1", "2024-04-01", id="word")
    del word["valueQuantity"]
    server.ask("PUT", "/Observation/word", {**word, "valueString": "Clear to auscultation"})
    for name, latitude, longitude, part_of in (
        ("nairobi", -1.2864, 36.8172, None),
        ("kiambu", -1.1714, 36.8356, "nairobi"),
        ("fiji", -17.8, 179.9, "kiambu"),
        ("taveuni", -17.8, -179.9, None),
    ):
        place: dict[str, Any] = {"resourceType": "Location", "id": name, "name": name}
        place["position"] = {"latitude": latitude, "longitude": longitude}
        if part_of:
            place["partOf"] = {"reference": f"Location/{part_of}"}
        assert server.ask("PUT", f"/Location/{name}", place).status_code == 201
    server.ask("PUT", "/Location/nowhere", {"resourceType": "Location", "id": "nowhere"})
    listed = [{"item": {"reference": "Patient/p2"}}, {"item": {"reference": "Observation/hr1"}}]
    server.ask(
        "PUT", "/List/l", {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": listed}
    )
    return server


CASES = [
    ("/Observation?component-code-value-quantity=8480-6$gt140", {"bp1"}),
    ("/Observation?component-code-value-quantity=8462-4$gt140", set()),
    (f"/Observation?component-code-value-quantity={LOINC}|8462-4$lt90|http://unitsofmeasure.org|mm[Hg]", {"bp1"}),
    ("/Observation?component-code-value-quantity=http://other|8462-4$lt90", set()),
    ("/Observation?component-code-value-quantity=8462-4$80||mmol", set()),
    ("/Observation?code-value-quantity=8867-4$72", {"hr1"}),
    ("/Observation?code-value-quantity=8480-6$150", set()),
    ("/Observation?combo-code-value-quantity=8480-6$150,8867-4$ap70", {"bp1", "hr1"}),
    ("/Observation?code-value-concept=72166-2$http://snomed.info/sct|8517006", {"smoke"}),
    ("/Observation?code-value-concept=72166-2$http://other|8517006", set()),
    ("/Observation?combo-code-value-concept=72166-2$8517006", {"smoke"}),
    ("/Observation?code-value-string=8251-1$clear", {"word"}),
    ("/Observation?code-value-string=8867-4$clear", set()),
    ("/Observation?code-value-quantity:missing=true", {"bp1", "smoke", "word"}),
    ("/Patient?_has:Observation:patient:component-code-value-quantity=8480-6$ge150", {"p1"}),
    ("/Location?near=-1.2864|36.8172|1|km", {"nairobi"}),
    ("/Location?near=-1.2864|36.8172|0", {"nairobi"}),
    ("/Location?near=-1.2864|36.8172|20", {"nairobi", "kiambu"}),
    ("/Location?near=-1.2864|36.8172|12900|m", {"nairobi"}),
    ("/Location?near=-1.2864|36.8172|13.1|km", {"nairobi", "kiambu"}),
    ("/Location?near=-1.2864|36.8172", {"nairobi", "kiambu"}),
    ("/Location?near=-17.8|180|25|km", {"fiji", "taveuni"}),
    ("/Location?near=0|0|20100|km", {"nairobi", "kiambu", "fiji", "taveuni"}),
    ("/Location?near=-1.2864|36.8172|1,-17.8|179.9|1", {"nairobi", "fiji"}),
    ("/Location?near:missing=true", {"nowhere"}),
    ("/Location?partof:below=Location/nairobi", {"kiambu", "fiji"}),
    ("/Location?partof:below=kiambu", {"fiji"}),
    ("/Location?partof:above=fiji", {"kiambu", "fiji"}),
    ("/Patient?_text=latex", {"p1"}),
    ("/Patient?_text=LATEX allergic", {"p1"}),
    ("/Patient?_text=latex and penicillin", set()),
    ("/Patient?_text=penicillin or latex", {"p1"}),
    ("/Patient?_text=not latex", {"p2"}),
    ("/Patient?_text=brian", set()),
    ("/Patient?_content=brian", {"p2"}),
    ("/Patient?_content=otie*", {"p2"}),
    ("/Patient?_content=latex", {"p1"}),
    ('/Observation?_content=(clear or pneumonia) not "ex smoker"', {"word"}),
    ("/Observation?_content=pneumonia&subject:Patient._content=brian", {"smoke"}),
    ("/Patient?_list=l", {"p2"}),
    ("/Patient?_list=List/l", {"p2"}),
    ("/Observation?_list=l", {"hr1"}),
    ("/Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|MRN-1", {"p1"}),
    ("/Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|SS|MRN-1", set()),
    ("/Patient?identifier:text=record", {"p1"}),
    ("/Observation?value-concept:text=ex-sm", {"smoke"}),
    ("/Observation?combo-value-concept:text=ex", {"smoke"}),
    ("/Patient?_filter=gender eq male", {"p2"}),
    ("/Patient?_filter=not (gender eq male)", {"p1"}),
    ("/Patient?_filter=gender ne male", {"p1"}),
    ('/Patient?_filter=family eq "Otieno" or birthdate lt 1985', {"p1", "p2"}),
    ('/Patient?_filter=name co "wang" and birthdate ge 1984-02', {"p1"}),
    ('/Patient?_filter=family eq "OTIENO"', {"p2"}),
    ('/Patient?_filter=family ne "otieno"', {"p1"}),
    ('/Patient?_filter=family eq "otien"', set()),
    ('/Patient?_filter=family ew "eno"', {"p2"}),
    ("/Patient?_filter=family sw mwa", {"p1"}),
    ("/Patient?_filter=identifier eq http://example.org/mrn|MRN-1 and gender eq female", {"p1"}),
    ("/Patient?_filter=address pr false and gender pr true", {"p1", "p2"}),
    ("/Observation?_filter=subject re Patient/p1 and date gt 2024-01-15", {"hr1"}),
    ("/Observation?_filter=subject:Patient.gender eq male", {"smoke", "word"}),
    ("/Observation?_filter=date po 2024-02", {"hr1"}),
    ("/Observation?_filter=value-quantity ge 72 and (code eq 8867-4 or code eq 1-1)", {"hr1"}),
    ("/Observation?_filter=_id eq hr1 or _id eq bp1", {"hr1", "bp1"}),
]  # fmt: skip


def test_cases(ward: Server) -> None:
    for path, wanted in CASES:
        address, _, query = path.partition("?")
        name, _, value = query.partition("=")
        asked = f"{address}?{name}={quote(value, safe='=&|:/,$')}"
        assert set(ward.search_ids(asked)) == wanted, path
        paged = ward.search_ids(f"{asked}&_count=1")
        assert (len(paged), set(paged)) == (len(wanted), wanted), path
        counted = ward.ask("GET", f"{asked}&_summary=count").json()
        assert counted["total"] == len(wanted), path


def test_updates_and_deletes_reach_every_table(ward: Server) -> None:
    body = ward.ask("GET", "/Location/kiambu").json()
    body["position"]["latitude"] = 10
    body["name"] = "moved"
    ward.ask("PUT", "/Location/kiambu", body)
    assert ward.search_ids("/Location?near=-1.1714|36.8356|1") == []
    assert ward.search_ids("/Location?near=10|36.8356|1") == ["kiambu"]
    assert (ward.search_ids("/Location?_content=kiambu"), ward.search_ids("/Location?_content=moved")) == (
        [],
        ["kiambu"],
    )
    for name in ("Location/kiambu", "Observation/bp1"):
        ward.ask("DELETE", f"/{name}")
    left = ward.database.read(
        lambda unit: [
            unit.value(f"SELECT count(*) FROM {table} x JOIN fhir_resource r ON r.rid = x.rid WHERE r.deleted = 1")
            for table in ("fhir_composite", "fhir_position", "fhir_word", "fhir_fresh_words", "fhir_string")
        ]
    )
    assert left == [0, 0, 0, 0, 0]


def test_a_bound_caller_stays_in_its_compartment(ward: Server) -> None:
    bound = ward.new_key("system/*.cruds", bindings={"patient": "p1"})
    assert ward.search_ids("/Observation?_content=pneumonia", key=bound) == []
    assert ward.search_ids("/Patient?_filter=gender%20eq%20male%20or%20gender%20eq%20female", key=bound) == ["p1"]
    for path in ("/Patient?_list=l", "/Observation?_filter=subject:Patient.gender%20eq%20male"):
        assert ward.ask("GET", path, key=bound).status_code == 403, path
    narrow = ward.new_key("system/Observation.rs")
    assert (
        ward.ask("GET", "/Observation?_filter=not%20(subject:Patient.gender%20eq%20male)", key=narrow).status_code
        == 403
    )


def test_every_parameter_of_r4_is_searched() -> None:
    without = [(t, p.code) for t in resource_types() for p in parameters_of(t).values() if not p.sources]
    assert {code for _, code in without} == {"_id", "_lastUpdated"}


@pytest.mark.parametrize(
    ("asked", "takes"), [("_id:exact", "_id takes missing, not"), ("_lastUpdated:exact", "_lastUpdated takes missing")]
)
def test_a_refused_modifier_names_those_there_are(asked: str, takes: str) -> None:
    with pytest.raises(Incorrect, match=takes):
        parse_query("Patient", [(asked, "true")])
