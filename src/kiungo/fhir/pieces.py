"""Small pieces of resources that every mapping builds and reads: identifiers, references, coded concepts."""

from collections.abc import Mapping
from typing import Any

Resource = dict[str, Any]


def identifier(system: str, value: str) -> Resource:
    """A FHIR Identifier."""
    return {"system": system, "value": value}


def identified(resource: Mapping[str, Any], system: str) -> str | None:
    """The value of a resource's identifier in a system."""
    for item in resource.get("identifier", ()):
        if item.get("system") == system:
            return str(item["value"])
    return None


def reference(kind: str, id: str) -> Resource:
    """A reference to a stored resource."""
    return {"reference": f"{kind}/{id}"}


def coded(system: str, code: str, text: str | None = None) -> Resource:
    """A CodeableConcept of one coding."""
    concept: Resource = {"coding": [{"system": system, "code": code}]}
    if text:
        concept["text"] = text
    return concept


def code_in(concept: Mapping[str, Any] | None, system: str) -> str | None:
    """The code a concept has in a system."""
    for coding in (concept or {}).get("coding", ()):
        if coding.get("system") == system:
            return str(coding["code"])
    return None


def token(system: str, value: str) -> str:
    """A search value that means exactly this identifier. Source: FHIR R4 3.1.1.4.0.1, escaping."""
    for character in "\\,|$":
        value = value.replace(character, "\\" + character)
    return f"{system}|{value}"
