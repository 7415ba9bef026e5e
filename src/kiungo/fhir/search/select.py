"""Runs a query: the page's rows in their order, the total when asked for, the matches of a condition."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.counting import count_of, type_key
from kiungo.fhir.model import Stored
from kiungo.fhir.search.asked import SEARCH_INDEX_BUILDING, SEARCH_VALUE_WRONG, Params, Query
from kiungo.fhir.search.collected import MATCHES_MAX, is_collected, page_of, refuse_too_many
from kiungo.fhir.search.conditions import Driver
from kiungo.fhir.search.counts import Counts
from kiungo.fhir.search.glance import glance
from kiungo.fhir.search.known import STANDARD, Known
from kiungo.fhir.search.lookups import Lookups, Terminology
from kiungo.fhir.search.matching import Scope
from kiungo.fhir.search.ordering import Ordering, ordering
from kiungo.fhir.search.planner import Plan, counted, plan, tests_sql
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.sql import NOTHING, Sql, joined, shallow

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

TOTAL_ESTIMATE_MAX = 10_000
_COLUMNS = "r.rid, r.fid, r.version, r.updated_us, r.method, r.person, r.body"


@dataclass(frozen=True, slots=True)
class Found:
    """One page: its resources in order, where the next begins (None: this is the last), and the total.

    Shapes: `keys` has the values each resource is ordered by.
    """

    resources: tuple[Stored, ...]
    next: list[Any] | None
    total: int | None
    keys: tuple[list[Any], ...] = ()


def run(unit: "Unit", scope: Scope, query: Query, after: list[Any] | None = None) -> Found:
    """One page of a query. `after` are the sort values of the last row of the page before."""
    if is_collected(query.sort):
        return _run_collected(unit, scope, query, after)
    order = ordering(scope, query.sort)
    chosen = plan(unit, scope, query.conditions, by_update=order.is_by_update, natural=order.natural)
    total = None
    if query.total != "none" or query.summary == "count":
        total = _total(unit, scope, query, chosen)
    if query.summary == "count":
        return Found((), None, total)
    first = glance(
        unit=unit,
        scope=scope,
        chosen=chosen,
        conditions=query.conditions,
        order=order,
        after=after,
        limit=query.count + 1,
    )
    rows: list[tuple[Any, ...]] = []
    if first is not None:
        found = shallow(bodies_sql(scope, first, order))
        rows = unit.rows(found.text, found.parameters)
    if len(rows) <= query.count:
        rows = _page(unit, scope, chosen, order, after, query.count + 1)
    return found_in(query, len(order.keys), rows, total)


def found_in(query: Query, width: int, rows: list[tuple[Any, ...]], total: int | None = None) -> Found:
    """A page of the rows of its statement, of which one more than asked for says that there are more."""
    more = len(rows) > query.count > 0
    rows = rows[: query.count]
    resources = tuple([_stored(query.type, row[width:]) for row in rows])
    keys = tuple([list(row[:width]) for row in rows])
    return Found(resources, keys[-1] if more else None, total, keys)


def _run_collected(unit: "Unit", scope: Scope, query: Query, after: list[Any] | None) -> Found:
    """The same where the order is not the index's: all matches are read, within a bound."""
    order = ordering(scope, [])
    chosen = plan(unit, scope, query.conditions)
    total = _total(unit, scope, query, chosen) if query.total != "none" or query.summary == "count" else None
    if query.summary == "count":
        return Found((), None, total)
    rows = _page(unit, scope, chosen, order, None, MATCHES_MAX + 1)
    if len(rows) > MATCHES_MAX:
        refuse_too_many()
    matches = [_stored(scope.type, row[len(order.keys) :]) for row in rows]
    page, following = page_of(matches, query.sort, after, query.count)
    return Found(tuple(page), following, total)


def find_matches(
    unit: "Unit",
    tenant: int,
    type_name: str,
    params: Params,
    *,
    limit: int,
    allow: Callable[[Query], None] | None = None,
    terminology: Terminology | None = None,
    known: Known = STANDARD,
) -> list[Stored]:
    """The resources a condition matches, as many as `limit`; `allow` refuses or narrows what may be asked.

    Raises: Incorrect for a condition without a search parameter: it would match everything.
    """
    query = parse_query(type_name, params, known=known)
    if query.unfinished:
        raise Unavailable(
            SEARCH_INDEX_BUILDING,
            f"The index of {', '.join(query.unfinished)} is still being built, so a condition could miss a match",
            hint="Try again when it is ready",
            retry_after_s=10,
        )
    if not query.conditions:
        raise Incorrect(
            SEARCH_VALUE_WRONG,
            "A condition needs at least one search parameter",
            field="If-None-Exist",
            hint="Name an identifier, such as identifier=http://example.org/mrn|12345",
        )
    if allow is not None:
        allow(query)
    query.count = limit
    query.sort, query.total, query.summary = [], "none", "false"
    return list(run(unit, scope_of(unit, tenant, type_name, terminology), query).resources)


def scope_of(
    unit: "Unit", tenant: int, type_name: str, terminology: Terminology | None = None, counts: Counts | None = None
) -> Scope:
    """Where a search of a type looks, within one unit of work."""
    return Scope(tenant, type_name, unit.engine, unit.now_us, Lookups(unit, tenant, terminology), counts)


