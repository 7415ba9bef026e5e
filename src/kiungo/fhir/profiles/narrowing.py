"""A constraint only narrows: what its base demands, it cannot take back.

| part            | what a profile may not do                                     |
| --------------- | ------------------------------------------------------------- |
| min, max        | ask for fewer, allow more, or ask for more than it allows     |
| type            | allow a type that the base does not                           |
| fixed, pattern  | have a type that the element does not                         |
| binding         | make a required binding anything less                         |

Source: FHIR R4 5.1.0.11 (profiling FHIR), ElementDefinition.min, max, type, fixed[x], pattern[x], binding.strength.
"""

from typing import Any, NamedTuple

from kiungo.fhir.definitions import UNBOUNDED, Element
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import elements_of
from kiungo.fhir.profiles.nodes import Node, type_ref
from kiungo.fhir.profiles.questionnaires.enabling import listed
from kiungo.fhir.profiles.run import Run

ELEMENTS_MAX = 5_000
FHIR = "http://hl7.org/fhir/StructureDefinition/"
_ANY = frozenset({"Element", "BackboneElement", "Resource", "DomainResource", ""})
_VALUES = ("fixed", "pattern")


class Base(NamedTuple):
    """What the base says of an element. Shapes: `most` is UNBOUNDED for any number; no types means any."""

    least: int
    most: int
    types: frozenset[str]
    is_required: bool


def check_narrowing(structure: Json, at: At, run: Run) -> None:
    """Note where the differential of a constraint is wider than its base. Source: see the module."""
    if structure.get("derivation") != "constraint":
        return
    base = str(structure.get("baseDefinition", ""))
    root = str(structure.get("type", "")).removeprefix(FHIR)
    tree = None if base == FHIR + root else run.library.tree(base)
    if tree is None and base != FHIR + root:
        return  # a base that is not here cannot be compared with
    content = structure.get("differential")
    elements = listed(content.get("element") if content.__class__ is dict else None)
    for index, element in enumerate(elements[:ELEMENTS_MAX]):
        if element.__class__ is dict and isinstance(element.get("path"), str):
            where: At = ((at, "differential", -1), "element", index)
            _check_element(element, _base_of(element["path"], root, tree), where, run)


def _check_element(element: Json, base: Base | None, at: At, run: Run) -> None:
    least, most = element.get("min"), _most(element.get("max"))
    if isinstance(least, int) and most is not None and UNBOUNDED < most < least:
        run.error("invalid", (at, "min", -1), f"is {least}, more than the max of {most}")
    if base is None:
        return
    # A slice may be left out although the element it is one of may not.
    if isinstance(least, int) and least < base.least and "sliceName" not in element:
        run.error("invalid", (at, "min", -1), f"is {least}, and the base asks for at least {base.least}")
    if most is not None and base.most != UNBOUNDED and (most == UNBOUNDED or most > base.most):
        run.error("invalid", (at, "max", -1), f"is {element['max']}, and the base allows at most {base.most}")
    own = [_plain(type_ref(one).code) for one in listed(element.get("type")) if one.__class__ is dict]
    if base.types and not base.types & _ANY:
        for index, code in enumerate(own):
            if code not in base.types:
                allowed = ", ".join(sorted(base.types)[:8])
                run.error("invalid", (at, "type", index), f"is {code[:80]}, and the base allows {allowed}")
        _check_values(element, frozenset(own) & base.types or base.types, at, run)
    binding = element.get("binding")
    strength = binding.get("strength") if binding.__class__ is dict else None
    if base.is_required and strength.__class__ is str and strength != "required":
        where: At = ((at, "binding", -1), "strength", -1)
        # No more than a warning: US Core 6.1.0 does it to the units of R4's vital signs.
        run.warn("invalid", where, f"is {strength}, and the base's binding is required")


def _check_values(element: Json, types: frozenset[str], at: At, run: Run) -> None:
    named = {one[0].upper() + one[1:] for one in types if "." not in one}
    for key in element:
        stem = next((one for one in _VALUES if key.startswith(one) and key[len(one) :][:1].isupper()), None)
        if stem is not None and named and key[len(stem) :] not in named:
            run.error("invalid", (at, key, -1), f"is of a type that the element has not: {', '.join(sorted(named))}")


def _most(value: Any) -> int | None:
    if value == "*":
        return UNBOUNDED
    return int(value) if value.__class__ is str and value.isdecimal() else None


def _base_of(path: str, root: str, tree: Node | None) -> Base | None:
    """What the base says of a path, slices aside; None where it leads beyond what is known."""
    kinds: tuple[str, ...] = (root,)
    node, found = tree, None
    for name in path.split(".")[1:]:
        found = next((one for kind in kinds if (one := _element(kind, name)) is not None), None)
        if found is None:
            return None
        kinds = found.types if found.name == name else _chosen(found, name)
        node = node.children.get(found.name) if node is not None else None
    if found is None:
        return None
    least, most, types, is_required = found.min, found.max, frozenset(map(_plain, kinds)), found.value_set is not None
    if node is not None:
        least = node.min if node.min is not None else least
        most = node.max if node.max is not None else most
        is_required = is_required or (node.binding is not None and node.binding[0] == "required")
        if node.types is not None:
            types = types & {_plain(ref.code) for ref in node.types} or types
    return Base(least, most, types, is_required)


def _plain(type_name: str) -> str:
    """Types that are profiles of Quantity are written as Quantity, too."""
    return "Quantity" if type_name in {"SimpleQuantity", "MoneyQuantity"} else type_name


def _element(kind: str, name: str) -> Element | None:
    elements = elements_of(kind)
    found = elements.get(name)
    if found is not None:
        return found
    return next((one for one in elements.values() if one.is_choice and _chosen(one, name)), None)


def _chosen(element: Element, name: str) -> tuple[str, ...]:
    return tuple(kind for written, kind in element.written() if written == name)
