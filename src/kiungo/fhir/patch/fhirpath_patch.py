"""FHIRPath Patch: add, insert, delete, replace and move, at places that FHIRPath expressions name.

Source: FHIR R4 3.1.5 (FHIRPath Patch).
"""

from collections.abc import Callable
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath import Expression, Node, compile
from kiungo.fhir.patch.errors import OPERATIONS_MAX, copied, malformed, unfit
from kiungo.fhir.patch.values import find_child, fitted, insert, put, read_value, take_out

_PARTS = {
    "add": ("path", "name", "value"),
    "insert": ("path", "value", "index"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
Part = dict[str, Any]


def fhirpath_patch(resource: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The resource with every operation applied in order.

    Shapes: `parameters` is a Parameters resource; each parameter named operation has parts type, path and, by type,
    name, value, index, source and destination.
    Raises: Incorrect (PATCH_MALFORMED, PATCH_NOT_APPLICABLE), naming the operation.
    """
    if parameters.get("resourceType") != "Parameters" or not isinstance(parameters.get("parameter"), list):
        raise malformed("patch", "a FHIRPath Patch is a Parameters resource with parameters named operation")
    operations = parameters["parameter"]
    if len(operations) > OPERATIONS_MAX:
        raise malformed("patch", f"it has more than {OPERATIONS_MAX} operations", "Send several patches, or an update")
    work: dict[str, Any] = copied(resource)
    for position, operation in enumerate(operations):
        place = f"parameter[{position}]"
        if not isinstance(operation, dict) or operation.get("name") != "operation":
            raise malformed(place, "only parameters named operation are allowed")
        name, parts = _read(operation, place)
        _OPERATIONS[name](work, parts, place)
    return work


def _read(operation: Part, place: str) -> tuple[str, dict[str, Part]]:
    parts: dict[str, Part] = {}
    given = operation.get("part")
    for part in given if isinstance(given, list) else ():
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or name in parts:
            raise malformed(place, f"the part {name!r} is unnamed or stands twice")
        parts[name] = part
    wanted = parts.get("type", {})
    name = wanted.get("valueCode", wanted.get("valueString"))
    if name not in _PARTS:
        raise malformed(f"{place}.type", f"{name!r} is no operation", f"Operations are {', '.join(_PARTS)}")
    missing = [one for one in _PARTS[name] if one not in parts]
    if missing:
        raise malformed(place, f"{name} needs {' and '.join(missing)}")
    return name, parts


def _text(parts: dict[str, Part], name: str, place: str) -> str:
    value = parts[name].get("valueString", parts[name].get("valueCode"))
    if not isinstance(value, str) or not value:
        raise malformed(f"{place}.{name}", "it needs a valueString")
    return value


def _integer(parts: dict[str, Part], name: str, place: str) -> int:
    for key in ("valueInteger", "valueUnsignedInt", "valuePositiveInt"):
        value = parts[name].get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    raise malformed(f"{place}.{name}", "it needs a valueInteger")


def _expression(parts: dict[str, Part], work: dict[str, Any], place: str) -> Expression:
    text = _text(parts, "path", place)
    try:
        return compile(text, type=work.get("resourceType"), strict=True)
    except Incorrect as error:
        raise malformed(f"{place}.path", error.message, error.hint) from None


def _nodes(expression: Expression, work: dict[str, Any], place: str) -> list[Node]:
    try:
        found = expression(work)
    except Incorrect as error:
        raise unfit(f"{place}.path", error.message, error.hint) from None
    nodes = [item for item in found if isinstance(item, Node)]
    if len(nodes) != len(found):
        raise unfit(f"{place}.path", "it gives a value, not an element of the resource")
    if any(_top(node).value is not work for node in nodes):
        raise unfit(f"{place}.path", "it leaves the resource that is patched")
    return nodes


def _top(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def _one(parts: dict[str, Part], work: dict[str, Any], place: str) -> Node:
    text = _text(parts, "path", place)
    nodes = _nodes(_expression(parts, work, place), work, place)
    if len(nodes) != 1:
        count = "nothing" if not nodes else f"{len(nodes)} elements"
        raise unfit(f"{place}.path", f"{text} finds {count}, and needs one element", "Name one with [0] or where()")
    return nodes[0]


def _holder(node: Node) -> dict[str, Any]:
    """The object that holds a node's children; made for a primitive that has none yet."""
    if isinstance(node.value, dict):
        return node.value
    if node.extra is not None:
        return node.extra
    assert node.parent is not None
    outer, key = _holder(node.parent), _key(node)
    node.extra = {}
    if node.index < 0:
        outer["_" + key] = node.extra
    else:
        beside = outer.setdefault("_" + key, [])
        beside += [None] * (node.index + 1 - len(beside))
        beside[node.index] = node.extra
    return node.extra


def _key(node: Node) -> str:
    """The JSON name of a node in its parent."""
    assert node.parent is not None
    child = node.parent.type.children.get(node.name)
    if child is None:
        return node.name
    return next((key for key, type_ in child.written if type_ is node.type), child.written[0][0])


def _add(work: dict[str, Any], parts: dict[str, Part], place: str) -> None:
    node = _one(parts, work, place)
    child, key = find_child(node.type, _text(parts, "name", place), f"{place}.name")
    name, value, extra = fitted(read_value(parts["value"], f"{place}.value"), child, key, f"{place}.value")
    put(_holder(node), child, name, value, extra, f"{place}.name")


def _list_at(work: dict[str, Any], parts: dict[str, Part], place: str) -> tuple[Node, str, int]:
    """The parent of a list, the element's name and how many items it has. Raises: Incorrect."""
    expression = _expression(parts, work, place)
    nodes = _nodes(expression, work, place)
    if nodes:
        parent, name = nodes[0].parent, nodes[0].name
        if parent is None or any(node.parent is not parent or node.name != name for node in nodes):
            raise unfit(f"{place}.path", "it finds elements of several lists, and needs one list")
    else:
        above, name = _above(expression, work, place)
        if above is None:
            raise unfit(f"{place}.path", "it finds nothing, nor the element that would hold the list")
        parent = above
    child, _ = find_child(parent.type, name, f"{place}.path")
    if not child.is_list:
        raise unfit(f"{place}.path", f"{name} does not repeat", "Use add or replace")
    return parent, name, len(nodes)


def _above(expression: Expression, work: dict[str, Any], place: str) -> tuple[Node | None, str]:
    """Where an empty list would stand: the path up to its last name."""
    split = expression.without_last_name()
    if split is None:
        return None, ""
    shorter, name = split
    nodes = _nodes(shorter, work, place)
    return (nodes[0] if len(nodes) == 1 else None), name


def _insert(work: dict[str, Any], parts: dict[str, Part], place: str) -> None:
    parent, name, length = _list_at(work, parts, place)
    index = _place_in(parts, "index", length + 1, place)
    child, key = find_child(parent.type, name, f"{place}.path")
    written, value, extra = fitted(read_value(parts["value"], f"{place}.value"), child, key, f"{place}.value")
    insert(_holder(parent), written, index, value, extra)


def _place_in(parts: dict[str, Part], name: str, length: int, place: str) -> int:
    index = _integer(parts, name, place)
    if not 0 <= index < length:
        raise unfit(f"{place}.{name}", f"{index} is no place in a list of {length} places", "Count from 0")
    return index


def _delete(work: dict[str, Any], parts: dict[str, Part], place: str) -> None:
    nodes = _nodes(_expression(parts, work, place), work, place)
    if not nodes:
        return  # what is not there is gone already
    if len(nodes) > 1:
        raise unfit(f"{place}.path", f"it finds {len(nodes)} elements, and delete takes one", "Name one with [0]")
    node = nodes[0]
    if node.parent is None:
        raise unfit(f"{place}.path", "the whole resource cannot be deleted by a patch", "Use DELETE")
    take_out(_holder(node.parent), _key(node), node.index)
    _drop_if_empty(node.parent)


def _drop_if_empty(node: Node) -> None:
    """FHIR has no empty elements: one that lost its last child goes too."""
    if node.parent is not None and not _holder(node):
        holder, key = _holder(node.parent), _key(node)
        if isinstance(node.value, dict) or node.value is None:
            take_out(holder, key, node.index)
            _drop_if_empty(node.parent)
        elif node.index < 0:
            del holder["_" + key]
        else:
            holder["_" + key][node.index] = None


def _replace(work: dict[str, Any], parts: dict[str, Part], place: str) -> None:
    node = _one(parts, work, place)
    if node.parent is None:
        raise unfit(f"{place}.path", "the whole resource cannot be replaced by a patch", "Use an update")
    child, _ = find_child(node.parent.type, node.name, f"{place}.path")
    name, value, extra = fitted(read_value(parts["value"], f"{place}.value"), child, "", f"{place}.value")
    holder, index = _holder(node.parent), node.index
    if index < 0:
        take_out(holder, _key(node), -1)
        put(holder, child, name, value, extra, f"{place}.path")
    else:
        insert(holder, name, index, value, extra)
        take_out(holder, name, index + 1)


def _move(work: dict[str, Any], parts: dict[str, Part], place: str) -> None:
    parent, name, length = _list_at(work, parts, place)
    source, destination = _place_in(parts, "source", length, place), _place_in(parts, "destination", length, place)
    holder = _holder(parent)
    if length > 1 and source != destination:
        value, extra = take_out(holder, name, source)
        insert(holder, name, destination, value, extra)


_OPERATIONS: dict[str, Callable[[dict[str, Any], dict[str, Part], str], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}
