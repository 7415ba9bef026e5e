"""The CapabilityStatement: what this server offers, generated from what it does.

Every search parameter listed is one the search really answers.
"""

from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.search.grammar import MODIFIERS
from kiungo.fhir.search.parameters import INDEXED_KINDS, OWN_COLUMNS, Parameter, parameters_of
from kiungo.kernel import json

_INTERACTIONS = ("read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type")
_SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system")


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
    return json.dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": date,
            "kind": "instance",
            "software": {"name": "Kiungo", "version": version},
            "implementation": {"description": "Kiungo FHIR R4 server", "url": base_url},
            "fhirVersion": definitions.FHIR_VERSION,
            "format": ["application/fhir+json", "json"],
            "rest": [
                {
                    "mode": "server",
                    "security": {
                        "cors": False,
                        "service": [
                            {
                                "coding": [
                                    {
                                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                                        "code": "OAuth",
                                    }
                                ]
                            }
                        ],
                        "description": "X-API-Key, or an OAuth2 bearer token with scopes such as system/Patient.rs",
                    },
                    "resource": [_resource(name, referring[name]) for name in types],
                    "interaction": [{"code": code} for code in _SYSTEM_INTERACTIONS],
                }
            ],
        }
    )


def _resource(type_name: str, referring: list[str]) -> dict[str, Any]:
    parameters = searchable(type_name)
    entry: dict[str, Any] = {
        "type": type_name,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "not-match",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": [f"{type_name}:{p.code}" for p in parameters if p.kind == "reference"],
        "searchRevInclude": referring,
        "searchParam": [_parameter(p) for p in parameters],
    }
    return {name: value for name, value in entry.items() if value != []}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    modifiers = ", ".join(f":{m}" for m in sorted(MODIFIERS[parameter.kind]))
    return {
        "name": parameter.code,
        "definition": parameter.url,
        "type": parameter.kind,
        "documentation": f"Modifiers: {modifiers}",
    }
