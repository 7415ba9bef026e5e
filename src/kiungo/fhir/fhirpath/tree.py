"""Steps down a resource: the children of a node by name, and all of them."""

from typing import Any

from kiungo.fhir.fhirpath.types import OPEN, Child, Type, find_type, type_of_resource
from kiungo.fhir.fhirpath.values import Collection, Node, Quantity, TypeInfo, Value

_GUESSED = {bool: "boolean", int: "integer", str: "string"}


def add_children(item: Value, name: str, found: Collection) -> None:
    """Append the children of one name to `found`, in their order."""
    if item.__class__ is not Node:
        _add_system_member(item, name, found)
        return
    assert isinstance(item, Node)
    value = item.value
    if value.__class__ is not dict:
        value = item.extra
        if value is None:
            return
    child = item.type.children.get(name)
    if child is None:
        if item.type.is_open:
            _add_open(item, name, found)
        return
    key = child.key
    if not key:
        _add_choice(item, value, child, found)
        return
    raw = value.get(key)
    extra = value.get(child.extra_key) if child.extra_key else None
    if raw is not None or extra is not None:
        _add(item, raw, extra, child.type, name, found)


def _add(parent: Node, raw: Any, extra: Any, type_: Type, name: str, found: Collection) -> None:
    """Append one element, or each of a list. What JSON has in the wrong shape is taken as it is, or left out."""
    if raw.__class__ is not list and extra.__class__ is not list:
        found.append(Node(raw, _exact(type_, raw), parent, name, -1, extra if extra.__class__ is dict else None))
        return
    values = raw if raw.__class__ is list else ()
    besides = extra if extra.__class__ is list else ()
    for index in range(max(len(values), len(besides))):
        one = values[index] if index < len(values) else None
        beside = besides[index] if index < len(besides) else None
        if one is not None or beside.__class__ is dict:
            found.append(
                Node(one, _exact(type_, one), parent, name, index, beside if beside.__class__ is dict else None)
            )


def _exact(type_: Type, raw: Any) -> Type:
    """The type of the thing itself where the definition only says that it is a resource."""
    if type_.name == "Resource" and isinstance(raw, dict):
        return type_of_resource(raw.get("resourceType"))
    return type_


def _add_choice(parent: Node, value: dict[str, Any], child: Child, found: Collection) -> None:
    by_key = child.by_key
    keys = by_key if len(by_key) < len(value) else value
    for key in keys:
        plain = key[1:] if key[:1] == "_" else key
        type_ = by_key.get(plain)
        if type_ is not None and (plain in value or type_.is_primitive) and (plain is key or plain not in value):
            raw, extra = value.get(plain), value.get("_" + plain) if type_.is_primitive else None
            if raw is not None or extra is not None:
                _add(parent, raw, extra, type_, child.name, found)


def _add_open(parent: Node, name: str, found: Collection) -> None:
    """Content that R4 does not define: taken as JSON says it."""
    raw = parent.value.get(name) if isinstance(parent.value, dict) else None
    for index, one in enumerate(raw) if isinstance(raw, list) else ((-1, raw),):
        if one is not None:
            found.append(Node(one, _guessed(one), parent, name, index))


def _guessed(raw: Any) -> Type:
    if isinstance(raw, dict):
        return type_of_resource(raw["resourceType"]) if "resourceType" in raw else OPEN
    return find_type(_GUESSED.get(raw.__class__, "decimal")) or OPEN


def _add_system_member(item: Value, name: str, found: Collection) -> None:
    """The few members of System values."""
    if isinstance(item, Quantity):
        members: dict[str, Value] = {"value": item.value, "unit": item.unit}
    elif isinstance(item, TypeInfo):
        members = {"namespace": item.namespace, "name": item.name, "baseType": item.base}
    else:
        return
    if name in members:
        found.append(members[name])


def add_all_children(item: Value, found: Collection) -> None:
    """Append every child, in the order of the type's definition."""
    if not isinstance(item, Node):
        return
    if item.type.is_open:
        for name in item.value if isinstance(item.value, dict) else ():
            if name != "resourceType":
                _add_open(item, name, found)
        return
    value = item.value if isinstance(item.value, dict) else item.extra
    if not value:
        return
    order = item.type.order
    for _, name in sorted({order[key] for key in value if key in order}):
        add_children(item, name, found)


def add_descendants(roots: Collection, found: Collection, spend: Any) -> None:
    """Append all children, their children and so on, each parent before its children."""
    waiting: Collection = []
    for item in roots:
        add_all_children(item, waiting)
    waiting.reverse()
    while waiting:
        item = waiting.pop()
        found.append(item)
        below: Collection = []
        add_all_children(item, below)
        spend(1 + len(below))
        below.reverse()
        waiting += below
