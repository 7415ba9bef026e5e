"""Searches across types and in compartments, `_include=*`, and `_explain`."""

from typing import Any

import pytest

from tests.fhir.conftest import Server, observation, patient
from tests.fhir.interactions.test_bundles import bundle, entry


@pytest.fixture
def people(server: Server) -> Server:
    """Two patients with an observation each, one seen by a practitioner at an encounter."""
    for name in ("p1", "p2"):
        server.ask("PUT", f"/Patient/{name}", patient(id=name))
    server.ask("PUT", "/Practitioner/dr", {"resourceType": "Practitioner", "id": "dr"})
    encounter: dict[str, Any] = {"resourceType": "Encounter", "id": "e", "status": "finished"}
    encounter["class"] = {"code": "AMB"}
    encounter["subject"] = {"reference": "Patient/p1"}
    server.ask("PUT", "/Encounter/e", encounter)
    seen = {"encounter": {"reference": "Encounter/e"}, "performer": [{"reference": "Practitioner/dr"}]}
    server.ask("PUT", "/Observation/o1", observation("Patient/p1", id="o1", **seen))
    server.ask("PUT", "/Observation/o2", observation("Patient/p2", id="o2", code="8310-5"))
    return server


def ids(server: Server, path: str, key: str | None = None) -> set[str]:
    return set(server.search_ids(path, key))


def test_across_types(people: Server) -> None:
    assert ids(people, "?_type=Patient,Observation") == {"p1", "p2", "o1", "o2"}
    assert ids(people, "?_id=o1,p2") == {"o1", "p2"}
    assert people.search_ids("?_type=Patient,Observation&_sort=_lastUpdated&_count=1") == ["p1", "p2", "o1", "o2"]
    assert people.search_ids("?_type=Patient,Observation&_sort=-_lastUpdated&_count=3") == ["o2", "o1", "p2", "p1"]
    assert len(people.search_ids("?_count=1")) == 6
    counted = people.ask("GET", "?_type=Patient,Observation&_summary=count").json()
    assert (counted["total"], "entry" in counted) == (4, False)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = people.ask("POST", "/_search", b"_type=Patient&_id=p1", headers=form)
    assert [e["resource"]["id"] for e in answer.json()["entry"]] == ["p1"]
    with_all = people.ask("GET", "?_type=Observation&_id=o1&_include=Observation:subject").json()
    assert {e["resource"]["id"] for e in with_all["entry"]} == {"o1", "p1"}
    for path, word in (("?_type=Foo", "Foo"), ("?_type=Patient&code=x", "code"), ("?_sort=_profile", "_sort")):
        refused = people.ask("GET", path)
        assert (refused.status_code, word in refused.text) == (400, True), path


def test_pages_across_types_follow_every_sort_key_in_its_direction(people: Server) -> None:
    """One transaction gives all of them one moment, so the second key decides."""
    made = [patient(id="a"), observation("Patient/a", id="b"), patient(id="c"), observation("Patient/c", id="d")]
    entries = [entry("PUT", f"{one['resourceType']}/{one['id']}", one) for one in made]
    assert people.ask("POST", "", bundle("transaction", *entries)).status_code == 200
    path = "?_type=Patient,Observation&_id=a,b,c,d&_count={}&_sort={}"
    for count in (1, 3, 10):
        assert people.search_ids(path.format(count, "_lastUpdated,-_id")) == ["d", "c", "b", "a"]
        assert people.search_ids(path.format(count, "-_lastUpdated,_id")) == ["a", "b", "c", "d"]


def test_where_no_type_is_left_nothing_is_found(people: Server) -> None:
    people.create({"resourceType": "Basic", "code": {"text": "anything"}})
    for path in ("/Patient/p1/*?_type=Organization", "/Patient/p1/*?_type=Organization&_total=accurate&_sort=_id"):
        answer = people.ask("GET", path)
        assert (answer.status_code, answer.json().get("entry", [])) == (200, [])
        assert answer.json()["total"] == 0


