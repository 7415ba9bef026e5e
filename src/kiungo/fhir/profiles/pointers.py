"""References and identifiers as such: how they are written, and that what they say twice is the same.

Source: FHIR R4 2.3.0 (Reference), 2.24.0.12 (Identifier).
"""

import re
from typing import Any

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.references import type_in_text
from kiungo.fhir.profiles.run import Run

URIS = "urn:ietf:rfc:3986"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?(?:#.*)?").fullmatch


def check_reference(o: Json, at: At, run: Run) -> None:
    """A relative reference is Type/id, or a search in a transaction; the type it states is the one it points to."""
    text: Any = o.get("reference")
    if text.__class__ is not str:
        return
    kind = type_in_text(text)
    if kind is None:
        is_relative = not _SCHEME(text) and not text.startswith("#") and "?" not in text
        if is_relative and run.resolve(text) is None:
            run.error("invalid", at, f"has the reference {text[:100]}, which is not written as Type/id")
        return
    stated: Any = o.get("type")
    if stated.__class__ is str and stated != kind:
        run.error("invalid", at, f"states the type {stated[:60]}, but its reference is to a {kind}")
    elif not _SCHEME(text) and not _RELATIVE(text):
        run.error("invalid", at, f"has the reference {text[:100]}, which is not written as Type/id")


def check_identifier(o: Json, at: At, run: Run) -> None:
    """Its system is absolute; a value that its system says is a URI has a scheme."""
    system, value = o.get("system"), o.get("value")
    if system.__class__ is str and not _SCHEME(system):
        run.error("invalid", (at, "system", -1), f"is {system[:100]}, which is not absolute")
    elif system == URIS and value.__class__ is str and not _SCHEME(value):
        run.error(
            "invalid", (at, "value", -1), f"is {value[:100]}, but by its system it is a whole URI, with its scheme"
        )
