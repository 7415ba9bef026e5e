"""Conditions as SQL in two forms: as a driver that lists rows, and as a test of a row another one listed.

A driver is a SELECT of (sort_ms, rid); a test is a boolean over the expressions of a row's sort date and id.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.parameters import (
    OWN_COLUMNS,
    Parameter,
    Source,
    is_single,
    person_parameter,
    sort_parameter,
)
from kiungo.fhir.search.asked import AllOf, AnyOf, Chain, Condition, Has, Near, Not, Predicate, Word
from kiungo.fhir.search.combining import matches
from kiungo.fhir.search.matching import SINGLES_MAX, Match, Scope
from kiungo.fhir.search.own_columns import is_negative, is_own_date, own_test
from kiungo.fhir.search.places import place_match
from kiungo.fhir.search.sql import Sql, all_true, any_true, joined, union
from kiungo.fhir.search.words import word_matches

# Tables whose rows of one resource are one seek away, and the index for it.
ROW_INDEXES = {f"fhir_{name}": f"fhir_{name}_row" for name in ("string", "number", "date")}


@dataclass(frozen=True, slots=True)
class Driver:
    """Rows to begin with. `ordered`: the index yields them in sort-date order, so a page can stop early.

    Shapes: `parts` are the same rows as several SELECTs, each of which comes in that order; `counted` is the same
    number of rows without looking at their resources.
    """

    sql: Sql
    ordered: bool = False
    parts: tuple[Sql, ...] = ()
    counted: Sql | None = None


def is_drivable(condition: Condition) -> bool:
    """Whether a condition can list its rows; negations cannot."""
    if isinstance(condition, Predicate):
        return not is_negative(condition)
    if isinstance(condition, AllOf):
        return any(is_drivable(inner) for inner in condition.conditions)
    if isinstance(condition, AnyOf):
        return all(is_drivable(inner) for inner in condition.conditions)
    return not isinstance(condition, Not)


def driver(scope: Scope, condition: Condition) -> Driver:
    """The rows that meet a drivable condition, as a SELECT."""
    if isinstance(condition, Predicate):
        return _predicate_driver(scope, condition)
    if isinstance(condition, Chain):
        return Driver(_chain_rows(scope, condition))
    if isinstance(condition, Has):
        return Driver(_has_rows(scope, condition))
    if isinstance(condition, AnyOf):
        return Driver(union([driver(scope, inner).sql for inner in condition.conditions]))
    if isinstance(condition, AllOf):
        first = next(inner for inner in condition.conditions if is_drivable(inner))
        rows = driver(scope, first).sql
        rest = all_true([test(scope, c, "q.sort_ms", "q.rid") for c in condition.conditions if c is not first])
        return Driver(
            Sql(f"SELECT q.sort_ms, q.rid FROM ({rows.text}) q WHERE {rest.text}", rows.parameters + rest.parameters)
        )
    if isinstance(condition, Not):
        raise AssertionError("a negation lists no rows; is_drivable says so")
    return match_driver(scope, _plain_matches(scope, condition))


def _plain_matches(scope: Scope, condition: Word | Near) -> list[Match]:
    return word_matches(scope, condition) if isinstance(condition, Word) else [place_match(scope, condition)]


def _predicate_driver(scope: Scope, condition: Predicate) -> Driver:
    if condition.parameter.code in OWN_COLUMNS:
        where = own_test(condition)
        head = "SELECT x.sort_ms, x.rid FROM fhir_resource x WHERE x.tn = ? AND x.type = ? AND x.deleted = 0 AND "
        return Driver(Sql(head + where.text, (scope.tenant, type_ids()[scope.type], *where.parameters)))
    return match_driver(scope, matches(scope, condition), own_date=is_own_date(scope, condition))


def match_driver(scope: Scope, found: Sequence[Match], *, own_date: bool = False) -> Driver:
    """Index rows as a SELECT of (sort_ms, rid). `own_date`: the low end of each row is its sort date."""
    if not found:
        return Driver(Sql("SELECT 0 AS sort_ms, 0 AS rid WHERE 1 = 0"))
    if len(found) == 1 and found[0].ordered:
        return Driver(_listed(scope, found[0], own_date=own_date), ordered=True)
    rows = union([_listed(scope, match, own_date=own_date) for match in found])
    counted = [Sql(f"SELECT x.rid FROM {match.table} x WHERE {match.where}", match.parameters) for match in found]
    return Driver(rows, parts=_parts(scope, found, own_date=own_date), counted=union(counted))


def _parts(scope: Scope, found: Sequence[Match], *, own_date: bool) -> tuple[Sql, ...]:
    """The rows of each value apart, where every one's come in sort-date order; else none."""
    singles = [single for match in found for single in (match.singles or (match,))]
    if len(singles) > SINGLES_MAX or not (own_date or all(single.ordered for single in singles)):
        return ()
    return tuple(_listed(scope, single, own_date=own_date) for single in singles)


