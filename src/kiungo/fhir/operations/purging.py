"""$purge: take the content of a patient's whole record out of the database, history included.

Resources that were deleted before, and versions from when a resource was about this patient, are of the record too: the
audit trail knows them. What stays is that there was a record with this id, and that trail. A purge needs a scope of its
own, `purge:records`, beside those to delete each type; `dryRun` (the default) only counts.
"""

from collections import Counter
from typing import TYPE_CHECKING

from kiungo.base.errors import Conflict, define
from kiungo.fhir.compartments import in_compartment
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.guard import admit, authorise, refuse_reserved
from kiungo.fhir.history import with_own_person
from kiungo.fhir.model import Stored
from kiungo.fhir.operations.parameters import answer, arguments
from kiungo.fhir.operations.registry import OPERATIONS, Operation, Place
from kiungo.fhir.store import Store
from kiungo.kernel import audit, json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

DEFINITION = "urn:kiungo:operation:Patient-purge"
SCOPE = "purge:records"
AT_ONCE_MAX = 1_000
ENTRIES_AT_ONCE = 1_000
_OLD = "SELECT version, updated_us, body FROM fhir_history WHERE rid = ? AND deleted = 0"
PURGE_IN_PARTS = define("PURGE_IN_PARTS", Conflict, "A record is too large to be purged by one call.")


async def purge(store: Store, request: Request, place: Place) -> Response:
    """Count what a purge would take out, or with `dryRun=false` take it out."""
    asked = arguments(request, ("dryRun",))
    is_dry = asked.flag("dryRun", default=True)
    call = request.call
    admit(call)
    require(call.principal, SCOPE)

    def work(unit: "Unit") -> Response:
        patient = store.repository.read(unit, call, "Patient", place.id)
        authorise(call, "d", patient)
        found = [*in_compartment(unit, call.tenant, "Patient", place.id, limit=AT_ONCE_MAX), patient]
        found = list({(stored.type, stored.id): stored for stored in found}.values())
        if len(found) > AT_ONCE_MAX:
            raise Conflict(
                PURGE_IN_PARTS,
                f"The record holds more than {AT_ONCE_MAX} resources",
                hint="Delete some of its resources first, then purge the rest",
            )
        past = _past(store, unit, call, patient, {(stored.type, stored.id) for stored in found})
        versions = sum(_versions(unit, stored) for stored in found) + len(past)
        if not is_dry:
            _purge(store, unit, request, found, past, patient.id)
        return _told(found, versions, len(past), is_dry=is_dry)

    return await request.write(work)


def _past(store: Store, unit: "Unit", call: Call, patient: Stored, kept: set[tuple[str, str]]) -> list[Stored]:
    """Old versions about the patient of resources that are deleted by now, or about somebody else."""
    named: dict[tuple[str, str], None] = {}
    before = audit.NEWEST
    while entries := audit.entries_about(unit, call.tenant, patient.id, before=before, count=ENTRIES_AT_ONCE):
        named.update(dict.fromkeys((e.kind, e.record_id) for _, e in entries if e.kind in type_ids() and e.record_id))
        before = entries[-1][0]
    found: list[Stored] = []
    for kind, logical_id in named:
        current = store.repository.find(unit, call, kind, logical_id)
        if current is None or kind == "Patient" or (kind, logical_id) in kept:
            continue
        for version, updated_us, body in unit.rows(_OLD, (current.rid,)):
            old = current._replace(version=version, updated_us=updated_us, body=bytes(body))
            if with_own_person(old).person == patient.id:
                found.append(old)
    return found


def _purge(store: Store, unit: "Unit", request: Request, found: list[Stored], past: list[Stored], person: str) -> None:
    call = request.call
    for stored in (*found, *past):
        require(call.principal, f"system/{stored.type}.d")
        refuse_reserved(store.reserved, json.loads(stored.body))
    for stored in found:
        store.repository.delete(unit, call, stored.type, stored.id)
        unit.execute("DELETE FROM fhir_history WHERE rid = ?", (stored.rid,))
        audit.record(unit, call, "purge", kind=stored.type, id=stored.id, person=stored.person)
    for old in past:
        unit.execute("DELETE FROM fhir_history WHERE rid = ? AND version = ?", (old.rid, old.version))
    for kind, logical_id in dict.fromkeys((old.type, old.id) for old in past):
        audit.record(unit, call, "purge", kind=kind, id=logical_id, person=person)


def _versions(unit: "Unit", stored: Stored) -> int:
    return 1 + int(unit.value("SELECT count(*) FROM fhir_history WHERE rid = ?", (stored.rid,)))


def _told(found: list[Stored], versions: int, past: int, *, is_dry: bool) -> Response:
    counted = Counter(stored.type for stored in found)
    types = [
        {"name": "type", "part": [{"name": "name", "valueCode": n}, {"name": "resources", "valueInteger": c}]}
        for n, c in sorted(counted.items())
    ]
    return answer(
        [
            {"name": "dryRun", "valueBoolean": is_dry},
            {"name": "resources", "valueInteger": len(found)},
            {"name": "versions", "valueInteger": versions},
            {"name": "pastVersions", "valueInteger": past},
            *types,
        ]
    )


OPERATIONS.add(
    Operation("purge", DEFINITION, purge, frozenset({"instance"}), ("Patient",), methods=("POST",), interactions="d")
)
