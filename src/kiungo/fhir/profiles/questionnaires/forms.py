"""A Questionnaire's own rules beyond its invariants: what its conditions refer to.

Source: FHIR R4 Questionnaire.item.enableWhen.question.
"""

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.questionnaires.enabling import listed, objects, walk
from kiungo.fhir.profiles.run import Run


def check_form(o: Json, at: At, run: Run) -> None:
    """Conditions refer to questions of the form, not to one inside the conditional question."""
    known = {str(one.get("linkId")) for one in walk(o.get("item"))}
    _check_items(o, at, run, known)


def _check_items(holder: Json, at: At, run: Run, known: set[str]) -> None:
    for index, item in enumerate(listed(holder.get("item"))):
        if item.__class__ is not dict:
            continue
        where: At = (at, "item", index)
        inside = {str(one.get("linkId")) for one in walk(item.get("item"))} | {str(item.get("linkId"))}
        for position, condition in enumerate(objects(item.get("enableWhen"))):
            question = str(condition.get("question"))
            place: At = (where, "enableWhen", position)
            if question not in known:
                run.error("business-rule", place, f"refers to {question[:80]}, which is no question of this form")
            elif question in inside:
                run.error("business-rule", place, f"refers to {question[:80]}, which is asked inside this question")
        _check_items(item, where, run, known)
