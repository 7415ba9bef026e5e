"""What of USCDI v3 a person's record has, lacks, or has wrong."""

import asyncio
from typing import Final

from kiungo.console.fhir.frame import Json, address_of, search_address, tabs_of
from kiungo.console.visit import Visit
from kiungo.fhir.operations.uscdi import assessed
from kiungo.fhir.store import Store
from kiungo.fhir.uscdi.assessing import HAS, LACKS, NOT_EXPECTED, WRONG
from kiungo.fhir.uscdi.showing import page
from kiungo.kernel.auth import require
from kiungo.kernel.http import Response

US_CORE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
TONES: Final = {HAS: "good", LACKS: "wait", WRONG: "bad", NOT_EXPECTED: ""}


async def show_uscdi(store: Store, visit: Visit) -> Response:
    """Every data element with its status, by class; the wrong and lacking ones are counted at the top."""
    logical_id = visit.request.params["id"]
    require(visit.call.principal, "system/Patient.r")
    found = page(await asyncio.to_thread(assessed, store, visit.call, logical_id))
    for group in found["classes"]:
        for row in group["elements"]:
            row["links"] = [_link(name) for name in row["examples"] if name.count("/") == 1]
    library = store.libraries.of(visit.call.tenant)
    context: Json = {
        "type": "Patient",
        "id": logical_id,
        "name": "USCDI v3",
        "search": search_address("Patient"),
        "tabs": tabs_of("Patient", logical_id, "uscdi"),
        "found": found,
        "tones": TONES,
        "lacks_us_core": bool(library.plan(US_CORE).problem),
    }
    return visit.page("fhir/uscdi.html", context)


def _link(name: str) -> Json:
    type_name, _, logical_id = name.partition("/")
    return {"title": name, "address": address_of(type_name, logical_id)}
