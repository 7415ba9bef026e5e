"""Creates, updates and deletes as callers ask for them: by id or by condition, each authorised on what it meets.

The API and its bundles write through here; other domains use the repository in their own units of work.
"""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kiungo.base.errors import Conflict, Incorrect, define
from kiungo.fhir.compartments import in_compartment
from kiungo.fhir.guard import admit, authorise, authorise_content, refuse_reserved
from kiungo.fhir.model import MULTIPLE_MATCHES, RESOURCE_ID_WRONG, VERSION_CONFLICT, Prepared, Stored
from kiungo.fhir.search.asked import SEARCH_VALUE_WRONG, Params
from kiungo.fhir.store import Store
from kiungo.fhir.subsets import refuse_part
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit


RESOURCE_NEEDED = define(
    "RESOURCE_NEEDED", Conflict, "The record cannot be deleted: another part of the platform keeps records about it."
)
LOOKED_AT_ONCE = 500
# Each deleted resource costs a version and its index rows, and all of them are one unit of work.
DELETES_MAX = 100


def match(store: Store, unit: "Unit", call: Call, type_name: str, condition: Params) -> Stored | None:
    """The only match of a condition among what the caller may search.

    Whether something matches is an answer of its own, so a condition needs the scope to search.
    Raises: Forbidden, Conflict MULTIPLE_MATCHES, Incorrect (a parameter).
    """
    require(call.principal, f"system/{type_name}.s")
    return store.repository.find_one(unit, call, type_name, condition, partial(store.settle, call))


def create(store: Store, unit: "Unit", call: Call, prepared: Prepared, condition: Params | None = None) -> Stored:
    """A new resource; with a condition, only when nothing matches it: the match comes back instead."""
    admit(call)
    if condition is not None:
        found = match(store, unit, call, prepared.type, condition)
        if found is not None:
            return found
    logical_id = prepared.id or store.repository.new_id()
    return store.repository.create(unit, call, admitted(store, call, "c", prepared, logical_id))


def admitted(store: Store, call: Call, interaction: str, prepared: Prepared, logical_id: str) -> Prepared:
    """A resource that the caller may make under this id. Raises: Forbidden."""
    admit(call)
    refuse_reserved(store.reserved, prepared.tree)
    authorise_content(call, interaction, prepared, logical_id)
    return prepared if prepared.id == logical_id else replace(prepared, id=logical_id)


def put(
    store: Store,
    unit: "Unit",
    call: Call,
    prepared: Prepared,
    logical_id: str | None,
    condition: Params | None,
    if_match: int | None,
) -> Stored:
    """Update by id, or by condition: the one match is updated, and without a match a resource is made."""
    admit(call)
    refuse_part(prepared)
    if logical_id is None:
        found = match(store, unit, call, prepared.type, condition or ())
        if found is None:
            return make(store, unit, call, prepared, prepared.body_id, if_match)
        logical_id = found.id
        refuse_other_id(prepared, logical_id)
    held = refuse_change(store, unit, call, "u", prepared.type, logical_id)
    refuse_reserved(store.reserved, prepared.tree)
    authorise_content(call, "u", prepared, logical_id)
    return store.repository.update(unit, call, replace(prepared, id=logical_id), if_match, held=held)


def make(
    store: Store, unit: "Unit", call: Call, prepared: Prepared, logical_id: str | None, if_match: int | None
) -> Stored:
    """What an update by condition does when nothing matches: a new resource, never another one's next version.

    Raises: Conflict RESOURCE_EXISTS when the id it came with is taken, VERSION_CONFLICT when one was required.
    """
    if if_match is not None:
        raise Conflict(
            VERSION_CONFLICT, "If-Match does not fit: the condition matches nothing", hint="Leave If-Match out"
        )
    logical_id = logical_id or store.repository.new_id()
    return store.repository.create(unit, call, admitted(store, call, "u", prepared, logical_id))


def refuse_existing(store: Store, unit: "Unit", call: Call, type_name: str, logical_id: str | None) -> None:
    """Refuse to write over what is there, for who asked for that. Raises: Conflict VERSION_CONFLICT."""
    admit(call)
    if logical_id is None:
        raise Incorrect(
            SEARCH_VALUE_WRONG,
            "An update by condition takes no If-None-Match",
            field="If-None-Match",
            hint="Leave it out",
        )
    current = store.repository.locked(unit, call, type_name, logical_id)
    if current is not None and not current.deleted:
        raise Conflict(
            VERSION_CONFLICT, f"If-None-Match does not fit: there is a {type_name} with this id", hint="Leave it out"
        )


