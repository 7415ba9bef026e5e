"""`_include` and `_revinclude`: what the page's resources refer to, and what refers to them.

References are read from the page's bodies; each resource is added once. Steps and resources are bounded.
Source: FHIR R4 3.1.1.5.5 (including other resources).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kiungo.fhir.definitions import type_ids, type_names
from kiungo.fhir.indexing.extraction import extract
from kiungo.fhir.indexing.own_values import add_rows
from kiungo.fhir.indexing.values import split_reference, target_of, url_target
from kiungo.fhir.model import Stored
from kiungo.fhir.search.asked import Include, Query
from kiungo.fhir.search.canonicals import addresses, is_addressed, named_by, names
from kiungo.fhir.search.matching import Scope
from kiungo.kernel import json

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

INCLUDED_MAX = 1000
# So many referring resources are looked at for those the caller may see among them.
LOOKED_AT_MAX = 20_000
ITERATIONS_MAX = 20
_BATCH = 100
_COLUMNS = "r.type, r.rid, r.fid, r.version, r.updated_us, r.method, r.person, r.body"
_JOINED = f"SELECT {_COLUMNS} FROM ({{referring}}) p JOIN fhir_resource r ON r.rid = p.rid ORDER BY r.rid"

Visible = Callable[[Iterable[Stored]], tuple[Stored, ...]]


def included(
    unit: "Unit", scope: Scope, query: Query, page: tuple[Stored, ...], visible: Visible
) -> tuple[list[Stored], bool]:
    """The resources to add to a page, and whether the bound cut some off.

    What the caller may not see is left out at each step: it takes nobody's place, and nothing is reached through it.
    """
    known = {(s.type, s.id) for s in page}
    added: list[Stored] = []
    fresh: list[Stored] = list(page)
    cut = False
    for step in range(ITERATIONS_MAX):
        found: list[Stored] = []
        for include in query.includes:
            if step == 0 or include.iterate:
                found += visible(_forward(unit, scope, include, fresh))
        for include in query.revincludes:
            if step == 0 or include.iterate:
                seen, ends = _backward(unit, scope, include, fresh, visible)
                found += seen
                cut = cut or not ends
        fresh = []
        for stored in found:
            if (stored.type, stored.id) in known:
                continue
            if len(added) >= INCLUDED_MAX:
                return added, True
            known.add((stored.type, stored.id))
            added.append(stored)
            fresh.append(stored)
        if not fresh or not any(include.iterate for include in (*query.includes, *query.revincludes)):
            return added, cut
    return added, True  # what the last step added was not followed


def _forward(unit: "Unit", scope: Scope, include: Include, page: list[Stored]) -> list[Stored]:
    """What the resources of the include's source type refer to by its parameters."""
    wanted: dict[str, dict[str, None]] = {}
    named: dict[str, None] = {}
    sources = {source.key: source for p in include.parameters for source in p.sources}
    for stored in page:
        if include.source not in (None, stored.type) or not stored.body:
            continue
        tree = json.loads(stored.body)
        literal = dict(_literal_references(tree))
        rows = extract(tree)
        for parameter in include.parameters:
            if parameter.is_own:
                add_rows(rows, parameter, tree)
        urls = {target for key, target in rows.reference if key in sources and target & 0xFF == 0}
        if urls:
            named |= dict.fromkeys(addresses(tree, urls))
        for key, target in sorted(rows.reference):
            source, place = sources.get(key), literal.get(target)
            if source is None or place is None or source.target_type not in (None, target & 0xFF):
                continue
            if include.target in (None, place[0]):
                wanted.setdefault(place[0], {})[place[1]] = None
    found = [stored for type_name, ids in wanted.items() for stored in _by_id(unit, scope, type_name, list(ids))]
    types = dict.fromkeys(target for parameter in include.parameters for target in parameter.targets)
    return found + named_by(unit, scope, [name for name in types if include.target in (None, name)], named)


