"""What is said about a path under /fhir that has no route because its resource type does not exist."""

from difflib import get_close_matches

from kiungo.base.errors import KiungoError, NotFound, define
from kiungo.fhir.definitions import resource_types, type_ids

FHIR_TYPE_UNKNOWN = define("FHIR_TYPE_UNKNOWN", NotFound, "A path names a resource type that FHIR R4 does not have.")
SHOWN_MAX = 64


def unknown_path(path: str) -> KiungoError | None:
    """The refusal of a path with an unknown type, and the type that was meant; None when the type is not to blame."""
    name = path.removeprefix("/fhir").strip("/").partition("/")[0]
    if not name or name[0] in "_$" or name in type_ids():
        return None
    by_lower = {one.lower(): one for one in resource_types()}
    near = get_close_matches(name[:SHOWN_MAX].lower(), by_lower, n=1)
    hint = f"Did you mean {by_lower[near[0]]}?" if near else "GET /fhir/metadata lists the types"
    return NotFound(FHIR_TYPE_UNKNOWN, f"{name[:SHOWN_MAX]} is not a resource type of FHIR R4", field="path", hint=hint)
