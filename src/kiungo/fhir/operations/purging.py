"""$purge: take the content of a patient's whole record out of the database, history included.

What stays is that there was a record with this id, and the audit trail. It needs a scope of its own, `purge:records`,
beside those to delete each type; `dryRun` (the default) only counts.
"""

from collections import Counter
from typing import TYPE_CHECKING

from kiungo.base.errors import Conflict, define
from kiungo.fhir.guard import admit, refuse_reserved
from kiungo.fhir.model import Stored
from kiungo.fhir.operations.compartments import in_compartment
from kiungo.fhir.operations.parameters import answer, arguments
from kiungo.fhir.operations.registry import OPERATIONS, Operation, Place
from kiungo.fhir.store import Store
from kiungo.kernel import audit, json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

DEFINITION = "urn:kiungo:operation:Patient-purge"
SCOPE = "purge:records"
AT_ONCE_MAX = 1_000
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
        found = [*in_compartment(unit, call.tenant, "Patient", place.id, limit=AT_ONCE_MAX), patient]
        found = list({(stored.type, stored.id): stored for stored in found}.values())
        if len(found) > AT_ONCE_MAX:
            raise Conflict(
                PURGE_IN_PARTS,
                f"The record holds more than {AT_ONCE_MAX} resources",
                hint="Delete some of its resources first, then purge the rest",
            )
        versions = sum(_versions(unit, stored) for stored in found)
        if not is_dry:
            _purge(store, unit, request, found)
        return _told(found, versions, is_dry=is_dry)

    return await request.write(work)


def _purge(store: Store, unit: "Unit", request: Request, found: list[Stored]) -> None:
    call = request.call
    for stored in found:
        require(call.principal, f"system/{stored.type}.d")
        refuse_reserved(store.reserved, json.loads(stored.body))
    for stored in found:
        store.repository.delete(unit, call, stored.type, stored.id)
        unit.execute("DELETE FROM fhir_history WHERE rid = ?", (stored.rid,))
        audit.record(unit, call, "purge", kind=stored.type, id=stored.id, person=stored.person)


def _versions(unit: "Unit", stored: Stored) -> int:
    return 1 + int(unit.value("SELECT count(*) FROM fhir_history WHERE rid = ?", (stored.rid,)))


def _told(found: list[Stored], versions: int, *, is_dry: bool) -> Response:
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
            *types,
        ]
    )


OPERATIONS.add(
    Operation("purge", DEFINITION, purge, frozenset({"instance"}), ("Patient",), methods=("POST",), interactions="d")
)
