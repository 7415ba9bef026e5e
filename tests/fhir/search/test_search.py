"""Search: what each kind of parameter, modifier and prefix finds, in which order, page by page."""

import pytest

from kiungo.fhir import store
from kiungo.fhir.indexing import index_rows
from kiungo.fhir.indexing.parameters import parameters_of
from tests.fhir.conftest import Server, observation, patient


@pytest.fixture
def people(server: Server) -> Server:
    """Three patients with observations."""
    server.ask("PUT", "/Patient/p1", patient(id="p1", telecom=[{"system": "phone", "value": "555-1"}]))
    server.ask(
        "PUT",
        "/Patient/p2",
        patient(
            id="p2",
            name=[{"family": "Müller-Öz", "given": ["José"], "text": "Herr Müller"}],
            gender="male",
            birthDate="1990",
            deceasedBoolean=True,
            identifier=[{"value": "MRN-2"}],
            telecom=[{"system": "email", "value": "555-1"}],
            address=[{"city": "Kisumu", "line": ["Market 1"]}],
            generalPractitioner=[{"identifier": {"system": "http://example.org/gp", "value": "7"}}],
        ),
    )
    server.ask(
        "PUT",
        "/Patient/p3",
        {"resourceType": "Patient", "id": "p3", "managingOrganization": {"reference": "Organization/o1"}},
    )
    server.ask("PUT", "/Organization/o1", {"resourceType": "Organization", "id": "o1", "name": "Lake Hospital"})
    for n, (who, code, when, value) in enumerate(
        [
            ("p1", "8867-4", "2024-01-10T10:00:00Z", 60),
            ("p1", "8867-4", "2024-03-10", 90),
            ("p1", "8480-6", "2024-02-10T10:00:00+03:00", 120),
            ("p2", "8867-4", "2023-12-31T23:59:59Z", 75),
        ]
    ):
        body = observation(f"Patient/{who}", code, when, id=f"b{n}")
        body["valueQuantity"]["value"] = value
        assert server.ask("PUT", f"/Observation/b{n}", body).status_code == 201
    return server


