"""$meta, $meta-add and $meta-delete.

A change is a new version like any other, so that history and subscribers see it.
Source: FHIR R4 Resource-meta, Resource-meta-add, Resource-meta-delete.
"""

from typing import TYPE_CHECKING, Any

from kiungo.fhir.interactions.writing import put
from kiungo.fhir.operations.metas_in_use import meta_in_use
from kiungo.fhir.operations.parameters import answer, arguments, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, OperationHandler, Place
from kiungo.fhir.prepare import prepare
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

LISTS = ("profile", "security", "tag")


async def meta(store: Store, request: Request, place: Place) -> Response:
    """The profiles, tags and labels of the current version; of a type or the server, those that are in use."""
    arguments(request, ())
    if not place.id:
        return _shown(await meta_in_use(store, request.call, place.type))
    stored = await store.read(request.call, place.type, place.id)
    return _shown(json.loads(stored.body).get("meta", {}))


async def meta_add(store: Store, request: Request, place: Place) -> Response:
    """Add profiles, tags and labels that are not there yet."""
    return await _changed(store, request, place, added=True)


async def meta_delete(store: Store, request: Request, place: Place) -> Response:
    """Take profiles, tags and labels away."""
    return await _changed(store, request, place, added=False)


async def _changed(store: Store, request: Request, place: Place, *, added: bool) -> Response:
    given = arguments(request, ("meta",)).thing("meta")
    if given is None:
        raise wrong("meta", "is missing", "Send Parameters with valueMeta")
    others = sorted(set(given) - set(LISTS))
    if others:
        raise wrong("meta", f"has {others[0]}, which this operation does not change", f"Give {', '.join(LISTS)} only")

    def work(unit: "Unit") -> Response:
        current = store.repository.read(unit, request.call, place.type, place.id)
        tree: dict[str, Any] = json.loads(current.body)
        held = dict(tree.get("meta", {}))
        for name in LISTS:
            listed = [item for item in held.get(name, []) if added or not _is_listed(item, given.get(name, []))]
            listed += [item for item in given.get(name, []) if added and not _is_listed(item, listed)]
            held.pop(name, None)
            if listed:
                held[name] = listed
        prepared = prepare(json.dumps({**tree, "meta": held}), id=place.id)
        stored = put(store, unit, request.call, prepared, place.id, None, current.version)
        return _shown(json.loads(stored.body).get("meta", {}))

    return await request.write(work)


def _is_listed(item: Any, listed: list[Any]) -> bool:
    """Whether a profile or coding is there already: a coding is the same by its system and code."""
    return any(_same(item, other) for other in listed)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return (one.get("system"), one.get("code")) == (other.get("system"), other.get("code"))
    return bool(one == other)


def _shown(found: dict[str, Any]) -> Response:
    return answer([{"name": "return", "valueMeta": found}])


_OFFERED: tuple[tuple[str, OperationHandler, str], ...] = (
    ("meta", meta, "r"),
    ("meta-add", meta_add, "u"),
    ("meta-delete", meta_delete, "u"),
)
for _name, _handler, _interactions in _OFFERED:
    OPERATIONS.add(
        Operation(
            _name,
            f"{DEFINITIONS}Resource-{_name}",
            _handler,
            frozenset({"system", "type", "instance"}) if _name == "meta" else frozenset({"instance"}),
            methods=("GET", "POST") if _name == "meta" else ("POST",),
            interactions=_interactions,
        )
    )
