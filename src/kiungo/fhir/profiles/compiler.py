"""Turns a profile's tree into closures, one for each element that demands more than its base type does.

What the base type demands (structure, its invariants, its bindings) is judged once for every resource elsewhere, so
a profile of a hundred elements becomes a handful of checks.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kiungo.fhir.definitions import UNBOUNDED, Element
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import Item, elements_of, reader, reads_of
from kiungo.fhir.profiles.nodes import Node
from kiungo.fhir.profiles.run import Run
from kiungo.fhir.profiles.slices import SliceCheck, slice_check
from kiungo.fhir.profiles.values import ValueCheck, value_checks

if TYPE_CHECKING:
    from kiungo.fhir.profiles.library import Library

ObjectCheck = Callable[[Json, At, Run], None]
NESTED_MAX = 40


def object_checks(node: Node, type_name: str, library: "Library", source: str, depth: int = 0) -> list[ObjectCheck]:
    """The checks of a node's children on an object of a type."""
    if depth > NESTED_MAX:
        return []
    found = []
    for child in node.children.values():
        check = _element_check(child, type_name, library, source, depth)
        if check is not None:
            found.append(check)
    return found


def all_checks(node: Node, element: Element | None, library: "Library", source: str, depth: int) -> list[ValueCheck]:
    """The checks of one value against a node: its own, and those of its children by the value's type."""
    checks = value_checks(node, element, library, source)
    if node.children:
        checks.append(_children_check(node, library, source, depth))
    return checks


def _children_check(node: Node, library: "Library", source: str, depth: int) -> ValueCheck:
    compiled: dict[str, list[ObjectCheck]] = {}

    def check(item: Item, run: Run) -> None:
        kind = item.type
        made = compiled.get(kind)
        if made is None:
            made = compiled[kind] = object_checks(node, kind, library, source, depth + 1)
        value = item.value if item.value.__class__ is dict else item.sibling
        if value.__class__ is dict:
            for one in made:
                one(value, item.at, run)
        elif item.value is not None and made:
            for one in made:  # a primitive without extensions may still lack one that is required
                one({}, item.at, run)

    return check


def _element_check(node: Node, type_name: str, library: "Library", source: str, depth: int) -> ObjectCheck | None:
    element = elements_of(type_name).get(node.name)
    reads = reads_of(type_name, node.name)
    if element is None or not reads:
        return None
    least, most = _bounds(node, element)
    checks = all_checks(node, element, library, source, depth)
    slicing = _slicing(node, element, library, source, depth)
    if not (least or most is not None or checks or slicing):
        return None
    key, label, read = reads[0].key, node.name, reader(reads)
    rule = node.min_source or source

    def check(o: Json, at: At, run: Run) -> None:
        found = read(o, at)
        if least and len(found) < least:
            run.error("required", at, _too_few(label, least, len(found), rule), rule)
        if most is not None and len(found) > most:
            run.error("structure", at, _too_many(label, most, len(found), source), source)
        for item in found:
            for one in checks:
                one(item, run)
        if slicing is not None:
            slicing(found, at, run)

    if most is None and not checks and slicing is None and len(reads) == 1:
        return _only_required(key, least, rule, read)
    if _is_fixed_text(node, element) and slicing is None and len(checks) == 1:
        return _quick_fixed(key, node.fixed[1] if node.fixed else "", check)
    return check


def _is_fixed_text(node: Node, element: Element) -> bool:
    return node.fixed is not None and node.fixed[1].__class__ is str and element.max == 1


def _quick_fixed(key: str, wanted: str, check: ObjectCheck) -> ObjectCheck:
    """An element with one fixed text: the right one is seen at a glance, anything else is looked at in full."""

    def quick(o: Json, at: At, run: Run) -> None:
        if o.get(key) != wanted:
            check(o, at, run)

    return quick


def _only_required(key: str, least: int, rule: str, read: Callable[[Json, At], list[Item]]) -> ObjectCheck:
    """The most frequent demand, an element that must be there, without looking at its values."""
    other = "_" + key

    def check(o: Json, at: At, run: Run) -> None:
        value = o.get(key)
        if value is None:
            value = o.get(other)
        found = 0 if value is None else len(value) if value.__class__ is list else 1
        if found < least:
            found = len(read(o, at))  # what has extensions only may stand beyond the values
        if found < least:
            run.error("required", at, _too_few(key, least, found, rule), rule)

    return check


def _too_few(label: str, least: int, found: int, rule: str) -> str:
    number = "is required" if least == 1 else f"is needed {least} times, found {found}"
    return f"lacks {label}: it {number} by {rule}"


def _too_many(label: str, most: int, found: int, rule: str) -> str:
    return f"has {found} of {label}, but {rule} allows {most}"


def _bounds(node: Node, element: Element) -> tuple[int, int | None]:
    """What the profile demands beyond the base type; (0, None) is nothing."""
    least = node.min or 0
    most = node.max
    if most is None or most == UNBOUNDED or (element.max != UNBOUNDED and most >= element.max):
        most = None
    return (least if least > element.min else 0), most


def _slicing(node: Node, element: Element, library: "Library", source: str, depth: int) -> SliceCheck | None:
    if node.slicing is None or not (node.slices or node.slicing.rules == "closed"):
        return None
    return slice_check(node, element, library, source, lambda one: all_checks(one, None, library, source, depth + 1))
