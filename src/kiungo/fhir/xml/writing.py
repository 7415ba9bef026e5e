"""From a resource as a dict to XML: elements in the order of their definitions, every digit and extension kept."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kiungo.fhir.xml.narrative import NarrativeWrong, canonical, escaped
from kiungo.fhir.xml.problems import unwritable
from kiungo.fhir.xml.table import FHIR, Child, children_of, is_resource

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
# Characters a JSON string may hold and no XML document may. Source: XML 1.0, 2.2.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search


def to_xml(resource: Mapping[str, Any], *, pretty: bool = False) -> bytes:
    """A resource as a document in UTF-8; it holds int and Decimal, never float.

    Raises: Incorrect XML_UNWRITABLE (an unknown element, a character XML has no way to write, a narrative that is
    not well-formed).
    """
    writer = _Writer(pretty)
    writer.resource(resource, "", 0)
    return "".join([HEAD, *writer.parts, "\n" if pretty else ""]).encode()


class _Writer:
    def __init__(self, pretty: bool) -> None:
        self.parts: list[str] = []
        self._pretty = pretty

    def resource(self, node: Mapping[str, Any], place: str, depth: int) -> None:
        """A whole resource: the document's, a contained one, or one in a bundle."""
        name = node.get("resourceType") if isinstance(node, Mapping) else None
        if not isinstance(name, str) or not is_resource(name):
            raise unwritable(place or "resourceType", "is not a resource type of FHIR R4")
        members = {key: value for key, value in node.items() if key != "resourceType"}
        namespace = "" if depth else f' xmlns="{FHIR}"'
        self._element(name, namespace, name, members, place or name, depth)

    def _element(
        self, name: str, attributes: str, type_name: str, node: Mapping[str, Any], place: str, depth: int
    ) -> None:
        """An element with its attributes and children in order."""
        inside: list[tuple[Child, Any, Any]] = []
        for child, value, sibling in self._members(type_name, node, place):
            if child.form == "attribute":
                attributes += f' {child.name}="{self._text(value, f"{place}.{child.name}")}"'
            else:
                inside.append((child, value, sibling))
        self._line(depth)
        if not inside:
            self.parts.append(f"<{name}{attributes}/>")
            return
        self.parts.append(f"<{name}{attributes}>")
        for child, value, sibling in inside:
            self._child(child, value, sibling, f"{place}.{child.name}", depth + 1)
        self._line(depth)
        self.parts.append(f"</{name}>")

    def _members(self, type_name: str, node: Mapping[str, Any], place: str) -> list[tuple[Child, Any, Any]]:
        """Each child that is there, with its value and what `_name` says, in the order of the definition."""
        if not isinstance(node, Mapping):
            raise unwritable(place, "must be an object")
        table = children_of(type_name)
        found: dict[str, Child] = {}
        for key in node:
            name = key[1:] if key.startswith("_") else key
            child = table.get(name)
            if child is None or (key.startswith("_") and child.form != "primitive"):
                raise unwritable(f"{place}.{key}", f"is not an element of {type_name}")
            found[name] = child
        ordered = sorted(found.values(), key=lambda child: child.position)
        return [(child, node.get(child.name), node.get("_" + child.name)) for child in ordered]

    def _child(self, child: Child, value: Any, sibling: Any, place: str, depth: int) -> None:
        if not child.is_list:
            self._one(child, value, sibling, place, depth)
            return
        values, siblings = [] if value is None else value, [] if sibling is None else sibling
        if not isinstance(values, list) or not isinstance(siblings, list):
            raise unwritable(place, "must be an array")
        for index in range(max(len(values), len(siblings))):
            one = values[index] if index < len(values) else None
            beside = siblings[index] if index < len(siblings) else None
            self._one(child, one, beside, f"{place}[{index}]", depth)

    def _one(self, child: Child, value: Any, sibling: Any, place: str, depth: int) -> None:
        if child.form == "primitive":
            attribute = "" if value is None else f' value="{self._text(value, place)}"'
            self._element(child.name, attribute, child.type, sibling or {}, place, depth)
        elif value is None:
            raise unwritable(place, "is null")
        elif child.form == "resource":
            self._line(depth)
            self.parts.append(f"<{child.name}>")
            self.resource(value, place, depth + 1)
            self._line(depth)
            self.parts.append(f"</{child.name}>")
        elif child.form == "xhtml":
            self._line(depth)
            self.parts.append(self._narrative(value, place))
        else:
            self._element(child.name, "", child.type, value, place, depth)

    def _narrative(self, value: Any, place: str) -> str:
        try:
            return canonical(self._string(value, place))
        except NarrativeWrong as error:
            raise unwritable(place, str(error)) from None

    def _text(self, value: Any, place: str) -> str:
        """A primitive value as the text of an attribute."""
        if value.__class__ is bool:
            return "true" if value else "false"
        if value.__class__ is int or value.__class__ is Decimal:
            return str(value)
        return escaped(self._string(value, place))

    def _string(self, value: Any, place: str) -> str:
        if not isinstance(value, str):
            raise unwritable(place, "must be a string, a number with exact digits or a boolean")
        if not value.isprintable() and _NOT_IN_XML(value):
            raise unwritable(place, "holds a character that XML cannot write")
        return value

    def _line(self, depth: int) -> None:
        if self._pretty:
            self.parts.append("\n" + "  " * depth)
