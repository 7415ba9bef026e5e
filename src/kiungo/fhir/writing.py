"""Updates and deletes as callers ask for them: by id or by condition, each authorised on the record it meets."""

from dataclasses import replace
from typing import TYPE_CHECKING

from kiungo.base.errors import Incorrect
from kiungo.fhir.model import RESOURCE_ID_WRONG, Prepared, Stored
from kiungo.fhir.search.query import Params
from kiungo.fhir.store import Store
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit


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
    repository = store.repository
    if logical_id is None:
        found = repository.find_one(unit, call, prepared.type, condition or ())
        if found is None and prepared.body_id is None:
            return repository.create(unit, call, replace(prepared, id=repository.new_id()))
        logical_id = found.id if found is not None else prepared.body_id
        if prepared.body_id not in (None, logical_id):
            raise Incorrect(
                RESOURCE_ID_WRONG,
                "The resource has another id than the one its condition matches",
                field="id",
                hint="Leave the id out",
            )
    if call.principal.bindings:
        current = repository.find(unit, call, prepared.type, str(logical_id))
        if current is not None:
            store.authorise(call, "u", current)
    return repository.update(unit, call, replace(prepared, id=logical_id), if_match)


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
    if logical_id is None:
        found = store.repository.find_one(unit, call, type_name, condition or ())
        if found is None:
            return None
        logical_id = found.id
    if call.principal.bindings:
        current = store.repository.find(unit, call, type_name, logical_id)
        if current is not None:
            store.authorise(call, "d", current)
    return store.repository.delete(unit, call, type_name, logical_id, if_match)
