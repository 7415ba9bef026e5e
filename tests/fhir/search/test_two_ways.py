"""A condition lists rows or tests rows that another one listed: both ways, negated and combined, it finds the same."""

from itertools import combinations
from typing import Any

import pytest

from kiungo.fhir.prepare import prepare
from kiungo.fhir.repository import Repository
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.select import run, scope_of
from kiungo.kernel.auth.principal import system_call
from kiungo.kernel.database import Database, Unit

CALL = system_call(1)


def _linked(kind: str, id: str, /, **members: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": id, **members}


def _to(target: str) -> dict[str, str]:
    return {"reference": target}


def _coded(code: str, system: str = "urn:codes") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _reading(name: str, person: str, code: str, day: str, value: int, **more: Any) -> dict[str, Any]:
    return _linked(
        "Observation",
        name,
        status="final",
        code=_coded(code),
        subject=_to(f"Patient/{person}"),
        effectiveDateTime=day,
        valueQuantity={"value": value, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        **more,
    )


RECORDS = [
    _linked("Organization", "top", name="Top"),
    _linked("Organization", "middle", name="Middle", partOf=_to("Organization/top")),
    _linked("Organization", "low", name="Low", partOf=_to("Organization/middle"), type=[_coded("prov")]),
    _linked("Organization", "alone", name="Alone", active=False),
    _linked("Practitioner", "doc", name=[{"family": "Weiss"}]),
    _linked("Patient", "a", gender="male", birthDate="1980-05", name=[{"family": "Ada"}],
            managingOrganization=_to("Organization/low")),
    _linked("Patient", "b", gender="female", birthDate="1990-01-02",
            name=[{"family": "Bello", "given": ["Ana", "Ada"]}],
            managingOrganization=_to("Organization/middle"), generalPractitioner=[_to("Practitioner/doc")]),
    _linked("Patient", "c", name=[{"text": "Only text"}], link=[{"other": _to("Patient/a"), "type": "seealso"}],
            generalPractitioner=[_to("Organization/alone")]),
    _linked("Encounter", "visit", status="finished", **{"class": {"code": "AMB"}}, subject=_to("Patient/a"),
            period={"start": "2024-01-10", "end": "2024-01-12"}, serviceProvider=_to("Organization/low")),
    _linked("Encounter", "stay", status="planned", **{"class": {"code": "IMP"}}, subject=_to("Patient/b"),
            partOf=_to("Encounter/visit")),
    _reading("w1", "a", "weight", "2024-01-11", 70, encounter=_to("Encounter/visit"),
             performer=[_to("Practitioner/doc")]),
    _reading("w2", "a", "weight", "2024-02-11", 71),
    _reading("w3", "b", "weight", "2024-02-12", 50, encounter=_to("Encounter/stay")),
    _reading("h1", "b", "height", "2024-02", 160, performer=[_to("Patient/b"), _to("Organization/middle")]),
    _reading("w4", "c", "weight", "2023", 90, derivedFrom=[_to("Observation/w1")], hasMember=[_to("Observation/h1")]),
    _linked("Condition", "flu", subject=_to("Patient/a"), code=_coded("flu"), encounter=_to("Encounter/visit")),
    _linked("Group", "some", type="person", actual=True,
            member=[{"entity": _to("Patient/a")}, {"entity": _to("Patient/c")}]),
]  # fmt: skip

CONDITIONS = {
    "Organization": [
        "name=low,top",
        "name:contains=l",
        "partof=Organization/middle,Organization/top",
        "partof:missing=true",
        "partof.partof.name=top",
        "partof:below=top",
        "active=false",
        "active:not=false",
        "type:missing=false",
        "_has:Organization:partof:name=low",
        "_has:Organization:partof:_has:Organization:partof:name=low",
        "_has:Organization:partof:_has:Patient:organization:gender=male",
        "_has:Organization:partof:_has:Organization:partof:_has:Patient:organization:_has:Observation:subject:code=weight",
        "_has:Patient:organization:_has:Observation:patient:encounter.status=finished",
        "_has:Patient:organization:_has:Encounter:subject:_has:Encounter:part-of:status=planned",
        "_has:Patient:organization:organization.partof.name=middle",
        "_has:Patient:general-practitioner:name:missing=false",
        "_has:Encounter:service-provider:date=2024-01",
        "_id=low,alone",
        "_lastUpdated=gt2000",
    ],
    "Patient": [
        "gender=male",
        "gender:not=male",
        "gender:missing=true",
        "name=ada",
        "name:exact=Ada",
        "family:missing=true",
        "given=ana",
        "birthdate=lt1985",
        "birthdate:missing=false",
        "organization.name=low",
        "organization.partof.name=middle",
        "organization:Organization.partof.partof.name=top",
        "general-practitioner:Practitioner.family=weiss",
        "general-practitioner:Organization.active=false",
        "link.gender=male",
        "_has:Observation:subject:value-quantity=gt71",
        "_has:Observation:patient:code=height",
        "_has:Observation:patient:code:not=weight",
        "_has:Observation:performer:code=height",
        "_has:Observation:patient:code-value-quantity=urn:codes|weight$gt70",
        "_has:Observation:subject:_has:Observation:derived-from:code=weight",
        "_has:Observation:patient:_has:Observation:has-member:subject.name=only",
        "_has:Condition:patient:encounter.service-provider.name=low",
        "_has:Group:member:type=person",
        "_has:Group:member:member.organization.name=low",
        "_filter=gender eq male or birthdate gt 1989",
        "_filter=not (organization.name eq Low)",
    ],
    "Observation": [
        "code=weight",
        "code=urn:codes|weight",
        "code:not=weight",
        "patient=a",
        "subject:Patient=b",
        "subject.organization.name=middle",
        "subject._has:Group:member:type=person",
        "patient.gender:not=male",
        "encounter.status=finished",
        "encounter.part-of.status=finished",
        "encounter:missing=true",
        "performer:Practitioner.family=weiss",
        "performer:Organization.name=middle",
        "performer:missing=false",
        "derived-from.encounter.class=AMB",
        "_has:Observation:derived-from:patient.name=only",
        "_has:Observation:has-member:derived-from.code=weight",
        "date=2024-02",
        "date=ge2024-02-11",
        "date=lt2024-01-11",
        "date=ne2024",
        "value-quantity=gt70",
        "value-quantity=70|http://unitsofmeasure.org|kg",
        "value-quantity=70000|http://unitsofmeasure.org|g",
        "code-value-quantity=urn:codes|weight$70",
        "_filter=code eq weight and not (patient re Patient/a)",
        "_lastUpdated=gt2000",
    ],
}


@pytest.fixture
def filled(database: Database) -> Database:
    repository = Repository(database.clock)

    def write(unit: Unit) -> None:
        for one in RECORDS:
            repository.update(unit, CALL, prepare(dict(one), id=one["id"]))

    database.write(write)
    return database


def _found(unit: Unit, kind: str, *texts: str) -> frozenset[str]:
    params = [("_count", "1000"), *((name, value) for name, _, value in (text.partition("=") for text in texts))]
    query = parse_query(kind, params)
    return frozenset(one.id for one in run(unit, scope_of(unit, CALL.tenant, kind), query, None).resources)


@pytest.mark.parametrize("kind", CONDITIONS)
def test_a_condition_finds_the_same_however_it_is_asked(filled: Database, kind: str) -> None:
    everybody = frozenset(one["id"] for one in RECORDS if one["resourceType"] == kind)

    def ask(unit: Unit) -> None:
        alone = {text: _found(unit, kind, text) for text in CONDITIONS[kind]}
        assert all(everybody >= found for found in alone.values())
        empty = [text for text, found in alone.items() if not found or found == everybody]
        assert set(empty) <= {"_lastUpdated=gt2000"}, "these tell nothing"
        for text, found in alone.items():
            for one in everybody:
                assert _found(unit, kind, f"_id={one}", text) == found & {one}, f"{text} tested on {one}"
        for one, other in combinations(alone, 2):
            assert _found(unit, kind, one, other) == alone[one] & alone[other], f"{one}&{other}"

    filled.read(ask, deadline_ms=60_000)
