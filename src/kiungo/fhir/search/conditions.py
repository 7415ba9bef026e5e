"""Conditions as SQL in two forms: as a driver that lists rows, and as a test of a row another one listed.

A driver is a SELECT of (sort_ms, rid); a test is a boolean over the expressions of a row's sort date and id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.fhir.definitions import type_ids
from kiungo.fhir.search.matching import Match, Scope, matches, parse_span
from kiungo.fhir.search.parameters import OWN_COLUMNS, Parameter, Source, is_single, person_parameter, sort_parameter
from kiungo.fhir.search.query import Chain, Condition, Has, Predicate, Value
from kiungo.fhir.search.values import DAY_MS


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and its parameters in order."""

    text: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Driver:
    """Rows to begin with. `ordered`: the index yields them in sort-date order, so a page can stop early."""

    sql: Sql
    ordered: bool = False


def is_drivable(condition: Condition) -> bool:
    """Whether a condition can list its rows; negations cannot."""
    return not isinstance(condition, Predicate) or not _is_negative(condition)


def _is_negative(predicate: Predicate) -> bool:
    missing = predicate.modifier == "missing" and predicate.values[0].text == "true"
    return missing or predicate.modifier == "not"


def driver(scope: Scope, condition: Condition) -> Driver:
    """The rows that meet a condition, as a SELECT."""
    if isinstance(condition, Chain):
        return Driver(_chain_rows(scope, condition))
    if isinstance(condition, Has):
        return Driver(_has_rows(scope, condition))
    if condition.parameter.code in OWN_COLUMNS:
        where = _own(condition)
        head = "SELECT x.sort_ms, x.rid FROM fhir_resource x WHERE x.tn = ? AND x.type = ? AND x.deleted = 0 AND "
        return Driver(Sql(head + where.text, (scope.tenant, type_ids()[scope.type], *where.parameters)))
    return match_driver(scope, matches(scope, condition), own_date=is_own_date(scope, condition))


def match_driver(scope: Scope, found: Sequence[Match], *, own_date: bool = False) -> Driver:
    """Index rows as a SELECT of (sort_ms, rid). `own_date`: the low end of each row is its sort date."""
    if not found:
        return Driver(Sql("SELECT 0 AS sort_ms, 0 AS rid WHERE 1 = 0"))
    parts: list[Sql] = []
    for match in found:
        if match.has_sort:
            text = f"SELECT x.sort_ms, x.rid FROM {match.table} x WHERE {match.where}"
        elif own_date:
            text = f"SELECT x.low AS sort_ms, x.rid FROM {match.table} x WHERE {match.where}"
        else:
            text = (
                f"SELECT s.sort_ms, s.rid FROM {match.table} x {joined(scope)} fhir_resource s "
                f"ON s.rid = x.rid WHERE {match.where}"
            )
        parts.append(Sql(text, match.parameters))
    return Driver(union(parts), ordered=len(found) == 1 and found[0].ordered)


def union(parts: Sequence[Sql]) -> Sql:
    """All rows of several SELECTs."""
    return Sql(" UNION ALL ".join(part.text for part in parts), tuple(p for part in parts for p in part.parameters))


def joined(scope: Scope) -> str:
    """The join that keeps our order of tables: SQLite never reorders a CROSS JOIN."""
    return "CROSS JOIN" if scope.engine == "sqlite" else "JOIN"


def test(scope: Scope, condition: Condition, sort: str, rid: str) -> Sql:
    """Whether the row with this sort date and id meets a condition."""
    if isinstance(condition, Chain):
        inner = _chain_rows(scope, condition)
        return Sql(f"{rid} IN (SELECT q.rid FROM ({inner.text}) q)", inner.parameters)
    if isinstance(condition, Has):
        return _has_test(scope, condition, rid)
    if condition.parameter.code in OWN_COLUMNS:
        where = _own(condition)
        found = Sql(f"EXISTS (SELECT 1 FROM fhir_resource x WHERE x.rid = {rid} AND {where.text})", where.parameters)
    else:
        tests = [_match_test(scope, m, condition, sort, rid) for m in matches(scope, condition)]
        if not tests:
            return Sql("1 = 1" if _is_negative(condition) else "1 = 0")
        found = Sql("(" + " OR ".join(t.text for t in tests) + ")", tuple(p for t in tests for p in t.parameters))
    return Sql(f"NOT {found.text}", found.parameters) if _is_negative(condition) else found


