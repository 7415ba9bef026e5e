"""Frequent invariants as Python: the same question as their FHIRPath text, a hundred times faster.

The key is the expression, letter by letter, so another wording is simply evaluated. A test asks both ways over
generated values and holds the answers equal.
"""

from collections.abc import Callable
from typing import Any

from kiungo.fhir.profiles.run import Run

Json = dict[str, Any]
Question = Callable[[Any, Run], bool | None]
"""Whether an invariant holds for an object; None leaves it to FHIRPath."""


def _has(o: Json, name: str) -> bool:
    return o.get(name) is not None or o.get("_" + name) is not None


def _has_choice(o: Json, stem: str) -> bool:
    size = len(stem)
    for key in o:  # a loop: `any` with a generator takes twice the time
        name = key[1:] if key[:1] == "_" else key
        if name[:size] == stem and name[size : size + 1].isupper():
            return True
    return False


def _observation_value_or_reason(o: Json, _run: Run) -> bool:
    return not _has(o, "dataAbsentReason") or not _has_choice(o, "value")


def _observation_component_code(o: Json, run: Run) -> bool:
    components = o.get("component")
    if components.__class__ is not list or not _has_choice(o, "value"):
        return True
    mine = _codings(run.scope.resource.get("code"))
    return not any(c.__class__ is dict and _share(_codings(c.get("code")), mine) for c in components)


def _codings(concept: Any) -> list[Any]:
    inner = concept.get("coding") if concept.__class__ is dict else None
    return inner if inner.__class__ is list else []


def _share(one: list[Any], other: list[Any]) -> bool:
    return any(coding == twin for coding in one for twin in other)


def _low_high_or_text(o: Json, _run: Run) -> bool:
    return _has(o, "low") or _has(o, "high") or _has(o, "text")


def _value_or_reason(o: Json, _run: Run) -> bool:
    return _has_choice(o, "value") or _has(o, "dataAbsentReason")


def _leaf_has_value_or_reason(o: Json, run: Run) -> bool:
    return "component" in o or "hasMember" in o or _value_or_reason(o, run)


def _code_has_system(o: Json, _run: Run) -> bool:
    return not _has(o, "code") or _has(o, "system")


def _value_has_system(o: Json, _run: Run) -> bool:
    return not _has(o, "value") or _has(o, "system")


def _data_has_type(o: Json, _run: Run) -> bool:
    return not _has(o, "data") or _has(o, "contentType")


def _reference_is_contained(o: Json, run: Run) -> bool:
    text = o.get("reference")
    if text.__class__ is not str or not text.startswith("#"):
        return True
    if text == "#":
        return run.scope.root is not run.scope.resource
    contained = run.scope.root.get("contained")
    wanted = text[1:]
    return contained.__class__ is list and any(c.__class__ is dict and c.get("id") == wanted for c in contained)


def _not_an_instance_of_ndc(o: Json, _run: Run) -> bool:
    return not any(
        c.__class__ is dict and c.get("system") == "http://hl7.org/fhir/sid/ndc" for c in _codings(o.get("vaccineCode"))
    )


def _ordered_period(o: Json, _run: Run) -> bool | None:
    start, end = o.get("start"), o.get("end")
    if start.__class__ is not str or end.__class__ is not str:
        return True
    if len(start) == len(end) and start[19:] == end[19:]:
        return bool(start <= end)
    return None


def _to_the_day(value: Any, _run: Run) -> bool:
    return value.__class__ is str and len(value) >= 8  # a Period has no such text, so the answer is no


def _to_the_day_if_a_moment(value: Any, _run: Run) -> bool | None:
    return len(value) >= 10 if value.__class__ is str else True


def _no_version_in_full_url(o: Json, _run: Run) -> bool:
    url = o.get("fullUrl")
    return url.__class__ is not str or "/_history/" not in url  # without an address there is nothing to object to


def _exists_is_answered_by_boolean(o: Json, _run: Run) -> bool:
    # The expression asks for System's Boolean, which no element is; FHIR's boolean is what R4 means.
    return o.get("operator") != "exists" or "answerBoolean" in o


def _contact_has_something(o: Json, _run: Run) -> bool:
    return "name" in o or "telecom" in o or "address" in o or "organization" in o


_CONTAINED = (
    "reference.startsWith('#').not() or "
    "(reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))"
)
NATIVE: dict[str, Question] = {
    "dataAbsentReason.empty() or value.empty()": _observation_value_or_reason,
    "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()": (
        _observation_component_code
    ),
    "low.exists() or high.exists() or text.exists()": _low_high_or_text,
    "value.exists() or dataAbsentReason.exists()": _value_or_reason,
    "(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or value.exists())": (
        _leaf_has_value_or_reason
    ),
    "code.empty() or system.exists()": _code_has_system,
    "value.empty() or system.exists()": _value_has_system,
    "data.empty() or contentType.exists()": _data_has_type,
    "operator = 'exists' implies (answer is Boolean)": _exists_is_answered_by_boolean,
    "fullUrl.contains('/_history/').not()": _no_version_in_full_url,
    "start.hasValue().not() or end.hasValue().not() or (start <= end)": _ordered_period,
    _CONTAINED: _reference_is_contained,
    _CONTAINED + " or (reference='#' and %rootResource!=%resource)": _reference_is_contained,
    "name.exists() or telecom.exists() or address.exists() or organization.exists()": _contact_has_something,
    "vaccineCode.coding.where(system='http://hl7.org/fhir/sid/ndc').empty()": _not_an_instance_of_ndc,
    "($this as dateTime).toString().length() >= 8": _to_the_day,
    "$this is DateTime implies $this.toString().length() >= 10": _to_the_day_if_a_moment,
}
# Questions about a primitive, or about whatever a choice holds; all others are about objects.
ON_ANY_VALUE = frozenset(
    {"($this as dateTime).toString().length() >= 8", "$this is DateTime implies $this.toString().length() >= 10"}
)
