"""What an expression works on: elements of a resource where they stand, and values of System.

An element is not copied: a Node holds the JSON value, its type, and where it came from.
"""

from decimal import Decimal
from typing import Any

from kiungo.fhir.fhirpath.quantity import Quantity
from kiungo.fhir.fhirpath.temporal import Temporal
from kiungo.fhir.fhirpath.types import OPEN, Type, type_of_resource

UCUM_SYSTEM = "http://unitsofmeasure.org"


class TypeInfo:
    """What `type()` answers."""

    __slots__ = ("base", "name", "namespace")

    def __init__(self, namespace: str, name: str, base: str) -> None:
        self.namespace = namespace
        self.name = name
        self.base = base

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeInfo) and (self.namespace, self.name) == (other.namespace, other.name)

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    def __repr__(self) -> str:
        return f"{self.namespace}.{self.name}"


class Node:
    """An element of a resource, in place.

    Shapes: `value` is the JSON value as it was parsed (None for a primitive that has only extensions); `extra` the
    object beside a primitive (`_birthDate`); `name` the element's name, `index` its place in a list or -1.
    """

    __slots__ = ("extra", "index", "name", "parent", "type", "value")

    def __init__(
        self,
        value: Any,
        type: Type,
        parent: "Node | None" = None,
        name: str = "",
        index: int = -1,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.value = value
        self.type = type
        self.parent = parent
        self.name = name
        self.index = index
        self.extra = extra

    @property
    def path(self) -> str:
        """Where the element is: `Patient.name[0].given[1]`."""
        parts: list[str] = []
        node: Node | None = self
        while node is not None:
            name = node.name or node.root_name
            parts.append(name if node.index < 0 else f"{name}[{node.index}]")
            node = node.parent
        return ".".join(reversed(parts))

    @property
    def root_name(self) -> str:
        """What a path that begins here begins with: the resource's type, also where R4 does not know it."""
        if self.type.is_open and isinstance(self.value, dict):
            return str(self.value.get("resourceType", self.type.name))
        return self.type.name

    @property
    def indexed_path(self) -> str:
        """The same with a place on every step: `Patient.name[0].family[0]`."""
        first, *rest = self.path.split(".")
        return ".".join([first, *(part if part.endswith("]") else part + "[0]" for part in rest)])

    @property
    def resource(self) -> "Node":
        """The resource the element stands in: the nearest one above it, itself included."""
        node = self
        while not node.type.is_resource and node.parent is not None:
            node = node.parent
        return node

    def __repr__(self) -> str:
        return f"<{self.path}: {self.type.name}>"


System = bool | int | Decimal | str | Temporal | Quantity
Value = Node | System | TypeInfo
Collection = list[Value]


def resource_node(resource: "dict[str, Any] | Node") -> Node:
    """A resource as the node expressions start from."""
    return resource if isinstance(resource, Node) else Node(resource, type_of_resource(resource.get("resourceType")))


def unwrap(item: Value) -> Value:
    """The System value of a primitive element; everything else, and a primitive without value, as it is."""
    if item.__class__ is not Node:
        return item
    assert isinstance(item, Node)
    system = item.type.system
    value = item.value
    if system is None or value is None:
        return _unwrap_open(item) if item.type.is_open else item
    if system == "String":
        return value if value.__class__ is str else item
    if system in ("Boolean", "Integer"):
        wanted = bool if system == "Boolean" else int
        return value if value.__class__ is wanted else item
    if system == "Decimal":
        return decimal_of(value) if value.__class__ in (int, Decimal, float) else item
    return (Temporal.parse(value, system) if isinstance(value, str) else None) or item


def _unwrap_open(item: Node) -> Value:
    value = item.value
    if isinstance(value, float):
        return decimal_of(value)
    return value if isinstance(value, str | bool | int | Decimal) else item


def decimal_of(value: Any) -> Decimal:
    """A JSON number as a Decimal with the digits it was written with."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def quantity_of(item: Value) -> Quantity | None:
    """A Quantity of System from one, or from an element Quantity with a UCUM code or no coded unit at all.

    Raises: nothing; an element with a comparator or a code of another system has no such value.
    """
    if isinstance(item, Quantity):
        return item
    if not isinstance(item, Node) or "Quantity" not in item.type.ancestors or not isinstance(item.value, dict):
        return None
    value, system, code = item.value.get("value"), item.value.get("system"), item.value.get("code")
    if value is None or isinstance(value, str | bool) or "comparator" in item.value:
        return None
    if system is None and code is None:
        return Quantity(decimal_of(value), item.value.get("unit") or "1")
    return Quantity(decimal_of(value), code or "1") if system == UCUM_SYSTEM else None


def type_info(item: Value) -> TypeInfo:
    """Namespace and name of an item's type."""
    if isinstance(item, Node):
        base = item.type.base.name if item.type.base else "Any"
        return TypeInfo("FHIR", item.type.public_name, f"FHIR.{base}")
    return TypeInfo("System", system_name(item), "System.Any")


def system_name(item: Value) -> str:
    """The name of a System value's type."""
    if isinstance(item, Temporal):
        return item.kind
    return _NAMES.get(item.__class__, "Any")


_NAMES: dict[type, str] = {
    bool: "Boolean",
    int: "Integer",
    Decimal: "Decimal",
    str: "String",
    Quantity: "Quantity",
    TypeInfo: "TypeInfo",
}


def described(item: Value) -> str:
    """What an item is, for messages: never its content, which may be about a patient."""
    return item.path if isinstance(item, Node) else f"a {system_name(item)}"


__all__ = ["OPEN", "Collection", "Node", "Quantity", "System", "Temporal", "TypeInfo", "Value"]
