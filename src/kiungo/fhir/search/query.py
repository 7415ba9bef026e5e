"""The search grammar: parameters as text into a query of predicates, or a refusal that says what was meant.

An unknown parameter is refused, never ignored: ignoring it would widen the answer.
Source: FHIR R4 3.1.1 (search).
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kiungo.base.errors import Incorrect, define
from kiungo.fhir import definitions
from kiungo.fhir.search.parameters import INDEXED_KINDS, OWN_COLUMNS, Parameter, parameters_of

SEARCH_PARAMETER_UNKNOWN = define(
    "SEARCH_PARAMETER_UNKNOWN", Incorrect, "The type has no search parameter of this name."
)
SEARCH_VALUE_WRONG = define(
    "SEARCH_VALUE_WRONG", Incorrect, "A search value, modifier or prefix does not fit its parameter."
)
SEARCH_NOT_SUPPORTED = define(
    "SEARCH_NOT_SUPPORTED", Incorrect, "A known part of FHIR search that this server does not offer."
)
SEARCH_TOO_COSTLY = define(
    "SEARCH_TOO_COSTLY", Incorrect, "The search needs more time than one search may take.", http=422
)

Params = Sequence[tuple[str, str]]
COUNT_DEFAULT = 20
COUNT_MAX = 1000
DEPTH_MAX = 4
PREDICATES_MAX = 30
VALUES_MAX = 200
SORT_KEYS_MAX = 4
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
MODIFIERS = {
    "token": frozenset({"missing", "not"}),
    "string": frozenset({"missing", "exact", "contains"}),
    "reference": frozenset({"missing", "identifier"}),
    "uri": frozenset({"missing", "above", "below"}),
    "date": frozenset({"missing"}),
    "number": frozenset({"missing"}),
    "quantity": frozenset({"missing"}),
}
RESULT_PARAMETERS = frozenset(
    {"_sort", "_count", "_total", "_summary", "_elements", "_include", "_revinclude", "_cursor", "_format", "_pretty"}
)
NOT_OFFERED = frozenset({"_text", "_content", "_query", "_filter", "_list", "_contained", "_containedType", "_score"})
_PREFIXED = re.compile(r"([a-z]{2})(?=[-+0-9.])")


@dataclass(frozen=True, slots=True)
class Value:
    """One of several values, any of which may match. Shapes: `parts` are those between `|`, unescaped."""

    prefix: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The value as one text."""
        return "|".join(self.parts)


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition: a parameter, its modifier, and the values any of which may match."""

    parameter: Parameter
    modifier: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """The resource refers, by `parameter`, to one of these types that meets the inner condition."""

    parameter: Parameter
    inner: tuple[tuple[str, "Condition"], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of another type refers, by its `parameter`, to this one and meets the inner condition."""

    parameter: Parameter
    inner: "Condition"


Condition = Predicate | Chain | Has


@dataclass(frozen=True, slots=True)
class SortKey:
    """Order by a parameter. `_lastUpdated` and `_id` are parameters too."""

    parameter: Parameter
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """Add what `parameter` of `source` refers to (or, reversed, what refers by it), perhaps only one type."""

    source: str
    parameters: tuple[Parameter, ...]
    target: str | None
    iterate: bool


@dataclass(slots=True)
class Query:
    """A search that was understood completely. `text` is every pair that belongs to a page link."""

    type: str
    conditions: list[Condition] = field(default_factory=list)
    sort: list[SortKey] = field(default_factory=list)
    count: int = COUNT_DEFAULT
    total: str = "none"
    summary: str = "false"
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    cursor: str | None = None
    text: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def parse_query(type_name: str, params: Params, *, lenient: bool = False) -> Query:
    """Understand every parameter or refuse; `lenient` leaves out the unknown ones and lists them in `ignored`.

    Raises: Incorrect (SEARCH_PARAMETER_UNKNOWN, SEARCH_VALUE_WRONG, SEARCH_NOT_SUPPORTED).
    """
    query = Query(type_name)
    for name, value in params:
        if name in RESULT_PARAMETERS or name.split(":")[0] in ("_include", "_revinclude"):
            _result_parameter(query, name, value)
            if name != "_cursor":
                query.text.append((name, value))
        else:
            try:
                query.conditions.append(parse_condition(type_name, name, value))
            except Incorrect as error:
                if not lenient or error.code != SEARCH_PARAMETER_UNKNOWN:
                    raise
                query.ignored.append(name[:60])
            else:
                query.text.append((name, value))
    if query.count == 0:
        query.summary = "count"
    if len(query.conditions) > PREDICATES_MAX:
        raise _wrong("query", f"has more than {PREDICATES_MAX} conditions", "Ask in several searches")
    return query


