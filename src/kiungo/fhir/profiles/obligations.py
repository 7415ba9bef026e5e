"""Profiles that take over the obligations of others: those must be obligation profiles, on the same base.

Source: HL7 extensions inherit-obligations and obligation-profile-flag.
"""

from typing import Any

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.questionnaires.enabling import objects
from kiungo.fhir.profiles.run import Run

_BASE = "http://hl7.org/fhir/StructureDefinition/"
INHERIT = _BASE + "inherit-obligations"
FLAGS = frozenset({_BASE + "obligation-profile", _BASE + "obligation-profile-flag"})


def check_obligations(o: Json, at: At, run: Run) -> None:
    """Judge each profile that a StructureDefinition inherits obligations from; one that is not here is passed over."""
    extensions: Any = o.get("extension")
    for index, one in enumerate(extensions if extensions.__class__ is list else ()):
        if one.__class__ is not dict or one.get("url") != INHERIT or one.get("valueCanonical").__class__ is not str:
            continue
        url, where = str(one["valueCanonical"]), (at, "extension", index)
        other = run.library.conformance.find("StructureDefinition", url)
        if other is None:
            continue
        if not any(e.get("url") in FLAGS and e.get("valueBoolean") is True for e in objects(other.get("extension"))):
            run.error("invalid", where, f"names {url[:200]}, which is not marked as an obligation profile")
        elif other.get("baseDefinition") != o.get("baseDefinition"):
            based = f"{other.get('baseDefinition')}, not on {o.get('baseDefinition')}"
            run.error("invalid", where, f"names {url[:200]}, which stands on {based[:400]}")
