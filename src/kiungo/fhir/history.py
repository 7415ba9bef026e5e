"""Versions of one resource, a type or the whole tenant, newest first, page by page."""

import heapq
from itertools import islice
from typing import TYPE_CHECKING, Any

from kiungo.fhir.definitions import type_names
from kiungo.fhir.model import Stored

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_COLUMNS = "{0}.rid, {0}.version, {0}.updated_us, {0}.deleted, {0}.method, {0}.body"
_ORDER = "ORDER BY {0}.updated_us DESC, {0}.rid DESC, {0}.version DESC LIMIT ?"
Position = tuple[int, int, int]


def versions_of(
    unit: "Unit", tenant: int, type_number: int, rid: int | None, since_us: int, after: Position | None, limit: int
) -> list[Stored]:
    """Versions of one resource (`rid`) or of a type. `after` is (updated_us, rid, version) of the row before."""
    parts, parameters = [], []
    for alias, table in (("c", "fhir_resource"), ("o", "fhir_history")):
        where = f"{alias}.tn = ? AND {alias}.type = ? AND {alias}.updated_us >= ?"
        given: list[Any] = [tenant, type_number, since_us]
        if rid is not None:
            where += f" AND {alias}.rid = ?"
            given.append(rid)
        if after is not None:
            where += f" AND {alias}.updated_us <= ? AND ({alias}.updated_us, {alias}.rid, {alias}.version) < (?, ?, ?)"
            given += [after[0], *after]
        parts.append(
            f"SELECT * FROM (SELECT {_COLUMNS.format(alias)} FROM {table} {alias} WHERE {where} "
            f"{_ORDER.format(alias)}) q{alias}"
        )
        parameters += [*given, limit]
    text = (
        f"SELECT {_COLUMNS.format('h')}, r.fid, r.person FROM ({' UNION ALL '.join(parts)}) h "
        f"JOIN fhir_resource r ON r.rid = h.rid {_ORDER.format('h')}"
    )
    rows = unit.rows(text, (*parameters, limit))
    name = type_names()[type_number]
    return [
        Stored(name, fid, version, updated_us, body, person, "read", bool(deleted), method, row_id)
        for row_id, version, updated_us, deleted, method, body, fid, person in rows
    ]


def versions_of_all(
    unit: "Unit", tenant: int, numbers: list[int], since_us: int, after: Position | None, limit: int
) -> list[Stored]:
    """Versions of several types together."""
    lists = [versions_of(unit, tenant, number, None, since_us, after, limit) for number in numbers]
    merged = heapq.merge(*lists, key=lambda s: (-s.updated_us, -s.rid, -s.version))
    return list(islice(merged, limit))


def types_present(unit: "Unit", tenant: int) -> list[int]:
    """The types that have at least one row: a seek for each, not a scan."""
    found: list[int] = []
    number = 0
    while True:
        following = unit.value("SELECT min(type) FROM fhir_resource WHERE tn = ? AND type > ?", (tenant, number))
        if following is None:
            return found
        number = int(following)
        found.append(number)
