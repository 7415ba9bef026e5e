"""Answers against their questionnaire: place, number, kind, conditions, options, limits."""

# ruff: noqa: E501 - tables of cases, one a line

from decimal import Decimal
from typing import Any

import pytest

from tests.fhir.profiles.conftest import Json, validator

FORM_URL = "http://example.org/fhir/Questionnaire/q"
CORE = "http://hl7.org/fhir/StructureDefinition/"


def errors(questions: list[Json], items: list[Json], status: str = "completed", **form: Any) -> list[str]:
    known = {"resourceType": "Questionnaire", "url": FORM_URL, "status": "active", "item": questions, **form}
    response = {"resourceType": "QuestionnaireResponse", "questionnaire": FORM_URL, "status": status}
    response |= {"item": items} if items else {}
    found = validator(known).check(response).errors
    return [f.location.removeprefix("QuestionnaireResponse").removeprefix(".") for f in found]


def question(link: str = "q", kind: str = "string", **more: Any) -> Json:
    return {"linkId": link, "type": kind, **more}


def answer(link: str = "q", *values: Any, **more: Any) -> Json:
    return {"linkId": link, **({"answer": list(values)} if values else {}), **more}


def extension(name: str, **value: Any) -> list[Json]:
    return [{"url": CORE + name, **value}]


TEXT = {"valueString": "abc"}
CODING = {"valueCoding": {"system": "http://x", "code": "a"}}
ALONE = extension("questionnaire-optionExclusive", valueBoolean=True)
OPTIONS = [CODING, {"valueCoding": {"system": "http://x", "code": "b"}}]

NONE_OF_THEM = [CODING, {**OPTIONS[1], "extension": ALONE}]


