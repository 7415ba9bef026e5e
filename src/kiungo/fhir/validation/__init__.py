"""Structural validation of R4 resources by generated Python source.

Unknown elements, cardinality, primitive formats, required bindings, choices, contained resources.
Profiles, invariants and terminology beyond required bindings are not judged here.
"""

from typing import Any

from kiungo.base.errors import Detail, Incorrect, define
from kiungo.fhir.validation.compiler import validate_any

RESOURCE_INVALID = define("RESOURCE_INVALID", Incorrect, "A resource does not have the structure FHIR R4 asks for.")


def find_problems(resource: Any) -> tuple[Detail, ...]:
    """Every structural problem of a resource, each with a FHIRPath-like location; empty when it is valid."""
    found = validate_any(resource)
    if not found:
        return ()
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    root = name if isinstance(name, str) else "Resource"
    return tuple(Detail(root + p.location, f"{root}{p.location} {p.message}", p.code) for p in found)


def validate(resource: Any) -> None:
    """Refuse a resource that is not structurally valid. Raises: Incorrect RESOURCE_INVALID with details."""
    if validate_any(resource) is None:
        return
    details = find_problems(resource)
    raise Incorrect(
        RESOURCE_INVALID,
        details[0].message if len(details) == 1 else f"The resource has {len(details)} problems",
        field=details[0].field,
        hint="Correct the elements named in details",
        details=details,
    )
