"""$export of views: asked for once, made in the background, fetched as files by whoever asked.

Source: SQL on FHIR v2.0, $export; FHIR asynchronous pattern.
"""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import NotFound, define
from kiungo.fhir.guard import admit
from kiungo.fhir.operations.parameters import Arguments, answer, arguments, resource, wrong
from kiungo.fhir.operations.registry import OPERATIONS, Level, Method, Operation, OperationHandler, Place
from kiungo.fhir.operations.views import reference_of, since_of, wanted_format
from kiungo.fhir.outcome import remark
from kiungo.fhir.store import Store
from kiungo.fhir.views import exports, read_view
from kiungo.fhir.views.exports import Export
from kiungo.fhir.views.output import MEDIA_TYPES
from kiungo.kernel.auth.decision import require
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

EXPORT_UNKNOWN = define("EXPORT_UNKNOWN", NotFound, "There is no such export, or it is another caller's, or forgotten.")
DEFINITION = "http://sql-on-fhir.org/OperationDefinition/$viewdefinition-export"
OWN = "urn:kiungo:operation:ViewDefinition-"
VIEWS_MAX = 50
RETRY_AFTER_S = 2
_TAKEN = ("view", "viewResource", "patient", "_since", "header", "_format", "format")


async def export_views(store: Store, request: Request, place: Place) -> Response:
    """Begin an export; 202 with the address of its status."""
    asked = arguments(request, _TAKEN)
    call = request.call
    admit(call)
    views = await asyncio.to_thread(_views, asked)
    for view in views:
        require(call.principal, f"system/{view['resource']}.r")
    kept = {
        "views": views,
        "format": wanted_format(request, asked),
        "patient": reference_of(asked, "patient").removeprefix("Patient/"),
        "since_us": since_of(asked),
        "header": asked.flag("header", default=True),
    }
    export_id = store.repository.new_id()
    status = f"{store.base_url}/ViewDefinition/{export_id}/$export-status"

    def work(unit: Any) -> Response:
        exports.start(unit, call, export_id, kept)
        return _told(202, "accepted", export_id, status, [], headers=((b"content-location", status.encode()),))

    return await request.write(work)


async def export_status(store: Store, request: Request, place: Place) -> Response:
    """202 while it is being made, then the addresses of its files; DELETE cancels it."""
    export = await _mine(store, request, place.id)
    if request.method == "DELETE":
        return await _cancelled(request, export)
    status = f"{store.base_url}/ViewDefinition/{export.id}/$export-status"
    if export.state == "running":
        progress = f"{export.resources} resources, {export.rows} rows".encode()
        headers = ((b"x-progress", progress), (b"retry-after", b"%d" % RETRY_AFTER_S))
        return _told(202, "in-progress", export.id, status, [], headers=headers)
    if export.state == "failed":
        return _told(200, "failed", export.id, status, [{"name": "problem", "valueString": export.problem or ""}])
    listed = await store.database.read_async(lambda unit: exports.files_of(unit, export.id))
    outputs = []
    for number, view in enumerate(export.request["views"]):
        files = [
            {
                "name": "location",
                "valueUri": f"{store.base_url}/ViewDefinition/{export.id}/$export-file?view={number}&part={part}",
            }
            for of_view, part, _ in listed
            if of_view == number
        ]
        outputs.append({"name": "output", "part": [{"name": "name", "valueString": view["name"]}, *files]})
    return _told(200, "completed", export.id, status, outputs)


async def _cancelled(request: Request, export: Export) -> Response:
    """Forget an export and its files; a step that is under way finds it gone and keeps nothing."""

    def work(unit: "Unit") -> Response:
        exports.cancel(unit, request.call, export.id)
        return resource(remark("information", "informational", f"The export {export.id} is cancelled"), 202)

    return await request.write(work)


async def export_file(store: Store, request: Request, place: Place) -> Response:
    """One file of a finished export."""
    asked = arguments(request, ("view", "part"))
    export = await _mine(store, request, place.id)
    find = partial(
        exports.find_file, export_id=export.id, view=asked.number("view") or 0, number=asked.number("part") or 0
    )
    found = await store.database.read_async(find)
    if found is None:
        raise _unknown()
    return Response(200, found, media_type=MEDIA_TYPES[export.request["format"]])


async def _mine(store: Store, request: Request, export_id: str) -> Export:
    call = request.call
    found = await store.database.point_read(lambda unit: exports.find_export(unit, call.tenant, export_id))
    if found is None or found.owner != call.principal.id:
        raise _unknown()
    return found


def _views(asked: Arguments) -> list[dict[str, Any]]:
    """The views that are asked for, each read so that a wrong one is refused at once."""
    given: list[tuple[str | None, Any]] = [(None, sent) for sent in asked.all("viewResource")]
    for parts in asked.all("view"):
        held = dict(parts) if isinstance(parts, list) else {}
        given.append((held.get("name"), held.get("viewResource")))
    if asked.body is not None:
        given.append((None, asked.body))
    if not given or len(given) > VIEWS_MAX:
        raise wrong("view", f"must be there 1 to {VIEWS_MAX} times", "Send view parts with viewResource")
    found = []
    for number, (name, definition) in enumerate(given):
        view = read_view(definition)
        found.append(
            {"name": name or view.name or f"view{number}", "resource": view.resource, "definition": definition}
        )
    return found


def _told(
    status: int,
    state: str,
    export_id: str,
    address: str,
    more: list[dict[str, Any]],
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Response:
    made = answer(
        [
            {"name": "exportId", "valueString": export_id},
            {"name": "status", "valueCode": state},
            {"name": "location", "valueUri": address},
            *more,
        ],
        status,
    )
    made.headers = headers
    return made


def _unknown() -> NotFound:
    return NotFound(EXPORT_UNKNOWN, "There is no such export of yours", hint="Exports are forgotten after a day")


_INSTANCE: frozenset[Level] = frozenset({"instance"})
_OFFERED: tuple[tuple[str, str, OperationHandler, frozenset[Level]], ...] = (
    ("export", DEFINITION, export_views, frozenset({"type"})),
    ("export-status", f"{OWN}export-status", export_status, _INSTANCE),
    ("export-file", f"{OWN}export-file", export_file, _INSTANCE),
)
_METHODS: dict[str, tuple[Method, ...]] = {
    "export": ("POST",),
    "export-status": ("GET", "DELETE"),
    "export-file": ("GET",),
}
for _name, _definition, _handler, _levels in _OFFERED:
    OPERATIONS.add(
        Operation(
            _name,
            _definition,
            _handler,
            _levels,
            ("ViewDefinition",),
            methods=_METHODS[_name],
            is_open=True,
            has_own_formats=True,
        )
    )
