"""The values a parameter finds in one resource, as they are written: for sorting, where the index has hashes only."""

from collections.abc import Iterator
from typing import Any

from kiungo.fhir.indexing.expressions import parse
from kiungo.fhir.indexing.extraction import Move, ways
from kiungo.fhir.indexing.own_values import values_at
from kiungo.fhir.indexing.parameters import Parameter
from kiungo.fhir.indexing.values import reference_is


def found_in(resource: dict[str, Any], parameter: Parameter) -> Iterator[tuple[str, Any]]:
    """(type, value) of everything the parameter's expression leads to."""
    if parameter.is_own:
        yield from values_at(parameter, resource)
        return
    for path in parse(parameter.expression):
        for moves, final in ways(parameter.type, path):
            for value in _moved([resource], moves):
                yield final, value


def _moved(values: list[Any], moves: tuple[Move, ...]) -> list[Any]:
    for move in moves:
        values = [after for value in values for after in _step(value, move)]
    return values


def _step(value: Any, move: Move) -> list[Any]:
    if not isinstance(value, dict):
        return [value] if move[0] == "index" else []
    if move[0] == "key":
        inner = value.get(move[1])
        return [one for one in (inner if isinstance(inner, list) else [inner]) if one is not None]
    if move[0] == "extension":
        return [item for item in value.get("extension") or () if item.get("url") == move[1]]
    return [value] if _holds(value, move) else []


def _holds(value: dict[str, Any], move: Move) -> bool:
    if move[0] == "equals":
        return bool(value.get(move[1]) == move[2])
    if move[0] == "resolves":
        return reference_is(value, move[1])
    if move[0] == "has_extension":
        return any(item.get("url") == move[1] for item in value.get("extension") or ())
    return True
