"""Invariants: a frequent one is Python, any other is FHIRPath compiled once.

An error is noted unless the answer is yes, as the reference validator has it; a warning only when it is no.
"""

from collections.abc import Callable

from kiungo.base.errors import KiungoError
from kiungo.fhir.definitions.rules import Invariant
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.native import NATIVE, ON_ANY_VALUE
from kiungo.fhir.profiles.paths import Asked, asked
from kiungo.fhir.profiles.run import Run

Judge = Callable[[Item, Run, str], None]


def judge_of(invariant: Invariant) -> Judge:
    """The check of an invariant at an element."""
    native = NATIVE.get(invariant.expression)
    on_any = invariant.expression in ON_ANY_VALUE
    holder = _Evaluated(invariant)

    def judge(item: Item, run: Run, source: str) -> None:
        answer = holder.answer(item, run)
        if answer is False:
            _broken(invariant, item, run)

    def judge_natively(item: Item, run: Run, source: str) -> None:
        value = item.value
        answer = native(value, run) if native is not None and (value.__class__ is dict or on_any) else None
        if answer is True:
            return
        if answer is None:
            answer = holder.answer(item, run)
        if answer is False:
            _broken(invariant, item, run)

    return judge if native is None else judge_natively


def _broken(invariant: Invariant, item: Item, run: Run) -> None:
    severity = "error" if invariant.severity == "error" else "warning"
    what = f"breaks {invariant.key}: {shortened(invariant.expression)}"
    run.add(severity, "invariant", item.at, what, invariant.key)


class _Evaluated:
    """An expression that is compiled when it is first asked; one that cannot be read is a warning, not a verdict."""

    __slots__ = ("_asked", "_invariant", "_is_broken")

    def __init__(self, invariant: Invariant) -> None:
        self._invariant = invariant
        self._asked: Asked | None = None
        self._is_broken = False

    def answer(self, item: Item, run: Run) -> bool | None:
        """Whether it holds; None when it could not be evaluated, which is noted."""
        if self._is_broken:
            return None
        try:
            if self._asked is None:
                self._asked = asked(self._invariant.expression, lenient=self._invariant.severity != "error")
            return self._asked(item, run)
        except KiungoError as error:
            if self._asked is None:
                self._is_broken = True
            key = self._invariant.key
            run.warn("processing", item.at, f"could not be judged by {key}: {error.message}", key)
            return None


def shortened(expression: str) -> str:
    """An expression as far as it fits a message."""
    text = " ".join(expression.split())
    return text if len(text) <= 160 else text[:157] + "..."
