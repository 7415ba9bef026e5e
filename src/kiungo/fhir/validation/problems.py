"""What generated validators call when something is not as expected: the slow, careful half.

A validator returns None when all is well, else a list of Problems whose locations begin at its own object;
each caller puts its element's name in front. So a valid resource never pays for locations.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kiungo.fhir.validation import primitives

PROBLEMS_MAX = 100


class Problem(NamedTuple):
    """One thing wrong: where (such as `.name[0].given[1]`), the FHIR issue code, and a sentence's end."""

    location: str
    code: str
    message: str


Problems = list[Problem] | None
Check = Callable[[Any], Problems]


def add(problems: Problems, location: str, code: str, message: str) -> list[Problem]:
    """One problem more."""
    found = problems if problems is not None else []
    if len(found) < PROBLEMS_MAX:
        found.append(Problem(location, code, message))
    return found


def beneath(problems: Problems, location: str, inner: Iterable[Problem]) -> list[Problem]:
    """The problems of a child, located under its parent."""
    found = problems if problems is not None else []
    for item in inner:
        if len(found) >= PROBLEMS_MAX:
            break
        found.append(Problem(location + item.location, item.code, item.message))
    return found


def not_object(value: Any) -> list[Problem]:
    """The one problem of a value that should have been an object with something in it."""
    if value.__class__ is dict:
        return [Problem("", "structure", "must not be an empty object")]
    return [Problem("", "structure", "must be an object")]


def each(problems: Problems, name: str, values: Any, check: Check) -> Problems:
    """All problems of a list of complex values."""
    if values.__class__ is not list:
        return add(problems, f".{name}", "structure", "must be a list")
    if not values:
        return add(problems, f".{name}", "structure", "must not be an empty list")
    for position, value in enumerate(values):
        inner = check(value)
        if inner:
            problems = beneath(problems, f".{name}[{position}]", inner)
    return problems


def single(problems: Problems, name: str, value: Any, check: Check) -> Problems:
    """All problems of one complex value."""
    if value.__class__ is list:
        return add(problems, f".{name}", "structure", "must be one value, not a list")
    inner = check(value)
    return beneath(problems, f".{name}", inner) if inner else problems


def primitive(problems: Problems, name: str, value: Any, kind: str, codes: Any = None) -> Problems:
    """The problem of one primitive value, if it has one. `codes` are those of a required binding."""
    if value.__class__ in (list, dict):
        return add(problems, f".{name}", "structure", "must be one value, not a list or an object")
    words = primitives.problem(kind, value)
    if words:
        return add(problems, f".{name}", "value", words)
    if codes is not None and value not in codes:
        return add(problems, f".{name}", "code-invalid", not_in_codes(value, codes))
    return problems


def primitives_list(
    problems: Problems, name: str, values: Any, siblings: Any, kind: str, codes: Any = None
) -> Problems:
    """All problems of a list of primitive values; null is right where `_name` has an entry."""
    if values.__class__ is not list or not values:
        return add(problems, f".{name}", "structure", "must be a list with at least one value")
    others = siblings if siblings.__class__ is list else []
    for position, value in enumerate(values):
        if value is None:
            if position >= len(others) or others[position] is None:
                problems = add(problems, f".{name}[{position}]", "structure", "must not be null")
            continue
        found = primitive(None, name, value, kind, codes)
        if found:
            problems = add(problems, f".{name}[{position}]", found[0].code, found[0].message)
    return problems


def missing(problems: Problems, name: str) -> list[Problem]:
    """An element with a minimum of one is not there."""
    return add(problems, f".{name}", "required", "is required")


def not_in_codes(value: Any, codes: Iterable[str]) -> str:
    """Says which code was meant, when one is near."""
    near = difflib.get_close_matches(str(value), list(codes), n=1, cutoff=0.6)
    if near:
        return f"is not one of the codes allowed here; did you mean {near[0]}?"
    some = sorted(codes)
    listed = ", ".join(some[:8]) + (", ..." if len(some) > 8 else "")
    return f"is not one of the codes allowed here: {listed}"


