"""What R4 itself demands of every resource beyond structure: one pass over the tree, by type.

Each type is compiled once into a table of its keys; keys without a rule cost one look-up.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.definitions.rules import ElementRules, element_rules, type_rules
from kiungo.fhir.profiles import extensions
from kiungo.fhir.profiles.canonicals import named_check
from kiungo.fhir.profiles.findings import At, Json, text_of
from kiungo.fhir.profiles.invariants import Judge, judge_of
from kiungo.fhir.profiles.items import Item, is_primitive
from kiungo.fhir.profiles.references import type_in_text
from kiungo.fhir.profiles.resources import enter
from kiungo.fhir.profiles.run import Run
from kiungo.fhir.profiles.special import SPECIAL, SPECIAL_PRIMITIVES, Special

Handler = Callable[[Any, At, Run], None]
Walk = Callable[[Json, At, Run], None]
# Judged by code that knows contained resources, narrative and Bundles.
_ELSEWHERE = frozenset({"dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "txt-1", "txt-2", "bdl-7"})


@lru_cache(maxsize=2048)
def walk_of(type_name: str) -> Walk:
    """The pass over an object of a type."""
    rules = type_rules(type_name)
    table: dict[str, Handler] = {}
    definition = definitions.find_type(type_name)
    for element in definition.elements if definition else ():
        facts = element_rules(type_name, element.name)
        for key, kind in element.written():
            handler = _handler(key, kind, element.name, facts)
            if handler is not None:
                table[key] = handler
            if is_primitive(kind):
                table["_" + key] = _sibling
    own = [judge_of(one) for one in rules.invariants if one.key not in _ELSEWHERE]
    special = SPECIAL.get(type_name)
    return _walker(type_name, table, own, special)


def _walker(type_name: str, table: dict[str, Handler], own: list[Judge], special: Special | None) -> Walk:
    get, has_nothing = table.get, table.keys().isdisjoint
    source = f"FHIR R4 {type_name}"

    def walk(o: Json, at: At, run: Run) -> None:
        if not has_nothing(o):
            for key, value in o.items():
                handler = get(key)
                if handler is None:
                    continue
                if value.__class__ is list:
                    for index, one in enumerate(value):
                        if one is not None:
                            handler(one, (at, key, index), run)
                else:
                    handler(value, (at, key, -1), run)
        if own:
            item = Item(o, None, type_name, at)
            for judge in own:
                judge(item, run, source)
        if special is not None:
            special(o, at, run)

    return walk


def _sibling(value: Any, at: At, run: Run) -> None:
    """The extensions of a primitive."""
    inner = value.get("extension") if value.__class__ is dict else None
    if inner.__class__ is list:
        for position, extension in enumerate(inner):
            extensions.check(extension, (at, "extension", position), run)


def _handler(key: str, kind: str, name: str, facts: ElementRules) -> Handler | None:
    """What is done with each value of an element; None when nothing."""
    definition = definitions.find_type(kind)
    if kind == "Resource":
        return enter
    if kind == "Extension":
        return extensions.check
    if definition is None:
        return None
    judges = [judge_of(one) for one in facts.invariants if one.key not in _ELSEWHERE]
    steps: list[Handler] = []
    if not definition.is_primitive:
        steps.append(_descend(kind))
    if kind == "Reference" and facts.targets:
        steps.append(_targets(frozenset(facts.targets)))
    if kind == "canonical" and facts.canonicals:
        steps.append(named_check(frozenset(facts.canonicals)))
    if facts.binding and kind in _CODED and _is_open(facts.binding):
        steps.append(_bound(facts.binding, kind))
    if judges:
        steps.append(_judged(judges, kind, key))
    if kind in SPECIAL_PRIMITIVES:
        steps.append(SPECIAL_PRIMITIVES[kind])
    if len(steps) == 1:
        return steps[0]
    return _in_turn(steps) if steps else None


_CODED = frozenset({"CodeableConcept", "Coding", "Quantity", "code", "uri", "string"})


def _is_open(binding: tuple[str, str]) -> bool:
    """Whether somebody must judge it here: required sets whose codes are known are judged with the structure."""
    strength, url = binding
    if strength == "required":
        return definitions.value_set_codes(url) is None
    return strength == "extensible"


def _in_turn(steps: list[Handler]) -> Handler:
    def handle(value: Any, at: At, run: Run) -> None:
        for step in steps:
            step(value, at, run)

    return handle


def _descend(kind: str) -> Handler:
    made: list[Walk] = []

    def handle(value: Any, at: At, run: Run) -> None:
        if value.__class__ is dict:
            if not made:
                made.append(walk_of(kind))
            made[0](value, at, run)

    return handle


def _targets(allowed: frozenset[str]) -> Handler:
    listed = ", ".join(sorted(allowed))

    def handle(value: Any, at: At, run: Run) -> None:
        if value.__class__ is not dict:
            return
        text = value.get("reference")
        kind: Any = None
        if text.__class__ is str:
            kind = type_in_text(text)
            if kind in allowed:
                return
            if kind is None:
                target = run.resolve(text)
                kind = text_of(value, "type") if target is None else text_of(target, "resourceType")
        else:
            kind = text_of(value, "type")
        if kind.__class__ is str and kind not in allowed and definitions.find_type(kind) is not None:
            run.error("structure", at, f"points to a {kind}, but only {listed} may stand here")

    return handle


def _bound(binding: tuple[str, str], kind: str) -> Handler:
    strength, url = binding

    def handle(value: Any, at: At, run: Run) -> None:
        run.library.codes.check(Item(value, None, kind, at), run, strength, url, "FHIR R4")

    return handle


def _judged(judges: list[Judge], kind: str, key: str) -> Handler:
    source = f"FHIR R4 {key}"

    def handle(value: Any, at: At, run: Run) -> None:
        item = Item(value, None, kind, at)
        for judge in judges:
            judge(item, run, source)

    return handle
