"""From a place in JSON to the same place in FHIRPath: `valueQuantity` is `value.ofType(Quantity)`.

Source: FHIR R4 OperationOutcome.issue.expression (simple FHIRPath of element names and indexes).
"""

import re
from typing import Any

from kiungo.fhir import definitions

_STEP = re.compile(r"([^.\[\]]+)((?:\[(?:\d+|x)\])?)")


def fhirpath_of(location: str, resource: Any) -> str:
    """The FHIRPath of a location by JSON names; what the types do not know stays as it is written."""
    steps = _STEP.findall(location)
    if not steps:
        return location
    written = [steps[0][0] + _index(steps[0][1])]
    kind, value = steps[0][0], resource
    for name, index in steps[1:]:
        plain = name.lstrip("_")
        found = _element(kind, plain)
        value = _value(value, plain, index)
        if found is None:
            written.append(plain + _index(index))
            kind = ""
            continue
        stem, kind, is_choice = found
        if kind == "Resource":
            kind = _resource_type(value)
        written.append(f"{stem}.ofType({kind})" if is_choice and kind else stem + _index(index))
    return ".".join(written)


def _index(text: str) -> str:
    return "" if text == "[x]" else text


def _element(kind: str, key: str) -> tuple[str, str, bool] | None:
    """The element's name, the type of the value, and whether it is one of several."""
    definition = definitions.find_type(kind)
    for element in definition.elements if definition else ():
        for written, type_name in element.written():
            if written == key:
                shown = "Quantity" if type_name == "SimpleQuantity" else type_name
                return element.name.removesuffix("[x]"), shown, element.is_choice
        if element.is_choice and element.name == key + "[x]":
            return key, "", False
    return None


def _value(value: Any, name: str, index: str) -> Any:
    inner = value.get(name) if isinstance(value, dict) else None
    if isinstance(inner, list):
        position = int(index[1:-1]) if index[1:-1].isdecimal() else 0
        return inner[position] if position < len(inner) else None
    return inner


def _resource_type(value: Any) -> str:
    name = value.get("resourceType") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""
