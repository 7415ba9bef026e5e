"""The values a FHIRPath Patch carries, and whether they fit the element they are for."""

from dataclasses import dataclass
from typing import Any

from kiungo.fhir.fhirpath.types import OPEN, Child, Type, find_type, type_of_resource
from kiungo.fhir.patch.errors import copied, malformed, unfit

DEPTH_MAX = 20


@dataclass(frozen=True, slots=True)
class Given:
    """A value from a patch. Shapes: `extra` stands beside a primitive; `type` is None where parts say it all."""

    type: Type | None
    value: Any
    extra: Any = None


def read_value(part: dict[str, Any], place: str) -> Given:
    """The value of a parameter part: value[x], a resource, or parts for an element without a type of its own.

    Raises: Incorrect PATCH_MALFORMED.
    """
    if isinstance(part.get("resource"), dict):
        return Given(type_of_resource(part["resource"].get("resourceType")), copied(part["resource"]))
    keys = {name.removeprefix("_") for name in part if name.startswith(("value", "_value"))}
    if len(keys) > 1:
        raise malformed(place, "it has more than one value", "Use one value[x]")
    if keys:
        (key,) = keys
        name = key.removeprefix("value")
        type_ = find_type(name) or find_type(name[:1].lower() + name[1:])
        if type_ is None:
            raise malformed(f"{place}.{key}", f"{name or 'value'} is no type of R4", "Such as valueString")
        return Given(type_, copied(part.get(key)), copied(part.get("_" + key)))
    if isinstance(part.get("part"), list):
        return Given(None, part["part"])
    raise malformed(place, "it has no value", "Give value[x], or parts for an element such as Patient.contact")


def fitted(given: Given, child: Child, key: str, place: str, depth: int = 0) -> tuple[str, Any, Any]:
    """JSON name, value and what stands beside it, for an element that takes this value.

    Shapes: `key` is the JSON name asked for, "" to choose it by the value's type. Raises: Incorrect.
    """
    if depth > DEPTH_MAX:
        raise malformed(place, f"its parts nest deeper than {DEPTH_MAX} levels")
    if given.type is None:
        (only,) = child.written[:1]
        if len(child.written) > 1 or only[1].is_primitive:
            raise unfit(place, f"{child.name} is not made of parts", "Give it as value[x]")
        return only[0], _object(given.value, only[1], place, depth), None
    for name, type_ in child.written:
        if (not key or name == key) and _takes(type_, given.type, is_choice=len(child.written) > 1):
            return name, given.value, given.extra
    wanted = ", ".join(type_.public_name for _, type_ in child.written[:12])
    raise unfit(place, f"{child.name} does not take a {given.type.name}", f"It takes {wanted}")


def _takes(wanted: Type, given: Type, *, is_choice: bool) -> bool:
    if wanted.name == given.name or wanted is OPEN or wanted.name in given.ancestors:
        return True
    if is_choice or not (wanted.is_primitive and given.is_primitive):
        return False
    return _json_kind(wanted) == _json_kind(given)


def _json_kind(type_: Type) -> str:
    """How a primitive is written: a code may be sent as valueString, a positiveInt as valueInteger."""
    if type_.system in ("Boolean", "Integer", "Decimal"):
        return "number" if type_.system != "Boolean" else "boolean"
    return "text"


def _object(parts: list[Any], type_: Type, place: str, depth: int) -> dict[str, Any]:
    """An element from parts that are named like its children."""
    made: dict[str, Any] = {}
    for position, part in enumerate(parts):
        here = f"{place}.part[{position}]"
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise malformed(here, "a part needs a name")
        child, key = find_child(type_, part["name"], here)
        name, value, extra = fitted(read_value(part, here), child, key, here, depth + 1)
        put(made, child, name, value, extra, here)
    return made


def find_child(type_: Type, name: str, place: str) -> tuple[Child, str]:
    """The element of a type by its name, or by the JSON name of a choice. Raises: Incorrect."""
    plain = name.removesuffix("[x]")
    child = type_.children.get(plain)
    if child is not None:
        return child, ""
    for one in type_.children.values():
        if name in one.by_key:
            return one, name
    known = ", ".join(type_.children)
    raise unfit(place, f"{type_.public_name} has no element {name}", f"It has {known}")


def put(holder: dict[str, Any], child: Child, name: str, value: Any, extra: Any, place: str) -> None:
    """Append to a list, or set what is not there yet. Raises: Incorrect when a single element is there already."""
    present = [key for key, _ in child.written if key in holder or "_" + key in holder]
    if not child.is_list:
        if present:
            raise unfit(place, f"{child.name} is there already and does not repeat", "Use replace")
        if value is not None:
            holder[name] = value
        if extra is not None:
            holder["_" + name] = extra
        return
    length = max(len(holder.get(name) or ()), len(holder.get("_" + name) or ()))
    insert(holder, name, length, value, extra)


def insert(holder: dict[str, Any], name: str, index: int, value: Any, extra: Any) -> None:
    """Put a value into a list at a place; what stands beside primitives moves along."""
    values, beside = holder.get(name), holder.get("_" + name)
    length = max(len(values or ()), len(beside or ()))
    if values is not None or value is not None:
        values = _padded(values, length)
        values.insert(index, value)
        holder[name] = values
    if beside is not None or extra is not None:
        beside = _padded(beside, length)
        beside.insert(index, extra)
        holder["_" + name] = beside


def _padded(values: list[Any] | None, length: int) -> list[Any]:
    found = list(values or ())
    return found + [None] * (length - len(found))


def take_out(holder: dict[str, Any], name: str, index: int) -> tuple[Any, Any]:
    """Remove an element (index -1: the only one) and what stands beside it; an empty list goes with its last item."""
    if index < 0:
        return holder.pop(name, None), holder.pop("_" + name, None)
    taken = []
    for key in (name, "_" + name):
        values = holder.get(key)
        taken.append(values.pop(index) if isinstance(values, list) and index < len(values) else None)
        if isinstance(values, list) and all(value is None for value in values):
            del holder[key]
    return taken[0], taken[1]
