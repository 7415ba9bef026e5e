"""A glance at the first resources finds the same pages, whether they hold enough or not."""

import pytest

from kiungo.fhir.search import explain, glance, planner
from tests.fhir.conftest import Server, patient

WHO = {0, 3, 4, 5, 6, 9}
SEARCHES = [
    "/Patient?_has:Condition:patient:code=c1",
    "/Patient?_has:Condition:patient:code=c1&gender:not=male",
    "/Patient?_has:Condition:patient:code=c1&_sort=birthdate",
    "/Encounter?_has:Condition:encounter:code=c1",
    "/Encounter?_has:Condition:encounter:code=c1&_sort=date",
    "/Patient?_has:Condition:patient:code=none",
]


@pytest.fixture
def ward(server: Server) -> Server:
    entries = []
    for n in range(11):
        person = patient(id=f"p{n}", gender="male" if n == 4 else "female", birthDate=f"19{50 - n}-01-01")
        visit = {
            "resourceType": "Encounter",
            "id": f"e{n}",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": f"Patient/p{n}"},
            "period": {"start": f"2024-01-{1 + n * 7 % 11:02d}"},
        }
        finding = {
            "resourceType": "Condition",
            "id": f"c{n}",
            "subject": {"reference": f"Patient/p{n}"},
            "encounter": {"reference": f"Encounter/e{n}"},
            "code": {"coding": [{"code": "c1" if n in WHO else "c2"}]},
        }
        entries += [person, visit, finding]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in entries
        ],
    }
    answer = server.ask("POST", "", bundle)
    assert answer.status_code == 200, answer.text
    return server


def test_pages_are_the_same_with_and_without(ward: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [ward.search_ids(f"{path}&_count={count}") for path in SEARCHES for count in (2, 20)]
    assert [set(found) for found in plain[::2]] == [
        {f"p{n}" for n in WHO},
        {f"p{n}" for n in WHO - {4}},
        {f"p{n}" for n in WHO},
        {f"e{n}" for n in WHO},
        {f"e{n}" for n in WHO},
        set(),
    ]
    looked: list[object] = []
    real = glance.glance
    monkeypatch.setattr("kiungo.fhir.search.select.glance", lambda **a: looked.append(p := real(**a)) or p)
    monkeypatch.setattr(planner, "MANY", 0)
    monkeypatch.setattr(glance, "is_worth_it", lambda unit, scope, chosen, limit: chosen.is_dense)
    for number in (1, 4, 7, 100):
        monkeypatch.setattr(glance, "LOOKED_AT_MAX", number)
        assert [ward.search_ids(f"{path}&_count={count}") for path in SEARCHES for count in (2, 20)] == plain
    assert any(looked)


SORTED = [
    "/Patient?gender=female&_sort=birthdate",
    "/Patient?gender=female&_sort=-birthdate",
    "/Patient?family=fam&_sort=birthdate",
    "/Patient?family=fam&gender=female&_sort=-family",
    "/Patient?family=fam&_sort=family",
    "/Patient?family=fam&birthdate=lt1948&_sort=family",
    "/Patient?family=fam&_lastUpdated=gt2020&_sort=birthdate",
    "/Patient?family=fam&_sort=-_lastUpdated",
    "/Patient?family=fam&gender:not=male",
    "/Patient?birthdate=gt1940&gender=female",
    "/Patient?_has:Condition:patient:code=c1&family=fam&_sort=birthdate",
    "/Patient?family=nobody&_sort=birthdate",
]


def test_a_sort_walks_its_own_index_where_many_match(ward: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some have several names, a year only, the same date, or no date or name at all."""
    for n in range(11):
        names = [{"family": f"Fam{n * 7 % 5}"}, {"family": f"Fam{n * 3 % 4}"}][: n % 3]
        born = {0: {}, 1: {"birthDate": "1945"}}.get(n % 5, {"birthDate": f"19{50 - n // 2}-01-01"})
        person = patient(id=f"p{n}", gender="male" if n == 4 else "female", **born)
        person = {name: value for name, value in person.items() if name in ("resourceType", "id", "gender")} | born
        answer = ward.ask("PUT", f"/Patient/p{n}", {**person, **({"name": names} if names else {})})
        assert answer.status_code == 200, answer.text
    plain = [ward.search_ids(f"{path}&_count={count}") for path in SORTED for count in (2, 20)]
    assert all(plain[:-2])
    assert [set(one) for one in plain[::2]] == [set(one) for one in plain[1::2]]
    monkeypatch.setattr(planner, "MANY", 0)
    monkeypatch.setattr(glance, "is_worth_it", lambda unit, scope, chosen, limit: chosen.is_dense)
    for number in (1, 3, 6, 100):
        monkeypatch.setattr(glance, "LOOKED_AT_MAX", number)
        for count in (2, 20):
            found = [ward.search_ids(f"{path}&_count={count}") for path in SORTED]
            assert found == plain[(count == 20) :: 2]


def test_rows_that_will_hardly_hold_a_page_are_not_looked_at(ward: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "MANY", 1)
    for looked_at in (glance, explain):
        monkeypatch.setattr(looked_at, "LOOKED_AT_MAX", 4)

    def looks_first(condition: str) -> bool:
        found = ward.ask("GET", f"/Patient?{condition}&_count=2&_explain=true")
        return "4 rows in order are looked at first" in found.text

    assert looks_first("birthdate=gt1939")
    assert not looks_first("birthdate=1950")
    assert ward.search_ids("/Patient?birthdate=1950&_count=2") == ["p0"]