def _match_test(scope: Scope, match: Match, predicate: Predicate, sort: str, rid: str) -> Sql:
    # OFFSET 0 keeps PostgreSQL from turning the probe into a join it orders itself.
    end = " OFFSET 0" if scope.engine == "postgresql" else ""
    if match.keyed:
        probe = f"x.sort_ms = {sort} AND x.rid = {rid}"
        return Sql(f"EXISTS (SELECT 1 FROM {match.table} x WHERE {match.where} AND {probe}{end})", match.parameters)
    if predicate.modifier != "missing" and is_own_date(scope, predicate):
        # The row's sort date is the low end of its own date row, so that row is one seek away; the plus
        # keeps the index for that seek, not for the range.
        probe = f"x.low = {sort} AND x.rid = {rid}"
        where = match.where.replace("x.low", "+x.low")
        return Sql(f"EXISTS (SELECT 1 FROM {match.table} x WHERE {where} AND {probe}{end})", match.parameters)
    return Sql(f"{rid} IN (SELECT x.rid FROM {match.table} x WHERE {match.where})", match.parameters)


def is_own_date(scope: Scope, predicate: Predicate) -> bool:
    """Whether the parameter is the one whose low end is the sort date of the type."""
    own = sort_parameter(scope.type)
    return own is not None and predicate.parameter.key == own.key and is_single(own)


