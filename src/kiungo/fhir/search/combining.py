"""Composite values against the rows of their combinations.

Source: FHIR R4 3.1.1.4.16 (composite).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kiungo.fhir.indexing import values
from kiungo.fhir.indexing.composites import Component
from kiungo.fhir.indexing.parameters import Parameter, Source
from kiungo.fhir.search import matching, tokens
from kiungo.fhir.search.asked import Predicate, Value
from kiungo.fhir.search.matching import LAST, Match, Scope, Where

_PLAIN = Source(0)


REMEMBERED_VALUES_MAX = 8
REMEMBERED_LENGTH_MAX = 200
_ASKS = frozenset({"in", "not-in", "above", "below"})


def matches(scope: Scope, predicate: Predicate) -> Sequence[Match]:
    """What meets a predicate of any kind (its negation is the caller's); empty when nothing can."""
    if predicate.modifier in _ASKS or predicate.parameter.kind in ("date", "composite"):
        return _matches(scope, predicate)  # others decide what that is, or today's date
    if len(predicate.values) > REMEMBERED_VALUES_MAX or any(
        len(part) > REMEMBERED_LENGTH_MAX for value in predicate.values for part in value.parts
    ):
        return _matches(scope, predicate)
    return _remembered(scope.tenant, scope.type, scope.engine, predicate)


@lru_cache(maxsize=8192)
def _remembered(tenant: int, type_name: str, engine: str, predicate: Predicate) -> tuple[Match, ...]:
    return tuple(_matches(Scope(tenant, type_name, engine, 0), predicate))


def _matches(scope: Scope, predicate: Predicate) -> list[Match]:
    if predicate.modifier in tokens.FURTHER and predicate.parameter.kind in ("token", "reference"):
        return tokens.matches(scope, predicate)
    if predicate.parameter.kind != "composite" or predicate.modifier == "missing":
        return matching.matches(scope, predicate)
    return [
        match
        for source in predicate.parameter.sources
        for value in predicate.values
        for match in _combined(scope, predicate.parameter, source, value)
    ]


def _combined(scope: Scope, parameter: Parameter, source: Source, value: Value) -> list[Match]:
    first, *rest = zip(parameter.components, value.inner, strict=True)
    code, system = matching.token_condition(first[1], _PLAIN)
    text, parameters = "x.k = ?", [scope.key(source)]
    if code is not None:
        text, parameters = text + " AND x.hash = ?", [*parameters, code]
    if system is not None:
        text, parameters = text + " AND x.system = ?", [*parameters, system]
    found: list[Where] = [(text, tuple(parameters))]
    for position, (component, inner) in enumerate(rest):
        columns = ("x.low2", "x.high2") if position else ("x.low", "x.high")
        choices = _part(scope, component, inner, columns)
        found = [(f"{t} AND {more}", (*p, *also)) for t, p in found for more, also in choices]
    return [Match("fhir_composite", text, values_) for text, values_ in found]


def _part(scope: Scope, component: Component, value: Value, columns: tuple[str, str]) -> list[Where]:
    """The alternatives in which a row's second or third part meets a value."""
    if component.kind == "token":
        code, system = matching.token_condition(value, _PLAIN)
        parts: list[str] = []
        parameters: list[Any] = []
        if code is not None:
            parts, parameters = ["x.other = ?"], [code]
        if system is not None:
            parts, parameters = [*parts, "x.other_system = ?"], [*parameters, system]
        return [(" AND ".join(parts), tuple(parameters))]
    if component.kind == "reference":
        target = values.reference_target(value.text)
        return [("x.other = ?", (target,))]
    if component.kind == "string":
        text = values.normal(value.text)
        return [("x.text >= ? AND x.text < ?", (text, text + LAST))]
    if component.kind == "date":
        return [_ranged(value.prefix, *matching.date_bounds(scope, value), columns)]
    found: list[Where] = []
    for low, high, exact, extra, parameters_ in matching.numbers_meant(component.kind, value):
        where, given = _ranged(value.prefix, low, high, exact, exact, columns)
        # The unit of a value stands beside it under other names than in the table of plain quantities.
        found.append((where + extra.replace("x.system", "x.other_system"), (*given, *parameters_)))
    return found


def _ranged(prefix: str, low: Any, high: Any, first: Any, last: Any, columns: tuple[str, str]) -> Where:
    where, bounds = matching.range_rule(prefix or "eq", low, high, first, last)
    return where.replace("x.low", columns[0]).replace("x.high", columns[1]), bounds
