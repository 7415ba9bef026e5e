"""A prepared part into the store: one unit of work, which also remembers the part, so that none is written twice."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kiungo.base.errors import KiungoError
from kiungo.fhir.guard import refuse_reserved
from kiungo.fhir.interactions import writing
from kiungo.fhir.interactions.together import ALONE, taken
from kiungo.fhir.loading.entries import Refused, refusal
from kiungo.fhir.loading.preparing import PreparedPart
from kiungo.fhir.model import PUT, Prepared
from kiungo.fhir.packages.enforcing import conform
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.inbox import receive

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

TOGETHER = 1_000
SOURCE = "fhir.load "
Line = tuple[int, Prepared]


@dataclass(slots=True)
class StoredPart:
    """What became of a part's resources. Shapes: `is_new` is False when the part was written before."""

    is_new: bool = True
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)


def store_part(
    store: Store, unit: "Unit", call: Call, load: str, part: PreparedPart, checked: list[Line]
) -> StoredPart:
    """Write the resources of a part that passed `checked_part`, or nothing when this load has had the part."""
    if not receive(unit, tenant=call.tenant, source=SOURCE + load, message_id=str(part.number), body=b""):
        return StoredPart(is_new=False)
    done = StoredPart()
    fresh, others = _sorted(store, unit, call, checked)
    for start in range(0, len(fresh), TOGETHER):
        store.repository.create_all(unit, call, [one for _, one in fresh[start : start + TOGETHER]], PUT)
    done.created = len(fresh)
    for line, prepared in others:
        try:
            with unit.savepoint():
                stored = writing.put(store, unit, call, prepared, prepared.id, None, None)
        except KiungoError as error:
            done.refused.append(refusal(part.file, line, error))
        else:
            done.created += stored.outcome == "created"
            done.updated += stored.outcome == "updated"
            done.unchanged += stored.outcome == "unchanged"
    return done


def written_parts(unit: "Unit", tenant: int, load: str) -> frozenset[int]:
    """The parts that this load has written."""
    rows = unit.rows("SELECT message_id FROM inbox WHERE tn = ? AND source = ?", (tenant, SOURCE + load))
    return frozenset(int(row[0]) for row in rows)


def checked_part(store: Store, call: Call, part: PreparedPart) -> tuple[list[Line], list[Refused]]:
    """What may be written: other parts' records and the tenant's own rules are looked at outside the unit of work."""
    policy = store.libraries.policy_of(call.tenant)
    own = store.database.read(lambda unit: frozenset(store.repository.own.known(unit, call.tenant).own))
    marks = [system.encode() for system in store.reserved]
    kept, refused = [], []
    for line, prepared in part.found:
        whole = prepared
        is_marked = any(mark in prepared.tail for mark in marks)
        if is_marked or prepared.type in policy or prepared.type in own or prepared.type in ALONE:
            whole = replace(prepared, tree=json.loads(prepared.body(prepared.id or "new", 1, 0)))
        whole = whole if whole.id is not None else replace(whole, id=store.repository.new_id())
        try:
            if is_marked:
                refuse_reserved(store.reserved, whole.tree)
            conform(store.libraries, call.tenant, whole)
        except KiungoError as error:
            refused.append(refusal(part.file, line, error))
        else:
            kept.append((line, whole))
    return kept, refused


def _sorted(store: Store, unit: "Unit", call: Call, lines: Iterable[Line]) -> tuple[list[Line], list[Line]]:
    """Resources that are new and can be written together, and the others, with their content in full."""
    by_type: dict[str, list[Line]] = {}
    for one in lines:
        by_type.setdefault(one[1].type, []).append(one)
    fresh: list[Line] = []
    others: list[Line] = []
    for name, some in by_type.items():
        there = set() if name in ALONE else taken(unit, call.tenant, name, [str(kept.id) for _, kept in some])
        for line, prepared in some:
            if name in ALONE or prepared.id in there:
                others.append((line, _whole(prepared)))
            else:
                there.add(str(prepared.id))
                fresh.append((line, prepared))
    return fresh, sorted(others, key=lambda pair: pair[0])


def _whole(prepared: Prepared) -> Prepared:
    """With its content, which updates and rules of reserved records look at."""
    if prepared.tree:
        return prepared
    return replace(prepared, tree=json.loads(prepared.body(str(prepared.id), 1, 0)))