def _page(
    unit: "Unit", scope: Scope, chosen: Plan, order: Ordering, after: list[Any] | None, limit: int
) -> list[tuple[Any, ...]]:
    """Rows of (sort values..., columns...)."""
    sql = shallow(page_sql(scope, chosen, order, after, limit))
    return unit.rows(sql.text, sql.parameters)


def page_sql(scope: Scope, chosen: Plan, order: Ordering, after: list[Any] | None, limit: int) -> Sql:
    """The statement of a page. Its keys are found first, then its bodies are fetched."""
    return bodies_sql(scope, keys_sql(scope, chosen, order, after, limit), order)


def bodies_sql(scope: Scope, keys: Sql, order: Ordering) -> Sql:
    """The statement that fetches what a page shows of its keys."""
    text = (
        f"SELECT {', '.join(order.names)}, {_COLUMNS} FROM ({keys.text}) p "
        f"{joined(scope.engine)} fhir_resource r ON r.rid = p.{order.names[-1]} ORDER BY {order.by_name}"
    )
    return Sql(text, keys.parameters)


def keys_sql(scope: Scope, chosen: Plan, order: Ordering, after: list[Any] | None, limit: int) -> Sql:
    """The statement that finds a page's keys."""
    tests = tests_sql(scope, chosen)
    rest = order.after(after) if after is not None else NOTHING
    if order.natural and chosen.driver is not None:
        more = Sql(f" AND {rest.text}{tests.text}" if rest.text else tests.text, rest.parameters + tests.parameters)
        return _natural_keys(chosen.driver, order, more, limit)
    columns = order.columns
    looked_up = chosen.driver is not None and (chosen.driver.ordered or chosen.driver.counted is not None)
    joins = order.joins(chosen.driver.sql if chosen.driver is not None and looked_up else None)
    limits = (" AND " + rest.text if rest.text else "") + tests.text
    values = (*rest.parameters, *tests.parameters, limit)
    ends = f" ORDER BY {order.order_by()} LIMIT ?"
    if chosen.driver is None:
        # Every row of the type stands for itself: it is `d` and, where a key needs it, `s`.
        limits, columns, ends = (
            part.replace("s.fid", "d.fid").replace("s.updated_us", "d.updated_us") for part in (limits, columns, ends)
        )
        text = f"SELECT {columns} FROM fhir_resource d{joins.text} WHERE d.tn = ? AND d.type = ? AND d.deleted = 0"
        return Sql(text + limits + ends, (*joins.parameters, scope.tenant, type_ids()[scope.type], *values))
    rows = chosen.driver.sql
    own = f" {joined(scope.engine)} fhir_resource s ON s.rid = d.rid" if order.needs_resource else ""
    text = f"SELECT DISTINCT {columns} FROM ({rows.text}) d{own}{joins.text} WHERE 1 = 1{limits}{ends}"
    return Sql(text, (*rows.parameters, *joins.parameters, *values))


def _natural_keys(chosen: Driver, order: Ordering, tests: Sql, limit: int) -> Sql:
    """Keys in the index's own order. Of several ordered parts each gives its first rows, and those are merged."""
    ends = f" ORDER BY {order.order_by()} LIMIT ?"
    texts = [
        f"SELECT DISTINCT {order.columns} FROM ({rows.text}) d WHERE 1 = 1{tests.text}{ends}"
        for rows in chosen.parts or (chosen.sql,)
    ]
    parameters = [
        value for rows in chosen.parts or (chosen.sql,) for value in (*rows.parameters, *tests.parameters, limit)
    ]
    if len(texts) == 1:
        return Sql(texts[0], tuple(parameters))
    merged = " UNION ALL ".join(f"SELECT * FROM ({text}) u{n}" for n, text in enumerate(texts))
    text = f"SELECT DISTINCT {', '.join(order.names)} FROM ({merged}) u ORDER BY {order.by_name} LIMIT ?"
    return Sql(text, (*parameters, limit))


def _total(unit: "Unit", scope: Scope, query: Query, chosen: Plan) -> int:
    """How many match: by the counters where they say, else by counting."""
    known: int | None = None
    if not query.conditions:
        known = count_of(unit, type_key(scope.tenant, type_ids()[scope.type]))
    elif len(query.conditions) == 1:
        known = counted(unit, scope, query.conditions[0])
    return known if known is not None else _count(unit, scope, chosen, estimate=query.total == "estimate")


def _count(unit: "Unit", scope: Scope, chosen: Plan, *, estimate: bool) -> int:
    """How many match; an estimate stops counting at its limit."""
    tests = tests_sql(scope, chosen)
    if chosen.driver is None:
        inner = "SELECT d.rid FROM fhir_resource d WHERE d.tn = ? AND d.type = ? AND d.deleted = 0" + tests.text
        parameters: tuple[Any, ...] = (scope.tenant, type_ids()[scope.type], *tests.parameters)
    else:
        rows = chosen.driver.sql
        inner = f"SELECT DISTINCT d.rid FROM ({rows.text}) d WHERE 1 = 1{tests.text}"
        parameters = (*rows.parameters, *tests.parameters)
    limit = f" LIMIT {TOTAL_ESTIMATE_MAX}" if estimate else ""
    asked = shallow(Sql(f"SELECT count(*) FROM ({inner}{limit}) q", parameters))
    return int(unit.value(asked.text, asked.parameters))


def _stored(type_name: str, row: tuple[Any, ...]) -> Stored:
    rid, logical_id, version, updated_us, method, person, body = row
    return Stored(type_name, logical_id, version, updated_us, body, person, "read", False, method, rid)
