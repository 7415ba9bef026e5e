"""The job that indexes what was stored before a search parameter was: in chunks, each a unit of work of its own.

A chunk keeps its position beside its rows, so a process that dies goes on where it was; rows that are there already
are left alone, so nothing is lost when records change meanwhile.
"""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing import index_rows
from kiungo.fhir.indexing.extraction import Rows
from kiungo.fhir.indexing.index_rows import TableRows, key_base
from kiungo.fhir.indexing.own_values import add_rows, with_own_rows
from kiungo.fhir.indexing.parameters import OWN_KEYS_FROM, Parameter
from kiungo.fhir.own_parameters.register import JOB, STANDARD_WALK, OwnParameters, read_known, start_walk
from kiungo.fhir.prepare import reread
from kiungo.kernel import json
from kiungo.kernel.database import Database
from kiungo.kernel.jobs import Handler, Job, enqueue

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

CHUNK_RIDS = 400
# One run of the job ends well within its lease and lets the next go on.
RUN_S = 20.0
_DROPPED = {"token": ("fhir_token", "fhir_string", "fhir_compartment"), "reference": ("fhir_reference", "fhir_token")}


def jobs(database: Database, own: OwnParameters) -> Mapping[str, Handler]:
    """The handler of reindexing jobs."""

    def handle(job: Job) -> Callable[["Unit"], object] | None:
        step = _drop_step(job) if "drop" in job.args else _walk_step(job)
        ends_s = time.monotonic() + RUN_S
        while time.monotonic() < ends_s:
            if database.write(step):
                own.forget(job.tenant)
                return None
        args = dict(job.args)
        return lambda unit: enqueue(unit, JOB, args, tenant=job.tenant)

    return {JOB: handle}


def ensure_standard(unit: "Unit", tenant: int) -> None:
    """Index what a release before this one stored; once for each database, and at once where it is empty."""
    if unit.value("SELECT 1 FROM fhir_reindex WHERE tn = ? AND name = ?", (tenant, STANDARD_WALK)):
        return
    start_walk(unit, tenant, STANDARD_WALK)
    if unit.value("SELECT 1 FROM fhir_resource WHERE tn = ? LIMIT 1", (tenant,)) is None:
        _end(unit, tenant, STANDARD_WALK)


def _walk_step(job: Job) -> Callable[["Unit"], bool]:
    name, tenant = str(job.args["walk"]), job.tenant
    return lambda unit: walk(unit, tenant, name)


def walk(unit: "Unit", tenant: int, name: str) -> bool:
    """Index the next chunk of a walk; whether that was the last."""
    state = unit.row("SELECT state, position, upto, done FROM fhir_reindex WHERE tn = ? AND name = ?", (tenant, name))
    if state is None or state[0] == "ready":
        return True  # the parameter is gone, or another run of this job finished it
    position, upto, done = int(state[1]), int(state[2]), int(state[3])
    if not upto:
        upto = int(unit.value("SELECT COALESCE(max(rid), 0) FROM fhir_resource") or 0)
    end = min(position + CHUNK_RIDS, upto)
    done += _indexed(unit, tenant, name, position, end)
    unit.execute(
        "UPDATE fhir_reindex SET position = ?, upto = ?, done = ?, total = ?, changed_us = ? WHERE tn = ? AND name = ?",
        (end, upto, done, upto, unit.now_us, tenant, name),
    )
    if end < upto:
        return False
    _end(unit, tenant, name)
    return True


def _end(unit: "Unit", tenant: int, name: str) -> None:
    unit.execute(
        "UPDATE fhir_reindex SET state = 'ready', changed_us = ? WHERE tn = ? AND name = ?", (unit.now_us, tenant, name)
    )
    if name != STANDARD_WALK:
        ready = "UPDATE fhir_parameter SET state = 'ready', changed_us = ? WHERE k = ?"
        unit.execute(ready, (unit.now_us, int(name.partition(":")[2])))


def _indexed(unit: "Unit", tenant: int, name: str, position: int, end: int) -> int:
    """Write the rows of the records after `position` up to `end`; how many these were."""
    known = read_known(unit, tenant)
    wanted = _wanted(known.own, name)
    # The plus keeps both engines at the range of row ids.
    where = "r.rid > ? AND r.rid <= ? AND +r.tn = ? AND r.deleted = 0"
    parameters: list[Any] = [position, end, tenant]
    if wanted is not None:
        where += " AND +r.type = ?"
        parameters.append(type_ids()[wanted.type])
    found = unit.rows(f"SELECT r.rid, r.body FROM fhir_resource r WHERE {where}", parameters)
    made: list[TableRows] = []
    for rid, body in found:
        if wanted is not None:
            rows = Rows(sort_ms=reread(bytes(body)).rows.sort_ms)
            add_rows(rows, wanted, json.loads(bytes(body)))
        else:
            prepared = reread(bytes(body))
            rows = with_own_rows(prepared.rows, known.own.get(prepared.type, {}).values(), prepared.tree)
        made.append(index_rows.table_rows(rows, tenant, rid))
    index_rows.insert_missing(unit, tenant, made)
    return len(found)


def _wanted(own: Mapping[str, Mapping[str, Parameter]], name: str) -> Parameter | None:
    if name == STANDARD_WALK:
        return None
    key = OWN_KEYS_FROM + int(name.partition(":")[2])
    return next(parameter for of_type in own.values() for parameter in of_type.values() if parameter.key == key)


def _drop_step(job: Job) -> Callable[["Unit"], bool]:
    kind, number, tenant = str(job.args["kind"]), int(job.args["drop"]), job.tenant
    tables = _DROPPED.get(kind, (f"fhir_{'number' if kind == 'quantity' else kind}",))
    key = key_base(tenant) + OWN_KEYS_FROM + number

    def drop(unit: "Unit") -> bool:
        """Take away a chunk of the rows of a parameter that is gone; whether none are left."""
        gone = 0
        for table in tables:
            keys = (key * 2, key * 2 + 1) if table in ("fhir_date", "fhir_number") else (key,)
            for one in keys:
                some = f"SELECT rid FROM {table} WHERE k = ? LIMIT {CHUNK_RIDS * 5}"
                gone += unit.execute(f"DELETE FROM {table} WHERE k = ? AND rid IN ({some})", (one, one))
        return gone == 0

    return drop
