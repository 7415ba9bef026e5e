"""Resources written together are what they would be written one by one."""

import pytest

from kiungo.base.errors import Conflict
from kiungo.fhir.interactions.together import taken
from kiungo.fhir.prepare import prepare
from kiungo.fhir.repository import Repository
from kiungo.fhir.search.select import find_matches
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database

CALL = system_call(1, name="test")
INDEXES = ("fhir_token", "fhir_reference", "fhir_compartment", "fhir_date", "fhir_string", "fhir_uri")


def some(prefix: str):
    order = {
        "resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "occurrenceDateTime": "2026-03-02",
        "identifier": [{"system": "urn:x", "value": prefix}],
    }  # fmt: skip
    work = {
        "resourceType": "Task", "status": "requested", "intent": "order", "for": {"reference": "Patient/p1"},
        "basedOn": [{"reference": f"ServiceRequest/{prefix}-1"}],
    }  # fmt: skip
    person = {"resourceType": "Patient", "name": [{"family": "Otieno"}], "birthDate": "1990-01-01"}
    return (
        *(prepare(order, id=f"{prefix}-1"), prepare(order, id=f"{prefix}-2"), prepare(work, id=f"{prefix}-3")),
        prepare(person, id=f"{prefix}-4"),
    )


def counts(database: Database) -> dict[str, int]:
    tables = (*INDEXES, "fhir_resource", "audit")
    return database.read(lambda unit: {t: unit.value(f"SELECT count(*) FROM {t}") for t in tables})


def test_together_writes_what_one_by_one_writes(stepped_database: Database) -> None:
    database, repository = stepped_database, Repository(stepped_database.clock)
    database.write(lambda unit: [repository.create(unit, CALL, one) for one in some("a")])
    alone = counts(database)
    database.write(lambda unit: repository.create_all(unit, CALL, some("b")))
    assert counts(database) == {table: 2 * count for table, count in alone.items()}
    for one in some("b"):
        read = database.read(lambda unit, one=one: repository.read(unit, CALL, one.type, one.id))
        assert (read.version, read.person) == (1, one.id if one.type == "Patient" else one.rows.person)
    found = database.read(lambda unit: find_matches(unit, 1, "ServiceRequest", [("identifier", "urn:x|b")], limit=9))
    assert [match.id for match in found] == ["b-2", "b-1"], "the newest first, in the order they were given"


def test_an_id_that_is_taken_is_refused(stepped_database: Database) -> None:
    stepped_database.write(lambda unit: Repository(stepped_database.clock).create_all(unit, CALL, some("a")))
    with pytest.raises(Conflict) as refused:
        stepped_database.write(lambda unit: Repository(stepped_database.clock).create_all(unit, CALL, some("a")))
    assert refused.value.code == "RESOURCE_EXISTS"


def test_ids_that_are_taken_are_found(stepped_database: Database) -> None:
    stepped_database.write(lambda unit: Repository(stepped_database.clock).create_all(unit, CALL, some("a")))
    asked = ["a-1", "a-2", "a-4", 'no"body', "a-9"]
    assert stepped_database.read(lambda unit: taken(unit, 1, "ServiceRequest", asked)) == {"a-1", "a-2"}
