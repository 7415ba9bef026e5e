"""What an expression can mean for a type, found before it is evaluated.

The types an expression may have are followed through it. Refused is only what can never work for any of them: where
the types are not known (variables, resolve(), descendants()), nothing is.
Source: FHIRPath N1, 12 (type safety and strict evaluation).
"""

from difflib import get_close_matches

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath import returns
from kiungo.fhir.fhirpath.errors import senseless
from kiungo.fhir.fhirpath.parser import type_named
from kiungo.fhir.fhirpath.returns import NUMBERS, TEMPORAL, Kind, Kinds, of_system, system_of
from kiungo.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    Expr,
    Index,
    Literal,
    Member,
    Path,
    Special,
    TypeTest,
    Unary,
    Variable,
)
from kiungo.fhir.fhirpath.types import OPEN, Type, find_type, is_type_name
from kiungo.fhir.fhirpath.typing import specifier
from kiungo.fhir.fhirpath.values import system_name

# Types that stand for others: an element they do not have may be one of what is really there.
_ABSTRACT = frozenset({"Resource", "DomainResource", "Element", "BackboneElement"})
_ORDERED = frozenset({"first", "last", "tail", "skip", "take"})
_WITHOUT_ORDER = frozenset({"children", "descendants"})
_MEMBERS = {"System.Quantity": {"value": "System.Decimal", "unit": "System.String"}}


def check(tree: Expr, type_name: str | None) -> None:
    """Refuse what can never mean anything for a type. Raises: Incorrect FHIRPATH_SEMANTIC."""
    type_ = find_type(type_name) if type_name else None
    _kinds(tree, frozenset({type_}) if type_ is not None else None)


def may_be(tree: Expr, type_name: str, system: str) -> bool:
    """Whether the value for a type may be of a System type, such as Boolean; so it may where that is not known."""
    type_ = find_type(type_name)
    try:
        found = _kinds(tree, frozenset({type_}) if type_ is not None else None)
    except Incorrect:
        return True  # what means nothing for the type has no value of another kind
    return not found or any(system_of(kind) == system for kind in found)


def _kinds(tree: Expr, this: Kinds) -> Kinds:  # noqa: PLR0911 - one line for each kind of tree
    """The types the value may have; None when that is not known."""
    match tree:
        case Literal(value):
            return of_system(system_name(value))
        case Empty():
            return frozenset()
        case Variable():
            return None
        case Special(name):
            return this if name == "this" else of_system("Integer") if name == "index" else None
        case Member(name):
            return _head(name, this)
        case Call():
            return _call(tree, this, this)
        case Path():
            return _path(tree, this)
        case Unary(_, operand):
            return _kinds(operand, this)
        case Binary():
            return _binary(tree, this)
        case TypeTest(operator, operand, namespace, name):
            _kinds(operand, this)
            return of_system("Boolean") if operator == "is" else _type_kinds(namespace, name)


def _path(tree: Path, this: Kinds) -> Kinds:
    found = _kinds(tree.head, this)
    before: object = tree.head
    for step in tree.steps:
        if isinstance(step, Index) or (isinstance(step, Call) and step.name in _ORDERED):
            _check_order(before)
        if isinstance(step, Member):
            found = _member(found, step.name)
        elif isinstance(step, Call):
            found = _call(step, found, this)
        else:
            _kinds(step.position, this)
        before = step
    return found


def _check_order(before: object) -> None:
    if isinstance(before, Call) and before.name in _WITHOUT_ORDER:
        raise senseless(
            f"{before.name}() has no order that an index, first(), last(), tail(), skip() or take() could mean",
            hint="Name the element, or choose with where()",
        )


def _head(name: str, this: Kinds) -> Kinds:
    """The first name of a path: a type, or an element of what the path is about."""
    if not is_type_name(name):
        return _member(this, name)
    if this is None:
        return _type_kinds("", name)
    fitting = frozenset(kind for kind in this if isinstance(kind, Type) and name in kind.ancestors)
    if fitting or not this:
        return fitting
    if any(isinstance(kind, Type) and (kind.name in _ABSTRACT or kind.is_open) for kind in this):
        return _type_kinds("", name)
    raise senseless(f"The path begins with {name}, and is about {_shown(this)}", hint=f"Begin with {_shown(this)}")