def concept_in(concept: Any, codes: Mapping[Any, frozenset[str]]) -> bool:
    """Whether a CodeableConcept has a coding of the required value set (or only extensions)."""
    codings = concept.get("coding")
    if codings.__class__ is not list:
        return "extension" in concept and "text" not in concept
    return any(c.__class__ is dict and c.get("code") in codes.get(c.get("system"), ()) for c in codings)


@dataclass(slots=True)
class Rest:
    """How the keys of one type are judged that its straight-line code does not look at.

    Shapes: `handlers` key -> (checking function's name or primitive kind, is a list, codes);
    `choices` key -> choice element; `primitives` key -> is a list. `settled` are the keys that need no further look.
    """

    straight: frozenset[str]
    handlers: dict[str, tuple[str, bool, Any]]
    choices: dict[str, str]
    required: frozenset[str]
    primitives: dict[str, bool] = field(default_factory=dict)
    is_resource: bool = False
    settled: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        own = frozenset({"resourceType", "fhir_comments"}) if self.is_resource else frozenset()
        self.settled = (self.straight | own) - self.choices.keys() - self.handlers.keys()


def rest(problems: Problems, o: dict[str, Any], plan: Rest, functions: Mapping[str, Any]) -> Problems:
    """Judge every key the straight-line code did not count: choices, `_name` siblings, nulls, unknown names."""
    chosen: dict[str, str] = {}
    settled = plan.settled
    for key, value in o.items():
        if value is None:
            problems = add(problems, f".{key}", "structure", "must not be null, leave it out")
            continue
        if key in settled:
            continue
        choice = plan.choices.get(key) or plan.choices.get(key[1:])
        if choice and chosen.setdefault(choice, key.lstrip("_")) != key.lstrip("_"):
            problems = add(problems, f".{key}", "structure", f"is a second value for {choice}[x]")
        handler = plan.handlers.get(key)
        if handler is not None:
            problems = _handled(problems, o, key, handler, functions)
        elif key[:1] == "_" and key[1:] in plan.primitives:
            problems = _sibling(problems, o, key, plan.primitives[key[1:]], functions)
        elif key not in plan.straight:
            problems = add(problems, f".{key}", "structure", _unknown(key, plan))
    for choice in plan.required:
        if choice not in chosen:
            problems = missing(problems, f"{choice}[x]")
    return problems


def _handled(
    problems: Problems, o: dict[str, Any], key: str, handler: tuple[str, bool, Any], functions: Mapping[str, Any]
) -> Problems:
    name, is_list, codes = handler
    value = o[key]
    if name in primitives.CHECKS:
        if is_list:
            return primitives_list(problems, key, value, o.get("_" + key), name, codes)
        return primitive(problems, key, value, name, codes)
    check = functions[name]
    problems = each(problems, key, value, check) if is_list else single(problems, key, value, check)
    if codes is not None and not is_list and value.__class__ is dict and not concept_in(value, codes):
        problems = add(problems, f".{key}", "code-invalid", "has no code of the required value set")
    return problems


def _sibling(problems: Problems, o: dict[str, Any], key: str, is_list: bool, functions: Mapping[str, Any]) -> Problems:
    """`_name` carries the id and extensions of the primitive `name`. Source: FHIR R4 2.6.2.

    R4 fills the shorter of two lists up with null and does not say what leaving that out means; R5 does: the same.
    """
    value, element = o[key], functions["v_Element"]
    if not is_list:
        return single(problems, key, value, element)
    if value.__class__ is not list or not value:
        return add(problems, f".{key}", "structure", "must be a list with at least one value")
    values = o.get(key[1:])
    for position, item in enumerate(value):
        if item is None:
            if values.__class__ is not list or position >= len(values) or values[position] is None:
                problems = add(problems, f".{key}[{position}]", "structure", "must not be null on both sides")
            continue
        inner = element(item)
        if inner:
            problems = beneath(problems, f".{key}[{position}]", inner)
    return problems


def _unknown(key: str, plan: Rest) -> str:
    known = [*plan.straight, *plan.handlers]
    near = difflib.get_close_matches(key.lstrip("_"), known, n=1, cutoff=0.6)
    return "is not an element of this type" + (f"; did you mean {near[0]}?" if near else "")
