"""Entering a resource within another: contained, in an entry of a Bundle, in a parameter.

Source: FHIR R4 2.36.4 (Bundle), DomainResource dom-2..5 (contained resources).
"""

from typing import Any

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.run import Run, Scope, mentions


def enter(value: Any, at: At, run: Run) -> None:
    """Judge a resource that stands inside another."""
    if value.__class__ is not dict or value.get("resourceType").__class__ is not str:
        return
    scope = inner_scope(value, at, run.scope)
    if scope.root is not value:
        _check_contained(value, at, run)
    run.inside(scope, lambda: run.library.judge_resource(value, at, run))


def inner_scope(value: Json, at: At, scope: Scope) -> Scope:
    """The scope of a resource inside the one at hand."""
    if at[1] == "contained":
        return Scope(value, scope.root, at, scope.bundle, scope.full_url, scope.by_url, scope)
    bundle, full_url, by_url = scope.bundle, scope.full_url, scope.by_url
    if scope.resource.get("resourceType") == "Bundle":
        bundle, full_url = scope.resource, _full_url(scope.resource, at)
    if value.get("resourceType") == "Bundle":
        return own_scope(value, at, scope)
    return Scope(value, value, at, bundle, full_url, by_url, scope)


def own_scope(resource: Json, at: At, outer: Scope | None = None) -> Scope:
    """The scope of a resource that stands by itself, or of a Bundle wherever it stands."""
    if resource.get("resourceType") == "Bundle":
        return Scope(resource, resource, at, resource, None, addresses(resource), outer)
    return Scope(resource, resource, at, None, None, {}, outer)


class Addresses(dict[str, Json]):
    """The resources of a Bundle by address. `url_of` has each one's address by its `id()`."""

    def __init__(self) -> None:
        super().__init__()
        self.url_of: dict[int, str] = {}


def addresses(bundle: Json) -> Addresses:
    """The resources of a Bundle by fullUrl, also with their version; by type and id where there is no fullUrl."""
    found = Addresses()
    entries = bundle.get("entry")
    for entry in entries if entries.__class__ is list else ():
        resource = entry.get("resource") if entry.__class__ is dict else None
        if resource.__class__ is not dict:
            continue
        url = entry.get("fullUrl")
        meta = resource.get("meta")
        version = meta.get("versionId") if meta.__class__ is dict else None
        keys = [url] if url.__class__ is str else [f"{resource.get('resourceType')}/{resource.get('id')}"]
        for key in keys:
            found.setdefault(key, resource)
            found.url_of.setdefault(id(resource), key)
            if version.__class__ is str:
                found.setdefault(f"{key}/_history/{version}", resource)
    return found


def _full_url(bundle: Json, at: At) -> str | None:
    entry_at = at[0]
    entries = bundle.get("entry")
    if entry_at is None or entries.__class__ is not list or not 0 <= entry_at[2] < len(entries):
        return None
    entry = entries[entry_at[2]]
    url: Any = entry.get("fullUrl") if entry.__class__ is dict else None
    return url if url.__class__ is str else None


def scope_of(item: Item, scope: Scope) -> Scope:
    """The scope in which a resource found somewhere (inside, or at the end of a reference) is judged."""
    value = item.value
    if value is scope.resource:
        return scope
    contained = scope.root.get("contained")
    if contained.__class__ is list and any(one is value for one in contained):
        return Scope(value, scope.root, item.at, scope.bundle, scope.full_url, scope.by_url, scope)
    if value.get("resourceType") == "Bundle":
        return own_scope(value, item.at, scope)
    known = scope.by_url.url_of if isinstance(scope.by_url, Addresses) else {}
    full_url = known.get(id(value), scope.full_url)
    return Scope(value, value, item.at, scope.bundle, full_url, scope.by_url, scope)


def _check_contained(value: Json, at: At, run: Run) -> None:
    meta = value.get("meta")
    if meta.__class__ is dict:
        for name, key in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
            if name in meta:
                run.error("invariant", at, f"is contained and must not have meta.{name}", key)
    logical_id: Any = value.get("id")
    if logical_id.__class__ is not str:
        run.error("required", at, "is contained and has no id, so nothing can refer to it", "dom-3")
        return
    others = run.scope.root.get("contained")
    first = next((o for o in others if o.__class__ is dict and o.get("id") == logical_id), value) if others else value
    if first is not value:
        run.error("invalid", at, f"has the id {logical_id[:64]}, which is that of another contained resource")
    if not run.is_mentioned(run.scope.root, logical_id) and "" not in mentions(value):
        run.error("invariant", at, f"is contained, but nothing refers to #{logical_id}", "dom-3")