def parse_condition(type_name: str, name: str, value: str, depth: int = 0) -> Condition:
    """One condition from its name and value, chains and `_has` included."""
    if depth > DEPTH_MAX:
        raise _wrong(name, f"chains deeper than {DEPTH_MAX} steps", "Search in several steps")
    if name.startswith("_has:"):
        return _has(type_name, name, value, depth)
    head, dot, rest = name.partition(".")
    code, colon, modifier = head.partition(":")
    parameter = get_parameter(type_name, code)
    if dot:
        return _chain(parameter, modifier, rest, value, depth)
    if colon and modifier in definitions.type_ids() and parameter.kind == "reference":
        return Predicate(parameter, "", tuple(_typed(v, modifier) for v in _values(parameter, "", value)))
    _check_modifier(parameter, modifier, colon)
    if modifier == "missing":
        if value not in ("true", "false"):
            raise _wrong(name, "must be true or false", "Write true or false")
        return Predicate(parameter, modifier, (Value("", (value,)),))
    return Predicate(parameter, modifier, tuple(_values(parameter, modifier, value)))


def get_parameter(type_name: str, code: str) -> Parameter:
    """The parameter of a type. Raises: Incorrect SEARCH_PARAMETER_UNKNOWN, with the one that was meant."""
    known = parameters_of(type_name)
    found = known.get(code)
    if found is None:
        if code in NOT_OFFERED:
            raise _not_supported(code, "is not offered by this server")
        near = difflib.get_close_matches(code, list(known), n=1, cutoff=0.5)
        raise Incorrect(
            SEARCH_PARAMETER_UNKNOWN,
            f"{type_name} has no search parameter {code[:60]!r}" + (f"; did you mean {near[0]}?" if near else ""),
            field=code[:60],
            hint="The parameters of each type are in /fhir/metadata",
        )
    if found.kind not in INDEXED_KINDS or not (found.sources or found.code in OWN_COLUMNS):
        raise _not_supported(code, f"is of kind {found.kind}, which this server does not search yet")
    return found


def _chain(parameter: Parameter, modifier: str, rest: str, value: str, depth: int) -> Chain:
    if parameter.kind != "reference":
        raise _wrong(parameter.code, "is not a reference, so nothing can follow it", "Leave out the dot")
    if modifier and modifier not in parameter.targets:
        near = ", ".join(parameter.targets[:6])
        raise _wrong(parameter.code, f"never refers to {modifier[:40]}", f"It refers to {near}")
    # Patient first: when the rest fits no type, its refusal is the one most callers can use.
    targets = (modifier,) if modifier else sorted(parameter.targets, key=lambda name: name != "Patient")
    inner: list[tuple[str, Condition]] = []
    problem: Incorrect | None = None
    for target in targets:
        try:
            inner.append((target, parse_condition(target, rest, value, depth + 1)))
        except Incorrect as error:
            problem = problem or error
    if not inner:
        raise problem or _wrong(parameter.code, "refers to nothing that can be searched", "Name the type")
    return Chain(parameter, tuple(inner))


def _has(type_name: str, name: str, value: str, depth: int) -> Has:
    parts = name.split(":", 3)
    if len(parts) < 4:
        raise _wrong(name, "is not complete", "Write _has:Observation:patient:code=1234-5")
    _, other, code, rest = parts
    if other not in definitions.type_ids():
        raise _wrong(name, "names no resource type", "Write _has:Observation:patient:code=1234-5")
    parameter = get_parameter(other, code)
    if parameter.kind != "reference" or (parameter.targets and type_name not in parameter.targets):
        raise _wrong(name, f"{other}.{code} does not refer to {type_name}", "Name a reference to this type")
    return Has(parameter, parse_condition(other, rest, value, depth + 1))


