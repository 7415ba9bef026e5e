"""The grammar of one condition: a name with modifier, chain or `_has`, and its values.

An unknown parameter is refused, never ignored: ignoring it would widen the answer.
Source: FHIR R4 3.1.1.4 (search parameters).
"""

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

from kiungo.base.errors import Incorrect
from kiungo.fhir import definitions
from kiungo.fhir.indexing.extraction import holds_addresses
from kiungo.fhir.indexing.parameters import INDEXED_KINDS, OWN_COLUMNS, Parameter, parameters_of
from kiungo.fhir.search.asked import (
    SEARCH_NOT_SUPPORTED,
    SEARCH_PARAMETER_UNKNOWN,
    SEARCH_VALUE_WRONG,
    AnyOf,
    Chain,
    Condition,
    Has,
    Predicate,
    Value,
)
from kiungo.fhir.search.known import STANDARD, Known
from kiungo.fhir.search.places import parse_near
from kiungo.fhir.search.words import WORDLESS, parse_words

DEPTH_MAX = 4
VALUES_MAX = 200
REMEMBERED_LENGTH_MAX = 200
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
PREFIXED_KINDS = frozenset({"date", "number", "quantity"})
MODIFIERS = {
    "token": frozenset({"missing", "not", "text", "in", "not-in", "above", "below", "of-type"}),
    "string": frozenset({"missing", "exact", "contains"}),
    "reference": frozenset({"missing", "identifier", "above", "below"}),
    "uri": frozenset({"missing", "above", "below"}),
    "date": frozenset({"missing"}),
    "number": frozenset({"missing"}),
    "quantity": frozenset({"missing"}),
    "composite": frozenset({"missing"}),
    "special": frozenset({"missing"}),
}
# Conditions that every type takes beside its parameters, with the kinds R4 gives them.
COMMON = {"_text": "string", "_content": "string", "_list": "special", "_has": "string", "_filter": "special"}
# What R4 has and we refuse, with the reason and the way out. A value that changes nothing is taken.
NOT_OFFERED = {
    "_query": "names a query that somebody defined, and this server keeps none; ask with parameters, or with _filter",
    "_contained": "looks for contained resources, which are found only as parts of what contains them; write false",
    "_containedType": "says what to return for a contained resource, and those are not searched; leave it out",
    "_score": "is a sort key of text searches with ranks, and words here are found or not; leave it out",
}
_PREFIXED = re.compile(r"([a-z]{2})(?=[-+0-9.])")


def parse_condition(type_name: str, name: str, value: str, depth: int = 0, known: Known = STANDARD) -> Condition:
    """One condition from its name and value, chains and `_has` included. Raises: Incorrect."""
    if depth > DEPTH_MAX:
        raise wrong(name, f"chains deeper than {DEPTH_MAX} steps", "Search in several steps")
    # A parameter of R4's means the same to every tenant, and most conditions are asked again and again.
    if "." not in name and len(value) <= REMEMBERED_LENGTH_MAX and name.partition(":")[0] in parameters_of(type_name):
        return _standard(type_name, name, value)
    return _understood(type_name, name, value, depth, known)


@lru_cache(maxsize=8192)
def _standard(type_name: str, name: str, value: str) -> Condition:
    return _understood(type_name, name, value, 0, STANDARD)


def _understood(type_name: str, name: str, value: str, depth: int, known: Known) -> Condition:
    special = _by_name(type_name, name, value, depth, known)
    if special is not None:
        return special
    head, dot, rest = name.partition(".")
    code, colon, modifier = head.partition(":")
    parameter = get_parameter(type_name, code, known)
    if dot:
        return _chain(parameter, modifier, rest, value, depth, known)
    if colon and modifier in definitions.type_ids() and parameter.kind == "reference":
        return Predicate(parameter, "", tuple(_typed(v, modifier) for v in values_of(parameter, "", value)))
    _check_modifier(parameter, modifier, colon)
    if modifier == "missing" and value not in ("true", "false"):
        raise wrong(name, "must be true or false", "Write true or false")
    if parameter.kind == "special" and modifier != "missing":
        return _near(value)
    return Predicate(parameter, modifier, tuple(values_of(parameter, modifier, value)))


