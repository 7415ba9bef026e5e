"""enableWhen: whether a question is to be answered, given the answers so far.

Source: FHIR R4 Questionnaire.item.enableWhen, enableBehavior.
"""

from collections.abc import Iterator
from typing import Any

from kiungo.fhir.profiles.quantities import compared

Json = dict[str, Any]
Answers = dict[str, list[Any]]
"""By linkId: the values that were answered, each with its type."""


def objects(value: Any) -> list[Json]:
    """The objects of a list, whatever else was written there."""
    return [one for one in value if one.__class__ is dict] if value.__class__ is list else []


def listed(value: Any) -> list[Any]:
    """A list as it is; nothing for what is none."""
    return value if value.__class__ is list else []


def value_of(o: Json, stem: str = "value") -> tuple[str, Any] | None:
    """The type name and value of a choice element, as (Coding, {...}); None when it is not there."""
    for key, value in o.items():
        if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper():
            return key[len(stem) :], value
    return None


def answers_of(items: Any) -> Answers:
    """Every answer of a response, by question."""
    found: Answers = {}
    for item in walk(items):
        values = [value for one in objects(item.get("answer")) if (value := value_of(one)) is not None]
        found.setdefault(str(item.get("linkId")), []).extend(values)
    return found


def walk(items: Any) -> Iterator[Json]:
    """Every item of a form or response, those inside answers too."""
    waiting = objects(items)
    while waiting:
        item = waiting.pop(0)
        yield item
        waiting[:0] = objects(item.get("item"))
        for one in objects(item.get("answer")):
            waiting[:0] = objects(one.get("item"))


def is_enabled(question: Json, answers: Answers) -> bool:
    """Whether the conditions of a question hold; a question without conditions is always asked."""
    conditions = objects(question.get("enableWhen"))
    if not conditions:
        return True
    results = (_holds(one, answers) for one in conditions)
    return all(results) if question.get("enableBehavior") == "all" else any(results)


def _holds(condition: Json, answers: Answers) -> bool:
    given = answers.get(str(condition.get("question")), [])
    wanted = value_of(condition, "answer")
    operator = condition.get("operator")
    if operator == "exists":
        return bool(given) is (wanted is None or wanted[1] is True)
    if wanted is None:
        return True
    if operator == "!=":
        return not any(_is_same(one[1], wanted[1]) for one in given)
    return any(_compares(str(operator), one[1], wanted[1]) for one in given)


def _compares(operator: str, value: Any, wanted: Any) -> bool:
    if operator == "=":
        return _is_same(value, wanted)
    order = compared(value, wanted)
    if order is None:
        return False
    return {">": order > 0, "<": order < 0, ">=": order >= 0, "<=": order <= 0}.get(operator, False)


def _is_same(value: Any, wanted: Any) -> bool:
    if value.__class__ is dict and wanted.__class__ is dict:
        names = (
            ("system", "code") if "code" in wanted else ("reference",) if "reference" in wanted else ("value", "unit")
        )
        return all(value.get(name) == wanted.get(name) for name in names if name in wanted or name != "system")
    return bool(value == wanted)
