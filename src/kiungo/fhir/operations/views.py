"""$run of a ViewDefinition: rows of stored resources, or of those sent along, as CSV, NDJSON, JSON or Parquet.

A view sees what its caller may read, and each person whose records were read is in the audit trail.
Source: SQL on FHIR v2.0, $run.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from kiungo.base.errors import NotFound, define
from kiungo.fhir.guard import admit
from kiungo.fhir.indexing.values import date_span
from kiungo.fhir.model import Stored
from kiungo.fhir.operations.parameters import Arguments, arguments, wrong
from kiungo.fhir.operations.registry import OPERATIONS, Operation, Place
from kiungo.fhir.store import SEARCH_DEADLINE_MS, Store
from kiungo.fhir.terminology.model import canonical
from kiungo.fhir.terminology.shelves import chosen, packaged
from kiungo.fhir.views import View, read_view
from kiungo.fhir.views.output import FORMATS, MEDIA_TYPES, Format
from kiungo.fhir.views.rendering import rendered
from kiungo.fhir.views.sources import BATCH, stored_batch
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.http import Request, Response

DEFINITION = "http://sql-on-fhir.org/OperationDefinition/$viewdefinition-run"
VIEW_UNKNOWN = define("VIEW_UNKNOWN", NotFound, "No installed package has a ViewDefinition of this address.")
ROWS_DEFAULT = 10_000
ROWS_MAX = 100_000
RESOURCES_MAX = 200_000
_TAKEN = ("viewResource", "viewReference", "resource", "patient", "_limit", "_since", "header", "_format", "format")
_BY_MEDIA_TYPE = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/fhir+ndjson": "ndjson",
    "application/json": "json",
    "application/vnd.apache.parquet": "parquet",
}


async def run_view(store: Store, request: Request, place: Place) -> Response:
    """Rows of a view that is sent with the call, or named by the address it has in an installed package."""
    asked = arguments(request, _TAKEN)
    sent = asked.thing("viewResource")
    if sent is None and asked.body is not None:
        sent = asked.body
    if sent is None:
        sent = await _named(store, request, reference_of(asked, "viewReference"))
    view = await asyncio.to_thread(read_view, sent)
    wanted = wanted_format(request, asked)
    limit = asked.number("_limit")
    rows_max = ROWS_DEFAULT if limit is None else min(limit, ROWS_MAX)
    inline = [part for part in asked.all("resource") if isinstance(part, dict)]
    if inline:
        rows = await asyncio.to_thread(_cut, (row for part in inline for row in view.rows(part)), rows_max)
    else:
        rows = await _stored_rows(store, request, view, asked, rows_max)
    header = asked.flag("header", default=True)
    body = await asyncio.to_thread(rendered, view, rows, wanted, header=header)
    return Response(200, body, media_type=MEDIA_TYPES[wanted])


async def _named(store: Store, request: Request, address: str) -> dict[str, Any]:
    """The ViewDefinition of a canonical address among the tenant's packages. Raises: Incorrect, NotFound."""
    if not address:
        raise wrong("viewResource", "is missing", "Send the ViewDefinition in a Parameters body, or viewReference")
    url, version = canonical(address)
    tenant = request.call.tenant
    found = await store.database.point_read(lambda unit: packaged(unit, tenant, "ViewDefinition", url))
    view = chosen(found, version)
    if view is None:
        raise NotFound(
            VIEW_UNKNOWN,
            f"No installed package has the ViewDefinition {address[:200]}",
            field="viewReference",
            hint="Install it with `kiungo fhir install`, or send viewResource",
        )
    return view


def reference_of(asked: Arguments, name: str) -> str:
    """The text of a parameter that is a Reference, in a body or as a text in the address; "" when it is not given."""
    value = asked.find(name)
    if isinstance(value, dict) and isinstance(value.get("reference"), str):
        return str(value["reference"])
    return asked.text(name) or ""


async def _stored_rows(store: Store, request: Request, view: View, asked: Arguments, rows_max: int) -> list[list[Any]]:
    """Rows of what the caller may read, in the order it was written."""
    call, name = request.call, view.resource
    admit(call)
    require(call.principal, f"system/{name}.r")
    person = reference_of(asked, "patient").removeprefix("Patient/")
    since_us = since_of(asked)
    rows: list[list[Any]] = []
    after = read = 0
    while len(rows) < rows_max and read < RESOURCES_MAX:
        position = after
        batch = await store.database.read_async(
            lambda unit, position=position: stored_batch(unit, call.tenant, name, position, since_us),  # type: ignore[misc]
            deadline_ms=SEARCH_DEADLINE_MS,
        )
        shown = [s for s in store.visible(call, batch) if not person or person in (s.person, _own_person(s))]
        made, used = await asyncio.to_thread(_rows_of, view, shown, rows_max - len(rows))
        rows += made
        if used:
            store.note(call, "view", name, used)
        if len(batch) < BATCH:
            break
        after, read = batch[-1].rid, read + len(batch)
    return rows


def _rows_of(view: View, shown: list[Stored], rows_max: int) -> tuple[list[list[Any]], list[Stored]]:
    """Rows, and the resources they came from."""
    rows: list[list[Any]] = []
    used: list[Stored] = []
    for stored in shown:
        if len(rows) >= rows_max:
            break
        made = list(view.rows(json.loads(stored.body)))
        if made:
            rows += made
            used.append(stored)
    return rows[:rows_max], used


def _own_person(stored: Stored) -> str | None:
    return stored.id if stored.type == "Patient" else None


def _cut(rows: Iterator[list[Any]], rows_max: int) -> list[list[Any]]:
    return [row for _, row in zip(range(rows_max), rows, strict=False)]


def wanted_format(request: Request, asked: Arguments) -> Format:
    """The wanted format: `_format` in the address or the body, else the Accept header, else NDJSON."""
    in_query = next((value for name, value in request.query if name == "_format"), None)
    given = asked.text("_format") or asked.text("format") or in_query
    if given is None:
        accept = request.raw_headers.get(b"accept", b"").decode("latin-1").partition(";")[0].strip()
        given = _BY_MEDIA_TYPE.get(accept, "ndjson")
    given = _BY_MEDIA_TYPE.get(given, given)
    found = next((name for name in FORMATS if name == given), None)
    if found is None:
        raise wrong("_format", "is none of ours", f"Use one of {', '.join(FORMATS)}")
    return found


def since_of(asked: Arguments) -> int:
    """`_since` in microseconds; 0 when it is not given. Raises: Incorrect."""
    text = asked.text("_since")
    if text is None:
        return 0
    try:
        return date_span(text.replace(" ", "+"))[0] * 1000
    except (ValueError, OverflowError):
        raise wrong("_since", "is not an instant", "Write it as 2024-10-03T10:30:00Z") from None


OPERATIONS.add(
    Operation(
        "run",
        DEFINITION,
        run_view,
        frozenset({"type"}),
        ("ViewDefinition",),
        methods=("POST",),
        interactions="r",
        is_open=True,
        has_own_formats=True,
    )
)
