"""The `Prefer` header: what a caller wants back, and how strictly its search is read.

Source: RFC 7240; FHIR R4 3.1.0.1.7 (return), 3.1.1.1.2 (handling).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Returned = Literal["", "minimal", "representation", "OperationOutcome"]
_RETURNS: dict[str, Returned] = {
    "minimal": "minimal",
    "representation": "representation",
    "operationoutcome": "OperationOutcome",
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a caller prefers. `returned` is "" where it said nothing; unknown preferences are ignored."""

    returned: Returned = ""
    is_lenient: bool = False


NOTHING_PREFERRED = Preferences()


def preferences(header: bytes | None) -> Preferences:
    """Read a `Prefer` header."""
    return _read(header) if header else NOTHING_PREFERRED


@lru_cache(maxsize=256)
def _read(header: bytes) -> Preferences:
    returned: Returned = ""
    is_lenient = False
    for part in header.decode("latin-1").replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        wanted = value.strip().strip('"').lower()
        if name.strip().lower() == "return":
            returned = _RETURNS.get(wanted, "")
        elif name.strip().lower() == "handling":
            is_lenient = wanted == "lenient"
    return Preferences(returned, is_lenient)
