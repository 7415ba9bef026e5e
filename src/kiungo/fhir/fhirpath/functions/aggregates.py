"""Aggregates of one kind of value: sum, min, max, avg.

Source: FHIRPath 3.0.0-ballot, 7 (aggregates).
"""

from collections.abc import Callable
from decimal import Decimal

from kiungo.fhir.fhirpath import arithmetic
from kiungo.fhir.fhirpath.equality import compare
from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.registry import Step, function
from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.values import Collection, Value, quantity_of, system_name, unwrap

_ORDERED = frozenset({"Integer", "Decimal", "Quantity", "Date", "DateTime", "Time", "String"})
_COUNTABLE = frozenset({"Integer", "Decimal", "Quantity"})


def _aggregate(name: str, allowed: frozenset[str], compute: Callable[[Collection], Collection]) -> None:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        values = [quantity_of(item) or unwrap(item) for item in items]
        kinds = {system_name(value) for value in values}
        if len(kinds) > 1 or kinds - allowed:
            raise failed(
                f"{name}() takes values of one kind and was given {', '.join(sorted(kinds))}",
                hint=f"It takes {', '.join(sorted(allowed))}",
            )
        run.spend(len(values))
        return compute(values) if values else []

    built: Step = step
    function(name)(lambda arguments: built)


def _sum(values: Collection) -> Collection:
    total = values[:1]
    for value in values[1:]:
        total = arithmetic.OPERATORS["+"](total, [value])
    return total


def _edge(values: Collection, wanted: int) -> Collection:
    found: Value = values[0]
    for value in values[1:]:
        order = compare(value, found)
        if order is None:
            return []  # precision or units leave it open which one it is
        if order == wanted:
            found = value
    return [found]


def _average(values: Collection) -> Collection:
    return arithmetic.OPERATORS["/"](_sum(values), [Decimal(len(values))])


_aggregate("sum", _COUNTABLE, _sum)
_aggregate("min", _ORDERED, lambda values: _edge(values, -1))
_aggregate("max", _ORDERED, lambda values: _edge(values, 1))
_aggregate("avg", _COUNTABLE, _average)