CASES = [
    ("/Patient?name=mwa", {"p1"}),
    ("/Patient?name=amina", {"p1"}),
    ("/Patient?name=wangi", set()),
    ("/Patient?name:contains=wangi", {"p1"}),
    ("/Patient?name:exact=Mwangi", {"p1"}),
    ("/Patient?name:exact=mwangi", set()),
    ("/Patient?family=muller", {"p2"}),
    ("/Patient?given=JOSE", {"p2"}),
    ("/Patient?phonetic=zuri", {"p1"}),
    ("/Patient?name=herr%20m", {"p2"}),
    ("/Patient?family=mwangi,muller", {"p1", "p2"}),
    ("/Patient?family=mwangi&given=jose", set()),
    ("/Patient?address=kisumu", {"p2"}),
    ("/Patient?address-city=kis&address=market", {"p2"}),
    ("/Patient?gender=female", {"p1"}),
    ("/Patient?gender=http://hl7.org/fhir/administrative-gender|female", {"p1"}),
    ("/Patient?gender:not=female", {"p2", "p3"}),
    ("/Patient?gender:missing=true", {"p3"}),
    ("/Patient?gender:missing=false", {"p1", "p2"}),
    ("/Patient?deceased=true", {"p2"}),
    ("/Patient?deceased=false", {"p1", "p3"}),
    ("/Patient?identifier=MRN-1", {"p1"}),
    ("/Patient?identifier=http://example.org/mrn|MRN-1", {"p1"}),
    ("/Patient?identifier=http://example.org/mrn|", {"p1"}),
    ("/Patient?identifier=|MRN-1", set()),
    ("/Patient?identifier=|MRN-2", {"p2"}),
    ("/Patient?identifier=http://other|MRN-1", set()),
    ("/Patient?phone=555-1", {"p1"}),
    ("/Patient?email=555-1", {"p2"}),
    ("/Patient?telecom=555-1", {"p1", "p2"}),
    ("/Patient?email:missing=true", {"p1", "p3"}),
    ("/Patient?birthdate=1984-02-29", {"p1"}),
    ("/Patient?birthdate=1984", {"p1"}),
    ("/Patient?birthdate=gt1985", {"p2"}),
    ("/Patient?birthdate=le1984-02-29", {"p1"}),
    ("/Patient?birthdate=ge1990-06-01", {"p2"}),
    ("/Patient?birthdate=sa1990-06-01", set()),
    ("/Patient?birthdate=eb1990", {"p1"}),
    ("/Patient?birthdate=ne1990", {"p1"}),
    ("/Patient?birthdate=1990-06-01", set()),
    ("/Patient?birthdate=gt1980&birthdate=lt1985", {"p1"}),
    ("/Patient?_id=p1,p3,nobody", {"p1", "p3"}),
    ("/Patient?_lastUpdated=gt2020-01-01", {"p1", "p2", "p3"}),
    ("/Patient?_lastUpdated=lt2020-01-01", set()),
    ("/Patient?organization=Organization/o1", {"p3"}),
    ("/Patient?organization=o1", {"p3"}),
    ("/Patient?organization:Organization=o1", {"p3"}),
    ("/Patient?organization.name=lake", {"p3"}),
    ("/Patient?organization:missing=true", {"p1", "p2"}),
    ("/Patient?general-practitioner:identifier=http://example.org/gp|7", {"p2"}),
    ("/Patient?_has:Observation:patient:code=8867-4", {"p1", "p2"}),
    ("/Patient?_has:Observation:subject:code=8480-6", {"p1"}),
    ("/Patient?gender=male&_has:Observation:patient:code=8867-4", {"p2"}),
    ("/Patient?_has:Observation:patient:value-quantity=gt80&gender=female", {"p1"}),
    ("/Organization?_has:Patient:organization:_id=p3", {"o1"}),
    ("/Observation?patient=p1", {"b0", "b1", "b2"}),
    ("/Observation?subject=Patient/p1", {"b0", "b1", "b2"}),
    ("/Observation?patient=Group/p1", set()),
    ("/Observation?patient:missing=false&code=8480-6", {"b2"}),
    ("/Observation?patient=p1&code=8867-4", {"b0", "b1"}),
    ("/Observation?patient=p1&code=http://loinc.org|8867-4,http://loinc.org|8480-6", {"b0", "b1", "b2"}),
    ("/Observation?patient=p1&code=http://loinc.org|", {"b0", "b1", "b2"}),
    ("/Observation?patient=p1&category=vital-signs&date=ge2024-02-01", {"b1", "b2"}),
    ("/Observation?patient=p1&code:not=8480-6", {"b0", "b1"}),
    ("/Observation?combo-code=8480-6", {"b2"}),
    ("/Observation?code=8867-4&date=2024", {"b0", "b1"}),
    ("/Observation?date=2024-02-10", {"b2"}),
    ("/Observation?date=2024-02-10T07:00:00Z", {"b2"}),
    ("/Observation?date=2024-02-10T10:00:00%2B03:00", {"b2"}),
    ("/Observation?date=ge2024-03-10T12:00:00Z", {"b1"}),
    ("/Observation?date=ap2024-02-10&date=ne2024-02-10", {"b0", "b1", "b3"}),
    ("/Observation?value-quantity=60", {"b0"}),
    ("/Observation?value-quantity=60|http://unitsofmeasure.org|/min", {"b0"}),
    ("/Observation?value-quantity=60||mg", set()),
    ("/Observation?value-quantity=gt75", {"b1", "b2"}),
    ("/Observation?value-quantity=ge75&value-quantity=lt120", {"b1", "b3"}),
    ("/Observation?value-quantity=ap70", {"b3"}),
    ("/Observation?value-quantity=ne60", {"b1", "b2", "b3"}),
    ("/Observation?combo-value-quantity=120", {"b2"}),
    ("/Observation?subject:Patient.family=mwangi", {"b0", "b1", "b2"}),
    ("/Observation?patient.gender=male", {"b3"}),
    ("/Observation?subject.organization.name=lake", set()),
    ("/Observation?patient.gender:not=male&code=8480-6", {"b2"}),
    ("/Observation?code=8867-4&subject:Patient._has:Observation:patient:code=8480-6", {"b0", "b1"}),
]