def refuse_other_id(prepared: Prepared, logical_id: str) -> None:
    """Refuse content that carries another id than the resource it would change. Raises: Incorrect."""
    if prepared.body_id not in (None, logical_id):
        raise Incorrect(
            RESOURCE_ID_WRONG,
            "The resource has another id than the one its condition matches",
            field="id",
            hint="Leave the id out",
        )


def remove(
    store: Store,
    unit: "Unit",
    call: Call,
    type_name: str,
    logical_id: str | None,
    condition: Params | None,
    if_match: int | None,
) -> Stored | None:
    """Delete by id, or the one resource a condition matches."""
    admit(call)
    if logical_id is None:
        found = match(store, unit, call, type_name, condition or ())
        if found is None:
            return None
        logical_id = found.id
    held = refuse_change(store, unit, call, "d", type_name, logical_id)
    refuse_needed(store, unit, call, type_name, logical_id)
    return store.repository.delete(unit, call, type_name, logical_id, if_match, held=held)


def remove_all(store: Store, unit: "Unit", call: Call, type_name: str, params: Params) -> int:
    """Delete every resource a condition matches, all or none; `_count` says how many that may be.

    Raises: Conflict MULTIPLE_MATCHES when more match, so that a slip in the condition deletes nothing.
    """
    admit(call)
    require(call.principal, f"system/{type_name}.s")
    condition = [(name, value) for name, value in params if name != "_count"]
    most = _deletes_max([value for name, value in params if name == "_count"])
    found = store.repository.find_all(unit, call, type_name, condition, most + 1, partial(store.settle, call))
    if len(found) > most:
        raise Conflict(
            MULTIPLE_MATCHES,
            f"The condition matches more than {most} {type_name} resources, so none was deleted",
            hint=f"Narrow the condition, or raise _count (at most {DELETES_MAX})",
        )
    for stored in found:
        held = refuse_change(store, unit, call, "d", type_name, stored.id)
        refuse_needed(store, unit, call, type_name, stored.id)
        store.repository.delete(unit, call, type_name, stored.id, held=held)
    return len(found)


def refuse_needed(store: Store, unit: "Unit", call: Call, type_name: str, logical_id: str) -> None:
    """Refuse to delete a person whom another part of the platform has claims or bookings of.

    Raises: Conflict RESOURCE_NEEDED.
    """
    marks = [system.encode() for system in store.reserved]
    after = 0
    while marks and type_name == "Patient":
        page = in_compartment(unit, call.tenant, "Patient", logical_id, after=after, limit=LOOKED_AT_ONCE)
        needing = next((one for one in page if any(mark in one.body for mark in marks)), None)
        if needing is not None:
            raise Conflict(
                RESOURCE_NEEDED,
                f"{type_name}/{logical_id} is needed: {needing.type}/{needing.id} is about it",
                hint="A record of which money is claimed is kept; set Patient.active to false instead",
            )
        if len(page) < LOOKED_AT_ONCE:
            return
        after = page[-1].rid


def _deletes_max(given: list[str]) -> int:
    if len(given) != 1 or not given[0].isdecimal() or not 1 <= int(given[0][:9]) <= DELETES_MAX:
        raise Incorrect(
            SEARCH_VALUE_WRONG,
            f"A delete's _count is a number from 1 to {DELETES_MAX}",
            field="_count",
            hint=f"Write _count={DELETES_MAX}, or leave it out to delete one resource",
        )
    return int(given[0])


def refuse_change(
    store: Store, unit: "Unit", call: Call, interaction: str, type_name: str, logical_id: str, *, lock: bool = True
) -> Stored | None:
    """Refuse to change a record that is not the caller's, or another part's; nobody changes it until the unit ends.

    `lock` is False in a unit that only reads, and writes nothing of what it found. Returns the current version where it
    had to look.
    """
    if not (store.reserved or call.principal.bindings):
        return None
    look = store.repository.locked if lock else store.repository.find
    current = look(unit, call, type_name, logical_id)
    if current is None:
        return None
    authorise(call, interaction, current)
    if any(system.encode() in current.body for system in store.reserved):
        refuse_reserved(store.reserved, json.loads(current.body))
    return current