def _listed(scope: Scope, match: Match, *, own_date: bool) -> Sql:
    """The rows of one match with their sort date."""
    if match.has_sort:
        date = "x.sort_ms"
    elif own_date:
        date = "x.low AS sort_ms"
    elif sort_parameter(scope.type) is None:
        date = "0 AS sort_ms"  # as every row of a type without a date has it
    else:
        text = (
            f"SELECT s.sort_ms, s.rid FROM {match.table} x {joined(scope.engine)} fhir_resource s "
            f"ON s.rid = x.rid WHERE {match.where}"
        )
        return Sql(text, match.parameters)
    return Sql(f"SELECT {date}, x.rid FROM {match.table} x WHERE {match.where}", match.parameters)


def test(scope: Scope, condition: Condition, sort: str, rid: str) -> Sql:
    """Whether the row with this sort date and id meets a condition."""
    if isinstance(condition, Predicate):
        return _predicate_test(scope, condition, sort, rid)
    if isinstance(condition, Chain):
        inner = _chain_rows(scope, condition)
        return Sql(f"{rid} IN (SELECT q.rid FROM ({inner.text}) q)", inner.parameters)
    if isinstance(condition, Has):
        return _has_test(scope, condition, rid)
    if isinstance(condition, Not):
        inner = test(scope, condition.condition, sort, rid)
        return Sql(f"NOT {inner.text}", inner.parameters)
    if isinstance(condition, AllOf | AnyOf):
        tests = [test(scope, inner, sort, rid) for inner in condition.conditions]
        return all_true(tests) if isinstance(condition, AllOf) else any_true(tests)
    return any_true(
        [
            Sql(f"({rid} IN (SELECT x.rid FROM {match.table} x WHERE {match.where}))", match.parameters)
            for match in _plain_matches(scope, condition)
        ]
    )


def _predicate_test(scope: Scope, condition: Predicate, sort: str, rid: str) -> Sql:
    if condition.parameter.code in OWN_COLUMNS:
        where = own_test(condition)
        found = Sql(f"EXISTS (SELECT 1 FROM fhir_resource x WHERE x.rid = {rid} AND {where.text})", where.parameters)
    else:
        tests = [_match_test(scope, m, condition, sort, rid) for m in matches(scope, condition)]
        if not tests:
            return Sql("1 = 1" if is_negative(condition) else "1 = 0")
        found = Sql("(" + " OR ".join(t.text for t in tests) + ")", tuple(p for t in tests for p in t.parameters))
    return Sql(f"NOT {found.text}", found.parameters) if is_negative(condition) else found


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
    if match.table in ROW_INDEXES:
        hint = f" INDEXED BY {ROW_INDEXES[match.table]}" if scope.engine == "sqlite" else ""
        probe = f"SELECT 1 FROM {match.table} x{hint} WHERE x.rid = {rid} AND {match.where}{end}"
        return Sql(f"EXISTS ({probe})", match.parameters)
    return Sql(f"{rid} IN (SELECT x.rid FROM {match.table} x WHERE {match.where})", match.parameters)


def is_probed(scope: Scope, condition: Condition) -> bool:
    """Whether testing one row for a condition is a few seeks, however many rows meet it."""
    if isinstance(condition, Predicate):
        if condition.parameter.code in OWN_COLUMNS or is_own_date(scope, condition):
            return True
        return all(match.keyed or match.table in ROW_INDEXES for match in matches(scope, condition))
    if isinstance(condition, AllOf | AnyOf):
        return all(is_probed(scope, inner) for inner in condition.conditions)
    if isinstance(condition, Has):
        return is_probed(scope.within(condition.parameter.type), condition.inner)
    return isinstance(condition, Not) and is_probed(scope, condition.condition)


def _references_by(scope: Scope, sources: tuple[Source, ...], alias: str) -> Sql:
    keys = tuple(scope.key(source) for source in sources)
    if len(keys) == 1:
        return Sql(f"{alias}.k = ?", keys)
    return Sql(f"{alias}.k IN ({', '.join('?' * len(keys))})", keys)


def _chain_rows(scope: Scope, chain: Chain) -> Sql:
    """Rows that refer to a resource which meets the inner condition."""
    parts = []
    join = joined(scope.engine)
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
    join = joined(scope.engine)
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
    f = "g" if rid == "f.rid" else "f"  # not the name of the one that stands around it, which it would hide
    by = _references_by(scope, has.parameter.sources, f)
    inner = test(other, has.inner, f"{f}.sort_ms", f"{f}.rid")
    text = (
        f"EXISTS (SELECT 1 FROM fhir_resource t {joined(scope.engine)} fhir_reference {f} ON {by.text} "
        f"AND {f}.target = t.target WHERE t.rid = {rid} AND {inner.text})"
    )
    return Sql(text, (*by.parameters, *inner.parameters))
