"""Versions of one resource, a type or the whole tenant, newest first, page by page."""

import heapq
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_names
from kiungo.fhir.indexing.values import date_span
from kiungo.fhir.model import Stored
from kiungo.fhir.prepare import reread
from kiungo.fhir.search.asked import (
    SEARCH_PARAMETER_UNKNOWN,
    SEARCH_VALUE_WRONG,
    Params,
    Query,
)
from kiungo.fhir.search.query import parse_query

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_COLUMNS = "{0}.rid, {0}.version, {0}.updated_us, {0}.deleted, {0}.method, {0}.body"
_ORDER = "ORDER BY {0}.updated_us DESC, {0}.rid DESC, {0}.version DESC LIMIT ?"
_SUPERSEDED = "EXISTS (SELECT 1 FROM {0} n WHERE n.rid = {1}.rid AND n.version = {1}.version + 1 AND n.updated_us <= ?)"
Position = tuple[int, int, int]
PARAMETERS = ("_count", "_since", "_at", "_cursor", "_format", "_pretty")


@dataclass(frozen=True, slots=True)
class Moments:
    """Which versions a history shows: made since, and current at some point of a span. Units: microseconds UTC."""

    since_us: int = 0
    at_us: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A history that was understood completely."""

    query: Query
    moments: Moments = field(default_factory=Moments)


def parse_history(type_name: str, params: Params) -> HistoryQuery:
    """Understand a history's parameters or refuse them. Raises: Incorrect."""
    since_us, at_us = 0, None
    wanted = []
    for name, value in params:
        if name == "_since":
            since_us = _span_us(name, value)[0]
        elif name == "_at":
            at_us = _span_us(name, value)
        elif name not in PARAMETERS:
            raise Incorrect(
                SEARCH_PARAMETER_UNKNOWN,
                f"A history takes no {name[:60]}",
                field=name[:60],
                hint="Use _count, _since and _at",
            )
        else:
            wanted.append((name, value))
    query = parse_query(type_name, wanted)
    query.text = [(name, value) for name, value in params if name != "_cursor"]
    return HistoryQuery(query, Moments(since_us, at_us))


def _span_us(name: str, value: str) -> tuple[int, int]:
    try:
        low, high = date_span(value.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise Incorrect(
            SEARCH_VALUE_WRONG,
            f"{name} is not a date or an instant",
            field=name,
            hint="Write it as 2024-10-03 or 2024-10-03T10:30:00Z",
        ) from None
    return low * 1000, high * 1000 + 999


def with_own_person(stored: Stored) -> Stored:
    """An old version with the person it was about itself: a record may have been another's before."""
    return stored._replace(person=reread(stored.body).rows.person) if stored.body else stored


def versions_of(
    unit: "Unit",
    tenant: int,
    type_number: int,
    rid: int | None,
    moments: Moments,
    after: Position | None,
    limit: int,
) -> list[Stored]:
    """Versions of one resource (`rid`) or of a type. `after` is (updated_us, rid, version) of the row before."""
    parts, parameters = [], []
    for alias, table in (("c", "fhir_resource"), ("o", "fhir_history")):
        where = f"{alias}.tn = ? AND {alias}.type = ? AND {alias}.updated_us >= ?"
        given: list[Any] = [tenant, type_number, moments.since_us]
        if rid is not None:
            where += f" AND {alias}.rid = ?"
            given.append(rid)
        if after is not None:
            where += f" AND {alias}.updated_us <= ? AND ({alias}.updated_us, {alias}.rid, {alias}.version) < (?, ?, ?)"
            given += [after[0], *after]
        if moments.at_us is not None:
            where += f" AND {alias}.updated_us <= ?"
            given.append(moments.at_us[1])
            for newer in ("fhir_resource", "fhir_history") if table == "fhir_history" else ():
                where += f" AND NOT {_SUPERSEDED.format(newer, alias)}"
                given.append(moments.at_us[0])
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
    unit: "Unit", tenant: int, numbers: list[int], moments: Moments, after: Position | None, limit: int
) -> list[Stored]:
    """Versions of several types together."""
    lists = [versions_of(unit, tenant, number, None, moments, after, limit) for number in numbers]
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