def test_cases(people: Server) -> None:
    wrong = {path: found for path, wanted in CASES if (found := set(people.search_ids(path))) != wanted}
    assert wrong == {}


def test_cases_again_one_by_page(people: Server) -> None:
    """The same through one-row pages and with an exact count: nothing lost, nothing twice."""
    for path, wanted in CASES:
        found = people.search_ids(path + "&_count=1")
        assert len(found) == len(set(found)), path
        assert set(found) == wanted, path
        counted = people.ask("GET", path + "&_total=accurate&_count=2").json()
        assert counted["total"] == len(wanted), path
        assert people.ask("GET", path + "&_summary=count").json()["total"] == len(wanted), path


def test_newest_first_by_clinical_date(people: Server) -> None:
    assert people.search_ids("/Observation") == ["b1", "b2", "b0", "b3"]
    assert people.search_ids("/Observation?code=8867-4") == ["b1", "b0", "b3"]
    assert people.search_ids("/Observation?patient=p1&_sort=date") == ["b0", "b2", "b1"]
    assert people.search_ids("/Observation?_sort=-date&_count=1") == ["b1", "b2", "b0", "b3"]


SORTED = [
    ("/Observation?_sort=value-quantity", ["b0", "b3", "b1", "b2"]),
    ("/Observation?_sort=-value-quantity", ["b2", "b1", "b3", "b0"]),
    ("/Observation?_sort=-_id", ["b3", "b2", "b1", "b0"]),
    ("/Observation?_sort=_lastUpdated", ["b0", "b1", "b2", "b3"]),
    ("/Observation?code=8867-4&_sort=-_lastUpdated", ["b3", "b1", "b0"]),
    ("/Observation?code=8867-4&_sort=-value-quantity,_id", ["b1", "b3", "b0"]),
    ("/Patient?_sort=family", ["p2", "p1", "p3"]),
    ("/Patient?_sort=-family,_id&gender:missing=false", ["p1", "p2"]),
    ("/Patient?_sort=birthdate,_id", ["p1", "p2", "p3"]),
    ("/Patient?_sort=gender", ["p1", "p2", "p3"]),
    ("/Patient?_sort=-gender", ["p2", "p1", "p3"]),
    ("/Patient?_sort=identifier", ["p1", "p2", "p3"]),
    ("/Patient?_sort=-organization,birthdate", ["p3", "p1", "p2"]),
    ("/Observation?_sort=subject,-value-quantity", ["b2", "b1", "b0", "b3"]),
    ("/Observation?_sort=-code,date", ["b3", "b0", "b1", "b2"]),
    ("/Observation?_sort=status,-_lastUpdated", ["b3", "b2", "b1", "b0"]),
]


def test_sorting(people: Server) -> None:
    for path, order in SORTED:
        assert people.search_ids(path) == order, path
        assert people.search_ids(path + "&_count=1") == order, path


def test_includes(people: Server) -> None:
    def modes(path: str) -> dict[str, str]:
        answer = people.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return {e["resource"]["id"]: e["search"]["mode"] for e in answer.json()["entry"]}

    assert modes("/Observation?_id=b0&_include=Observation:subject") == {"b0": "match", "p1": "include"}
    assert modes("/Observation?_id=b0&_include=Observation:patient:Patient") == {"b0": "match", "p1": "include"}
    assert modes("/Observation?_id=b0&_include=Observation:subject:Group") == {"b0": "match"}
    assert modes("/Observation?_id=b0&_include=Observation:*") == {"b0": "match", "p1": "include"}
    assert set(modes("/Patient?_id=p1&_revinclude=Observation:subject")) == {"p1", "b0", "b1", "b2"}
    iterated = modes("/Organization?_id=o1&_revinclude=Patient:organization&_revinclude:iterate=Observation:subject")
    assert iterated == {"o1": "match", "p3": "include"}
    reader = people.new_key("system/Observation.rs")
    answer = people.ask("GET", "/Observation?_id=b0&_include=Observation:subject", key=reader)
    assert [e["resource"]["id"] for e in answer.json()["entry"]] == ["b0"]


