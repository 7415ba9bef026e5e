"""Patient/ID/$uscdi: what of USCDI v3 the caller may see in a person's record, what is lacking, what is wrong."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kiungo.fhir.guard import authorise, may_read
from kiungo.fhir.operations.parameters import arguments, resource
from kiungo.fhir.operations.registry import OPERATIONS, Operation, Place
from kiungo.fhir.store import Store
from kiungo.fhir.uscdi.assessing import Assessment, assess
from kiungo.fhir.uscdi.record import Record, from_store
from kiungo.fhir.uscdi.showing import parameters
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

DEFINITION = "urn:kiungo:OperationDefinition:Patient-uscdi"


async def uscdi(store: Store, request: Request, place: Place) -> Response:
    """Assess a person's record."""
    arguments(request, ())
    found = await asyncio.to_thread(assessed, store, request.call, place.id)
    content: dict[str, Any] = parameters(found)
    return resource(content)


def assessed(store: Store, call: Call, patient_id: str) -> Assessment:
    """A person's record as far as the caller may read it; audited as one read. Raises: NotFound, Forbidden."""

    def look(unit: "Unit") -> Record:
        stored = store.repository.read(unit, call, "Patient", patient_id)
        authorise(call, "r", stored)
        store.note(call, "uscdi", "Patient", (stored,))
        return from_store(unit, store.repository, call, patient_id, lambda one: may_read(call, one))

    record = store.database.read(look)
    today = datetime.fromtimestamp(store.database.clock.now_us() / 1_000_000, UTC).date()
    return assess(record, store.libraries.of(call.tenant), today)


OPERATIONS.add(
    Operation(
        name="uscdi",
        definition=DEFINITION,
        handler=uscdi,
        levels=frozenset({"instance"}),
        types=("Patient",),
        methods=("GET",),
        interactions="r",
    )
)