@pytest.mark.parametrize(
    ("asked", "given", "expected"),
    [
        ([question()], [answer("q", TEXT)], []),
        ([question()], [answer("other", TEXT)], ["item[0]"]),
        ([question(required=True)], [], [""]),
        ([question(required=True)], [answer("q")], ["item[0]"]),
        ([question()], [answer("q", TEXT, TEXT)], ["item[0]"]),
        ([question(repeats=True)], [answer("q", TEXT, TEXT)], []),
        ([question()], [answer("q", TEXT), answer("q", TEXT)], ["item[1]"]),
        ([question("a"), question("b")], [answer("b", TEXT), answer("a", TEXT)], ["item[1]"]),
        ([question("g", "group", item=[question()])], [answer("g", item=[answer("q", TEXT)])], []),
        ([question("g", "group", item=[question()])], [answer("g", TEXT)], ["item[0]"]),
        ([question("g", "group", item=[question()])], [answer("q", TEXT)], ["item[0]"]),
        ([question("d", "display")], [answer("d", TEXT)], ["item[0]"]),
        ([question(item=[question("in")])], [answer("q", {**TEXT, "item": [answer("in", TEXT)]})], []),
        ([question(item=[question("in")])], [answer("q", item=[answer("in", TEXT)])], ["item[0]"]),
        ([question(kind="integer")], [answer("q", TEXT)], ["item[0].answer[0].valueString"]),
        ([question(kind="decimal")], [answer("q", {"valueDecimal": Decimal("1.50")})], []),
        ([question(kind="decimal", extension=extension("maxDecimalPlaces", valueInteger=1))], [answer("q", {"valueDecimal": Decimal("1.50")})], ["item[0].answer[0].valueDecimal"]),
        ([question(kind="decimal")], [answer("q", {"valueInteger": 2})], ["item[0].answer[0].valueInteger"]),
        ([question(kind="dateTime")], [answer("q", {"valueDate": "2026-01-01"})], ["item[0].answer[0].valueDate"]),
        ([question(kind="dateTime")], [answer("q", {"valueDateTime": "2026-01-01"})], []),
        ([question(kind="choice", repeats=True, answerOption=NONE_OF_THEM)], [answer("q", CODING)], []),
        ([question(kind="choice", repeats=True, answerOption=NONE_OF_THEM)], [answer("q", OPTIONS[1])], []),
        ([question(kind="choice", repeats=True, answerOption=NONE_OF_THEM)], [answer("q", *OPTIONS)], ["item[0].answer[1]"]),
        ([question(maxLength=2)], [answer("q", TEXT)], ["item[0].answer[0].valueString"]),
        ([question(extension=extension("minLength", valueInteger=4))], [answer("q", TEXT)], ["item[0].answer[0].valueString"]),
        ([question(extension=extension("regex", valueString="[a-c]+"))], [answer("q", TEXT)], []),
        ([question(extension=extension("regex", valueString="[d-f]+"))], [answer("q", TEXT)], ["item[0].answer[0].valueString"]),
        ([question(kind="date", extension=extension("minValue", valueDate="2020-02"))], [answer("q", {"valueDate": "2020-01-31"})], ["item[0].answer[0].valueDate"]),
        ([question(kind="choice", answerOption=OPTIONS)], [answer("q", CODING)], []),
        ([question(kind="choice", answerOption=OPTIONS)], [answer("q", {"valueCoding": {"system": "http://x", "code": "c"}})], ["item[0].answer[0].valueCoding"]),
        ([question(kind="choice", answerOption=OPTIONS)], [answer("q", TEXT)], ["item[0].answer[0].valueString"]),
        ([question(kind="open-choice", answerOption=OPTIONS)], [answer("q", TEXT)], []),
        ([question(kind="choice", answerValueSet="http://hl7.org/fhir/ValueSet/administrative-gender")], [answer("q", CODING)], ["item[0].answer[0].valueCoding"]),
        ([question(kind="reference", extension=extension("questionnaire-referenceResource", valueCode="Patient"))], [answer("q", {"valueReference": {"reference": "Group/1"}})], ["item[0].answer[0].valueReference"]),
        ([question(kind="quantity", extension=extension("questionnaire-unitOption", valueCoding={"system": "http://unitsofmeasure.org", "code": "kg"}))], [answer("q", {"valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "g"}})], ["item[0].answer[0].valueQuantity"]),
        ([question(kind="attachment", extension=extension("mimeType", valueCode="image/*"))], [answer("q", {"valueAttachment": {"contentType": "image/png", "url": "http://x/y"}})], []),
        ([question(kind="attachment", extension=extension("mimeType", valueCode="image/*"))], [answer("q", {"valueAttachment": {"contentType": "text/csv", "url": "http://x/y"}})], ["item[0].answer[0].valueAttachment"]),
        ([question(extension=extension("questionnaire-minOccurs", valueInteger=2), repeats=True)], [answer("q", TEXT)], ["item[0]"]),
    ],
)  # fmt: skip
def test_each_rule(asked: list[Json], given: list[Json], expected: list[str]) -> None:
    assert errors(asked, given) == expected


def test_what_is_in_progress_may_lack_answers() -> None:
    assert errors([question(required=True)], [], "in-progress") == []


@pytest.mark.parametrize(
    ("condition", "first", "asked"),
    [
        ({"operator": "=", "answerString": "abc"}, TEXT, True),
        ({"operator": "=", "answerString": "x"}, TEXT, False),
        ({"operator": "!=", "answerString": "x"}, TEXT, True),
        ({"operator": "exists", "answerBoolean": True}, TEXT, True),
        ({"operator": "exists", "answerBoolean": False}, TEXT, False),
        ({"operator": ">", "answerInteger": 3}, {"valueInteger": 4}, True),
        ({"operator": "<=", "answerInteger": 3}, {"valueInteger": 4}, False),
        ({"operator": "=", "answerCoding": {"code": "a"}}, CODING, True),
    ],
)
def test_conditions_decide_what_is_asked(condition: Json, first: Json, asked: bool) -> None:
    kind = {"valueString": "string", "valueInteger": "integer", "valueCoding": "choice"}[next(iter(first))]
    form = [question("first", kind), question("then", required=True, enableWhen=[{"question": "first", **condition}])]
    assert errors(form, [answer("first", first)]) == ([""] if asked else [])
    assert errors(form, [answer("first", first), answer("then", TEXT)]) == ([] if asked else ["item[1]"])


def test_a_form_refers_to_its_own_questions() -> None:
    condition = {"operator": "exists", "answerBoolean": True}
    inner = question("in")
    form = {"resourceType": "Questionnaire", "status": "draft"}
    for target, place in (
        ("nothing", "Questionnaire.item[0].enableWhen[0]"),
        ("in", "Questionnaire.item[0].enableWhen[0]"),
    ):
        item = question("out", "group", item=[inner], enableWhen=[{"question": target, **condition}])
        assert [f.location for f in validator().check({**form, "item": [item]}).errors] == [place]


@pytest.mark.parametrize(
    ("asked", "given", "is_usual"),
    [
        (question(kind="choice", answerValueSet="http://example.org/unknown"), CODING, True),
        (question(kind="choice", answerValueSet="http://example.org/unknown"), TEXT, False),
        (question(kind="choice"), {"valueInteger": 1}, False),
        (question(kind="choice", answerOption=[{"valueInteger": 1}]), {"valueInteger": 1}, True),
        (question(kind="open-choice", answerValueSet="http://example.org/unknown"), TEXT, True),
        (question(kind="open-choice", answerValueSet="http://example.org/unknown"), {"valueDate": "2020"}, False),
    ],
)
def test_a_choice_without_options_is_answered_by_a_code(asked: Json, given: Json, is_usual: bool) -> None:
    form = {"resourceType": "Questionnaire", "url": FORM_URL, "status": "active", "item": [asked]}
    response = {"resourceType": "QuestionnaireResponse", "questionnaire": FORM_URL, "status": "completed"}
    found = validator(form).check({**response, "item": [answer("q", given)]}).findings
    warned = [one.location for one in found if one.severity == "warning" and "a choice is" in one.message]
    assert warned == ([] if is_usual else [f"QuestionnaireResponse.item[0].answer[0].{next(iter(given))}"])
