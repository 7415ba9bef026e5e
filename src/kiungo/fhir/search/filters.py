"""`_filter`: conditions with and, or, not and brackets, read into the same conditions that parameters make.

Shapes: `path op value`, where a path may follow references by dots; values are words or "texts".
Source: FHIR R4 3.1.3 (filter).
"""

import re

from kiungo.base.errors import Incorrect
from kiungo.fhir.indexing.parameters import OWN_COLUMNS, Parameter
from kiungo.fhir.search.asked import AllOf, AnyOf, Chain, Condition, Not, Predicate, Value
from kiungo.fhir.search.grammar import (
    PREFIXED_KINDS,
    get_parameter,
    not_supported,
    parse_condition,
    refuse_addresses,
    unescape,
    wrong,
)
from kiungo.fhir.search.known import STANDARD, Known

FILTER_LENGTH_MAX = 4_000
DEPTH_MAX = 10
_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([()\[\]])|([^\s()\[\]"]+))')
_PREFIXES = {op: op for op in ("ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "po")} | {"eq": ""}
_BY_OPERATOR = {
    "token": {"eq": "", "ss": "below", "sb": "above", "in": "in"},
    "string": {"eq": "equal", "sw": "", "co": "contains", "ew": "ends"},
    "uri": {"eq": ""},
    "reference": {"eq": "", "re": ""},
}
_NEGATED = {"ne": "eq", "ni": "in"}


def parse_filter(type_name: str, text: str, known: Known = STANDARD) -> Condition:
    """Read a `_filter`. Raises: Incorrect (SEARCH_VALUE_WRONG, SEARCH_PARAMETER_UNKNOWN, SEARCH_NOT_SUPPORTED)."""
    if len(text) > FILTER_LENGTH_MAX:
        raise _wrong(f"is longer than {FILTER_LENGTH_MAX} characters")
    reader = _Reader(type_name, text, known)
    found = reader.expression(0)
    if reader.tokens:
        raise _wrong(f"goes on after its end: {reader.tokens[-1][1][:30]}")
    return found


class _Reader:
    """A recursive-descent parser; `and` binds closer than `or`."""

    def __init__(self, type_name: str, text: str, known: Known) -> None:
        self._type = type_name
        self._known = known
        self.tokens: list[tuple[str, str]] = []
        position, text = 0, text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise _wrong("has a quotation mark that is not closed")
            quoted, mark, word = match.groups()
            self.tokens.append(("text", quoted) if quoted is not None else ("mark", mark) if mark else ("word", word))
            position = match.end()
        self.tokens.reverse()

    def expression(self, depth: int) -> Condition:
        """Alternatives of conditions that hold together."""
        if depth > DEPTH_MAX:
            raise _wrong(f"nests deeper than {DEPTH_MAX} brackets")
        choices = [self._together(depth)]
        while self._take("or"):
            choices.append(self._together(depth))
        return choices[0] if len(choices) == 1 else AnyOf(tuple(choices))

    def _together(self, depth: int) -> Condition:
        found = [self._one(depth)]
        while self._take("and"):
            found.append(self._one(depth))
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def _one(self, depth: int) -> Condition:
        if self._take("not"):
            return Not(self._one(depth + 1))
        if self.tokens and self.tokens[-1] == ("mark", "("):
            self.tokens.pop()
            inner = self.expression(depth + 1)
            self._need(")")
            return inner
        path, operator = self._next(), self._next().lower()
        if self.tokens and self.tokens[-1] == ("mark", "["):
            raise not_supported("_filter", "does not take a filter of elements in [brackets]")
        kind, value = self._value()
        return _condition(self._known, self._type, path, operator, value, is_text=kind == "text")

    def _take(self, word: str) -> bool:
        if self.tokens and self.tokens[-1][0] == "word" and self.tokens[-1][1].lower() == word:
            self.tokens.pop()
            return True
        return False

    def _need(self, mark: str) -> None:
        if not self.tokens or self.tokens.pop() != ("mark", mark):
            raise _wrong(f"needs a {mark}")

    def _next(self) -> str:
        if not self.tokens or self.tokens[-1][0] != "word":
            raise _wrong("needs `name operator value`")
        return self.tokens.pop()[1]

    def _value(self) -> tuple[str, str]:
        if not self.tokens or self.tokens[-1][0] == "mark":
            raise _wrong("has an operator without a value")
        return self.tokens.pop()


def _condition(known: Known, type_name: str, path: str, operator: str, value: str, *, is_text: bool) -> Condition:
    head, dot, rest = path.partition(".")
    if dot:
        return _chained(known, type_name, head, rest, operator, value, is_text=is_text)
    parameter = get_parameter(type_name, head, known)
    if operator in _NEGATED and parameter.kind not in PREFIXED_KINDS:
        return Not(_condition(known, type_name, path, _NEGATED[operator], value, is_text=is_text))
    if operator == "pr":
        is_there = value.lower()
        if is_there not in ("true", "false"):
            raise _wrong(f"has {head} pr without true or false")
        return parse_condition(type_name, f"{head}:missing", "false" if is_there == "true" else "true", 0, known)
    return _compared(parameter, operator, value, is_text=is_text)


def _compared(parameter: Parameter, operator: str, value: str, *, is_text: bool) -> Condition:
    kind = parameter.kind
    plain = unescape(value.replace('\\"', '"')) if is_text else value
    if kind in PREFIXED_KINDS:
        if operator not in _PREFIXES:
            raise _unfit(parameter, operator)
        parts = tuple(plain.split("|")) if kind == "quantity" else (plain,)
        return Predicate(parameter, "", (Value(_PREFIXES[operator], parts),))
    modifier = _BY_OPERATOR.get(kind, {}).get(operator)
    if modifier is None or (parameter.code in OWN_COLUMNS and modifier):
        raise _unfit(parameter, operator)
    split = kind == "token" and modifier != "in"
    return Predicate(parameter, modifier, (Value("", tuple(plain.split("|")) if split else (plain,)),))


def _chained(
    known: Known, type_name: str, head: str, rest: str, operator: str, value: str, *, is_text: bool
) -> Condition:
    """A path through a reference: read as a chain is, with the comparison at its end."""
    if rest.count(".") >= 3:
        raise _wrong("follows more than 4 references")
    code, _, only = head.partition(":")
    parameter = get_parameter(type_name, code, known)
    if parameter.kind != "reference":
        raise _wrong(f"goes on after {head}, which is not a reference")
    refuse_addresses(parameter)
    targets = (only,) if only in parameter.targets else parameter.targets
    inner: list[tuple[str, Condition]] = []
    problem = None
    for target in targets:
        try:
            inner.append((target, _condition(known, target, rest, operator, value, is_text=is_text)))
        except Incorrect as error:
            problem = problem or error
    if not inner:
        raise problem or _wrong(f"goes on after {head}, which refers to nothing that can be searched")
    return Chain(parameter, tuple(inner))


def _unfit(parameter: Parameter, operator: str) -> Incorrect:
    known = _PREFIXES if parameter.kind in PREFIXED_KINDS else _BY_OPERATOR.get(parameter.kind, {})
    return _wrong(f"compares {parameter.code} by {operator[:20]}; a {parameter.kind} takes {', '.join(sorted(known))}")


def _wrong(problem: str) -> Incorrect:
    return wrong("_filter", problem, 'Write _filter=name co "pet" and (birthdate ge 1990 or gender eq male)')
