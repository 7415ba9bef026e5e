"""Writes new resources together, such as an order and its parts or a bundle, in as few statements as one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Conflict
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing import index_rows
from kiungo.fhir.indexing.arrays import array_cast, array_text
from kiungo.fhir.indexing.extraction import Rows
from kiungo.fhir.indexing.values import target_of
from kiungo.fhir.model import POST, RESOURCE_EXISTS, Prepared, Stored
from kiungo.kernel import audit, json
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import IntegrityViolation

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_COLUMNS = "tn, type, version, updated_us, sort_ms, target, deleted, method, fid, person, content_hash, body"
_NEXT_RID = "SELECT coalesce(max(rid), 0) + 1 FROM fhir_resource"
_INSERT = f"INSERT INTO fhir_resource (rid, {_COLUMNS}) VALUES (?, ?, ?, 1, ?, ?, ?, 0, ?, ?, ?, ?, ?)"
# In the order of the arrays, so that the row ids follow the order of the resources.
_INSERT_ARRAYS = (
    f"INSERT INTO fhir_resource ({_COLUMNS}) "
    "SELECT ?, x.type, 1, ?, x.sort_ms, x.target, 0, ?, x.fid, x.person, x.content_hash, x.body FROM unnest("
    f"{array_cast('integer')}, {array_cast('bigint')}, {array_cast('bigint')}, {array_cast('text')}, "
    f"{array_cast('text')}, {array_cast('bytea')}, {array_cast('bytea')}) WITH ORDINALITY "
    "x(type, sort_ms, target, fid, person, content_hash, body, n) ORDER BY x.n RETURNING rid"
)
# What writing one of these changes besides itself is known to the repository's own `create` only.
ALONE = frozenset({"SearchParameter"})


def create_all(
    unit: "Unit",
    call: Call,
    some: Sequence[Prepared],
    *,
    method: int = POST,
    rows_of: Callable[[Prepared], Rows],
) -> list[Stored]:
    """Write each resource under the id it was prepared with, all of known types and none of them `ALONE`.

    The same as a `create` of each, for a fraction of the statements. `rows_of` finds a resource's index rows, those
    of the tenant's own parameters too. Raises: Conflict RESOURCE_EXISTS.
    """
    made: list[Stored] = []
    for one in some:
        assert one.id is not None, "resources written together are prepared with their ids"
        assert one.type not in ALONE, "what this resource changes besides itself only `create` knows"
        person = one.id if one.type == "Patient" else one.rows.person
        body = one.body(one.id, 1, unit.now_us)
        made.append(Stored(one.type, one.id, 1, unit.now_us, body, person, "created", False, method))
    try:
        rids = (_insert_arrays if unit.engine == "postgresql" else _insert_rows)(unit, call.tenant, some, made)
    except IntegrityViolation as error:
        raise Conflict(
            RESOURCE_EXISTS, "A resource with one of these ids exists already", hint="Update it instead"
        ) from error
    rows = [(rid, rows_of(one)) for rid, one in zip(rids, some, strict=True)]
    index_rows.insert(unit, call.tenant, rows, [type_ids()[one.type] for one in some])
    audit.record_all(unit, call, "create", [(stored.type, stored.id, stored.person) for stored in made])
    return made


def taken(unit: "Unit", tenant: int, type_name: str, ids: Sequence[str]) -> set[str]:
    """Those of the ids that a resource of the type has or had."""
    if unit.engine == "postgresql":
        one_of, given = f"= ANY({array_cast('text')})", array_text(ids, quoted=True)
    else:
        one_of, given = "IN (SELECT value FROM json_each(?))", json.dumps(list(ids)).decode()
    sql = f"SELECT fid FROM fhir_resource WHERE tn = ? AND type = ? AND fid {one_of}"
    return {row[0] for row in unit.rows(sql, (tenant, type_ids()[type_name], given))}


def _insert_rows(unit: "Unit", tenant: int, some: Sequence[Prepared], made: Sequence[Stored]) -> Sequence[int]:
    """On SQLite, whose writer is alone: nobody else takes the row ids that come next."""
    first: int = unit.value(_NEXT_RID)
    rids = range(first, first + len(some))
    unit.many(
        _INSERT,
        [
            (
                rid, tenant, type_ids()[one.type], unit.now_us, one.rows.sort_ms, target_of(one.type, stored.id),
                stored.method, stored.id, stored.person, one.content_hash, stored.body,
            )
            for rid, one, stored in zip(rids, some, made, strict=True)
        ],
    )  # fmt: skip
    return rids


def _insert_arrays(unit: "Unit", tenant: int, some: Sequence[Prepared], made: Sequence[Stored]) -> Sequence[int]:
    """On PostgreSQL: one statement, the same for any number of resources."""
    numbers: list[Sequence[Any]] = [
        [type_ids()[one.type] for one in some],
        [one.rows.sort_ms for one in some],
        [target_of(stored.type, stored.id) for stored in made],
    ]
    texts: list[Sequence[Any]] = [[stored.id for stored in made], [stored.person for stored in made]]
    found = unit.rows(
        _INSERT_ARRAYS,
        (
            *(tenant, unit.now_us, made[0].method),
            *(array_text(values, quoted=False) for values in numbers),
            *(array_text(values, quoted=True) for values in texts),
            *([one.content_hash for one in some], [stored.body for stored in made]),
        ),
    )
    return [row[0] for row in found]
