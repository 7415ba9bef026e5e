"""$document: a Composition and what it refers to as one Bundle, fit to be signed and sent.

Source: FHIR R4 3.3 (documents), Composition-document.
"""

from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect, define
from kiungo.base.time import iso_millis
from kiungo.fhir.compartments import referred
from kiungo.fhir.interactions.writing import create
from kiungo.fhir.model import Stored
from kiungo.fhir.operations.parameters import arguments, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, Place
from kiungo.fhir.outcome import FHIR_JSON
from kiungo.fhir.prepare import prepare
from kiungo.fhir.references import texts
from kiungo.fhir.store import SEARCH_DEADLINE_MS, Store
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

DOCUMENT_INCOMPLETE = define(
    "DOCUMENT_INCOMPLETE", Incorrect, "A document refers to resources that are not here or may not be read.", http=422
)
PARTS_MAX = 1_000


async def document(store: Store, request: Request, place: Place) -> Response:
    """The document of a stored Composition; with `persist=true` it is kept too."""
    asked = arguments(request, ("persist",))
    call = request.call
    if asked.flag("persist") and request.method != "POST":
        raise wrong("persist", "changes the store, so it needs POST", "Send the call as POST")
    composition = await store.read(call, "Composition", place.id)
    named = list(dict.fromkeys(text for text in texts(composition.body) if not text.startswith("#")))
    found = await store.database.read_async(
        lambda unit: referred(unit, call.tenant, named, limit=PARTS_MAX), deadline_ms=SEARCH_DEADLINE_MS
    )
    shown = list(store.visible(call, found))
    there = {f"{stored.type}/{stored.id}" for stored in shown}
    missing = [text for text in named if "://" not in text and text.partition("/_history")[0] not in there]
    if missing:
        raise Incorrect(
            DOCUMENT_INCOMPLETE,
            f"{len(missing)} of the resources the Composition refers to are not here, or not yours to read",
            field=missing[0],
            hint="Store them, or correct the references",
        )
    store.note(call, "document", "Composition", shown)
    if not asked.flag("persist"):
        body = _bundle(store, composition, shown, store.repository.new_id(), store.database.clock.now_us())
        return Response(200, body, media_type=FHIR_JSON)
    require(call.principal, "system/Bundle.c")

    def keep(unit: "Unit") -> Response:
        made = _bundle(store, composition, shown, store.repository.new_id(), unit.now_us)
        stored = create(store, unit, call, prepare(made))
        address = f"{store.base_url}/Bundle/{stored.id}/_history/{stored.version}".encode()
        return Response(200, stored.body, ((b"location", address),), media_type=FHIR_JSON)

    return await request.write(keep)


def _bundle(store: Store, composition: Stored, parts: list[Stored], identifier: str, now_us: int) -> bytes:
    head: dict[str, Any] = {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{identifier}"},
        "type": "document",
        "timestamp": iso_millis(now_us),
    }
    entries = b",".join(
        b'{"fullUrl":"%b","resource":%b}' % (f"{store.base_url}/{s.type}/{s.id}".encode(), s.body)
        for s in (composition, *parts)
    )
    return json.dumps(head)[:-1] + b',"entry":[' + entries + b"]}"


OPERATIONS.add(
    Operation("document", f"{DEFINITIONS}Composition-document", document, frozenset({"instance"}), ("Composition",))
)
