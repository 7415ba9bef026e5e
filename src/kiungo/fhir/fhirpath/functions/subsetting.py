"""Subsetting: single, first, last, tail, skip, take.

Source: FHIRPath N1, 5.3.
"""

from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.arguments import integer_argument
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, function
from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.values import Collection


@function("single")
def _single(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        if len(items) > 1:
            raise failed(f"single() was given {len(items)} items", hint="Use first() where several are possible")
        return items

    return step


@function("first")
def _first(arguments: Arguments) -> Step:
    return lambda run, items, this: items[:1]


@function("last")
def _last(arguments: Arguments) -> Step:
    return lambda run, items, this: items[-1:]


@function("tail")
def _tail(arguments: Arguments) -> Step:
    return lambda run, items, this: items[1:]


@function("skip", 1)
def _skip(arguments: Arguments) -> Step:
    count = integer_argument(arguments[0], "skip")

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        number = count(run, this)
        return [] if number is None else items[max(0, number) :]

    return step


@function("take", 1)
def _take(arguments: Arguments) -> Step:
    count = integer_argument(arguments[0], "take")

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        number = count(run, this)
        return [] if number is None else items[: max(0, number)]

    return step
