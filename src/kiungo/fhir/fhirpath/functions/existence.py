"""Existence: empty, exists, all, allTrue, subsetOf, count, distinct and their like.

Source: FHIRPath N1, 5.1.
"""

from kiungo.fhir.fhirpath.equality import distinct, find_item
from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, Truth, TruthStep, condition, function
from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.values import Collection, described, unwrap


@condition("empty")
def _empty(arguments: Arguments) -> TruthStep:
    return lambda run, items, this: not items


@condition("exists", 0, 1)
def _exists(arguments: Arguments) -> TruthStep:
    if not arguments:
        return lambda run, items, this: bool(items)
    criteria = arguments[0].truth
    return lambda run, items, this: _any(run, items, criteria)


@condition("all", 1)
def _all(arguments: Arguments) -> TruthStep:
    criteria = arguments[0].truth

    def step(run: Run, items: Collection, this: Collection) -> bool:
        outer, answer = run.index, True
        run.spend(len(items))
        for run.index, item in enumerate(items):
            if criteria(run, [item]) is not True:
                answer = False
                break
        run.index = outer
        return answer

    return step


def _any(run: Run, items: Collection, criteria: Truth) -> bool:
    outer, answer = run.index, False
    run.spend(len(items))
    for run.index, item in enumerate(items):
        if criteria(run, [item]) is True:
            answer = True
            break
    run.index = outer
    return answer


def _booleans(items: Collection, name: str) -> list[bool]:
    found = []
    for item in items:
        value = unwrap(item)
        if not isinstance(value, bool):
            raise failed(f"{name}() takes booleans and was given {described(item)}")
        found.append(value)
    return found


@condition("allTrue")
def _all_true(arguments: Arguments) -> TruthStep:
    return lambda run, items, this: all(_booleans(items, "allTrue"))


@condition("anyTrue")
def _any_true(arguments: Arguments) -> TruthStep:
    return lambda run, items, this: any(_booleans(items, "anyTrue"))


@condition("allFalse")
def _all_false(arguments: Arguments) -> TruthStep:
    return lambda run, items, this: not any(_booleans(items, "allFalse"))


@condition("anyFalse")
def _any_false(arguments: Arguments) -> TruthStep:
    return lambda run, items, this: not all(_booleans(items, "anyFalse"))


def _within(run: Run, items: Collection, others: Collection) -> bool:
    run.spend(len(items) * len(others))
    return all(find_item(item, others) for item in items)


@condition("subsetOf", 1)
def _subset_of(arguments: Arguments) -> TruthStep:
    (other,) = arguments
    return lambda run, items, this: _within(run, items, other.items(run, this))


@condition("supersetOf", 1)
def _superset_of(arguments: Arguments) -> TruthStep:
    (other,) = arguments
    return lambda run, items, this: _within(run, other.items(run, this), items)


@function("count")
def _count(arguments: Arguments) -> Step:
    return lambda run, items, this: [len(items)]


@function("distinct")
def _distinct(arguments: Arguments) -> Step:
    return lambda run, items, this: distinct(run, items)


@condition("isDistinct")
def _is_distinct(arguments: Arguments) -> TruthStep:
    return lambda run, items, this: len(distinct(run, items)) == len(items)


@condition("not")
def _not(arguments: Arguments) -> TruthStep:
    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        if not items:
            return None
        if len(items) > 1:
            raise failed(f"not() takes one value and was given {len(items)}", hint="Use allFalse() or empty()")
        return unwrap(items[0]) is False

    return step
