"""resolve(): first within the resource and its Bundle, then by asking the host.

What `resolve() is Patient` asks can often be told without resolving: a reference mostly says what it points to.
"""

import re
from collections.abc import Callable
from typing import Any

from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.types import find_type
from kiungo.fhir.fhirpath.values import Node, Value, resource_node, unwrap

_TARGET = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?$")


def resolved(run: Run, item: Value) -> Node | None:
    """The resource that a Reference, canonical, uri or text points to, or None."""
    reference = _reference_text(item)
    if reference is None:
        return None
    at = item if isinstance(item, Node) else run.resource
    if at is None:
        return None
    container = _container(run, at)
    if reference.startswith("#"):
        return _contained(container, reference[1:])
    found = _in_bundle(_top(run, at), reference)
    if found is not None:
        return found
    answer = run.host.resolve(reference, at)
    return None if answer is None else answer if isinstance(answer, Node) else resource_node(dict(answer))


def refers_to(run: Run, item: Value, matches: Callable[[Value], bool]) -> bool | None:
    """Whether what a reference points to is of a type: by the resource, else by what the reference says of itself."""
    found = resolved(run, item)
    if found is not None:
        return matches(found)
    said = _TARGET.search(_reference_text(item) or "")
    stated = item.value.get("type") if isinstance(item, Node) and isinstance(item.value, dict) else None
    type_ = find_type(said.group(1) if said else stated if isinstance(stated, str) else "")
    return matches(Node({}, type_)) if type_ is not None and type_.is_resource else None


def _reference_text(item: Value) -> str | None:
    if isinstance(item, Node) and item.type.name == "Reference":
        text = item.value.get("reference") if isinstance(item.value, dict) else None
        return text if isinstance(text, str) else None
    value = unwrap(item)
    return value if isinstance(value, str) else None


def _top(run: Run, at: Node) -> Node:
    node = at
    while node.parent is not None:
        node = node.parent
    return run.root if run.root is not None and not node.type.is_resource else node


def _container(run: Run, at: Node) -> Node:
    """The resource whose `contained` a local reference means: that around the contained one."""
    node = at.resource
    if node.name == "contained" and node.parent is not None:
        return node.parent
    return node if node.type.is_resource else run.root or node


def _contained(container: Node, id: str) -> Node | None:
    if not id:
        return container
    contained = container.value.get("contained") if isinstance(container.value, dict) else None
    for index, one in enumerate(contained if isinstance(contained, list) else ()):
        if isinstance(one, dict) and one.get("id") == id:
            found = resource_node(one)
            return Node(one, found.type, container, "contained", index)
    return None


def _in_bundle(top: Node, reference: str) -> Node | None:
    """An entry by its full address, or by the end of it for a relative reference."""
    if top.type.name != "Bundle":
        return None
    wanted = reference.split("/_history/", 1)[0]
    for index, entry in enumerate(_entries(top)):
        full = str(entry.get("fullUrl", ""))
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        local = f"{resource.get('resourceType')}/{resource.get('id')}"
        if full == wanted or (local == wanted and (not full or full.endswith("/" + wanted))):
            holder = Node(entry, resource_node(entry).type, top, "entry", index)
            return Node(resource, resource_node(resource).type, holder, "resource")
    return None


def _entries(bundle: Node) -> list[dict[str, Any]]:
    entries = bundle.value.get("entry") if isinstance(bundle.value, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
