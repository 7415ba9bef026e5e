"""What the base of a profile says of an element: its base type, and the profile it stands on."""

from typing import Any, NamedTuple

from kiungo.fhir.definitions import Element
from kiungo.fhir.definitions.rules import element_rules
from kiungo.fhir.profiles.items import elements_of
from kiungo.fhir.profiles.nodes import Node

FHIR = "http://hl7.org/fhir/StructureDefinition/"
Json = dict[str, Any]


class Base(NamedTuple):
    """What the base says of an element.

    Shapes: `most` is UNBOUNDED for any number; no types and no targets mean any; `fixed` and `pattern` are pairs of the
    member's name and its value.
    """

    least: int
    most: int
    types: frozenset[str]
    targets: frozenset[str]
    is_required: bool
    fixed: tuple[str, Any] | None = None
    pattern: tuple[str, Any] | None = None


def base_of(element: Json, root: str, tree: Node | None) -> Base | None:
    """What the base says of an element of a profile on it; None where its path leads beyond what is known."""
    names = str(element.get("path")).split(".")
    steps = [step.partition(":")[2] for step in str(element.get("id", "")).split(".")]
    slices = steps if len(steps) == len(names) else ["" for _ in names]
    kinds: tuple[str, ...] = (root,)
    targets: tuple[str, ...] = ()
    node, found, of_slice = tree, None, ""
    for name, of_slice in zip(names[1:], slices[1:], strict=True):
        holder = next((kind for kind in kinds if _element(kind, name) is not None), "")
        found = _element(holder, name)
        if found is None:
            return None
        kinds = found.types if found.name == name else _chosen(found, name)
        targets = element_rules(holder, found.name).targets
        whole = node.children.get(found.name) if node is not None else None
        # A slice that the base has not may be there or not; nothing else is said of it than of the whole.
        node = whole.slices.get(of_slice, whole) if whole is not None and of_slice else whole
    if found is None:
        return None
    base = Base(
        0 if of_slice else found.min,
        found.max,
        frozenset(map(plain_type, kinds)),
        frozenset(targets),
        found.value_set is not None,
    )
    return base if node is None else _laid(base, node, is_new_slice=bool(of_slice) and node.slice_name != of_slice)


def _laid(base: Base, node: Node, *, is_new_slice: bool) -> Base:
    """The base type's demands with those of the profile on it."""
    refs = node.types or ()
    named = frozenset(one.removeprefix(FHIR) for ref in refs if ref.code == "Reference" for one in ref.targets)
    return Base(
        base.least if node.min is None or is_new_slice else node.min,
        base.most if node.max is None else node.max,
        base.types & {plain_type(ref.code) for ref in refs} or base.types,
        # A profile is no name of a type: what it is about is not looked up for a base.
        base.targets if any(":" in one for one in named) else named - {"Resource"} or base.targets,
        base.is_required or (node.binding is not None and node.binding[0] == "required"),
        node.fixed,
        node.pattern,
    )


def plain_type(type_name: str) -> str:
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
