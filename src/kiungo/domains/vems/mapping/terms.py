"""The systems and small building blocks the mappings share."""

from collections.abc import Mapping
from typing import Any, Final

Resource = dict[str, Any]

# Identifiers other parts of the platform read too; the words are theirs as much as ours.
BOOKING_NO: Final = "urn:kiungo:booking"
PERSON: Final = "urn:kiungo:person"
FACILITY: Final = "urn:kiungo:facility"
CLAIM_ID: Final = "urn:kiungo:vems:claim"
LINE_ID: Final = "urn:kiungo:vems:service-booking"
VENDOR: Final = "urn:kiungo:vems:vendor"
SERVICE: Final = "urn:kiungo:vems:service"
IDENTIFICATION: Final = "urn:kiungo:vems:identification:"


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


def token(system: str, value: str) -> str:
    """A search value that means exactly this identifier. Source: FHIR R4 3.1.1.4.0.1, escaping."""
    for character in "\\,|$":
        value = value.replace(character, "\\" + character)
    return f"{system}|{value}"
