"""Arguments and inputs that must be one value of a kind."""

from collections.abc import Callable
from decimal import Decimal

from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.registry import Argument, Step
from kiungo.fhir.fhirpath.run import CHARACTERS_BITS_A_STEP, Run, singleton
from kiungo.fhir.fhirpath.values import Collection, Value, described, unwrap


def integer_argument(argument: Argument, name: str) -> Callable[[Run, Collection], int | None]:
    """The argument as an integer, None when it is empty. Raises (at evaluation): Incorrect for anything else."""

    def value(run: Run, this: Collection) -> int | None:
        item = singleton(argument.items(run, this), f"{name}()")
        if item is None:
            return None
        number = unwrap(item)
        if not isinstance(number, int) or isinstance(number, bool):
            raise failed(f"{name}() takes an integer and was given {described(item)}")
        return number

    return value


def text_argument(argument: Argument, name: str) -> Callable[[Run, Collection], str | None]:
    """The argument as a text, None when it is empty. Raises (at evaluation): Incorrect for anything else."""

    def value(run: Run, this: Collection) -> str | None:
        item = singleton(argument.items(run, this), f"{name}()")
        return None if item is None else text_of(item, name)

    return value


def text_of(item: Value, name: str) -> str:
    """The text of an item. Raises: Incorrect when it has none."""
    text = unwrap(item)
    if not isinstance(text, str):
        raise failed(f"{name}() takes a text and was given {described(item)}", hint="Use toString()")
    return text


def text_input(items: Collection, name: str) -> str | None:
    """The input as a text, None when it is empty. Raises: Incorrect for several items and for other types."""
    item = singleton(items, f"{name}()")
    return None if item is None else text_of(item, name)


def number_of(item: Value, name: str) -> int | Decimal:
    """The number of an item. Raises: Incorrect when it has none."""
    number = unwrap(item)
    if not isinstance(number, int | Decimal) or isinstance(number, bool):
        raise failed(f"{name}() takes a number and was given {described(item)}")
    return number


def charged(run: Run, found: Value | None) -> Collection:
    """A computed value as a collection; long texts cost steps, so that they cannot fill the memory."""
    if found is None:
        return []
    if isinstance(found, str):
        run.spend(len(found) >> CHARACTERS_BITS_A_STEP)
    return [found]


def of_text(name: str, compute: Callable[[str], Value | None]) -> Step:
    """A function from one text to one value."""

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        text = text_input(items, name)
        if text is None:
            return []
        return charged(run, compute(text))

    return step
