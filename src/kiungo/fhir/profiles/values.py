"""What a profile asks of one value: its type, what is fixed, its codes, its limits, its references, its invariants.

A demand that the base type makes already is left out: it is judged once, with the base type.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kiungo.fhir.definitions import Element
from kiungo.fhir.definitions.rules import type_rules
from kiungo.fhir.profiles.demands import demand_checks
from kiungo.fhir.profiles.invariants import Judge, judge_of
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.nodes import Node, TypeRef
from kiungo.fhir.profiles.patterns import is_fixed, matches
from kiungo.fhir.profiles.quantities import compared
from kiungo.fhir.profiles.references import canonical_check, target_check
from kiungo.fhir.profiles.run import Run
from kiungo.kernel import json

if TYPE_CHECKING:
    from kiungo.fhir.profiles.library import Library

ValueCheck = Callable[[Item, Run], None]
SHOWN_MAX = 120


def value_checks(node: Node, element: Element | None, library: "Library", source: str) -> list[ValueCheck]:
    """The checks of a node on one value, without its children."""
    found: list[ValueCheck] = []
    found += _type_checks(node, element, library, source)
    if node.fixed is not None:
        found.append(_fixed_check(node.fixed[1], source))
    if node.pattern is not None:
        found.append(_pattern_check(node.pattern[1], source))
    if node.binding is not None and node.binding[0] in {"required", "extensible"} and not _is_base(node, element):
        found.append(_binding_check(node.binding, library, source))
    found += [_invariant_check(judge_of(one), source) for one in _own_invariants(node)]
    if node.max_length is not None:
        found.append(_length_check(node.max_length, source))
    if node.min_value is not None:
        found.append(_limit_check(node.min_value[1], source, least=True))
    if node.max_value is not None:
        found.append(_limit_check(node.max_value[1], source, least=False))
    return found + demand_checks(node.demands, source)


def _own_invariants(node: Node) -> list[Any]:
    """The invariants that are not the base type's own."""
    base: set[tuple[str, str]] = set()
    for name in node.base:
        base |= {(i.key, i.expression) for i in type_rules(name).invariants}
    return [
        one for one in node.invariants.values() if (one.key, one.expression) not in base and one.key not in _BASE_KEYS
    ]


# Judged for every resource and extension with its base type, whatever spelling a snapshot has of them.
_BASE_KEYS = frozenset({"dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ele-1", "ext-1", "txt-1", "txt-2"})


def _is_base(node: Node, element: Element | None) -> bool:
    """Whether the binding is the base type's required one, which the structural validator judges."""
    if element is None or node.binding is None:
        return False
    return node.binding[0] == "required" and element.value_set == node.binding[1].partition("|")[0]


def _type_checks(node: Node, element: Element | None, library: "Library", source: str) -> list[ValueCheck]:
    if node.types is None:
        return []
    found: list[ValueCheck] = []
    codes = {ref.code for ref in node.types}
    allowed = set(element.types) if element is not None else set(node.base)
    anything = codes & {"BackboneElement", "Element", "Resource", "DomainResource", "", "SimpleQuantity"}
    if not anything and codes != allowed and not any("." in name for name in node.base):
        found.append(_type_check(frozenset(codes), source))
    profiled = [ref for ref in node.types if ref.profiles and ref.code != "Extension"]
    if any(not _is_plain(ref) for ref in profiled):
        found.append(_profiles_check({ref.code: ref.profiles for ref in profiled}, library))
    targets = (target_check(node.types, library, source), canonical_check(node.types, library, source))
    return found + [check for check in targets if check is not None]


def _is_plain(ref: TypeRef) -> bool:
    """Whether the profiles are R4's own narrowings of Quantity, which are types to the structural validator."""
    return all(p.rpartition("/")[2] in {"SimpleQuantity", "MoneyQuantity"} for p in ref.profiles)


def _type_check(codes: frozenset[str], source: str) -> ValueCheck:
    listed = ", ".join(sorted(codes))

    def check(item: Item, run: Run) -> None:
        if item.type not in codes:
            run.error("structure", item.at, f"is a {item.type}, but {source} allows {listed}", source)

    return check


def _profiles_check(profiles: dict[str, tuple[str, ...]], library: "Library") -> ValueCheck:
    def check(item: Item, run: Run) -> None:
        wanted = profiles.get(item.type) or profiles.get("Resource") or profiles.get("DomainResource")
        if not wanted and "." in item.type:
            wanted = next(iter(profiles.values()))
        if not wanted:
            return
        if len(wanted) == 1:
            library.judge(wanted[0], item, run)
            return
        why = library.why_not(item, wanted, run)
        if why is not None:
            run.error("structure", item.at, f"does not meet {' or '.join(wanted)}: {why}", wanted[0])

    return check


def _fixed_check(wanted: Any, source: str) -> ValueCheck:
    def check(item: Item, run: Run) -> None:
        if not is_fixed(item.value, wanted):
            run.error("value", item.at, f"must be exactly {shown(wanted)} by {source}", source)

    return check


def _pattern_check(wanted: Any, source: str) -> ValueCheck:
    def check(item: Item, run: Run) -> None:
        if not matches(item.value, wanted):
            run.error("value", item.at, f"must hold {shown(wanted)} by {source}", source)

    return check


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    text = json.dumps(value).decode()
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."


def _binding_check(binding: tuple[str, str], library: "Library", source: str) -> ValueCheck:
    strength, url = binding
    # A set of units binds quantities; beside them the choice may have concepts, which have no units.
    of_units = url.rpartition("/")[2].startswith("ucum-")

    def check(item: Item, run: Run) -> None:
        if of_units and item.type in {"CodeableConcept", "Coding"}:
            return
        library.codes.check(item, run, strength, url, source)

    return check


def _invariant_check(judge: Judge, source: str) -> ValueCheck:
    def check(item: Item, run: Run) -> None:
        judge(item, run, source)

    return check


def _length_check(most: int, source: str) -> ValueCheck:
    def check(item: Item, run: Run) -> None:
        if item.value.__class__ is str and len(item.value) > most:
            run.error("value", item.at, f"is longer than {most} characters, which {source} allows", source)

    return check


def _limit_check(limit: Any, source: str, *, least: bool) -> ValueCheck:
    word, sign = ("less than the least", -1) if least else ("more than the most", 1)

    def check(item: Item, run: Run) -> None:
        if compared(item.value, limit) == sign:
            run.error("value", item.at, f"is {word} {shown(limit)} that {source} allows", source)

    return check