def _literal_references(tree: Any) -> Iterator[tuple[int, tuple[str, str]]]:
    """The target number, type and id of each reference to a resource of this server, anywhere inside."""
    if isinstance(tree, dict):
        text = tree.get("reference")
        parts = split_reference(text) if isinstance(text, str) else None
        if parts is not None and parts[0] is None:
            yield target_of(parts[1], parts[2]), (parts[1], parts[2])
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _literal_references(inner)


def _by_id(unit: "Unit", scope: Scope, type_name: str, ids: list[str]) -> list[Stored]:
    found: list[Stored] = []
    for start in range(0, len(ids), _BATCH):
        part = ids[start : start + _BATCH]
        rows = unit.rows(
            f"SELECT {_COLUMNS} FROM fhir_resource r WHERE r.tn = ? AND r.type = ? "
            f"AND r.fid IN ({', '.join('?' * len(part))}) AND r.deleted = 0",
            (scope.tenant, type_ids()[type_name], *part),
        )
        found += [_stored(row) for row in rows]
    return found


def _backward(
    unit: "Unit", scope: Scope, include: Include, page: list[Stored], visible: Visible
) -> tuple[list[Stored], bool]:
    """What the caller may see of what refers to the page's resources by these parameters, and whether it is all."""
    referred = [stored for stored in page if include.target in (None, stored.type)]
    ids = {target_of(stored.type, stored.id) for stored in referred}
    addressed = [tree for tree in map(_addressed, referred) if tree is not None]
    targets = [*ids, *{url_target(tree["url"]) for tree in addressed}]
    keys = sorted({scope.key(source) for p in include.parameters for source in p.sources})
    found: list[Stored] = []
    is_all = True
    for start in range(0, len(targets) if keys else 0, _BATCH):
        values = (*keys, *targets[start : start + _BATCH])
        referring = (
            f"SELECT DISTINCT x.rid FROM fhir_reference x WHERE x.k IN ({', '.join('?' * len(keys))})"
            f" AND x.target IN ({', '.join('?' * (len(values) - len(keys)))})"
        )
        rows = unit.rows(_JOINED.format(referring=f"{referring} LIMIT ?"), (*values, INCLUDED_MAX + 1))
        seen = list(visible(_stored(row) for row in rows))
        if len(rows) > INCLUDED_MAX:
            complete = False
            if len(seen) < len(rows):
                seen, complete = _all_visible(unit, referring, values, visible)
            is_all = is_all and complete
        found += seen
    if addressed:
        found = [stored for stored in found if _refers(json.loads(stored.body), ids, addressed)]
    return found, is_all


def _addressed(stored: Stored) -> dict[str, Any] | None:
    """The body of a resource that others may name by its URL."""
    if not is_addressed(stored.type) or not stored.body:
        return None
    tree = json.loads(stored.body)
    return tree if isinstance(tree, dict) and isinstance(tree.get("url"), str) else None


def _refers(tree: Any, ids: set[int], addressed: list[dict[str, Any]]) -> bool:
    """Whether it names one of these: an address may be that of another version."""
    return any(target in ids for target, _ in _literal_references(tree)) or any(
        names(tree, other) for other in addressed
    )


def _all_visible(unit: "Unit", referring: str, values: tuple[int, ...], visible: Visible) -> tuple[list[Stored], bool]:
    """The same where some of the first were hidden: they take nobody's place, so it goes on behind them."""
    found: list[Stored] = []
    after = looked_at = 0
    sql = _JOINED.format(referring=f"{referring} AND x.rid > ? ORDER BY x.rid LIMIT ?")
    while looked_at < LOOKED_AT_MAX:
        rows = unit.rows(sql, (*values, after, INCLUDED_MAX + 1))
        found += visible(_stored(row) for row in rows)
        if len(rows) <= INCLUDED_MAX:
            return found, True
        if len(found) > INCLUDED_MAX:
            break
        after, looked_at = rows[-1][1], looked_at + len(rows)
    return found, False


def _stored(row: tuple[Any, ...]) -> Stored:
    number, rid, logical_id, version, updated_us, method, person, body = row
    return Stored(type_names()[number], logical_id, version, updated_us, body, person, "read", False, method, rid)
