"""Values of attributes as JSON has them. Source: FHIR R4 2.24.0.1 (primitive types)."""

import re
from typing import Any

from kiungo.kernel import json

_WHOLE = re.compile(r"0|[-+]?[1-9][0-9]{0,19}", re.ASCII).fullmatch
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII).fullmatch
_BOOLEANS = {"true": True, "false": False}


def value_of(type_name: str, text: str) -> Any:
    """A boolean, int, Decimal or string, as the type says. Raises: ValueError; Incorrect for a number beyond limits."""
    if type_name == "boolean":
        if text not in _BOOLEANS:
            raise ValueError(f"{text!r:.40} is neither true nor false")
        return _BOOLEANS[text]
    if type_name in ("integer", "unsignedInt", "positiveInt"):
        if not _WHOLE(text):
            raise ValueError(f"{text!r:.40} is not a whole number")
        return int(text)
    if type_name == "decimal":
        if not _DECIMAL(text):
            raise ValueError(f"{text!r:.40} is not a decimal number")
        return json.loads(text)
    if not text:
        raise ValueError("is empty")
    return text
