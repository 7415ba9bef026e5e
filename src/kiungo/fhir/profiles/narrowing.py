"""A constraint only narrows: what its base demands, it cannot take back.

| part            | what a profile may not do                                     |
| --------------- | ------------------------------------------------------------- |
| min, max        | ask for fewer, allow more, or ask for more than it allows     |
| type            | allow a type, or a reference to one, that the base does not   |
| fixed, pattern  | have a type that the element does not, or contradict the base |
| binding         | make a required binding anything less                         |

Source: FHIR R4 5.1.0.11 (profiling FHIR), ElementDefinition.min, max, type, fixed[x], pattern[x], binding.strength.
"""

from typing import Any

from kiungo.fhir.definitions import UNBOUNDED
from kiungo.fhir.profiles.bases import FHIR, Base, base_of, plain_type
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.nodes import type_ref
from kiungo.fhir.profiles.patterns import is_fixed, matches
from kiungo.fhir.profiles.questionnaires.enabling import listed
from kiungo.fhir.profiles.run import Run

ELEMENTS_MAX = 5_000
_ANY = frozenset({"Element", "BackboneElement", "Resource", "DomainResource", ""})
_VALUES = ("fixed", "pattern")


def check_narrowing(structure: Json, at: At, run: Run) -> None:
    """Note where a constraint is wider than its base. Source: see the module."""
    if structure.get("derivation") != "constraint":
        return
    base = str(structure.get("baseDefinition", ""))
    root = str(structure.get("type", "")).removeprefix(FHIR)
    tree = None if base == FHIR + root else run.library.tree(base)
    if tree is None and base != FHIR + root:
        return  # a base that is not here cannot be compared with
    part = "differential" if structure.get("differential") else "snapshot"
    content = structure.get(part)
    elements = listed(content.get("element") if content.__class__ is dict else None)
    for index, element in enumerate(elements[:ELEMENTS_MAX]):
        if element.__class__ is dict and isinstance(element.get("path"), str):
            where: At = ((at, part, -1), "element", index)
            _check_element(element, base_of(element, root, tree), where, run)


def _check_element(element: Json, base: Base | None, at: At, run: Run) -> None:
    least, most = element.get("min"), _most(element.get("max"))
    if isinstance(least, int) and most is not None and UNBOUNDED < most < least:
        run.error("invalid", (at, "min", -1), f"is {least}, more than the max of {most}")
    if base is None:
        return
    if isinstance(least, int) and least < base.least:
        run.error("invalid", (at, "min", -1), f"is {least}, and the base asks for at least {base.least}")
    if most is not None and base.most != UNBOUNDED and (most == UNBOUNDED or most > base.most):
        run.error("invalid", (at, "max", -1), f"is {element['max']}, and the base allows at most {base.most}")
    if base.types and not base.types & _ANY:
        _check_types(element, base, at, run)
    _check_contrary(element, base, at, run)
    binding = element.get("binding")
    strength = binding.get("strength") if binding.__class__ is dict else None
    if base.is_required and strength.__class__ is str and strength != "required":
        where: At = ((at, "binding", -1), "strength", -1)
        # No more than a warning: US Core 6.1.0 does it to the units of R4's vital signs.
        run.warn("invalid", where, f"is {strength}, and the base's binding is required")


def _check_types(element: Json, base: Base, at: At, run: Run) -> None:
    own = [type_ref(one) for one in listed(element.get("type")) if one.__class__ is dict]
    for index, ref in enumerate(own):
        if plain_type(ref.code) not in base.types:
            allowed = ", ".join(sorted(base.types)[:8])
            run.error("invalid", (at, "type", index), f"is {ref.code[:80]}, and the base allows {allowed}")
        for target in ref.targets if ref.code == "Reference" and base.targets else ():
            kind = run.library.plan(target).type
            if kind and kind not in base.targets:
                allowed = ", ".join(sorted(base.targets)[:8])
                run.error("invalid", (at, "type", index), f"points to {kind}, and the base allows {allowed}")
    _check_values(element, frozenset(plain_type(ref.code) for ref in own) & base.types or base.types, at, run)


def _check_values(element: Json, types: frozenset[str], at: At, run: Run) -> None:
    named = {one[0].upper() + one[1:] for one in types if "." not in one}
    for key in element:
        stem = next((one for one in _VALUES if key.startswith(one) and key[len(one) :][:1].isupper()), None)
        if stem is not None and named and key[len(stem) :] not in named:
            run.error("invalid", (at, key, -1), f"is of a type that the element has not: {', '.join(sorted(named))}")


def _check_contrary(element: Json, base: Base, at: At, run: Run) -> None:
    """What is fixed stays fixed, and a pattern is only added to."""
    for key, value in element.items():
        is_whole = key.startswith("fixed")
        if not is_whole and not key.startswith("pattern"):
            continue
        if base.fixed is not None:
            keeps = is_fixed(value, base.fixed[1]) if is_whole else matches(base.fixed[1], value)
        else:
            keeps = base.pattern is None or matches(value, base.pattern[1])
        if not keeps:
            run.error("invalid", (at, key, -1), "is not what the base has fixed, or does not hold its pattern")


def _most(value: Any) -> int | None:
    if value == "*":
        return UNBOUNDED
    return int(value) if value.__class__ is str and value.isdecimal() else None