def test_compartments(people: Server) -> None:
    assert ids(people, "/Patient/p1/Observation") == {"o1"}
    assert ids(people, "/Patient/p2/Observation?code=8867-4") == set()
    assert ids(people, "/Patient/p2/Observation?code=8310-5") == {"o2"}
    assert ids(people, "/Patient/p1/*") == {"p1", "o1", "e"}
    assert ids(people, "/Patient/p1/*?_type=Encounter,Observation&_count=1") == {"o1", "e"}
    assert ids(people, "/Encounter/e/Observation") == {"o1"}
    assert ids(people, "/Practitioner/dr/Observation") == {"o1"}
    assert ids(people, "/Patient/nobody/Observation") == set()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = people.ask("POST", "/Patient/p1/Observation/_search", b"code=8867-4", headers=form)
    assert [e["resource"]["id"] for e in posted.json()["entry"]] == ["o1"]
    assert people.ask("GET", "/Patient/p1/Location").status_code == 404
    assert people.ask("GET", "/Patient/p1/Nothing").status_code == 404
    assert people.ask("GET", "/Organization/o/Patient").status_code == 404
    assert people.ask("GET", "/Patient/p1/_history").json()["type"] == "history"


def test_everything_a_caller_may_not_search_is_left_out_or_refused(people: Server) -> None:
    narrow = people.new_key("system/Patient.rs")
    assert ids(people, "?_count=2", narrow) == {"p1", "p2"}
    assert people.ask("GET", "?_type=Observation", key=narrow).status_code == 403
    assert people.ask("GET", "/Patient/p1/Observation", key=narrow).status_code == 403
    assert ids(people, "/Patient/p1/*", narrow) == {"p1"}
    bound = people.new_key("system/*.cruds", bindings={"patient": "p1"})
    assert ids(people, "?_count=1", bound) == {"p1", "o1", "e"}
    assert ids(people, "/Patient/p2/*", bound) == set()
    assert ids(people, "/Patient/p1/*", bound) == {"p1", "o1", "e"}
    assert people.ask("GET", "/Observation?code=8867-4&_explain=true", key=bound).status_code == 403
    total = people.ask("GET", "?_type=Patient,Observation&_total=accurate", key=bound).json()["total"]
    assert total == 2


def test_include_everything(people: Server) -> None:
    forward = people.ask("GET", "/Observation?_id=o1&_include=*").json()["entry"]
    assert {e["resource"]["id"] for e in forward} == {"o1", "p1", "dr", "e"}
    backward = people.ask("GET", "/Patient?_id=p1&_revinclude=*").json()["entry"]
    assert {e["resource"]["id"] for e in backward} == {"p1", "o1", "e"}
    around = people.ask("GET", "/Patient?_id=p1&_revinclude=Observation:subject&_include:iterate=*").json()["entry"]
    assert {e["resource"]["id"] for e in around} == {"p1", "o1", "e", "dr"}


def test_explain_tells_the_plan(people: Server) -> None:
    def told(path: str) -> dict[str, list[str]]:
        answer = people.ask("GET", path)
        assert answer.status_code == 200, answer.text
        outcome = next(e["resource"] for e in answer.json()["entry"] if e["search"]["mode"] == "outcome")
        found: dict[str, list[str]] = {}
        for issue in outcome["issue"]:
            found.setdefault(issue["details"]["coding"][0]["code"], []).append(issue["diagnostics"])
        return found

    both = told("/Observation?patient=p1&code=8867-4&_explain=true")
    assert "compartment: 1 rows" in both["plan"][0]
    assert any("patient is answered by the rows of subject" in text for text in both["rewritten"])
    negative = told("/Observation?code:not=8867-4&_explain=true")
    assert "Every Observation" in negative["plan"][0]
    assert negative["advice"]
    assert negative["sql"][0].startswith("SELECT")
    chosen = told("/Patient?gender=female&identifier=MRN-1&_explain=true")
    assert "begins with" in chosen["plan"][0]
    assert len(chosen["plan"]) == 2
    several = told("?_type=Patient,Observation&_id=p1&_explain=true")
    assert len(several["sql"]) == 2
    assert people.ask("GET", "/Patient?_explain=maybe").status_code == 400
