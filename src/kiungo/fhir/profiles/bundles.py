"""Bundles: addresses of entries, one resource once, and documents and messages that hold what they refer to.

Source: FHIR R4 2.36.3-4 (Bundle, fullUrl, resolving references), 3.3 (documents), 3.4 (messages).
"""

import re
from collections.abc import Iterator
from typing import Any

from kiungo.fhir.profiles.findings import At, Json, text_of
from kiungo.fhir.profiles.questionnaires.enabling import listed
from kiungo.fhir.profiles.reachable import check_reachable
from kiungo.fhir.profiles.references import type_in_text
from kiungo.fhir.profiles.resources import inner_scope
from kiungo.fhir.profiles.run import Run, Scope, in_bundle

SEALED = frozenset({"document", "message"})
PAGING = frozenset({"self", "first", "previous", "prev", "next", "last"})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match
_VERBS = frozenset({"batch", "transaction"})


def check_bundle(o: Json, at: At, run: Run) -> None:
    """What the invariants of Bundle leave out."""
    kind = text_of(o, "type")
    _check_links(o, at, run)
    entries = o.get("entry")
    if entries.__class__ is not list:
        return
    seen: dict[tuple[str, Any], int] = {}
    for index, entry in enumerate(entries):
        if entry.__class__ is not dict:
            continue
        where: At = (at, "entry", index)
        _check_address(entry, kind, where, run)
        _check_mode(entry, kind, where, run)
        if kind != "history":
            _check_once(entry, index, seen, where, run)
    if kind in SEALED:
        _check_references(o, entries, kind, at, run)


def _check_links(o: Json, at: At, run: Run) -> None:
    links = o.get("link")
    seen: set[str] = set()
    for index, link in enumerate(links if links.__class__ is list else ()):
        relation = text_of(link, "relation")
        if relation in PAGING:
            if relation in seen:
                run.error("invalid", (at, "link", index), f"is a second link {relation}; one of each is allowed")
            seen.add(relation)


def _check_address(entry: Json, kind: Any, at: At, run: Run) -> None:
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if url.__class__ is not str:
        if kind in SEALED:
            run.error("required", at, f"has no fullUrl, which every entry of a {kind} needs")
        return
    if not _SCHEME(url):
        run.error("invalid", at, f"has the fullUrl {url[:100]}, which is not absolute")
        return
    if resource.__class__ is not dict or not url.startswith("http"):
        return
    name, logical_id = resource.get("resourceType"), resource.get("id")
    parts = url.rstrip("/").split("/")
    looks_restful = len(parts) >= 5 and type_in_text(url) is not None
    if looks_restful and logical_id is None and kind not in _VERBS:
        run.error("invalid", at, f"has the fullUrl {url[:100]}, but its resource has no id")
    elif looks_restful and logical_id is not None and parts[-2:] != [name, logical_id]:
        run.error("invalid", at, f"has the fullUrl {url[:100]}, which does not end with {name}/{logical_id}")


def _check_mode(entry: Json, kind: Any, at: At, run: Run) -> None:
    search = entry.get("search")
    mode = search.get("mode") if search.__class__ is dict else None
    resource = entry.get("resource")
    name = resource.get("resourceType") if resource.__class__ is dict else None
    if kind == "searchset" and mode == "outcome" and name not in (None, "OperationOutcome"):
        run.error("invalid", at, f"has the search mode outcome, but holds a {name}, not an OperationOutcome")


def _check_once(entry: Json, index: int, seen: dict[tuple[str, Any], int], at: At, run: Run) -> None:
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if url.__class__ is not str:
        return
    meta = resource.get("meta") if resource.__class__ is dict else None
    version = meta.get("versionId") if meta.__class__ is dict else None
    key = (url, version if version.__class__ is str else None)
    if key in seen:
        run.error("invariant", at, f"has the same fullUrl as entry[{seen[key]}]", "bdl-7")
    seen.setdefault(key, index)


def _check_references(o: Json, entries: list[Any], kind: str, at: At, run: Run) -> None:
    """What the first resource of a document or message refers to must be in the Bundle."""
    first = entries[0].get("resource") if entries and entries[0].__class__ is dict else None
    if first.__class__ is not dict:
        return
    name = "Composition" if kind == "document" else "MessageHeader"
    if first.get("resourceType") != name:
        return  # the invariants bdl-11 and bdl-12 say so
    where: At = ((at, "entry", 0), "resource", -1)
    scope = inner_scope(first, where, run.scope)
    for place, text in references(first, where):
        if text.startswith("#") or in_bundle(scope, text) is not None:
            continue
        run.error("invalid", place, f"points to {text[:100]}, which is not in the {kind}")
    if kind == "document":
        check_reachable(o, entries, at, run, [_links(entry, n, at, run) for n, entry in enumerate(entries)])


def _links(entry: Any, number: int, at: At, run: Run) -> list[tuple[Scope, str]]:
    """What an entry refers to, with the scope in which that is understood."""
    resource = entry.get("resource") if entry.__class__ is dict else None
    if resource.__class__ is not dict:
        return []
    where: At = ((at, "entry", number), "resource", -1)
    scope = inner_scope(resource, where, run.scope)
    inner = [resource, *(one for one in listed(resource.get("contained")) if one.__class__ is dict)]
    return [(scope, text) for one in inner for _, text in references(one, where) if not text.startswith("#")]


def references(value: Any, at: At) -> Iterator[tuple[At, str]]:
    """Every literal reference inside a value, with its place; those of contained resources are left out."""
    if value.__class__ is dict:
        text = value.get("reference")
        if text.__class__ is str:
            yield at, text
        for key, inner in value.items():
            if key == "contained":
                continue
            if inner.__class__ is list:
                for index, one in enumerate(inner):
                    yield from references(one, (at, key, index))
            elif inner.__class__ is dict:
                yield from references(inner, (at, key, -1))
