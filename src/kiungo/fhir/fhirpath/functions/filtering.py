"""Filtering and projection: where, select, repeat, repeatAll, ofType, sort.

Source: FHIRPath N1, 5.2; 3.0.0-ballot for repeatAll and sort.
"""

from functools import cmp_to_key, partial

from kiungo.fhir.fhirpath.equality import compare, find_item, key_of
from kiungo.fhir.fhirpath.functions.registry import Arguments, Items, Step, function
from kiungo.fhir.fhirpath.parser import type_named
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.syntax import Unary
from kiungo.fhir.fhirpath.typing import specifier, type_check
from kiungo.fhir.fhirpath.values import Collection, Value

_Row = tuple[list[Value | None], Value]


@function("where", 1)
def _where(arguments: Arguments) -> Step:
    criteria = arguments[0].truth

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        outer, found = run.index, []
        run.spend(len(items))
        for run.index, item in enumerate(items):
            if criteria(run, [item]) is True:
                found.append(item)
        run.index = outer
        return found

    return step


@function("select", 1)
def _select(arguments: Arguments) -> Step:
    projection = arguments[0].items

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        outer = run.index
        found: Collection = []
        for run.index, item in enumerate(items):
            made = projection(run, [item])
            run.spend(1 + len(made))
            found += made
        run.index = outer
        return found

    return step


class _Seen:
    """The items met so far; elements are told apart by place first, then by content."""

    def __init__(self) -> None:
        self._keys: set[object] = set()
        self._others: Collection = []

    def is_new(self, run: Run, item: Value) -> bool:
        key = key_of(item)
        if key is None:
            run.spend(len(self._others))
            if find_item(item, self._others):
                return False
            self._others.append(item)
            return True
        if key in self._keys:
            return False
        self._keys.add(key)
        return True


def _repeated(run: Run, items: Collection, projection: Items, *, each_once: bool) -> Collection:
    found: Collection = []
    seen = _Seen()
    waiting = list(items)
    outer = run.index
    while waiting:
        following: Collection = []
        for run.index, item in enumerate(waiting):
            made = projection(run, [item])
            run.spend(1 + len(made))
            following += [one for one in made if not each_once or seen.is_new(run, one)]
        found += following
        waiting = following
    run.index = outer
    return found


@function("repeat", 1)
def _repeat(arguments: Arguments) -> Step:
    projection = arguments[0].items
    return lambda run, items, this: _repeated(run, items, projection, each_once=True)


@function("repeatAll", 1)
def _repeat_all(arguments: Arguments) -> Step:
    projection = arguments[0].items
    return lambda run, items, this: _repeated(run, items, projection, each_once=False)


@function("ofType", 1)
def _of_type(arguments: Arguments) -> Step:
    matches = type_check(specifier(*type_named(arguments[0].tree)), exact_primitives=True)
    return lambda run, items, this: [item for item in items if matches(item)]


@function("sort", 0, 10)
def _sort(arguments: Arguments) -> Step:
    """Ascending by each key in turn; a key with a minus before it, or desc behind it, is descending."""
    # The compiler hands over the operand of a sign or of asc and desc, so that texts and dates can descend too.
    keys = [(one.items, one.tree.operator if isinstance(one.tree, Unary) else "") for one in arguments]

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        rows: list[_Row] = []
        run.spend(len(items) * (len(keys) + 1))
        outer = run.index
        for run.index, item in enumerate(items):
            rows.append(([singleton(key(run, [item]), "A sort key") for key, _ in keys] if keys else [item], item))
        run.index = outer
        directions = [direction for _, direction in keys] or [""]
        rows.sort(key=cmp_to_key(partial(_order, directions)))
        return [item for _, item in rows]

    return step


def _order(directions: list[str], left: _Row, right: _Row) -> int:
    """A missing key is lower than all others: last under `desc`, and still first under a sign, which turns values."""
    for one, other, direction in zip(left[0], right[0], directions, strict=True):
        if one is None or other is None:
            order = (one is not None) - (other is not None)
            if direction == "desc":
                order = -order
        else:
            order = compare(one, other) or 0
            if direction in ("-", "desc"):
                order = -order
        if order:
            return order
    return 0
