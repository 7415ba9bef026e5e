"""A glance at the first rows in the answer's order, where so many match that a page is likely among them.

When they hold a page's worth of matches, and one more, that is the page. Otherwise the search begins as planned, and
the glance has cost a bounded number of probes. Without it, finding and sorting every match of a dense condition costs
more with every patient a hospital has.
"""

from typing import TYPE_CHECKING, Any

from kiungo.fhir.definitions import type_ids
from kiungo.fhir.search.asked import Condition
from kiungo.fhir.search.conditions import ROW_INDEXES
from kiungo.fhir.search.matching import Scope
from kiungo.fhir.search.ordering import Ordering, Values
from kiungo.fhir.search.planner import NOT_KNOWN, Plan, stored, tests_sql
from kiungo.fhir.search.sql import NOTHING, Sql, joined

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

LOOKED_AT_MAX = 600
_OWN = "d.tn = ? AND d.type = ? AND d.deleted = 0"


def glance(
    *,
    unit: "Unit",
    scope: Scope,
    chosen: Plan,
    conditions: list[Condition],
    order: Ordering,
    after: list[Any] | None,
    limit: int,
) -> Sql | None:
    """The statement for the keys among the first rows; None where a page is found at once, or few rows match."""
    if not is_worth_it(unit, scope, chosen, limit):
        return None
    tests = tests_sql(scope, Plan(None, tuple(conditions)))
    if order.natural or order.is_by_update:
        return _resources(unit, scope, tests, order, after, limit)
    values = order.keys[0].values
    if len(order.keys) != 2 or values is None or values.table not in ROW_INDEXES:
        return None
    if after is not None and (len(after) != 2 or after[0] == values.missing):
        return None
    return _by_value(unit, scope, values, tests, order, after, limit)


def is_worth_it(unit: "Unit", scope: Scope, chosen: Plan, limit: int) -> bool:
    """Whether so many match, among all of the type, that the rows looked at will hold a page of them."""
    if not chosen.is_dense or chosen.rows >= NOT_KNOWN:
        return chosen.is_dense
    among = stored(unit, scope)
    return among is None or chosen.rows * LOOKED_AT_MAX >= among * limit


def _resources(unit: "Unit", scope: Scope, tests: Sql, order: Ordering, after: list[Any] | None, limit: int) -> Sql:
    """The first resources of the type, whose own rows are in the order asked for."""
    key = "d.sort_ms" if order.natural else "d.updated_us"
    downwards = order.keys[0].descending
    way, beyond, before = ("DESC", "<", ">") if downwards else ("ASC", ">", "<")
    where, given = _OWN, [scope.tenant, type_ids()[scope.type]]
    if after is not None:
        order.after(after)  # refuses a page link of another order
        where, given = f"{where} AND ({key}, d.rid) {beyond} (?, ?)", [*given, *after]
    ends = f"ORDER BY {key} {way}, d.rid {way} LIMIT"
    edge = unit.row(
        f"SELECT {key}, d.rid FROM fhir_resource d WHERE {where} {ends} 1 OFFSET ?", (*given, LOOKED_AT_MAX)
    )
    if edge is not None:
        where, given = f"{where} AND ({key}, d.rid) {before} (?, ?)", [*given, *edge]
    text = f"SELECT {key} AS v0, d.rid AS v1 FROM fhir_resource d WHERE {where}{tests.text} {ends} ?"
    return Sql(text, (*given, *tests.parameters, limit))


def _by_value(
    unit: "Unit", scope: Scope, values: Values, tests: Sql, order: Ordering, after: list[Any] | None, limit: int
) -> Sql:
    """The first values of the sort key, in the order of its own index; a resource counts with its first value."""
    way, beyond, before = ("DESC", "<", ">") if order.keys[0].descending else ("ASC", ">", "<")
    # The value's row stands for its resource, whose own row is fetched only where a test reads it.
    is_read = any(f"d.{column}" in tests.text for column in ("sort_ms", "fid", "updated_us"))
    at, join = ("w", f" {joined(scope.engine)} fhir_resource d ON d.rid = w.rid") if is_read else ("d", "")
    value, row = f"{at}.{values.column}", f"({at}.{values.column}, {at}.rid)"
    ends = f"ORDER BY {value} {way}, {at}.rid {way} LIMIT"
    rest = Sql(f" AND {row} {beyond} (?, ?)", tuple(after)) if after is not None else NOTHING
    edges = [
        unit.row(
            f"SELECT {value}, {at}.rid FROM {values.table} {at} WHERE {at}.k = ?{rest.text} {ends} 1 OFFSET ?",
            (key, *rest.parameters, LOOKED_AT_MAX),
        )
        for key in values.keys
    ]
    nearest = [edge for edge in edges if edge is not None]
    bound = NOTHING
    if nearest:
        edge = max(nearest) if order.keys[0].descending else min(nearest)
        bound = Sql(f" AND {row} {before} (?, ?)", tuple(edge))
    hint = f" INDEXED BY {ROW_INDEXES[values.table]}" if scope.engine == "sqlite" else ""
    sooner = (
        f" AND NOT EXISTS (SELECT 1 FROM {values.table} y{hint} WHERE y.rid = {at}.rid AND "
        f"y.k IN ({', '.join('?' * len(values.keys))}) AND y.{values.column} {before} {value})"
    )
    text = (
        f"SELECT {value} AS v0, {at}.rid AS v1 FROM {values.table} {at}{join} "
        f"WHERE {at}.k = ?{rest.text}{bound.text}{tests.text}{sooner} {ends} ?"
    )
    given = (*rest.parameters, *bound.parameters, *tests.parameters, *values.keys, limit)
    merged = " UNION ALL ".join(f"SELECT * FROM ({text}) u{n}" for n in range(len(values.keys)))
    parameters = [one for key in values.keys for one in (key, *given)]
    text = f"SELECT DISTINCT v0, v1 FROM ({merged}) u ORDER BY v0 {way}, v1 {way} LIMIT ?"
    return Sql(text, (*parameters, limit))
