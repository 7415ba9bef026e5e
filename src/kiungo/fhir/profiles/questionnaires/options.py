"""Permitted answers: a question's options, or a value set that may be contained in the form."""

from typing import Any

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.questionnaires.enabling import objects, value_of
from kiungo.fhir.profiles.run import Run

OPEN = "open-choice"
EXCLUSIVE = "http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive"


def check_permitted(question: Json, kind: str, value: Any, at: At, run: Run, form: Json) -> None:
    """Note an answer that is none of the permitted ones; an open choice may also be answered by a text."""
    if question.get("type") == OPEN and kind == "String":
        return
    options = objects(question.get("answerOption"))
    if options:
        _check_options(options, kind, value, at, run)
        return
    url = question.get("answerValueSet")
    if url.__class__ is not str:
        return
    answer = in_value_set(str(url), kind, value, run, form)
    if answer is False and question.get("type") != OPEN:
        run.error("code-invalid", at, f"is not in the question's value set {url}")


def _check_options(options: list[Json], kind: str, value: Any, at: At, run: Run) -> None:
    permitted = [found for one in options if (found := value_of(one)) is not None]
    if any(_is_option(kind, value, one) for one in permitted):
        return
    if kind not in {name for name, _ in permitted}:
        run.error("invariant", at, f"is a {kind}, and the question has no such option")
        return
    run.error("invariant", at, "is not one of the question's options")


def check_exclusive(question: Json, answers: list[Any], at: At, run: Run) -> None:
    """Note an answer that excludes all others, such as "none of these", beside others.

    Source: extension questionnaire-optionExclusive.
    """
    if len(answers) < 2:
        return
    options = [(value_of(one), one) for one in objects(question.get("answerOption"))]
    alone = [found for found, one in options if found is not None and _is_exclusive(one)]
    for index, answer in enumerate(answers):
        given = value_of(answer) if answer.__class__ is dict else None
        if given is not None and any(_is_option(given[0], given[1], one) for one in alone):
            where: At = (at, "answer", index)
            run.error("invariant", where, f"excludes every other answer, and there are {len(answers)}")


def _is_exclusive(option: Json) -> bool:
    marks = objects(option.get("extension"))
    return any(mark.get("url") == EXCLUSIVE and mark.get("valueBoolean") is True for mark in marks)


def _is_option(kind: str, value: Any, option: tuple[str, Any]) -> bool:
    name, wanted = option
    if name == "Coding" and kind == "Coding":
        same_code = value.get("code") == wanted.get("code") if value.__class__ is dict else False
        return bool(same_code and (value.get("system") == wanted.get("system")))
    if name == "Reference" and kind == "Reference":
        return bool(value.__class__ is dict and value.get("reference") == wanted.get("reference"))
    return bool(value == wanted) and name == kind


def in_value_set(url: str, kind: str, value: Any, run: Run, form: Json) -> bool | None:
    """Whether a Coding is in a value set; one contained in the form is named by its id."""
    if url.startswith("#"):
        return _in_contained(url[1:], kind, value, form)
    return run.library.codes.holds(url, value, "Coding") if kind == "Coding" else None


def _in_contained(name: str, kind: str, value: Any, form: Json) -> bool | None:
    found = next((one for one in objects(form.get("contained")) if one.get("id") == name), None)
    if found is None or kind != "Coding" or value.__class__ is not dict:
        return None
    compose = found.get("compose")
    includes = objects(compose.get("include")) if compose.__class__ is dict else []
    if not includes or any("filter" in one or "valueSet" in one or "concept" not in one for one in includes):
        return None
    return any(
        one.get("system") == value.get("system") and value.get("code") == concept.get("code")
        for one in includes
        for concept in objects(one.get("concept"))
    )
