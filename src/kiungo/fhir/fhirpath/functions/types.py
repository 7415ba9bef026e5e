"""Type functions: is, as, type.

Source: FHIRPath N1, 6.3 and 10.
"""

from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, TruthStep, condition, function
from kiungo.fhir.fhirpath.parser import type_named
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.typing import specifier, type_check
from kiungo.fhir.fhirpath.values import Collection, type_info


@condition("is", 1)
def _is(arguments: Arguments) -> TruthStep:
    matches = type_check(specifier(*type_named(arguments[0].tree)))

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        item = singleton(items, "is()")
        return None if item is None else matches(item)

    return step


@function("as", 1)
def _as(arguments: Arguments) -> Step:
    matches = type_check(specifier(*type_named(arguments[0].tree)), exact_primitives=True)

    # The compiler holds it to one item where it is to be strict.
    return lambda run, items, this: [item for item in items if matches(item)]


@function("type")
def _type(arguments: Arguments) -> Step:
    return lambda run, items, this: [type_info(item) for item in items]