def own_date_bounds(predicate: Predicate, now_us: int, *, all_narrow: bool) -> list[tuple[str, int]]:
    """What a condition on a type's own date says about the sort date alone: comparison and milliseconds.

    `all_narrow`: no record of the type has a date wider than a day, so a lower bound on the high end is one
    on the low end too.
    """
    if len(predicate.values) != 1 or predicate.modifier:
        return []
    value = predicate.values[0]
    prefix = value.prefix or "eq"
    low, high = parse_span(value)
    if prefix == "ap":
        margin = abs(now_us // 1000 - low) // 10
        low, high = low - margin, high + margin
    bounds = {
        "eq": [(">=", low), ("<=", high)],
        "sa": [(">", high)],
        "lt": [("<", low)],
        "eb": [("<", low)],
        "le": [("<=", high)],
        "ap": [("<=", high)],
    }.get(prefix, [])
    near = {"ge": low, "gt": high, "ap": low}.get(prefix)
    if all_narrow and near is not None:
        bounds.append((">=", near - DAY_MS))
    return bounds


def own_column_test(condition: Condition) -> Sql | None:
    """The test of a condition on the resource's own row where that row is `d`; None for other conditions."""
    if not isinstance(condition, Predicate) or condition.parameter.code not in OWN_COLUMNS:
        return None
    where = _own(condition)
    text = where.text.replace("x.", "d.")
    return Sql(f"NOT ({text})" if _is_negative(condition) else text, where.parameters)


def _own(predicate: Predicate) -> Sql:
    """A condition on the resource's own row."""
    if predicate.parameter.code == "_id":
        wanted = tuple(value.text for value in predicate.values)
        return Sql(f"x.fid IN ({', '.join('?' * len(wanted))})", wanted)
    parts = [_updated(value) for value in predicate.values]
    return Sql("(" + " OR ".join(p.text for p in parts) + ")", tuple(v for p in parts for v in p.parameters))


def _updated(value: Value) -> Sql:
    low, high = (edge * 1000 for edge in parse_span(value))
    high += 999
    rules = {
        "eq": ("x.updated_us BETWEEN ? AND ?", (low, high)),
        "ap": ("x.updated_us BETWEEN ? AND ?", (low, high)),
        "ne": ("NOT x.updated_us BETWEEN ? AND ?", (low, high)),
        "gt": ("x.updated_us > ?", (high,)),
        "sa": ("x.updated_us > ?", (high,)),
        "lt": ("x.updated_us < ?", (low,)),
        "eb": ("x.updated_us < ?", (low,)),
        "ge": ("x.updated_us >= ?", (low,)),
        "le": ("x.updated_us <= ?", (high,)),
    }
    return Sql(*rules[value.prefix or "eq"])


def _references_by(scope: Scope, sources: tuple[Source, ...], alias: str) -> Sql:
    keys = tuple(scope.key(source) for source in sources)
    if len(keys) == 1:
        return Sql(f"{alias}.k = ?", keys)
    return Sql(f"{alias}.k IN ({', '.join('?' * len(keys))})", keys)


def _chain_rows(scope: Scope, chain: Chain) -> Sql:
    """Rows that refer to a resource which meets the inner condition."""
    parts = []
    join = joined(scope)
    for type_name, condition in chain.inner:
        inner = rows_of(scope.within(type_name), condition)
        by = _references_by(scope, chain.parameter.sources, "f")
        text = (
            f"SELECT f.sort_ms, f.rid FROM ({inner.text}) q {join} fhir_resource t ON t.rid = q.rid "
            f"{join} fhir_reference f ON {by.text} AND f.target = t.target"
        )
        parts.append(Sql(text, (*inner.parameters, *by.parameters)))
    return union(parts)


def rows_of(scope: Scope, condition: Condition) -> Sql:
    """The rows of a type that meet a condition, negations too."""
    if is_drivable(condition):
        return driver(scope, condition).sql
    checked = test(scope, condition, "s.sort_ms", "s.rid")
    head = "SELECT s.sort_ms, s.rid FROM fhir_resource s WHERE s.tn = ? AND s.type = ? AND s.deleted = 0 AND "
    return Sql(head + checked.text, (scope.tenant, type_ids()[scope.type], *checked.parameters))


def _has_rows(scope: Scope, has: Has) -> Sql:
    """Rows that a resource which meets the inner condition refers to.

    Where the reference is the one that names the patient, the patient's id stands in that resource's own
    row; otherwise the targets of the inner rows are found among all references by that parameter.
    """
    other = has.parameter.type
    inner = rows_of(scope.within(other), has.inner)
    join = joined(scope)
    mine = (scope.tenant, type_ids()[scope.type])
    person = person_parameter(other)
    if scope.type == "Patient" and person is not None and is_single(person) and _same_rows(has.parameter, person):
        text = (
            f"SELECT p.sort_ms, p.rid FROM (SELECT DISTINCT o.person FROM ({inner.text}) q "
            f"{join} fhir_resource o ON o.rid = q.rid WHERE o.person IS NOT NULL) w "
            f"{join} fhir_resource p ON p.tn = ? AND p.type = ? AND p.fid = w.person AND p.deleted = 0"
        )
        return Sql(text, (*inner.parameters, *mine))
    by = _references_by(scope, has.parameter.sources, "f")
    text = (
        "SELECT p.sort_ms, p.rid FROM fhir_resource p WHERE p.tn = ? AND p.type = ? AND p.deleted = 0 "
        f"AND p.target IN (SELECT f.target FROM fhir_reference f WHERE {by.text} "
        f"AND f.rid IN (SELECT q.rid FROM ({inner.text}) q))"
    )
    return Sql(text, (*mine, *by.parameters, *inner.parameters))


def _same_rows(one: Parameter, other: Parameter) -> bool:
    return {source.key for source in one.sources} == {source.key for source in other.sources}


def _has_test(scope: Scope, has: Has, rid: str) -> Sql:
    other = scope.within(has.parameter.type)
    by = _references_by(scope, has.parameter.sources, "f")
    inner = test(other, has.inner, "f.sort_ms", "f.rid")
    text = (
        f"EXISTS (SELECT 1 FROM fhir_resource t {joined(scope)} fhir_reference f ON {by.text} "
        f"AND f.target = t.target WHERE t.rid = {rid} AND {inner.text})"
    )
    return Sql(text, (*by.parameters, *inner.parameters))
