"""The types FHIRPath sees: R4's, with their children as they are written in JSON, and the System types.

Source: FHIR R4 4.0.1; FHIRPath N1, 10 (types and reflection).
"""

from functools import cache

from kiungo.fhir import definitions

SYSTEM_TYPES = frozenset({"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"})
# What each primitive becomes when a value of System is needed.
_SYSTEM_OF = {
    "boolean": "Boolean",
    "integer": "Integer",
    "positiveInt": "Integer",
    "unsignedInt": "Integer",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
}
_BASES = {
    "code": "string",
    "id": "string",
    "markdown": "string",
    "url": "uri",
    "canonical": "uri",
    "oid": "uri",
    "uuid": "uri",
    "positiveInt": "integer",
    "unsignedInt": "integer",
    "Age": "Quantity",
    "Count": "Quantity",
    "Distance": "Quantity",
    "Duration": "Quantity",
    "MoneyQuantity": "Quantity",
    "SimpleQuantity": "Quantity",
    "Timing": "BackboneElement",
    "Dosage": "BackboneElement",
    "ElementDefinition": "BackboneElement",
    "Bundle": "Resource",
    "Binary": "Resource",
    "Parameters": "Resource",
    "DomainResource": "Resource",
}


class Child:
    """One element of a type. Shapes: `written` are its JSON names with the type of each; one unless it is a choice."""

    __slots__ = ("by_key", "extra_key", "is_list", "key", "name", "type", "written")

    def __init__(self, name: str, is_list: bool, written: "tuple[tuple[str, Type], ...]") -> None:
        self.name = name
        self.is_list = is_list
        self.written = written
        self.by_key = dict(written)
        # The one JSON name and type, when there is no choice: the common case of a path.
        self.key, self.type = written[0] if len(written) == 1 else ("", OPEN)
        self.extra_key = "_" + self.key if self.type.is_primitive else ""


class Type:
    """A type of FHIR R4. Shapes: `system` names the System type of a primitive's value, else None."""

    __slots__ = ("_children", "_order", "ancestors", "base", "is_open", "is_primitive", "is_resource", "name", "system")

    def __init__(self, name: str, base: "Type | None", kind: str) -> None:
        self.name = name
        self.base = base
        self.is_primitive = kind == "P"
        self.is_resource = kind in ("R", "AR")
        self.is_open = kind == "?"
        self.system = _SYSTEM_OF.get(name, "String") if self.is_primitive else None
        self.ancestors: frozenset[str] = frozenset({name}) | (base.ancestors if base else frozenset())
        self._children: dict[str, Child] | None = None
        self._order: dict[str, tuple[int, str]] | None = None

    @property
    def children(self) -> dict[str, Child]:
        """The elements by name (without `[x]`), in the order of the definition; made on first use."""
        found = self._children
        if found is None:
            found = self._children = _children_of(self.name)
        return found

    @property
    def order(self) -> dict[str, tuple[int, str]]:
        """For each JSON name: the place of its element in the definition, and the element's name."""
        found = self._order
        if found is None:
            found = {}
            for place, (name, child) in enumerate(self.children.items()):
                for key, type_ in child.written:
                    found[key] = (place, name)
                    if type_.is_primitive:
                        found["_" + key] = (place, name)
            self._order = found
        return found

    @property
    def public_name(self) -> str:
        """The name people know: elements defined inside a resource are BackboneElements."""
        return self.base.name if self.base is not None and "." in self.name else self.name

    def __repr__(self) -> str:
        return f"<FHIR.{self.name}>"


# Content outside R4's types, such as a resource type of an implementation guide: its children are what is there.
OPEN = Type("Element", None, "?")


@cache
def find_type(name: str) -> Type | None:
    """A type of R4 by name (backbone elements by path), or None."""
    definition = definitions.find_type(name)
    if definition is None:
        return None
    base = _base_of(definition)
    return Type(name, find_type(base) if base else None, definition.kind)


def type_of_resource(resource_type: object) -> Type:
    """The type of a resource by its `resourceType`; open for one that R4 does not have."""
    found = find_type(resource_type) if isinstance(resource_type, str) else None
    return found if found is not None and found.is_resource else OPEN


def _base_of(definition: definitions.TypeDefinition) -> str | None:
    name, kind = definition.name, definition.kind
    if name in ("Element", "Resource"):
        return None
    if name in _BASES:
        return _BASES[name]
    if kind in ("R", "AR"):
        return "DomainResource"
    if kind == "B":
        inside = definitions.get_type(name.split(".", 1)[0])
        return "BackboneElement" if inside.kind == "R" else "Element"
    return "Element"


def _children_of(name: str) -> dict[str, Child]:
    definition = definitions.find_type(name)
    if definition is None:
        return {}
    found = {}
    for element in definition.elements:
        if definition.is_primitive and element.name == "value":
            continue  # the value of a primitive is the primitive itself
        plain = element.name.removesuffix("[x]")
        written = tuple((key, find_type(kind) or OPEN) for key, kind in element.written())
        found[plain] = Child(plain, element.is_list, written)
    return found


def is_type_name(name: str) -> bool:
    """Whether a name at the head of a path may be a type: `Patient.name`, `Resource.id`."""
    return name[:1].isupper() and find_type(name) is not None


class Specified:
    """What a type specifier accepts. Shapes: `fhir` and `system` are type names, "" where none is meant."""

    __slots__ = ("fhir", "system")

    def __init__(self, fhir: str, system: str) -> None:
        self.fhir = fhir
        self.system = system


def specified(namespace: str, name: str) -> Specified | None:
    """The types that a specifier means, or None when there is no such type; without a namespace FHIR comes first."""
    fhir = find_type(name) is not None
    system = name in SYSTEM_TYPES
    if namespace == "FHIR":
        return Specified(name, "") if fhir else None
    if namespace == "System":
        return Specified("", name)  # a System type that does not exist is the type of nothing
    if namespace or not (fhir or system):
        return None
    return Specified(name if fhir else "", name if system else "")