def _by_name(type_name: str, name: str, value: str, depth: int, known: Known) -> Condition | None:
    """The conditions that are not one parameter's of the type; None for all others."""
    if name.startswith("_has:"):
        return _has(type_name, name, value, depth, known)
    if name in ("_text", "_content"):
        if type_name in WORDLESS:
            raise not_supported(
                name, f"does not look into a {type_name}: it is searched by its codes, dates and parties"
            )
        return parse_words("_text" if name == "_text" else "_content", value)
    return _listed(value) if name == "_list" else None


def _near(value: str) -> Condition:
    found = tuple(parse_near(tuple(split_escaped(part, "|"))) for part in split_escaped(value, ",") if part)
    return found[0] if len(found) == 1 else AnyOf(found or (parse_near(("",)),))


def _listed(value: str) -> Condition:
    """The members of a List: what a List of this id refers to as its items."""
    logical_id = value.removeprefix("List/")
    if value.startswith("$"):
        raise not_supported("_list", "takes the id of a List; functional lists such as $current-allergies are not kept")
    by_id = Predicate(get_parameter("List", "_id"), "", (Value("", (logical_id,)),))
    return Has(get_parameter("List", "item"), by_id)


def get_parameter(type_name: str, code: str, known: Known = STANDARD) -> Parameter:
    """The parameter of a type. Raises: Incorrect SEARCH_PARAMETER_UNKNOWN, with the one that was meant."""
    of_type = known.of(type_name)
    found = of_type.get(code)
    if found is None:
        if code in NOT_OFFERED:
            raise not_supported(code, NOT_OFFERED[code])
        near = difflib.get_close_matches(code, list(of_type), n=1, cutoff=0.5)
        raise Incorrect(
            SEARCH_PARAMETER_UNKNOWN,
            f"{type_name} has no search parameter {code[:60]!r}" + (f"; did you mean {near[0]}?" if near else ""),
            field=code[:60],
            hint="The parameters of each type are in /fhir/metadata",
        )
    if found.kind not in INDEXED_KINDS or not (found.sources or found.code in OWN_COLUMNS):
        raise not_supported(code, f"is of kind {found.kind}, which this server does not search yet")
    return found


def _chain(parameter: Parameter, modifier: str, rest: str, value: str, depth: int, known: Known) -> Chain:
    if parameter.kind != "reference":
        raise wrong(parameter.code, "is not a reference, so nothing can follow it", "Leave out the dot")
    refuse_addresses(parameter)
    if modifier and modifier not in parameter.targets:
        near = ", ".join(parameter.targets[:6])
        raise wrong(parameter.code, f"never refers to {modifier[:40]}", f"It refers to {near}")
    # Patient first: when the rest fits no type, its refusal is the one most callers can use.
    targets = (modifier,) if modifier else sorted(parameter.targets, key=lambda name: name != "Patient")
    inner: list[tuple[str, Condition]] = []
    problem: Incorrect | None = None
    for target in targets:
        try:
            inner.append((target, parse_condition(target, rest, value, depth + 1, known)))
        except Incorrect as error:
            problem = problem or error
    if not inner:
        raise problem or wrong(parameter.code, "refers to nothing that can be searched", "Name the type")
    return Chain(parameter, tuple(inner))


def refuse_addresses(parameter: Parameter) -> None:
    """What is named by URL is not joined by id: no row would ever be found. Raises: Incorrect SEARCH_NOT_SUPPORTED."""
    if holds_addresses(parameter):
        raise not_supported(
            parameter.code, "holds canonical URLs, which chains do not follow; search by the URL, or use _include"
        )


