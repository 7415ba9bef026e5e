"""Turns type definitions into Python source: one validator function for each type, compiled on first use.

A generated function looks at each element by name and counts what it found; only when the object holds
more keys than that (choices of many types, `_name` siblings, nulls, unknown names) does it call `rest`.
"""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.definitions import Element, TypeDefinition
from kiungo.fhir.validation import primitives, problems
from kiungo.fhir.validation.problems import Problem, Problems, Rest

STRAIGHT_CHOICES_MAX = 3
# Seldom written, so not worth a look in every object of every type.
RARE = frozenset({"id", "implicitRules", "language", "contained", "modifierExtension"})
_lock = threading.RLock()


def function_name(type_name: str) -> str:
    """The generated function that validates a type."""
    return "v_" + type_name.replace(".", "_")


def validator(type_name: str) -> Callable[[Any], Problems]:
    """The compiled validator of a type; compiles it when this is the first use."""
    name = function_name(type_name)
    if name not in _functions:
        _declare(type_name)
    found: Callable[[Any], Problems] = _functions[name]
    return found


def _declare(type_name: str) -> None:
    """Put a stand-in that compiles the real function when it is first called."""
    name = function_name(type_name)

    def first_use(o: Any) -> Problems:
        with _lock:
            if _functions[name] is first_use:
                # The source is made from R4's definitions only, never from what a caller sent.
                exec(compile(source(type_name), f"<validator of {type_name}>", "exec"), _functions)  # noqa: S102
        found: Problems = _functions[name](o)
        return found

    with _lock:
        _functions.setdefault(name, first_use)


def source(type_name: str) -> str:
    """The Python source of one type's validator."""
    definition = definitions.get_type(type_name)
    straight = [e for e in definition.elements if _is_straight(e, definition)]
    name = function_name(type_name)
    plan = _rest_plan(definition, straight)
    _functions[f"REST_{name}"] = plan
    lines = [
        f"def {name}(o):",
        "    if o.__class__ is not dict or not o: return not_object(o)",
        "    e = None",
        f"    n = {1 if definition.kind == 'R' else 0}",
        "    g = o.get",
    ]
    for element in straight:
        lines += _choice_lines(element) if element.is_choice else _element_lines(element, *element.written()[0])
    lines.append(f"    if n != len(o): e = rest(e, o, REST_{name}, FUNCTIONS)")
    for choice in sorted(plan.required):
        lines.append(f"    else: e = missing(e, '{choice}[x]')")
    lines.append("    return e")
    return "\n".join(lines)


def _is_straight(element: Element, definition: TypeDefinition) -> bool:
    if element.is_choice:
        return len(element.types) <= STRAIGHT_CHOICES_MAX
    if element.name == "extension":
        return definition.kind == "R" or definition.name in ("Extension", "Element")
    return element.name not in RARE or element.min > 0


def _rest_plan(definition: TypeDefinition, straight: list[Element]) -> Rest:
    plan = Rest(
        straight=frozenset(name for e in straight for name, _ in e.written()),
        handlers={},
        choices={name: e.name[:-3] for e in definition.elements if e.is_choice for name, _ in e.written()},
        required=frozenset(e.name[:-3] for e in definition.elements if e.is_choice and e.min and e not in straight),
        is_resource=definition.kind == "R",
    )
    for element in definition.elements:
        for name, type_name in element.written():
            if definitions.get_type(type_name).is_primitive:
                plan.primitives[name] = element.is_list
            if name not in plan.straight:
                plan.handlers[name] = (_handler(element, type_name), element.is_list, _codes(element, type_name))
    return plan


def _handler(element: Element, type_name: str) -> str:
    if definitions.get_type(type_name).is_primitive:
        return type_name
    return _called(element, type_name)


def _called(element: Element, type_name: str) -> str:
    name = "Contained" if element.name == "contained" else type_name
    if name not in ("Contained", "Resource"):
        validator(name)
    return function_name(name)


def _codes(element: Element, type_name: str) -> Any:
    """The codes of a required binding as the runtime wants them: a set for `code`, by system for a concept."""
    codes = definitions.value_set_codes(element.value_set) if element.value_set else None
    if codes is None:
        return None
    if type_name == "CodeableConcept":
        return {system: frozenset(names) for system, names in codes.items()}
    return frozenset(c for names in codes.values() for c in names) if type_name == "code" else None


