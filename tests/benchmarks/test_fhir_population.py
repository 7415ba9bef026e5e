"""What the FHIR benchmark measures with: a valid population that is always the same, and searches the server takes."""

import json
from collections import Counter
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from benchmarks.fhir import population, queries
from benchmarks.fhir.interactions import BUNDLE, interactions

from kiungo.fhir.search.query import parse_query
from kiungo.fhir.validation import find_problems
from kiungo.kernel.json import loads

PEOPLE = 60


def test_the_population_is_valid_and_always_the_same() -> None:
    resources = list(population.everybody(PEOPLE))
    assert resources == list(population.everybody(PEOPLE))
    assert resources != list(population.everybody(PEOPLE, seed=8))
    assert all(find_problems(loads(json.dumps(one))) == () for one in resources)
    ids = [f"{one['resourceType']}/{one['id']}" for one in resources]
    assert len(set(ids)) == len(ids)
    text = json.dumps(resources)
    assert {part.split('"')[0] for part in text.split('"reference": "')[1:]} <= set(ids)
    assert 28 <= len(resources) / PEOPLE <= 33
    assert Counter(one["resourceType"] for one in resources).most_common(1)[0][0] == "Observation"


def test_one_person_does_not_depend_on_the_others() -> None:
    assert list(population.person(7, PEOPLE)) == list(population.person(7, PEOPLE))
    assert next(iter(population.person(7, PEOPLE))) == next(iter(population.person(7, 1_000)))


@pytest.mark.parametrize("name", list(queries.MIX))
def test_every_search_is_one_the_server_takes(name: str) -> None:
    for path in queries.paths(queries.MIX[name], PEOPLE)[:5]:
        parts = urlsplit(path)
        type_name = parts.path.rpartition("/")[2]
        if type_name != "metadata":
            parse_query(type_name, parse_qsl(parts.query, strict_parsing=True))
        assert unquote(path).startswith("/fhir/")


def test_thirty_searches() -> None:
    assert len(queries.MIX) == 30


def test_transactions_keep_their_references_together() -> None:
    for _, _, body in interactions(PEOPLE)[BUNDLE][:3]:
        bundle = json.loads(body)
        names = {entry["fullUrl"] for entry in bundle["entry"]}
        assert all(find_problems(loads(json.dumps(entry["resource"]))) == () for entry in bundle["entry"])
        urns = {part.split('"')[0] for part in body.split('"reference":"')[1:] if part.startswith("urn:")}
        assert urns <= names
        assert urns
