"""What turned one version of a resource into another, as the operations of a FHIRPath Patch.

Applying them to the older gives the newer. Lists are compared place by place.
Source: FHIR R4 3.1.0.12.3 (FHIRPath Patch).
"""

from collections.abc import Iterator
from typing import Any

from kiungo.fhir.definitions import Element, find_type, get_type

Parameter = dict[str, Any]
_NOT_CONTENT = frozenset({"resourceType", "id"})
_SERVERS_OWN = frozenset({"versionId", "lastUpdated"})


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[Parameter]:
    """The operations in the order they apply. Shapes: each is a parameter named `operation` with its parts."""
    name = new["resourceType"]
    return list(_of_object(old, new, name, name))


def _of_object(old: dict[str, Any], new: dict[str, Any], type_name: str, path: str) -> Iterator[Parameter]:
    skipped = _SERVERS_OWN if type_name == "Meta" else _NOT_CONTENT if "." not in path else frozenset()
    for element in get_type(type_name).elements:
        before, after = _written(old, element), _written(new, element)
        stem = element.name.removesuffix("[x]")
        if stem in skipped or before == after:
            continue
        here = f"{path}.{stem}"
        if before is not None and (after is None or before[0] != after[0]):
            yield from _deleted(here, before[1])
            before = None
        if before is None and after is not None:
            yield from _added(path, stem, after, element.is_list)
        elif before is not None and after is not None:
            yield from _changed(here, before, after, element.is_list)


def _written(tree: dict[str, Any], element: Element) -> tuple[str, Any, Any] | None:
    """(type, value, what stands beside a primitive) of an element, or None."""
    for name, type_name in element.written():
        if name in tree or "_" + name in tree:
            return type_name, tree.get(name), tree.get("_" + name)
    return None


def _changed(
    path: str, before: tuple[str, Any, Any], after: tuple[str, Any, Any], is_list: bool
) -> Iterator[Parameter]:
    type_name = after[0]
    if not is_list:
        yield from _replaced(path, type_name, before[1:], after[1:])
        return
    olds, news = _pairs(before), _pairs(after)
    for number, (one, other) in enumerate(zip(olds, news, strict=False)):
        if one != other:
            yield from _replaced(f"{path}[{number}]", type_name, one, other)
    for number in range(len(olds) - 1, len(news) - 1, -1):
        yield _operation("delete", [_text("path", f"{path}[{number}]")])
    for number in range(len(olds), len(news)):
        index = {"name": "index", "valueInteger": number}
        yield _operation("insert", [_text("path", path), index, _value(type_name, *news[number])])


def _replaced(path: str, type_name: str, old: tuple[Any, Any], new: tuple[Any, Any]) -> Iterator[Parameter]:
    can_go_in = isinstance(old[0], dict) and isinstance(new[0], dict) and not _is_resource(new[0])
    # An element all of whose members go would be gone before the new ones come: it is replaced as a whole.
    if can_go_in and find_type(type_name) is not None and not old[0].keys().isdisjoint(new[0]):
        yield from _of_object(old[0], new[0], type_name, path)
    else:
        yield _operation("replace", [_text("path", path), _value(type_name, *new)])


def _added(path: str, stem: str, after: tuple[str, Any, Any], is_list: bool) -> Iterator[Parameter]:
    for pair in _pairs(after) if is_list else [after[1:]]:
        yield _operation("add", [_text("path", path), _text("name", stem), _value(after[0], *pair)])


def _deleted(path: str, value: Any) -> Iterator[Parameter]:
    if not isinstance(value, list):
        yield _operation("delete", [_text("path", path)])
        return
    for number in range(len(value) - 1, -1, -1):
        yield _operation("delete", [_text("path", f"{path}[{number}]")])


def _pairs(written: tuple[str, Any, Any]) -> list[tuple[Any, Any]]:
    values, beside = written[1] or [], written[2] or []
    length = max(len(values), len(beside))
    return [(values[n] if n < len(values) else None, beside[n] if n < len(beside) else None) for n in range(length)]


def _value(type_name: str, value: Any, beside: Any = None) -> Parameter:
    """The new value: of a datatype as value[x], of a backbone element by its parts, a resource as itself."""
    if isinstance(value, dict) and _is_resource(value):
        return {"name": "value", "resource": value}
    if "." not in type_name:
        key = "value" + ("Quantity" if type_name == "SimpleQuantity" else type_name[0].upper() + type_name[1:])
        shown = {"name": "value", **({key: value} if value is not None else {})}
        return {**shown, "_" + key: beside} if beside is not None else shown
    parts = []
    for element in get_type(type_name).elements:
        found = _written(value, element)
        if found is not None:
            for pair in _pairs(found) if element.is_list else [found[1:]]:
                part = _value(found[0], *pair)
                parts.append({**part, "name": element.name.removesuffix("[x]")})
    return {"name": "value", "part": parts}


def _is_resource(value: dict[str, Any]) -> bool:
    return "resourceType" in value


def _operation(kind: str, parts: list[Parameter]) -> Parameter:
    return {"name": "operation", "part": [{"name": "type", "valueCode": kind}, *parts]}


def _text(name: str, value: str) -> Parameter:
    return {"name": name, "valueString": value}
