"""Combining: union, combine, intersect, exclude.

Source: FHIRPath N1, 5.4 and 5.1 (intersect, exclude).
"""

from kiungo.fhir.fhirpath.equality import distinct, find_item, union
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, function
from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.values import Collection


@function("union", 1)
def _union(arguments: Arguments) -> Step:
    (other,) = arguments
    return lambda run, items, this: union(run, items, other.items(run, this))


@function("combine", 1, 2)
def _combine(arguments: Arguments) -> Step:
    other = arguments[0]
    return lambda run, items, this: items + other.items(run, this)


@function("intersect", 1)
def _intersect(arguments: Arguments) -> Step:
    (other,) = arguments

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        others = other.items(run, this)
        run.spend(len(items) * len(others))
        return distinct(run, [item for item in items if find_item(item, others)])

    return step


@function("exclude", 1)
def _exclude(arguments: Arguments) -> Step:
    (other,) = arguments

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        others = other.items(run, this)
        run.spend(len(items) * len(others))
        return [item for item in items if not find_item(item, others)]

    return step