def _codes_name(element: Element, type_name: str) -> str | None:
    codes = _codes(element, type_name)
    if codes is None:
        return None
    name = f"CODES_{type_name}_{str(element.value_set).rsplit('/', 1)[1].replace('-', '_').replace('.', '_')}"
    _functions[name] = codes
    return name


def _choice_lines(element: Element) -> list[str]:
    """A choice of few types: each is looked for, and at most one may be there."""
    lines = ["    c = n"]
    for name, type_name in element.written():
        lines += _element_lines(Element(name, 0, 1, (type_name,), element.value_set, False), name, type_name)
    stem = element.name[:-3]
    lines.append(f"    if n > c + 1: e = add(e, '.{stem}[x]', 'structure', 'has more than one value')")
    if element.min:
        siblings = [n for n, t in element.written() if definitions.get_type(t).is_primitive]
        guard = "".join(f" and '_{n}' not in o" for n in siblings)
        lines.append(f"    elif n == c{guard}: e = missing(e, '{stem}[x]')")
    return lines


def _element_lines(element: Element, name: str, type_name: str) -> list[str]:
    is_primitive = definitions.get_type(type_name).is_primitive
    lines = [f"    v = g({name!r})", "    if v is not None:", "        n += 1"]
    make = _primitive_lines if is_primitive else _complex_lines
    lines += ["        " + line for line in make(element, name, type_name)]
    if element.min:
        guard = f" and '_{name}' not in o" if is_primitive else ""
        lines.append(f"    elif {name!r} not in o{guard}: e = missing(e, {name!r})")
    return lines


def _primitive_lines(element: Element, name: str, type_name: str) -> list[str]:
    codes = _codes_name(element, type_name)
    extra = f", {codes}" if codes else ""
    test = f"v.__class__ is str and v in {codes}" if codes else primitives.INLINE.get(type_name)
    slow = f"e = primitive(e, {name!r}, v, {type_name!r}{extra})"
    if not element.is_list:
        return [f"if not ({test}): {slow}"] if test else [slow]
    slow = f"e = primitives_list(e, {name!r}, a, g('_{name}'), {type_name!r}{extra})"
    if not test:
        return ["a = v", slow]
    return [
        "a = v",
        "if a.__class__ is list and a:",
        "    for v in a:",
        f"        if not ({test}):",
        f"            {slow}",
        "            break",
        f"else: {slow}",
    ]


def _complex_lines(element: Element, name: str, type_name: str) -> list[str]:
    called = _called(element, type_name)
    codes = _codes_name(element, type_name)
    if element.is_list:
        return [
            "if v.__class__ is list and v:",
            "    for x in v:",
            f"        if {called}(x) is not None:",
            f"            e = each(e, {name!r}, v, {called})",
            "            break",
            f"else: e = each(e, {name!r}, v, {called})",
        ]
    lines = [f"if {called}(v) is not None: e = single(e, {name!r}, v, {called})"]
    if codes:
        words = "'has no code of the required value set'"
        lines.append(f"elif not concept_in(v, {codes}): e = add(e, '.{name}', 'code-invalid', {words})")
    return lines


def validate_any(o: Any) -> Problems:
    """The validator of whatever resource type the object says it is."""
    if o.__class__ is not dict:
        return problems.not_object(o)
    name = o.get("resourceType")
    definition = definitions.find_type(name) if isinstance(name, str) else None
    if definition is None or definition.kind != "R":
        words = "is required" if name is None else "is not a resource type of FHIR R4"
        return [Problem(".resourceType", "structure", words)]
    return validator(definition.name)(o)


def _validate_contained(o: Any) -> Problems:
    found = validate_any(o)
    if o.__class__ is dict and "contained" in o:
        found = problems.add(found, ".contained", "structure", "a contained resource contains no others")
    return found


_functions: dict[str, Any] = {
    "Decimal": Decimal,
    "DATE": primitives.DATE,
    "DATE_TIME": primitives.DATE_TIME,
    "INSTANT": primitives.INSTANT,
    "add": problems.add,
    "not_object": problems.not_object,
    "each": problems.each,
    "single": problems.single,
    "primitive": problems.primitive,
    "primitives_list": problems.primitives_list,
    "missing": problems.missing,
    "concept_in": problems.concept_in,
    "rest": problems.rest,
    "v_Resource": validate_any,
    "v_Contained": _validate_contained,
}
_functions["FUNCTIONS"] = _functions
validator("Element")
