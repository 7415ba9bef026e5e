"""What an expression gave, for people and machines: as plain JSON, and as parts of a Parameters resource."""

from decimal import Decimal
from functools import cache
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.fhirpath.quantity import Quantity
from kiungo.fhir.fhirpath.temporal import Temporal
from kiungo.fhir.fhirpath.values import UCUM_SYSTEM, Node, TypeInfo, Value, system_name
from kiungo.kernel import json

# A date-time that FHIR can carry: to the day, or to the second with an offset.
_DATE_PARTS, _SECOND_PARTS, _TIME_PARTS = 3, 6, 3
INTEGER_MAX = 2**31 - 1


def type_name(item: Value) -> str:
    """The type as FHIR spells it, also for System values: string, dateTime, Quantity, Patient."""
    if isinstance(item, Node):
        return item.type.public_name if not item.type.is_open else str(_resource_type(item) or "Element")
    name = system_name(item)
    return name if name in ("Quantity", "TypeInfo", "Any") else name[0].lower() + name[1:]


def _resource_type(item: Node) -> Any:
    return item.value.get("resourceType") if isinstance(item.value, dict) else None


def as_json(item: Value) -> dict[str, Any]:
    """Type, value and (for an element) path. A primitive that has only extensions has `extension` and no value."""
    found: dict[str, Any] = {"type": type_name(item)}
    if isinstance(item, Node):
        if item.value is not None:
            found["value"] = item.value
        found |= {name: value for name, value in (item.extra or {}).items() if name in ("id", "extension")}
        found["path"] = item.path
    else:
        found["value"] = _plain(item)
    return found


def _plain(item: Value) -> Any:
    if isinstance(item, Quantity):
        return _quantity(item)
    if isinstance(item, TypeInfo):
        return {"namespace": item.namespace, "name": item.name}
    return str(item) if isinstance(item, Temporal) else item


def _quantity(quantity: Quantity) -> dict[str, Any]:
    found: dict[str, Any] = {"value": quantity.value, "unit": quantity.unit}
    return found if quantity.is_calendar else {**found, "system": UCUM_SYSTEM, "code": quantity.unit}


def as_parts(item: Value) -> list[dict[str, Any]]:
    """The parts of a `result` parameter: type, path (for an element) and value."""
    parts: list[dict[str, Any]] = [{"name": "type", "valueString": type_name(item)}]
    if isinstance(item, Node):
        parts.append({"name": "path", "valueString": item.path})
        return [*parts, {"name": "value", **_node_value(item)}]
    return [*parts, {"name": "value", **_system_value(item)}]


def _node_value(item: Node) -> dict[str, Any]:
    if item.type.is_resource or (item.type.is_open and _resource_type(item)):
        return {"resource": item.value}
    key = "value" + item.type.name[0].upper() + item.type.name[1:]
    if key in _carried():
        found = {key: item.value} if item.value is not None else {}
        return {**found, "_" + key: item.extra} if item.extra else found
    # Elements defined inside a resource have no value[x] of their own.
    return {"valueString": item.value if isinstance(item.value, str) else json.dumps(item.value).decode()}


def _system_value(item: Value) -> dict[str, Any]:
    if isinstance(item, bool):
        return {"valueBoolean": item}
    if isinstance(item, int):
        return {"valueInteger" if abs(item) <= INTEGER_MAX else "valueDecimal": item}
    if isinstance(item, Decimal):
        return {"valueDecimal": item}
    if isinstance(item, Quantity):
        return {"valueQuantity": _quantity(item)}
    if isinstance(item, Temporal) and _fits(item):
        return {f"value{item.kind}": str(item)}
    return {"valueString": str(item)}


def _fits(value: Temporal) -> bool:
    """Whether FHIR's own type can carry this precision."""
    known = len(value.parts)
    if value.kind == "Time":
        return known == _TIME_PARTS
    return known <= _DATE_PARTS or (known == _SECOND_PARTS and value.offset_min is not None)


@cache
def _carried() -> frozenset[str]:
    """The value[x] names that a parameter can have."""
    element = next(e for e in definitions.get_type("Parameters.parameter").elements if e.name == "value[x]")
    return frozenset(name for name, _ in element.written())
