"""$diff: what one version of a resource changed in another, as a FHIRPath Patch that can be applied."""

from kiungo.fhir.operations.differences import differences
from kiungo.fhir.operations.parameters import answer, arguments, wrong
from kiungo.fhir.operations.registry import OPERATIONS, Operation, Place
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.http import Request, Response

DEFINITION = "urn:kiungo:operation:Resource-diff"


async def diff(store: Store, request: Request, place: Place) -> Response:
    """From `fromVersion` (else the one before) to `toVersion` (else the current one)."""
    asked = arguments(request, ("fromVersion", "toVersion"))
    current = await store.read(request.call, place.type, place.id)
    last = asked.number("toVersion") or current.version
    first = asked.number("fromVersion") or last - 1
    if first < 1:
        raise wrong("fromVersion", "is missing: this is the first version", "Nothing was changed yet")
    old = await store.vread(request.call, place.type, place.id, first)
    new = current if last == current.version else await store.vread(request.call, place.type, place.id, last)
    return answer(differences(json.loads(old.body), json.loads(new.body)))


OPERATIONS.add(Operation("diff", DEFINITION, diff, frozenset({"instance"})))