def _has(type_name: str, name: str, value: str, depth: int, known: Known) -> Has:
    parts = name.split(":", 3)
    if len(parts) < 4:
        raise wrong(name, "is not complete", "Write _has:Observation:patient:code=1234-5")
    _, other, code, rest = parts
    if other not in definitions.type_ids():
        raise wrong(name, "names no resource type", "Write _has:Observation:patient:code=1234-5")
    parameter = get_parameter(other, code, known)
    if parameter.kind != "reference" or (parameter.targets and type_name not in parameter.targets):
        raise wrong(name, f"{other}.{code} does not refer to {type_name}", "Name a reference to this type")
    refuse_addresses(parameter)
    return Has(parameter, parse_condition(other, rest, value, depth + 1, known))


def _check_modifier(parameter: Parameter, modifier: str, colon: str) -> None:
    if not colon:
        return
    allowed = MODIFIERS[parameter.kind] & (
        {"not", "missing"} if parameter.code in OWN_COLUMNS else MODIFIERS[parameter.kind]
    )
    if modifier not in allowed:
        takes = ", ".join(sorted(allowed)) or "no modifier"
        raise not_supported(f"{parameter.code}:{modifier[:40]}", f"is not offered; {parameter.code} takes {takes}")


def values_of(parameter: Parameter, modifier: str, value: str) -> Iterable[Value]:
    """The alternatives of a parameter's value. Raises: Incorrect SEARCH_VALUE_WRONG."""
    found = [part for part in split_escaped(value, ",") if part]
    if not found:
        raise wrong(parameter.code, "has no value", f"Write {parameter.code}=value, or leave it out")
    if len(found) > VALUES_MAX:
        raise wrong(parameter.code, f"has more than {VALUES_MAX} values", "Ask in several searches")
    for written in found:
        if parameter.kind == "composite" and modifier != "missing":
            yield _composite(parameter, written)
        elif modifier in ("in", "not-in", "text", "missing"):
            yield Value("", (unescape(written),))
        else:
            yield _value(parameter.code, "token" if modifier == "identifier" else parameter.kind, written)


def _value(code: str, kind: str, written: str) -> Value:
    prefix, part = "", written
    match = _PREFIXED.match(written) if kind in PREFIXED_KINDS else None
    if match:
        prefix, part = match[1], written[2:]
        if prefix not in PREFIXES:
            raise wrong(code, f"has no prefix {prefix}", f"Use one of {', '.join(PREFIXES)}")
    if kind in ("token", "quantity"):
        return Value(prefix, tuple(unescape(p) for p in split_escaped(part, "|")))
    return Value(prefix, (unescape(part),))


def _composite(parameter: Parameter, written: str) -> Value:
    parts = split_escaped(written, "$")
    if len(parts) != len(parameter.components) or not all(parts):
        kinds = "$".join(component.kind for component in parameter.components)
        raise wrong(parameter.code, f"has values of the form {kinds}", "Write each part, with $ between them")
    inner = tuple(_value(parameter.code, c.kind, p) for c, p in zip(parameter.components, parts, strict=True))
    return Value("", (written,), inner)


def _typed(value: Value, type_name: str) -> Value:
    return value if "/" in value.text else Value("", (f"{type_name}/{value.text}",))


def split_escaped(text: str, mark: str) -> list[str]:
    """Split at a mark that no backslash protects."""
    if "\\" not in text:
        return text.split(mark)
    parts, current, position = [], "", 0
    while position < len(text):
        if text[position] == "\\" and position + 1 < len(text):
            current += text[position : position + 2]
            position += 2
        elif text[position] == mark:
            parts.append(current)
            current = ""
            position += 1
        else:
            current += text[position]
            position += 1
    return [*parts, current]


def unescape(text: str) -> str:
    r"""Take away the backslash before `,`, `|`, `$` and a backslash."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def wrong(name: str, problem: str, hint: str) -> Incorrect:
    return Incorrect(SEARCH_VALUE_WRONG, f"{name[:60]} {problem}", field=name[:60], hint=hint)


def not_supported(name: str, problem: str) -> Incorrect:
    return Incorrect(
        SEARCH_NOT_SUPPORTED, f"{name} {problem}", field=name, hint="See /fhir/metadata for what is offered"
    )
