"""A glance at the first resources in the answer's order, where so many match that a page is likely among them.

When they hold a page's worth of matches, and one more, that is the page. Otherwise the search begins as planned, and
the glance has cost a bounded number of probes. Without it, finding every match of a dense condition costs more with
every patient a hospital has.
"""

from typing import TYPE_CHECKING, Any

from kiungo.fhir.definitions import type_ids
from kiungo.fhir.search.asked import Condition
from kiungo.fhir.search.matching import Scope
from kiungo.fhir.search.ordering import Ordering
from kiungo.fhir.search.planner import Plan
from kiungo.fhir.search.sql import NOTHING, Sql

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

LOOKED_AT_MAX = 600


def glance(
    unit: "Unit", scope: Scope, chosen: Plan, conditions: list[Condition], order: Ordering, after: list[Any] | None
) -> Plan | None:
    """The plan that tests the first resources only; None where the index gives matches in order, or few of them."""
    if not chosen.is_dense or not order.natural:
        return None
    rest = order.after(after) if after is not None else NOTHING
    beyond = f" AND {rest.text}" if rest.text else ""
    text = (
        "SELECT d.sort_ms, d.rid FROM fhir_resource d "
        f"WHERE d.tn = ? AND d.type = ? AND d.deleted = 0{beyond} ORDER BY {order.order_by()} LIMIT 1 OFFSET ?"
    )
    last = unit.row(text, (scope.tenant, type_ids()[scope.type], *rest.parameters, LOOKED_AT_MAX))
    if last is None:
        return Plan(None, tuple(conditions))
    mark = ">" if order.keys[0].descending else "<"
    return Plan(None, tuple(conditions), Sql(f" AND (d.sort_ms, d.rid) {mark} (?, ?)", last))
