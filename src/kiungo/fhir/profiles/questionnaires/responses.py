"""A response against its form: every item is a question of the form, in its place and order, answered as asked.

Source: FHIR R4 QuestionnaireResponse, notes on items, nesting and required answers.
"""

from typing import Any

from kiungo.fhir.profiles.findings import At, Json, text_of
from kiungo.fhir.profiles.questionnaires.answers import check_answer, extensions
from kiungo.fhir.profiles.questionnaires.enabling import Answers, answers_of, is_enabled, listed, objects, walk
from kiungo.fhir.profiles.questionnaires.options import check_exclusive
from kiungo.fhir.profiles.run import Run

CORE = "http://hl7.org/fhir/StructureDefinition/"
COMPLETE = frozenset({"completed", "amended"})


def check_response(o: Json, at: At, run: Run) -> None:
    """Judge a response when its form is at hand: contained, or installed under its canonical address."""
    url = o.get("questionnaire")
    if url.__class__ is not str:
        return
    form = _form(str(url), run)
    if form is None:
        run.warn("not-found", (at, "questionnaire", -1), f"is {str(url)[:120]}, which is not known here")
        return
    _Checker(form, o, run).group(objects(form.get("item")), o, at, "")


def _form(url: str, run: Run) -> Json | None:
    found = run.resolve(url) if url.startswith("#") else run.library.conformance.find("Questionnaire", url)
    return found if found is not None and found.get("resourceType") == "Questionnaire" else None


class _Checker:
    def __init__(self, form: Json, response: Json, run: Run) -> None:
        self._form = form
        self._run = run
        self._is_complete = text_of(response, "status") in COMPLETE
        self._answers: Answers = answers_of(response.get("item"))
        self._known = {str(one.get("linkId")) for one in walk(form.get("item"))}

    def group(self, questions: list[Json], holder: Json, at: At, name: str) -> None:
        """Judge the items of a group, a question or the whole response."""
        by_id = {str(one.get("linkId")): position for position, one in enumerate(questions)}
        given: dict[str, list[tuple[Json, At]]] = {}
        last = -1
        for index, item in enumerate(listed(holder.get("item"))):
            if item.__class__ is not dict:
                continue
            where: At = (at, "item", index)
            link = str(item.get("linkId"))
            position = by_id.get(link)
            if position is None:
                known = "stands in the wrong place" if link in self._known else "is no question of the form"
                self._run.error("not-found", where, f"answers {link[:80]}, which {known}")
                continue
            if position < last:
                self._run.error("structure", where, f"answers {link[:80]}, which comes earlier in the form")
            last = max(last, position)
            given.setdefault(link, []).append((item, where))
        for question in questions:
            self._question(question, given.get(str(question.get("linkId")), []), at)

    def _question(self, question: Json, given: list[tuple[Json, At]], at: At) -> None:
        kind, link = text_of(question, "type"), str(question.get("linkId"))
        enabled = is_enabled(question, self._answers)
        if not enabled:
            for item, where in given:
                if _is_answered(item):
                    self._run.error("invalid", where, f"answers {link[:80]}, which is not to be asked here")
            return
        answered = [item for item, _ in given if _is_answered(item)]
        if question.get("required") is True and not answered and self._is_complete and kind != "display":
            where = given[0][1] if given else at
            self._run.error("required", where, f"lacks an answer to the required question {link[:80]}")
        if kind != "group" and len(given) > 1:
            self._run.error("structure", given[1][1], f"repeats the item {link[:80]}; a question has one item")
        if kind == "group" and question.get("repeats") is not True and len(given) > 1:
            self._run.error("structure", given[1][1], f"repeats the group {link[:80]}, which does not repeat")
        for item, where in given:
            self._item(question, item, where)

    def _item(self, question: Json, item: Json, at: At) -> None:
        kind = text_of(question, "type")
        answers = listed(item.get("answer"))
        inner = objects(question.get("item"))
        if kind in {"group", "display", "question"} and answers:
            self._run.error("structure", at, f"has an answer, which a {kind} cannot have")
            return
        if kind == "group":
            self.group(inner, item, at, str(question.get("linkId")))
            return
        if item.get("item"):
            self._run.error("structure", at, "has items of its own; those of a question stand inside its answer")
        self._check_number(question, len(answers), at)
        check_exclusive(question, answers, at, self._run)
        for index, answer in enumerate(answers):
            if answer.__class__ is not dict:
                continue
            where: At = (at, "answer", index)
            check_answer(question, answer, where, self._run, self._form)
            if inner or answer.get("item"):
                self.group(inner, answer, where, str(question.get("linkId")))

    def _check_number(self, question: Json, count: int, at: At) -> None:
        if count > 1 and question.get("repeats") is not True:
            self._run.error("structure", at, f"has {count} answers, but the question takes one")
        for least in extensions(question, CORE + "questionnaire-minOccurs"):
            if isinstance(least, int) and count < least and self._is_complete:
                self._run.error("invalid", at, f"has {count} answers, but the question asks for {least}")
        for most in extensions(question, CORE + "questionnaire-maxOccurs"):
            if isinstance(most, int) and count > most:
                self._run.error("invalid", at, f"has {count} answers, but the question takes {most}")


def _is_answered(item: Any) -> bool:
    """Whether an item holds an answer, or a group one inside."""
    return any(objects(one.get("answer")) for one in walk([item]))
