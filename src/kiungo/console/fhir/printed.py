"""A resource as people read it: its JSON with references to follow, and a short name for a list."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from kiungo.console.fhir.frame import address_of
from kiungo.fhir.definitions import resource_types

_REFERENCE = re.compile(r"([A-Z][A-Za-z]{1,40})/([A-Za-z0-9\-.]{1,64})\Z", re.ASCII)
_TYPES = frozenset(resource_types())
NAME_CHARACTERS_MAX = 80


def printed(tree: Any) -> Markup:
    """JSON, indented, each kind of value in its own colour; a reference to a record of ours is a link."""
    return Markup("").join(_lines(tree, 0, ""))


def _lines(value: Any, depth: int, key: str) -> list[Markup]:
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict) and value:
        parts = [Markup("{\n")]
        for number, (name, one) in enumerate(value.items()):
            comma = "," if number < len(value) - 1 else ""
            parts.append(Markup('{}<span class="key">{}</span>: ').format(inner, quote(name)))
            parts += _lines(one, depth + 1, name)
            parts.append(Markup("{}\n").format(comma))
        return [*parts, Markup("{}}}").format(outer)]
    if isinstance(value, list) and value:
        parts = [Markup("[\n")]
        for number, one in enumerate(value):
            comma = "," if number < len(value) - 1 else ""
            parts += [Markup("{}").format(inner), *_lines(one, depth + 1, key), Markup("{}\n").format(comma)]
        return [*parts, Markup("{}]").format(outer)]
    return [_leaf(value, key)]


def _leaf(value: Any, key: str) -> Markup:
    if isinstance(value, str):
        quoted = escape(quote(value))
        found = _REFERENCE.match(value) if key == "reference" else None
        if found and found[1] in _TYPES:
            return Markup('<a class="text" href="{}">{}</a>').format(address_of(found[1], found[2]), quoted)
        return Markup('<span class="text">{}</span>').format(quoted)
    return Markup('<span class="number">{}</span>').format(plain(value))


def quote(text: str) -> str:
    """A string as JSON writes it, but for characters everybody can read."""
    held = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{held}"'


def plain(value: Any) -> str:
    """A value as JSON writes it; a Decimal with its digits."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return str(value) if isinstance(value, int | Decimal) else "{}" if isinstance(value, dict) else "[]"


def name_of(tree: Mapping[str, Any]) -> str:
    """What a resource is called in a list: its name, its code, what it is of; empty when it says nothing."""
    for member in ("name", "title", "code", "vaccineCode", "medicationCodeableConcept", "type", "class", "description"):
        text = _text(tree.get(member))
        if text:
            return text[:NAME_CHARACTERS_MAX]
    return ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next((text for text in map(_text, value) if text), "")
    if not isinstance(value, Mapping):
        return ""
    if "family" in value or "given" in value:
        given = [one for one in value.get("given", []) if one]
        return str(value.get("text") or " ".join([*given, value.get("family", "")])).strip()
    coded = value.get("coding")
    return str(value.get("text") or value.get("display") or _text(coded) or value.get("code") or "")
