"""$everything: a patient's or an encounter's whole record, a page at a time, and what it refers to.

Every resource is asked about by itself: what the caller may not read is left out.
Source: FHIR R4 Patient-everything, Encounter-everything.
"""

from typing import TYPE_CHECKING

from kiungo.base.errors import Incorrect
from kiungo.fhir import bundles
from kiungo.fhir.compartments import in_compartment, referred
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.values import date_span
from kiungo.fhir.model import Stored
from kiungo.fhir.operations.parameters import Arguments, arguments, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, Place
from kiungo.fhir.outcome import FHIR_JSON
from kiungo.fhir.paging import link
from kiungo.fhir.references import texts
from kiungo.fhir.store import SEARCH_DEADLINE_MS, Store
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

COUNT_DEFAULT = 100
COUNT_MAX = 1_000
REFERRED_MAX = 500
# What a record needs beside itself to be read: who, where, and with what.
SUPPORTING = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Device", "HealthcareService"}
)
_TAKEN = ("start", "end", "_since", "_type", "_count", "_cursor")
LAST_MS = 2**46


async def everything(store: Store, request: Request, place: Place) -> Response:
    """One page of the record."""
    asked = arguments(request, _TAKEN)
    call = request.call
    focus = await store.read(call, place.type, place.id)
    count = min(asked.number("_count") or COUNT_DEFAULT, COUNT_MAX)
    types = _types(asked)
    since_us = (_span(asked, "_since") or (0, 0))[0] * 1000
    start, end = _span(asked, "start"), _span(asked, "end")
    span = None if start is None and end is None else (start[0] if start else -LAST_MS, end[1] if end else LAST_MS)
    text = [(name, str(value)) for name in sorted(asked.names()) for value in asked.all(name) if name != "_cursor"]
    path = f"{place.type}/{place.id}/$everything"
    cursor = asked.text("_cursor")
    after = int(store.seal.open(call, path, text, cursor)[0]) if cursor else 0

    def look(unit: "Unit") -> tuple[list[Stored], list[Stored]]:
        rows = in_compartment(
            unit,
            call.tenant,
            place.type,
            place.id,
            after=after,
            limit=count + 1,
            types=types,
            since_us=since_us,
            span_ms=span,
        )
        named = (text for stored in (*rows[:count], focus) for text in texts(stored.body))
        wanted = SUPPORTING if place.type == "Patient" else SUPPORTING | {"Patient"}
        beside = [name for name in named if name.partition("/")[0] in wanted and (not types or _type(name) in types)]
        return rows, referred(unit, call.tenant, beside, limit=REFERRED_MAX)

    rows, beside = await store.database.read_async(look, deadline_ms=SEARCH_DEADLINE_MS)
    shown = list(store.visible(call, rows[:count]))
    if not after and (not types or place.type in types) and focus.updated_us >= since_us:
        shown.insert(0, focus)
    known = {(stored.type, stored.id) for stored in shown}
    added = [s for s in store.visible(call, beside) if (s.type, s.id) not in known]
    store.note(call, "everything", place.type, (*shown, *added))
    links = [("self", link(f"{store.base_url}/{path}", text))]
    if len(rows) > count:
        links.append(
            ("next", link(f"{store.base_url}/{path}", text, store.seal.close(call, path, text, [rows[count - 1].rid])))
        )
    entries = [bundles.search_entry(store.base_url, s, b"match") for s in _once(shown)]
    entries += [bundles.search_entry(store.base_url, s, b"include") for s in added]
    return Response(200, bundles.bundle("searchset", entries, links=links), media_type=FHIR_JSON)


def _once(listed: list[Stored]) -> list[Stored]:
    return list({(stored.type, stored.id): stored for stored in listed}.values())


def _type(reference: str) -> str:
    return reference.partition("/")[0]


def _types(asked: Arguments) -> tuple[str, ...]:
    found = [name for value in asked.all("_type") for name in str(value).split(",") if name]
    for name in found:
        if name not in type_ids():
            raise wrong("_type", f"names {name[:40]!r}, which is no resource type", "Write _type=Observation,Condition")
    return tuple(found)


def _span(asked: Arguments, name: str) -> tuple[int, int] | None:
    """A date as the first and the last millisecond it may mean. Raises: Incorrect."""
    text = asked.text(name)
    if text is None:
        return None
    try:
        return date_span(text.replace(" ", "+"))
    except (ValueError, OverflowError, Incorrect):
        raise wrong(name, "is not a date", "Write it as 2024-05 or 2024-05-01T10:00:00Z") from None


for _type_name in ("Patient", "Encounter"):
    OPERATIONS.add(
        Operation(
            "everything", f"{DEFINITIONS}{_type_name}-everything", everything, frozenset({"instance"}), (_type_name,)
        )
    )
