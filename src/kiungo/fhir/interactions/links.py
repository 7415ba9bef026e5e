"""Links in a transaction that are no references: elements of uri or url, and a narrative's href and src.

An attachment may name a Binary by the name its entry has in the bundle. Only `urn:uuid:` names are followed, since they
mean nothing outside it; a canonical address may equal an entry's own fullUrl and must stay. So must an element of uuid
or oid: it cannot hold the address of a resource.
Source: FHIR R4 3.1.0.11.2 (replacing links).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from kiungo.fhir.definitions import find_type
from kiungo.kernel import json

NAME = "urn:uuid:"
_KINDS = frozenset({"uri", "url"})
_IN_NARRATIVE = re.compile(r"""(\b(?:href|src)\s*=\s*["'])([^"'#]+)""")
Names = Mapping[str, str]


def linked(text: bytes, names: Names) -> bytes:
    """A resource's text with its links renamed; the text itself when it has none of these names in it.

    Shapes: `names` has the final address of each name, such as `Binary/42`. Only a text that is changed is rendered
    anew, every decimal with the digits it came with.
    """
    if not any(name.encode() in text for name in names):
        return text
    tree = json.loads(text)
    if not isinstance(tree, dict) or not _renamed(tree, str(tree.get("resourceType")), names):
        return text
    return json.dumps(tree)


def temporary(names: Names) -> dict[str, str]:
    """Of a bundle's names those that mean nothing outside it."""
    return {name: address for name, address in names.items() if name.startswith(NAME)}


@lru_cache(maxsize=512)
def _members(type_name: str) -> dict[str, str]:
    found = find_type(type_name)
    return {name: kind for element in (found.elements if found else ()) for name, kind in element.written()}


def _renamed(value: dict[str, Any], type_name: str, names: Names) -> bool:
    """Rename the links inside an element; whether there were any."""
    kinds, changed = _members(value.get("resourceType", type_name)), False
    for name, inner in value.items():
        kind = kinds.get(name)
        rename = _rename_of(kind)
        for place, key, item in _items(value, name, inner):
            if isinstance(item, dict) and kind is not None:
                changed |= _renamed(item, kind, names)
            elif isinstance(item, str) and rename is not None:
                text = rename(item, names)
                if text != item:
                    place[key], changed = text, True
    return changed


def _items(value: dict[str, Any], name: str, inner: Any) -> list[tuple[Any, Any, Any]]:
    """The values of a member, each with the place that holds it."""
    if isinstance(inner, list):
        return [(inner, position, item) for position, item in enumerate(inner)]
    return [(value, name, inner)]


def _rename_of(kind: str | None) -> Callable[[str, Names], str] | None:
    if kind in _KINDS:
        return _renamed_link
    return _renamed_narrative if kind == "xhtml" else None


def _renamed_link(text: str, names: Names) -> str:
    name, mark, fragment = text.partition("#")
    return names[name] + mark + fragment if name in names else text


def _renamed_narrative(text: str, names: Names) -> str:
    return _IN_NARRATIVE.sub(lambda match: match[1] + names.get(match[2], match[2]), text)