def test_search_by_form(people: Server) -> None:
    answer = people.ask(
        "POST",
        "/Patient/_search?gender=female",
        b"name=mwangi",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert [e["resource"]["id"] for e in answer.json()["entry"]] == ["p1"]


REFUSED = [
    ("/Patient?nmae=x", "SEARCH_PARAMETER_UNKNOWN", "did you mean name"),
    ("/Patient?name:exat=x", "SEARCH_NOT_SUPPORTED", "exact"),
    ("/Observation?subject.nam=x", "SEARCH_PARAMETER_UNKNOWN", "name"),
    ("/Patient?birthdate=yesterday", "SEARCH_VALUE_WRONG", "date"),
    ("/Patient?birthdate=2023-02-30", "SEARCH_VALUE_WRONG", "date"),
    ("/Patient?birthdate=xx2023", "SEARCH_VALUE_WRONG", "prefix"),
    ("/Observation?value-quantity=abc", "SEARCH_VALUE_WRONG", "number"),
    ("/Observation?value-quantity=1|2", "SEARCH_VALUE_WRONG", "quantity"),
    ("/Patient?gender=", "SEARCH_VALUE_WRONG", "value"),
    ("/Patient?identifier=|", "SEARCH_VALUE_WRONG", "token"),
    ("/Patient?gender:missing=perhaps", "SEARCH_VALUE_WRONG", "true or false"),
    ("/Observation?_sort=code-value-quantity", "SEARCH_NOT_SUPPORTED", "Sort"),
    ("/Patient?_count=many", "SEARCH_VALUE_WRONG", "number"),
    ("/Patient?_total=maybe", "SEARCH_VALUE_WRONG", "accurate"),
    ("/Patient?_include=Observation:subject", "SEARCH_VALUE_WRONG", "iterate"),
    ("/Patient?_include=Patient:name", "SEARCH_VALUE_WRONG", "reference"),
    ("/Patient?_has:Observation:patient=x", "SEARCH_VALUE_WRONG", "_has"),
    ("/Patient?_has:Observation:device:code=x", "SEARCH_VALUE_WRONG", "refer"),
    ("/Patient?_query=x", "SEARCH_NOT_SUPPORTED", "_query names a query that somebody defined"),
    ("/Patient?_contained=true", "SEARCH_NOT_SUPPORTED", "write false"),
    ("/Patient?_contained=both", "SEARCH_NOT_SUPPORTED", "write false"),
    ("/Patient?_containedType=contained", "SEARCH_NOT_SUPPORTED", "leave it out"),
    ("/Patient?_sort=_score", "SEARCH_NOT_SUPPORTED", "leave it out"),
    ("/Patient?_text=(x", "SEARCH_VALUE_WRONG", "bracket"),
    ("/Observation?code-value-quantity=x", "SEARCH_VALUE_WRONG", "token$quantity"),
    ("/Observation?code-value-quantity=x$abc", "SEARCH_VALUE_WRONG", "number"),
    ("/Location?near=1|2|3|parsec", "SEARCH_VALUE_WRONG", "km"),
    ("/Patient?_filter=name xx y", "SEARCH_VALUE_WRONG", "takes"),
    ("/Patient?_filter=nmae eq y", "SEARCH_PARAMETER_UNKNOWN", "did you mean name"),
    ("/Patient?_filter=(name eq y", "SEARCH_VALUE_WRONG", "needs a )"),
    ("/Patient?_cursor=abc", "PAGE_LINK_WRONG", "next link"),
    ("/Patient?link.link.link.link.link.name=x", "SEARCH_VALUE_WRONG", "deeper"),
]


def test_contained_resources_are_no_matches_as_r4_has_it_by_default(server: Server) -> None:
    inner = {"resourceType": "Practitioner", "id": "inner", "name": [{"family": "Hidden"}]}
    outer = patient(id="outer", contained=[inner], generalPractitioner=[{"reference": "#inner"}])
    assert server.ask("PUT", "/Patient/outer", outer).status_code == 201
    assert server.search_ids("/Practitioner?family=Hidden&_contained=false") == []
    assert server.search_ids("/Patient?_id=outer&_contained=false") == ["outer"]


def test_what_is_not_understood_is_refused(server: Server) -> None:
    for path, code, words in REFUSED:
        answer = server.ask("GET", path)
        assert answer.status_code == 400, (path, answer.text)
        issue = answer.json()["issue"][0]
        assert issue["details"]["coding"][0]["code"] == code, path
        assert words in issue["diagnostics"], path


def test_page_links_are_one_callers_and_one_querys(people: Server) -> None:
    page = people.ask("GET", "/Observation?_count=1").json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert people.ask("GET", following).status_code == 200
    assert people.ask("GET", following, key=people.new_key("system/*.rs")).status_code == 400
    assert people.ask("GET", following.replace("_count=1", "_count=2")).status_code == 400
    assert people.ask("GET", following[:-2] + "AA").status_code == 400


def test_escaped_separators(server: Server) -> None:
    server.ask("PUT", "/Patient/e", patient(id="e", identifier=[{"system": "http://x", "value": "a,b|c$d"}]))
    assert server.search_ids("/Patient?identifier=a%5C,b%5C|c%5C$d") == ["e"]
    assert server.search_ids("/Patient?identifier=http://x|a%5C,b%5C|c%5C$d") == ["e"]


def test_uri_above_and_below(server: Server) -> None:
    for n, url in enumerate(["http://a.org/x", "http://a.org/x/y", "http://a.org/xz"]):
        body = {"resourceType": "ValueSet", "id": f"v{n}", "url": url, "status": "active"}
        assert server.ask("PUT", f"/ValueSet/v{n}", body).status_code == 201
    assert server.search_ids("/ValueSet?url=http://a.org/x") == ["v0"]
    assert set(server.search_ids("/ValueSet?url:below=http://a.org/x")) == {"v0", "v1"}
    assert set(server.search_ids("/ValueSet?url:above=http://a.org/x/y/z")) == {"v0", "v1"}


def test_update_and_delete_change_what_is_found(people: Server) -> None:
    people.ask(
        "PUT",
        "/Patient/p1",
        patient(id="p1", name=[{"family": "Otieno"}], telecom=None) | {"telecom": [{"value": "9"}]},
    )
    assert people.search_ids("/Patient?name=mwangi") == []
    assert people.search_ids("/Patient?name=otieno") == ["p1"]
    assert people.search_ids("/Patient?phone=555-1") == []
    people.ask("DELETE", "/Observation/b1")
    assert people.search_ids("/Observation?patient=p1&code=8867-4") == ["b0"]
    people.database.read(
        lambda unit: [
            _no_rows_of_deleted(unit, table) for table in ("token", "reference", "date", "number", "compartment")
        ]
    )


def _no_rows_of_deleted(unit: object, table: str) -> None:
    sql = f"SELECT count(*) FROM fhir_{table} x JOIN fhir_resource r ON r.rid = x.rid WHERE r.deleted = 1"
    assert unit.value(sql) == 0  # type: ignore[attr-defined]


def test_tenants_do_not_see_each_other(people: Server) -> None:
    from kiungo.fhir.search.matching import Scope
    from kiungo.fhir.search.query import parse_query
    from kiungo.fhir.search.select import run

    for path in ("gender=female", "", "_has:Observation:patient:code=8867-4", "organization.name=lake"):
        params = [tuple(path.split("=", 1))] if path else []
        query = parse_query("Patient", params)  # type: ignore[arg-type]
        found = people.database.read(lambda unit, q=query: run(unit, Scope(2, "Patient", unit.engine, unit.now_us), q))
        assert found.resources == ()


def test_a_search_that_takes_too_long_is_told_how_to_narrow(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    key = index_rows.key_base(1) + parameters_of("Patient")["name"].key
    rows = [(key, f"somebody {n}", n + 1000, 0) for n in range(40_000)]
    server.database.write(
        lambda unit: unit.many("INSERT INTO fhir_string (k, text, rid, spelling) VALUES (?, ?, ?, ?)", rows)
    )
    monkeypatch.setattr(store, "SEARCH_DEADLINE_MS", 1)
    answer = server.ask("GET", "/Patient?name:contains=body%201&_sort=name&_total=accurate")
    assert answer.status_code == 422, answer.text
    issue = answer.json()["issue"][0]
    assert issue["details"]["coding"][0]["code"] == "SEARCH_TOO_COSTLY"
    assert "selective" in issue["diagnostics"]
