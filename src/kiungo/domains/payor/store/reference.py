"""Plans, fees, codes, edits and providers, and the version that says when any of them changed."""

from collections.abc import Iterable

from kiungo.domains.payor.book import Fee, Plan, Snapshot
from kiungo.domains.payor.codec import KINDS, from_bytes, key_of, kind_of, to_bytes
from kiungo.domains.payor.snapshot import Item, Reference, assemble
from kiungo.kernel.database import Unit

_PLAN, _FEE = "plan", "fee"
_LOAD = (
    "SELECT kind, owner, body FROM ("
    f"SELECT '{_PLAN}' AS kind, plan_id AS owner, '' AS item_key, '' AS valid_from, body FROM payor_plan WHERE tn = ?"
    " UNION ALL SELECT kind, owner, item_key, valid_from, body FROM payor_reference WHERE tn = ?"
    ") loaded ORDER BY kind, owner, item_key, valid_from DESC"
)
_PUT_ITEM = (
    "INSERT INTO payor_reference (tn, kind, owner, item_key, valid_from, body) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (tn, kind, owner, item_key, valid_from) DO UPDATE SET body = excluded.body"
)


def version_of(unit: Unit, tenant: int) -> int:
    """The version of all reference data; 0 before anything was loaded."""
    return unit.value("SELECT version FROM payor_version WHERE tn = ?", (tenant,)) or 0


def bump(unit: Unit, tenant: int) -> None:
    """Say that reference data changed; every cached snapshot is out of date once this commits.

    The version is a moment, so that one a failed unit gave out does not come again with other content.
    """
    unit.execute(
        "INSERT INTO payor_version (tn, version) VALUES (?, ?) ON CONFLICT (tn) DO UPDATE SET version ="
        " CASE WHEN excluded.version > payor_version.version THEN excluded.version"
        " ELSE payor_version.version + 1 END",
        (tenant, unit.now_us),
    )


def load(unit: Unit, tenant: int) -> Snapshot:
    """Everything, as adjudication reads it.

    The version is read first and the rest in one statement: outside a transaction a change in between makes what
    was loaded look older than it is, so that it is loaded again, and never newer.
    """
    version = version_of(unit, tenant)
    found_plans: list[Plan] = []
    rows: list[Reference] = []
    for kind, owner, body in unit.rows(_LOAD, (tenant, tenant)):
        if kind == _PLAN:
            found_plans.append(from_bytes(body, Plan))
        else:
            rows.append(Reference(owner, from_bytes(body, KINDS[kind])))
    return assemble(version, found_plans, rows)


def plans(unit: Unit, tenant: int) -> list[Plan]:
    """All plans by id."""
    rows = unit.rows("SELECT body FROM payor_plan WHERE tn = ? ORDER BY plan_id", (tenant,))
    return [from_bytes(body, Plan) for (body,) in rows]


def find_plan(unit: Unit, tenant: int, plan_id: str) -> Plan | None:
    """One plan."""
    body = unit.value("SELECT body FROM payor_plan WHERE tn = ? AND plan_id = ?", (tenant, plan_id))
    return from_bytes(body, Plan) if body is not None else None


def fees_of(unit: Unit, tenant: int, schedule: str) -> list[Fee]:
    """Every fee of a schedule, of each key the one that began last first."""
    rows = unit.rows(
        "SELECT body FROM payor_reference WHERE tn = ? AND kind = ? AND owner = ? ORDER BY item_key, valid_from DESC",
        (tenant, _FEE, schedule),
    )
    return [from_bytes(body, Fee) for (body,) in rows]


def put_plan(unit: Unit, tenant: int, plan: Plan) -> None:
    """Insert or replace a plan."""
    unit.execute(
        "INSERT INTO payor_plan (tn, plan_id, body, updated_us) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tn, plan_id) DO UPDATE SET body = excluded.body, updated_us = excluded.updated_us",
        (tenant, plan.plan_id, to_bytes(plan), unit.now_us),
    )


def put_items(unit: Unit, tenant: int, rows: Iterable[Reference]) -> None:
    """Insert or replace reference rows."""
    unit.many(
        _PUT_ITEM,
        [
            (tenant, kind_of(row.item), row.owner, key_of(row.item), row.item.valid_from or "", to_bytes(row.item))
            for row in rows
        ],
    )


def items(
    unit: Unit, tenant: int, kind: str, owner: str, *, limit: int, after: tuple[str, str] = ("", "")
) -> list[Item]:
    """One page of the rows of a kind. Shapes: `after` is the key and first day of the row before the page."""
    rows = unit.rows(
        "SELECT body FROM payor_reference WHERE tn = ? AND kind = ? AND owner = ?"
        " AND (item_key > ? OR (item_key = ? AND valid_from > ?)) ORDER BY item_key, valid_from LIMIT ?",
        (tenant, kind, owner, after[0], after[0], after[1], limit),
    )
    return [from_bytes(body, KINDS[kind]) for (body,) in rows]


def of_key(unit: Unit, tenant: int, kind: str, item_key: str, owner: str = "") -> list[Item]:
    """The rows of one key, one for each first day."""
    rows = unit.rows(
        "SELECT body FROM payor_reference WHERE tn = ? AND kind = ? AND owner = ? AND item_key = ?",
        (tenant, kind, owner, item_key),
    )
    return [from_bytes(body, KINDS[kind]) for (body,) in rows]


def delete_item(unit: Unit, tenant: int, kind: str, owner: str, *, item_key: str, valid_from: str) -> bool:
    """Remove one row; whether there was one."""
    return (
        unit.execute(
            "DELETE FROM payor_reference WHERE tn = ? AND kind = ? AND owner = ? AND item_key = ? AND valid_from = ?",
            (tenant, kind, owner, item_key, valid_from),
        )
        > 0
    )
