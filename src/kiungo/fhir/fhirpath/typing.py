"""Whether an item is of a type, as `is`, `as` and `ofType` ask.

`is` also accepts types derived from the one named. `as` and `ofType` do so for complex types, but take primitives
only as what they are: a code is not given out as a string.
Source: FHIRPath N1, 6.3 (types); the official R4 suite for the primitives.
"""

from collections.abc import Callable

from kiungo.fhir.fhirpath.errors import senseless
from kiungo.fhir.fhirpath.types import Specified, find_type, specified
from kiungo.fhir.fhirpath.values import Node, Value, system_name


def specifier(namespace: str, name: str) -> Specified:
    """The types a specifier means. Raises: Incorrect FHIRPATH_SEMANTIC when there is no such type."""
    found = specified(namespace, name)
    if found is None:
        written = f"{namespace}.{name}" if namespace else name
        raise senseless(
            f"There is no type {written}", hint="FHIR and System are the namespaces; names are case-sensitive"
        )
    return found


def type_check(wanted: Specified, *, exact_primitives: bool = False) -> Callable[[Value], bool]:
    """The test of one item."""
    fhir, system = wanted.fhir, wanted.system
    type_ = find_type(fhir) if fhir else None
    exact = exact_primitives and type_ is not None and type_.is_primitive

    def test(item: Value) -> bool:
        if item.__class__ is Node:
            assert isinstance(item, Node)
            return item.type.name == fhir if exact else fhir in item.type.ancestors
        return bool(system) and (system == system_name(item) or system == "Any")

    return test
