"""Reading an element's values out of JSON: which keys it may be written under, its type, and its `_name` sibling."""

from collections.abc import Callable
from functools import lru_cache
from itertools import zip_longest
from typing import Any, NamedTuple

from kiungo.fhir import definitions
from kiungo.fhir.definitions import Element
from kiungo.fhir.profiles.findings import At

Json = dict[str, Any]


class Item(NamedTuple):
    """One value. Shapes: `sibling` carries a primitive's id and extensions; a backbone's type is its path."""

    value: Any
    sibling: Any
    type: str
    at: At


class Read(NamedTuple):
    """A JSON key an element may be written under."""

    key: str
    type: str
    is_primitive: bool


@lru_cache(maxsize=4096)
def elements_of(type_name: str) -> dict[str, Element]:
    """The elements of a type by name, choices with their `[x]`; empty for what is no type."""
    definition = definitions.find_type(type_name)
    return {e.name: e for e in definition.elements} if definition else {}


@lru_cache(maxsize=8192)
def reads_of(type_name: str, name: str) -> tuple[Read, ...]:
    """The keys of an element; `value` means the choice value[x] as FHIRPath does."""
    elements = elements_of(type_name)
    element = elements.get(name) or elements.get(name + "[x]")
    if element is None:
        return ()
    return tuple(Read(key, _PLAIN.get(kind, kind), is_primitive(kind)) for key, kind in element.written())


# A SimpleQuantity is a type to the structural validator only; profiles call it Quantity.
_PLAIN = {"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity"}


def is_primitive(type_name: str) -> bool:
    """Whether values of the type are JSON strings, numbers or booleans."""
    definition = definitions.find_type(type_name)
    return definition is not None and definition.is_primitive


def reader(reads: tuple[Read, ...]) -> "Callable[[Json, At], list[Item]]":
    """The quickest way to read an element: by its one key, or for a choice by the keys that are there."""
    if len(reads) != 1:
        keys = {read.key: (read,) for read in reads} | {"_" + read.key: (read,) for read in reads if read.is_primitive}

        def read_choice(o: Json, at: At) -> list[Item]:
            for key in o:
                if key in keys:
                    return items(o, keys[key] if key[0] != "_" else reads, at)
            return []

        return read_choice
    key, kind, primitive = reads[0]
    if primitive or kind == "Resource":
        return lambda o, at: items(o, reads, at)

    def read_objects(o: Json, at: At) -> list[Item]:
        value = o.get(key)
        if value.__class__ is list:
            return [Item(one, None, kind, (at, key, i)) for i, one in enumerate(value) if one is not None]
        return [] if value is None else [Item(value, None, kind, (at, key, -1))]

    return read_objects


def items(o: Json, reads: tuple[Read, ...], at: At) -> list[Item]:
    """The values of an element in order; what is malformed is left to the structural validator."""
    found: list[Item] = []
    for key, kind, primitive in reads:
        value = o.get(key)
        sibling = o.get("_" + key) if primitive else None
        if value is None and sibling is None:
            continue
        if value.__class__ is list or (value is None and sibling.__class__ is list):
            others = sibling if sibling.__class__ is list else ()
            for index, (one, other) in enumerate(zip_longest(value or (), others)):
                if one is not None or other is not None:
                    found.append(Item(one, other, actual_type(one, kind), (at, key, index)))
        else:
            found.append(Item(value, sibling, actual_type(value, kind), (at, key, -1)))
    return found


def actual_type(value: Any, kind: str) -> str:
    """The declared type, or for a resource the one it names."""
    if kind != "Resource" or value.__class__ is not dict:
        return kind
    name = value.get("resourceType")
    return name if name.__class__ is str else kind


def children(item: Item, name: str) -> list[Item]:
    """The values of a child of an item, also of a primitive's extensions."""
    if item.value.__class__ is dict:
        return items(item.value, reads_of(item.type, name), item.at)
    if item.sibling.__class__ is dict:
        return items(item.sibling, reads_of("Element", name), item.at)
    return []
