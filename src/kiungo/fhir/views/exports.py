"""Exports that take longer than a call: asked for, made by a job in steps, fetched as files, forgotten after a day.

Each step reads some resources as its caller may, and keeps one file, its position and the audit of what was read in
one unit of work; a process that dies goes on at the last file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import KiungoError
from kiungo.base.time import SECOND_US
from kiungo.fhir.guard import may_read
from kiungo.fhir.model import Stored
from kiungo.fhir.views.definition import read_view
from kiungo.fhir.views.rendering import rendered
from kiungo.fhir.views.sources import BATCH, stored_batch
from kiungo.kernel import audit, json
from kiungo.kernel.auth.decision import may
from kiungo.kernel.auth.principal import Call, Principal
from kiungo.kernel.database import Database
from kiungo.kernel.jobs import Handler, Job, enqueue

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

JOB = "fhir.view_export"
FORGET = "forget.view_exports"
SCHEDULE = ("forget-view-exports", "37 * * * *", FORGET)
KEPT_US = 24 * 3_600 * SECOND_US
RESOURCES_PER_STEP = 5_000
ROWS_PER_STEP = 50_000
READ_DEADLINE_MS = 20_000


@dataclass(frozen=True, slots=True)
class Export:
    """An export as it stands. Shapes: `request` has views, format, patient, since_us, header, and who asked."""

    id: str
    owner: str
    state: str
    request: dict[str, Any]
    view: int
    position: int
    resources: int
    rows: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step made."""

    export: Export
    position: int
    is_last: bool
    resources: int
    rows: int
    body: bytes
    persons: frozenset[str | None]
    type: str


def start(unit: "Unit", call: Call, export_id: str, request: Mapping[str, Any]) -> None:
    """Keep an export and its first job."""
    who = call.principal
    asked = {
        **request,
        "caller": {
            "id": who.id,
            "kind": who.kind,
            "name": who.name,
            "scopes": sorted(who.scopes),
            "bindings": dict(who.bindings),
        },
    }
    unit.execute(
        "INSERT INTO fhir_view_export (id, tn, owner, state, request, view, position, resources, row_count, "
        "created_us) VALUES (?, ?, ?, 'running', ?, 0, 0, 0, 0, ?)",
        (export_id, call.tenant, who.id, json.dumps(asked).decode(), unit.now_us),
    )
    audit.record(unit, call, "export", kind="ViewDefinition", id=export_id)
    enqueue(unit, JOB, {"export": export_id}, tenant=call.tenant)


def find_export(unit: "Unit", tenant: int, export_id: str) -> Export | None:
    """An export of this tenant."""
    row = unit.row(
        "SELECT id, owner, state, request, view, position, resources, row_count, problem FROM fhir_view_export "
        "WHERE tn = ? AND id = ?",
        (tenant, export_id),
    )
    return None if row is None else Export(row[0], row[1], row[2], json.loads(row[3]), *row[4:])


def files_of(unit: "Unit", export_id: str) -> list[tuple[int, int, int]]:
    """(view, number, rows) of each file, in order."""
    rows = unit.rows(
        "SELECT view, number, row_count FROM fhir_view_export_file WHERE export = ? ORDER BY view, number", (export_id,)
    )
    return [(view, number, count) for view, number, count in rows]


def find_file(unit: "Unit", export_id: str, view: int, number: int) -> bytes | None:
    """One finished file."""
    found = unit.value(
        "SELECT body FROM fhir_view_export_file WHERE export = ? AND view = ? AND number = ?", (export_id, view, number)
    )
    return None if found is None else bytes(found)


def cancel(unit: "Unit", call: Call, export_id: str) -> None:
    """Forget an export before its time."""
    unit.execute("DELETE FROM fhir_view_export_file WHERE export = ?", (export_id,))
    unit.execute("DELETE FROM fhir_view_export WHERE id = ?", (export_id,))
    audit.record(unit, call, "cancel", kind="ViewDefinition", id=export_id)


