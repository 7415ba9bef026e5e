"""The functions by name: how many arguments each takes, and how it becomes a closure."""

from collections.abc import Callable
from dataclasses import dataclass

from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.syntax import Expr
from kiungo.fhir.fhirpath.values import Collection

# An expression as a closure: `this` is the collection it is about.
Items = Callable[[Run, Collection], Collection]
Truth = Callable[[Run, Collection], bool | None]
# A step of a path: the input, and the `this` its plain arguments are about.
Step = Callable[[Run, Collection, Collection], Collection]
TruthStep = Callable[[Run, Collection, Collection], bool | None]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument, compiled: its value as a collection, and in three-valued logic."""

    tree: Expr
    items: Items
    truth: Truth


Arguments = tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function. Shapes: `build` makes a Step, or a TruthStep when `is_test`."""

    name: str
    least: int
    most: int
    is_test: bool
    build: Callable[[Arguments], Step | TruthStep]


FUNCTIONS: dict[str, Function] = {}
MANY = 50


def function(name: str, least: int = 0, most: int | None = None) -> Callable[[Callable[[Arguments], Step]], None]:
    """Register a function that answers with a collection."""

    def register(build: Callable[[Arguments], Step]) -> None:
        _add(Function(name, least, least if most is None else most, False, build))

    return register


def condition(name: str, least: int = 0, most: int | None = None) -> Callable[[Callable[[Arguments], TruthStep]], None]:
    """Register a function that answers true, false or empty."""

    def register(build: Callable[[Arguments], TruthStep]) -> None:
        _add(Function(name, least, least if most is None else most, True, build))

    return register


def _add(function: Function) -> None:
    if FUNCTIONS.setdefault(function.name, function) is not function:
        raise ValueError(f"the function {function.name} is registered twice")