def _member(kinds: Kinds, name: str) -> Kinds:
    if kinds is None:
        return None
    found: set[Kind] = set()
    for kind in kinds:
        if isinstance(kind, str):
            member = _MEMBERS.get(kind, {}).get(name)
            found |= {member} if member else set()
            continue
        child = kind.children.get(name)
        if child is not None:
            found |= {type_ for _, type_ in child.written}
        elif kind.name in _ABSTRACT or kind.is_open:
            return None
    if not found and kinds:
        raise _no_such_element(kinds, name)
    return None if OPEN in found else frozenset(found)


def _no_such_element(kinds: frozenset[Kind], name: str) -> Incorrect:
    types = [kind for kind in kinds if isinstance(kind, Type)]
    for type_ in types:
        for child in type_.children.values():
            if name in child.by_key:
                wanted = child.by_key[name].name
                return senseless(
                    f"{_shown(kinds)} has no element {name}: that is how JSON writes {child.name}",
                    hint=f"Write {child.name}.ofType({wanted})",
                )
    known = sorted({one for type_ in types for one in type_.children})
    close = get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"It has {', '.join(known[:40])}" if known else None
    return senseless(f"{_shown(kinds)} has no element {name}", hint=hint)


def _shown(kinds: frozenset[Kind]) -> str:
    names = sorted({kind if isinstance(kind, str) else kind.name for kind in kinds})
    return " or ".join(names[:5]) + (" or others" if len(names) > 5 else "")


def _type_kinds(namespace: str, name: str) -> Kinds:
    wanted = specifier(namespace, name)
    type_ = find_type(wanted.fhir) if wanted.fhir else None
    found: set[Kind] = {type_} if type_ is not None else set()
    if wanted.system:
        found.add(f"System.{wanted.system}")
    return frozenset(found)


def _call(call: Call, kinds: Kinds, this: Kinds) -> Kinds:
    """The types a function answers with; its arguments are checked on the way."""
    name = call.name
    if name in ("is", "as", "ofType"):
        wanted = _type_kinds(*type_named(call.arguments[0])) if call.arguments else None
        return of_system("Boolean") if name == "is" else wanted
    if name in returns.OF_TEXT and kinds and "String" not in {system_of(kind) for kind in kinds}:
        raise senseless(f"{name}() takes a text, and {_shown(kinds)} is none", hint="Name the element that holds it")
    inside = kinds if name in returns.SCOPED else this
    if name in returns.REPEATING:
        inside = None  # later rounds are about what earlier ones found
    arguments = [_kinds(argument, inside) for argument in call.arguments]
    if name == "iif" and arguments:
        _check_condition(arguments[0])
        return returns.either(arguments[1:])
    return returns.answer(name, kinds, arguments)


def _check_condition(kinds: Kinds) -> None:
    if kinds and all(isinstance(kind, str) and kind != "System.Boolean" for kind in kinds):
        raise senseless(f"iif() decides by true or false, not by {_shown(kinds)}", hint="Use exists() or a comparison")


def _binary(tree: Binary, this: Kinds) -> Kinds:
    left, right = _kinds(tree.left, this), _kinds(tree.right, this)
    if tree.operator == "|":
        return returns.either([left, right])
    if tree.operator not in ("+", "-", "*", "/", "div", "mod", "&"):
        return of_system("Boolean")
    if tree.operator in ("+", "-") and _all_in(left, TEMPORAL) and _all_in(right, NUMBERS):
        raise senseless(
            f"A date or time cannot be moved by a plain number ({tree.operator})", hint="Name the unit: + 7 days"
        )
    return of_system("String") if tree.operator == "&" else None


def _all_in(kinds: Kinds, names: frozenset[str]) -> bool:
    return bool(kinds) and all(system_of(kind) in names for kind in kinds or ())