def jobs(database: Database) -> Mapping[str, Handler]:
    """The handlers of export jobs, and of forgetting what is a day old."""

    def handle(job: Job) -> "Callable[[Unit], object] | None":
        export = database.read(lambda unit: find_export(unit, job.tenant, str(job.args["export"])))
        if export is None or export.state != "running":
            return None
        call = _caller(export, job.tenant)
        try:
            made = _made(database, call, export)
        except KiungoError as error:
            told = f"{error.code}: {error.told}"
            return lambda unit: _failed(unit, export.id, told)
        return lambda unit: _kept(unit, call, made)

    def forget(_job: Job) -> None:
        database.write(_forget)

    return {JOB: handle, FORGET: forget}


def _caller(export: Export, tenant: int) -> Call:
    """Who asked, with the rights of then."""
    who = export.request["caller"]
    principal = Principal(
        tenant, who["id"], who["kind"], who["name"], scopes=frozenset(who["scopes"]), bindings=who["bindings"]
    )
    return Call(principal, export.id, "view export")


def _made(database: Database, call: Call, export: Export) -> _Step:
    """The next file of an export."""
    request = export.request
    view = read_view(request["views"][export.view]["definition"])
    rows: list[list[Any]] = []
    persons: set[str | None] = set()
    position, read, is_last = export.position, 0, False
    while not is_last and read < RESOURCES_PER_STEP and len(rows) < ROWS_PER_STEP:
        after = position
        batch = database.read(
            lambda unit, after=after: stored_batch(unit, call.tenant, view.resource, after, request["since_us"]),  # type: ignore[misc]
            deadline_ms=READ_DEADLINE_MS,
        )
        for stored in batch:
            made = list(view.rows(json.loads(stored.body))) if _is_wanted(call, stored, request["patient"]) else []
            if made:
                rows += made
                persons.add(stored.person)
        read += len(batch)
        position = batch[-1].rid if batch else position
        is_last = len(batch) < BATCH
    body = rendered(view, rows, request["format"], header=request["header"]) if rows else b""
    return _Step(export, position, is_last, read, len(rows), body, frozenset(persons), view.resource)


def _is_wanted(call: Call, stored: Stored, patient: str) -> bool:
    if patient and patient not in (stored.person, stored.id if stored.type == "Patient" else None):
        return False
    return may_read(call, stored) if call.principal.bindings else bool(may(call.principal, f"system/{stored.type}.r"))


def _kept(unit: "Unit", call: Call, made: _Step) -> None:
    export = made.export
    if find_export(unit, call.tenant, export.id) is None:
        return  # cancelled while this step was made
    if made.rows:
        sql = "SELECT count(*) FROM fhir_view_export_file WHERE export = ? AND view = ?"
        number = int(unit.value(sql, (export.id, export.view)))
        unit.execute(
            "INSERT INTO fhir_view_export_file (export, view, number, row_count, body) VALUES (?, ?, ?, ?, ?)",
            (export.id, export.view, number, made.rows, made.body),
        )
    for person in sorted(made.persons, key=str):
        audit.record(unit, call, "export", kind=made.type, id="", person=person)
    is_done = made.is_last and export.view + 1 == len(export.request["views"])
    view, position = (export.view + 1, 0) if made.is_last else (export.view, made.position)
    unit.execute(
        "UPDATE fhir_view_export SET state = ?, view = ?, position = ?, resources = resources + ?, "
        "row_count = row_count + ? WHERE id = ?",
        ("done" if is_done else "running", view, position, made.resources, made.rows, export.id),
    )
    if not is_done:
        enqueue(unit, JOB, {"export": export.id}, tenant=call.tenant)


def _failed(unit: "Unit", export_id: str, problem: str) -> None:
    unit.execute("UPDATE fhir_view_export SET state = 'failed', problem = ? WHERE id = ?", (problem, export_id))


def _forget(unit: "Unit") -> None:
    old = unit.now_us - KEPT_US
    unit.execute(
        "DELETE FROM fhir_view_export_file WHERE export IN (SELECT id FROM fhir_view_export WHERE created_us < ?)",
        (old,),
    )
    unit.execute("DELETE FROM fhir_view_export WHERE created_us < ?", (old,))
