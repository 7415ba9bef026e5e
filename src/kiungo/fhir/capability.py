"""The CapabilityStatement: what this server offers, generated from what it does.

Interactions are the routes there are, search parameters those that have rows, operations those that are registered;
a test asks each of them. Nothing is written here that does not follow from something that runs.
"""

from collections.abc import Iterable
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.http.negotiation import JSON_NAMES, XML_NAMES
from kiungo.fhir.indexing.parameters import INDEXED_KINDS, OWN_COLUMNS, Parameter, parameters_of
from kiungo.fhir.interactions.patching import FORMATS as PATCH_FORMATS
from kiungo.fhir.interactions.writing import DELETES_MAX
from kiungo.fhir.operations.registry import OPERATIONS, Operation
from kiungo.fhir.search.grammar import COMMON, MODIFIERS, PREFIXED_KINDS, PREFIXES
from kiungo.fhir.search.lookups import PARENTS
from kiungo.fhir.search.query import RESULT_PARAMETERS
from kiungo.fhir.search.words import WORDLESS
from kiungo.fhir.searching import COMPARTMENTS
from kiungo.kernel import json

# Each interaction and the route below /fhir/{type} that answers it.
TYPE_INTERACTIONS = {
    "read": ("GET", "/{id}"),
    "vread": ("GET", "/{id}/_history/{version}"),
    "update": ("PUT", "/{id}"),
    "patch": ("PATCH", "/{id}"),
    "delete": ("DELETE", "/{id}"),
    "history-instance": ("GET", "/{id}/_history"),
    "history-type": ("GET", "/_history"),
    "create": ("POST", ""),
    "search-type": ("GET", ""),
}
SYSTEM_INTERACTIONS = {
    "transaction": ("POST", ""),
    "batch": ("POST", ""),
    "history-system": ("GET", "/_history"),
    "search-system": ("GET", ""),
}
# Result parameters that are our own, or belong to the page's link.
_UNLISTED = frozenset({"_cursor"})
_RESULT_TYPES = {"_count": "number", "_total": "special"}
_FORMATS = ("application/fhir+json", "application/fhir+xml", "json", "xml")
COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/"
_SECURITY = {
    "cors": False,
    # Not SMART-on-FHIR: scopes are written its way, but its configuration and launch are not offered.
    "service": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "OAuth"}]}
    ],
    "description": "X-API-Key, or an OAuth2 bearer token with scopes such as system/Patient.rs",
}


def searchable(type_name: str) -> list[Parameter]:
    """The parameters a type can be searched by, in order."""
    known = sorted(parameters_of(type_name).values(), key=lambda p: p.code)
    return [p for p in known if p.kind in INDEXED_KINDS and (p.sources or p.code in OWN_COLUMNS)]


def statement(base_url: str, version: str, date: str) -> bytes:
    """The CapabilityStatement as bytes. `date` is when this version of the software was started."""
    types = definitions.resource_types()
    referring: dict[str, list[str]] = {name: [] for name in types}
    for name in types:
        for parameter in searchable(name):
            if parameter.kind == "reference":
                for target in parameter.targets:
                    referring[target].append(f"{name}:{parameter.code}")
    assert {name for name in _FORMATS if "+" not in name} <= JSON_NAMES | XML_NAMES
    rest = {
        "mode": "server",
        "security": _SECURITY,
        "resource": [_resource(name, referring[name]) for name in types],
        "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
        "searchParam": [
            *({"name": n, "type": _RESULT_TYPES.get(n, "string")} for n in sorted(RESULT_PARAMETERS - _UNLISTED)),
            *({"name": name, "type": kind, **_said_of(name)} for name, kind in sorted(COMMON.items())),
            {"name": "_type", "type": "special"},
        ],
        "operation": _operations([*OPERATIONS.of_system(), *_of_other_types(types)]),
        "compartment": [COMPARTMENT + name[0].lower() + name[1:] for name in COMPARTMENTS],
    }
    return json.dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": date,
            "kind": "instance",
            "software": {"name": "Kiungo", "version": version},
            "implementation": {"description": "Kiungo FHIR R4 server", "url": base_url},
            "fhirVersion": definitions.FHIR_VERSION,
            "format": list(_FORMATS),
            "patchFormat": list(PATCH_FORMATS),
            "rest": [{name: value for name, value in rest.items() if value != []}],
        }
    )


def _said_of(name: str) -> dict[str, str]:
    return {"documentation": f"Not of {', '.join(sorted(WORDLESS))}."} if name in ("_text", "_content") else {}


def _of_other_types(types: tuple[str, ...]) -> list[Operation]:
    """Operations on types that R4 does not have, such as ViewDefinition; they have no resource to stand at."""
    found = [o for o in OPERATIONS.all() if o.types and not set(o.types) & set(types)]
    return [operation for operation in found if "system" not in operation.levels]


def _operations(offered: Iterable[Operation]) -> list[dict[str, Any]]:
    return [{"name": operation.name, "definition": operation.definition} for operation in offered]


def _resource(type_name: str, referring: list[str]) -> dict[str, Any]:
    parameters = searchable(type_name)
    entry: dict[str, Any] = {
        "type": type_name,
        "documentation": f"A delete by condition with _count takes up to {DELETES_MAX} resources, all or none",
        "interaction": [{"code": code} for code in TYPE_INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "multiple",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": ["*", *(f"{type_name}:{p.code}" for p in parameters if p.kind == "reference")],
        "searchRevInclude": ["*", *referring],
        "searchParam": [_parameter(p) for p in parameters],
        "operation": _operations(OPERATIONS.of_type(type_name)),
    }
    return {name: value for name, value in entry.items() if value != []}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    types = [":[type]"] if parameter.kind == "reference" else []
    told = ", ".join([*(f":{m}" for m in sorted(modifiers_of(parameter))), *types])
    prefixes = f"Prefixes: {', '.join(PREFIXES)}" if parameter.kind in PREFIXED_KINDS else ""
    said = "; ".join(part for part in (f"Modifiers: {told}" if told else "", prefixes) if part)
    return {
        "name": parameter.code,
        "definition": parameter.url,
        "type": parameter.kind,
        **({"documentation": said} if said else {}),
    }


def modifiers_of(parameter: Parameter) -> frozenset[str]:
    """The modifiers a parameter takes; nothing is above or below a reference whose targets have no hierarchy."""
    if parameter.code in OWN_COLUMNS:
        return frozenset({"not"}) if parameter.code == "_id" else frozenset()
    if parameter.kind == "reference" and not set(parameter.targets) & set(PARENTS):
        return MODIFIERS["reference"] - {"above", "below"}
    return MODIFIERS[parameter.kind]
