"""One answer against its question: type, length, limits, decimal places, format, unit, size, kind of target.

Source: FHIR R4 Questionnaire.item.type; extensions minValue, maxValue, minLength, maxDecimalPlaces, regex, mimeType,
maxSize, questionnaire-unitOption, questionnaire-unitValueSet, questionnaire-referenceResource.
"""

from decimal import Decimal
from typing import Any

from kiungo.fhir import definitions, fhirpath
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.quantities import compared
from kiungo.fhir.profiles.questionnaires.enabling import objects, value_of
from kiungo.fhir.profiles.questionnaires.options import check_permitted, in_value_set
from kiungo.fhir.profiles.references import type_in_text
from kiungo.fhir.profiles.run import Run

TYPES: dict[str, tuple[str, ...]] = {
    "boolean": ("Boolean",),
    "decimal": ("Decimal",),
    "integer": ("Integer",),
    "date": ("Date",),
    "dateTime": ("DateTime",),
    "time": ("Time",),
    "string": ("String",),
    "text": ("String",),
    "url": ("Uri",),
    "choice": ("Coding", "Date", "Time", "Integer", "String", "Reference"),
    "open-choice": ("Coding", "Date", "Time", "Integer", "String", "Reference"),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
}
# What a choice is answered by, unless its options are of other types.
CHOICES = {"choice": ("Coding",), "open-choice": ("Coding", "String")}
CORE = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
REGEX_MAX = 500
_MATCHES = fhirpath.compile("%value.matches(%pattern)")


def check_answer(question: Json, answer: Json, at: At, run: Run, form: Json) -> None:
    """Judge one answer's value."""
    found = value_of(answer)
    if found is None:
        return
    kind, value = found
    where: At = (at, f"value{kind}", -1)
    wanted = TYPES.get(str(question.get("type")))
    if wanted is not None and kind not in wanted:
        run.error("invariant", where, f"is a {kind}, but the question asks for {' or '.join(wanted)}")
        return
    usual = CHOICES.get(str(question.get("type")), ())
    if usual and kind not in usual and not question.get("answerOption"):
        # The reference validator says no more of it than that.
        run.warn("invariant", where, f"is a {kind}; without options of other types, a choice is {' or '.join(usual)}")
    check_permitted(question, kind, value, where, run, form)
    _check_length(question, value, where, run)
    _check_limits(question, value, where, run)
    if kind in {"Decimal", "Integer"}:
        _check_places(question, value, where, run)
    elif kind == "String":
        _check_format(question, value, where, run)
    elif kind == "Quantity":
        _check_unit(question, value, where, run, form)
    elif kind == "Attachment":
        _check_attachment(question, value, where, run)
    elif kind == "Reference":
        _check_target(question, value, where, run)


def extensions(question: Json, *urls: str) -> list[Any]:
    """The values of a question's extensions."""
    found = []
    for one in objects(question.get("extension")):
        value = value_of(one)
        if one.get("url") in urls and value is not None:
            found.append(value[1])
    return found


def _check_length(question: Json, value: Any, at: At, run: Run) -> None:
    if value.__class__ is not str:
        return
    most = question.get("maxLength")
    if most.__class__ is int and len(value) > most:
        run.error("invariant", at, f"is longer than {most} characters")
    for least in extensions(question, CORE + "minLength"):
        if least.__class__ is int and len(value) < least:
            run.error("invariant", at, f"is shorter than {least} characters")


def _check_limits(question: Json, value: Any, at: At, run: Run) -> None:
    for word, sign, urls in (
        ("less than the least", -1, (CORE + "minValue", SDC + "minQuantity")),
        ("more than the most", 1, (CORE + "maxValue", SDC + "maxQuantity")),
    ):
        for limit in extensions(question, *urls):
            order = compared(value, limit)
            if order == sign:
                run.error("invariant", at, f"is {word} that the question allows")
            elif order is None and value.__class__ is dict:
                run.error("invariant", at, "has a unit that cannot be compared with the question's limit")


def _check_places(question: Json, value: Any, at: At, run: Run) -> None:
    for most in extensions(question, CORE + "maxDecimalPlaces"):
        exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
        if most.__class__ is int and isinstance(exponent, int) and -exponent > most:
            run.error("invariant", at, f"has more than {most} decimal places")


def _check_format(question: Json, value: Any, at: At, run: Run) -> None:
    for pattern in extensions(question, CORE + "regex"):
        if pattern.__class__ is not str or len(pattern) > REGEX_MAX or value.__class__ is not str:
            continue
        if not _is_match(value, pattern):
            shown = next(iter(extensions(question, CORE + "entryFormat")), pattern)
            run.error("invariant", at, f"is not written as the question asks: {str(shown)[:80]}")


def _is_match(value: str, pattern: str) -> bool:
    whole = pattern if pattern.startswith("^") else f"^(?:{pattern})$"
    found = _MATCHES({"resourceType": "Basic"}, environment={"value": value, "pattern": whole})
    return found == [True]


def _check_unit(question: Json, value: Any, at: At, run: Run, form: Json) -> None:
    if value.__class__ is not dict:
        return
    coding = {"system": value.get("system"), "code": value.get("code")}
    options = [one for one in extensions(question, CORE + "questionnaire-unitOption") if one.__class__ is dict]
    if options and not any(
        one.get("system") == coding["system"] and one.get("code") == coding["code"] for one in options
    ):
        listed = ", ".join(str(one.get("code")) for one in options)
        run.error("invariant", at, f"has a unit that is not one of {listed}")
    for url in extensions(question, CORE + "questionnaire-unitValueSet"):
        if url.__class__ is str and in_value_set(url, "Coding", coding, run, form) is False:
            run.error("invariant", at, f"has a unit that is not in {url}")


def _check_attachment(question: Json, value: Any, at: At, run: Run) -> None:
    if value.__class__ is not dict:
        return
    allowed = [one for one in extensions(question, CORE + "mimeType") if one.__class__ is str]
    kind = value.get("contentType")
    if allowed and not any(_is_kind(str(kind), one) for one in allowed):
        run.error("invariant", at, f"is {kind}, but the question takes {', '.join(allowed)}")
    for most in extensions(question, CORE + "maxSize"):
        size = value.get("size")
        if isinstance(size, int) and isinstance(most, int | Decimal) and size > most:
            run.error("invariant", at, f"has {size} bytes, but the question takes {most}")


def _is_kind(kind: str, allowed: str) -> bool:
    """Whether a media type is the one that is taken; `image/*` takes every image."""
    return kind == allowed or (allowed.endswith("/*") and kind.startswith(allowed[:-1]))


def _check_target(question: Json, value: Any, at: At, run: Run) -> None:
    text = value.get("reference") if value.__class__ is dict else None
    if text.__class__ is not str or text.startswith(("#", "urn:")):
        return
    kind = type_in_text(text)
    parts = text.partition("?")[0].rstrip("/").split("/")
    if kind is None and len(parts) >= 2 and parts[-2][:1].isupper() and parts[-2].isalpha():
        run.error("invariant", at, f"points to a {parts[-2][:60]}, which is no resource type")
        return
    allowed = [one for one in extensions(question, CORE + "questionnaire-referenceResource") if one.__class__ is str]
    if allowed and kind is not None and kind not in allowed and definitions.find_type(kind) is not None:
        run.error("invariant", at, f"points to a {kind}, but the question takes {', '.join(allowed)}")