def _check_modifier(parameter: Parameter, modifier: str, colon: str) -> None:
    if not colon:
        return
    allowed = MODIFIERS[parameter.kind]
    if modifier not in allowed or (parameter.code in OWN_COLUMNS and modifier != "not"):
        raise _not_supported(
            f"{parameter.code}:{modifier[:40]}", f"is not offered; {parameter.code} takes {', '.join(sorted(allowed))}"
        )


def _values(parameter: Parameter, modifier: str, value: str) -> Iterable[Value]:
    found = [part for part in split_escaped(value, ",") if part]
    if not found:
        raise _wrong(parameter.code, "has no value", f"Write {parameter.code}=value, or leave it out")
    if len(found) > VALUES_MAX:
        raise _wrong(parameter.code, f"has more than {VALUES_MAX} values", "Ask in several searches")
    for written in found:
        prefix, part = "", written
        if parameter.kind in ("date", "number", "quantity"):
            match = _PREFIXED.match(written)
            if match:
                prefix, part = match[1], written[2:]
                if prefix not in PREFIXES:
                    raise _wrong(parameter.code, f"has no prefix {prefix}", f"Use one of {', '.join(PREFIXES)}")
        if parameter.kind in ("token", "quantity") or modifier == "identifier":
            yield Value(prefix, tuple(unescape(p) for p in split_escaped(part, "|")))
        else:
            yield Value(prefix, (unescape(part),))


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


def _result_parameter(query: Query, name: str, value: str) -> None:
    head, _, modifier = name.partition(":")
    if head == "_count":
        if not value.isdecimal() or len(value) > 9:
            raise _wrong("_count", "is not a number", "Write _count=20")
        query.count = min(int(value), COUNT_MAX)
    elif head == "_total":
        query.total = _one_of(head, value, ("none", "estimate", "accurate"))
    elif head == "_summary":
        query.summary = _one_of(head, value, ("false", "count", "true", "text", "data"))
    elif head == "_sort":
        query.sort += [_sort_key(query.type, part) for part in value.split(",") if part]
        if len(query.sort) > SORT_KEYS_MAX:
            raise _wrong("_sort", f"has more than {SORT_KEYS_MAX} keys", "Sort by fewer")
    elif head == "_cursor":
        query.cursor = value
    elif head == "_include":
        query.includes.append(_include(query.type, name, modifier, value))
    elif head == "_revinclude":
        query.revincludes.append(_include(None, name, modifier, value))
    elif head == "_format" and "xml" in value.lower():
        raise _not_supported("_format", "must be JSON")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise _wrong(name, "has another value than this server offers", f"Use one of {', '.join(allowed)}")
    return value


def _sort_key(type_name: str, text: str) -> SortKey:
    descending = text.startswith("-")
    return SortKey(get_parameter(type_name, text.removeprefix("-")), descending)


def _include(type_name: str | None, name: str, modifier: str, value: str) -> Include:
    if modifier not in ("", "iterate"):
        raise _not_supported(name[:60], "is not offered; only :iterate is")
    parts = value.split(":")
    source = parts[0]
    if not 2 <= len(parts) <= 3 or source not in definitions.type_ids():
        raise _wrong(name[:60], "must be Type:parameter or Type:parameter:Type", "Write Observation:subject")
    if type_name is not None and source != type_name and not modifier:
        raise _wrong(name[:60], f"starts at {source}, but the search is for {type_name}", "Use _include:iterate")
    target = parts[2] if len(parts) == 3 and parts[2] else None
    if target is not None and target not in definitions.type_ids():
        raise _wrong(name[:60], "names no resource type as its target", "Write Observation:subject:Patient")
    if parts[1] == "*":
        known = parameters_of(source).values()
        found = tuple(p for p in known if p.kind == "reference" and p.sources)
    else:
        found = (get_parameter(source, parts[1]),)
        if found[0].kind != "reference":
            raise _wrong(name[:60], f"{source}.{parts[1]} is not a reference", "Name a reference parameter")
    return Include(source, found, target, modifier == "iterate")


def _wrong(name: str, problem: str, hint: str) -> Incorrect:
    return Incorrect(SEARCH_VALUE_WRONG, f"{name[:60]} {problem}", field=name[:60], hint=hint)


def _not_supported(name: str, problem: str) -> Incorrect:
    return Incorrect(
        SEARCH_NOT_SUPPORTED, f"{name} {problem}", field=name, hint="See /fhir/metadata for what is offered"
    )
