"""The children of each type as XML writes them: their order, and which are attributes, values or whole resources."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from kiungo.fhir import definitions

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

Form = Literal["attribute", "primitive", "xhtml", "resource", "complex"]


@dataclass(frozen=True, slots=True)
class Child:
    """One child of a type. Shapes: `name` is as written (valueQuantity); `position` counts from the first element."""

    name: str
    type: str
    is_list: bool
    position: int
    form: Form


@cache
def children_of(type_name: str) -> dict[str, Child]:
    """The children of a type by their written names, in the order XML has them."""
    definition = definitions.get_type(type_name)
    found = {}
    for position, element in enumerate(definition.elements):
        if definition.is_primitive and element.name == "value":
            continue  # it is the attribute of the element itself
        for name, child_type in element.written():
            form = _form(definition, name, child_type)
            found[name] = Child(name, child_type, element.is_list, position, form)
    return found


def is_resource(name: str) -> bool:
    """Whether a name is one of a concrete resource type."""
    definition = definitions.find_type(name)
    return definition is not None and definition.kind == "R"


def _form(parent: definitions.TypeDefinition, name: str, type_name: str) -> Form:
    if (name == "id" and parent.kind != "R") or (name == "url" and parent.name == "Extension"):
        return "attribute"
    if type_name == "Resource":
        return "resource"
    if type_name == "xhtml":
        return "xhtml"
    return "primitive" if definitions.get_type(type_name).is_primitive else "complex"
