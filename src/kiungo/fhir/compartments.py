"""Who is in a compartment: the rows that refer to its patient or encounter by a parameter the definition names.

Source: FHIR R4 CompartmentDefinition.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from kiungo.fhir import definitions
from kiungo.fhir.definitions import type_ids, type_names
from kiungo.fhir.indexing.emit import NO_DATE
from kiungo.fhir.indexing.index_rows import key_base
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.indexing.values import split_reference, target_of
from kiungo.fhir.model import Stored

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_COLUMNS = "r.type, r.fid, r.version, r.updated_us, r.body, r.person, r.method, r.rid"


@cache
def _keys(kind: str) -> tuple[int, ...]:
    """The index keys of every parameter that puts a resource into a compartment, tenant not yet added."""
    found: set[int] = set()
    for type_name, codes in definitions.compartment(kind).items():
        known = parameters_of(type_name)
        for code in codes:
            if code in known and known[code].kind == "reference":
                found.update(source.key for source in known[code].sources)
    return tuple(sorted(found))


def in_compartment(
    unit: "Unit",
    tenant: int,
    kind: str,
    logical_id: str,
    *,
    after: int = 0,
    limit: int,
    types: Iterable[str] = (),
    since_us: int = 0,
    span_ms: tuple[int, int] | None = None,
) -> list[Stored]:
    """Resources of a compartment in the order they were first written, from the row after `after`.

    Shapes: `types` narrows to these; `span_ms` keeps what happened within, and what carries no date.
    """
    base = key_base(tenant)
    keys = [base + key for key in _keys(kind)]
    conditions, values = ["r.deleted = 0", "r.updated_us >= ?"], [since_us]
    wanted = [type_ids()[name] for name in types]
    if wanted:
        conditions.append(f"r.type IN ({', '.join('?' * len(wanted))})")
        values += wanted
    if span_ms is not None:
        conditions.append("(r.sort_ms = ? OR (r.sort_ms >= ? AND r.sort_ms < ?))")
        values += [NO_DATE, *span_ms]
    marks = ", ".join("?" * len(keys))
    rows = unit.rows(
        f"SELECT {_COLUMNS} FROM (SELECT DISTINCT x.rid FROM fhir_reference x WHERE x.k IN ({marks}) "
        f"AND x.target = ? AND x.rid > ?) p JOIN fhir_resource r ON r.rid = p.rid "
        f"WHERE {' AND '.join(conditions)} ORDER BY r.rid LIMIT ?",
        (*keys, target_of(kind, logical_id), after, *values, limit),
    )
    return [_stored(row) for row in rows]


def referred(unit: "Unit", tenant: int, texts: Iterable[str], *, limit: int) -> list[Stored]:
    """The resources of this server that references name, each once; what is not there is left out."""
    wanted: dict[str, dict[str, None]] = {}
    for text in texts:
        parts = split_reference(text)
        if parts is not None and parts[0] is None:
            wanted.setdefault(parts[1], {})[parts[2]] = None
    found: list[Stored] = []
    for type_name, ids in wanted.items():
        listed = list(ids)[: limit - len(found)]
        if not listed:
            continue
        rows = unit.rows(
            f"SELECT {_COLUMNS} FROM fhir_resource r WHERE r.tn = ? AND r.type = ? AND r.deleted = 0 "
            f"AND r.fid IN ({', '.join('?' * len(listed))})",
            (tenant, type_ids()[type_name], *listed),
        )
        found += [_stored(row) for row in rows]
    return found


def _stored(row: tuple[object, ...]) -> Stored:
    number, fid, version, updated_us, body, person, method, rid = row
    return Stored(
        type_names()[int(str(number))],
        str(fid),
        int(str(version)),
        int(str(updated_us)),
        bytes(body),  # type: ignore[call-overload]
        None if person is None else str(person),
        "read",
        False,
        int(str(method)),
        int(str(rid)),
    )
