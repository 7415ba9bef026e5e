"""The closures that expressions are built of: steps, conditions, and the scopes of variables."""

from collections.abc import Callable

from kiungo.fhir.fhirpath import equality
from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.registry import Items, Step, Truth
from kiungo.fhir.fhirpath.references import refers_to
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.tree import add_children
from kiungo.fhir.fhirpath.types import is_type_name
from kiungo.fhir.fhirpath.values import Collection, Node, Value, unwrap

# Shared by all evaluations: nobody changes a collection that was handed out.
TRUE: Collection = [True]
FALSE: Collection = [False]
NOTHING: Collection = []


def truth_of(items: Collection) -> bool | None:
    """A collection as a condition: empty is unknown, one item that is no boolean counts as true.

    Raises: Incorrect FHIRPATH_EXECUTION.
    """
    if not items:
        return None
    if len(items) > 1:
        raise failed(
            f"A condition takes one value and was given {len(items)}", hint="Use exists(), all() or first() in it"
        )
    value = unwrap(items[0])
    return value if value.__class__ is bool else True


def refers(references: Items, matches: Callable[[Value], bool]) -> Truth:
    """`resolve() is Type`, told without resolving where the reference says it."""

    def test(run: Run, this: Collection) -> bool | None:
        item = singleton(references(run, this), "is")
        return None if item is None else refers_to(run, item, matches)

    return test


def of_one_item(step: Step) -> Step:
    """A step that refuses several items."""

    def one(run: Run, items: Collection, this: Collection) -> Collection:
        singleton(items, "as()")
        return step(run, items, this)

    return one


def in_scope(items: Items) -> Items:
    """Variables defined inside stay inside."""

    def inner(run: Run, this: Collection) -> Collection:
        outer = run.variables
        found = items(run, this)
        run.variables = outer
        return found

    return inner


def truth_in_scope(truth: Truth) -> Truth:
    """The same for a condition."""

    def inner(run: Run, this: Collection) -> bool | None:
        outer = run.variables
        found = truth(run, this)
        run.variables = outer
        return found

    return inner


def collected(value: bool | None) -> Collection:
    """True, false or unknown as a collection."""
    return NOTHING if value is None else TRUE if value else FALSE


def of_truth(truth: Truth) -> tuple[Items, Truth]:
    """Both closures of a condition."""
    return lambda run, this: collected(truth(run, this)), truth


def special(name: str) -> Items:
    """`$this`, `$index` or `$total`."""
    if name == "this":
        return lambda run, this: this
    if name == "index":
        return lambda run, this: [run.index] if run.index >= 0 else NOTHING
    return lambda run, this: run.total


def member(name: str) -> Step:
    """The step to children of one name."""

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        found: Collection = []
        for item in items:
            add_children(item, name, found)
        run.spend(len(items) + len(found))
        return found

    return step


def head_member(name: str) -> Items:
    """The first name of a path: a child of what the path is about, or its type."""
    step = member(name)
    if not is_type_name(name):
        return lambda run, this: step(run, this, this)

    def head(run: Run, this: Collection) -> Collection:
        typed: Collection = [item for item in this if isinstance(item, Node) and name in item.type.ancestors]
        return typed or step(run, this, this)

    return head


def indexed(position: Items) -> Step:
    """`[position]`. Raises: Incorrect FHIRPATH_EXECUTION."""

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        index = singleton(position(run, this), "An index")
        if index is None:
            return NOTHING
        place = unwrap(index)
        if not isinstance(place, int) or isinstance(place, bool):
            raise failed("An index must be an integer", hint="Count from 0: name[0]")
        return [items[place]] if 0 <= place < len(items) else NOTHING

    return step


def _and(left: Truth, right: Truth) -> Truth:
    def test(run: Run, this: Collection) -> bool | None:
        one = left(run, this)
        if one is False:
            return False
        other = right(run, this)
        return other if one is True else False if other is False else None

    return test


def _or(left: Truth, right: Truth) -> Truth:
    def test(run: Run, this: Collection) -> bool | None:
        one = left(run, this)
        if one is True:
            return True
        other = right(run, this)
        return other if one is False else True if other is True else None

    return test


def _xor(left: Truth, right: Truth) -> Truth:
    def test(run: Run, this: Collection) -> bool | None:
        one, other = left(run, this), right(run, this)
        return None if one is None or other is None else one is not other

    return test


def _implies(left: Truth, right: Truth) -> Truth:
    def test(run: Run, this: Collection) -> bool | None:
        one = left(run, this)
        if one is False:
            return True
        other = right(run, this)
        return other if one is True else True if other is True else None

    return test


CONNECTIVES = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
LOGIC = frozenset({*CONNECTIVES, *equality.TESTS})
