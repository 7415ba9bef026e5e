"""The CapabilityStatement says what is there: each interaction, parameter, modifier and operation is asked."""

import json
from typing import Any

import pytest

from kiungo.fhir import capability, routes
from kiungo.fhir.definitions import compartment, resource_types
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.operations.registry import OPERATIONS
from kiungo.fhir.search.grammar import MODIFIERS
from kiungo.fhir.search.lookups import PARENTS
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.validation import find_problems
from tests.fhir.conftest import Server

VALUES = {"date": "2024-01-01", "number": "1", "quantity": "1", "reference": "Location/1", "special": "1|2"}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capability.statement("http://x/fhir", "1", "2026-01-01T00:00:00Z"))
    return found


def value_of(type_name: str, code: str, modifier: str) -> str:
    """A value the parameter takes with the modifier."""
    parameter = parameters_of(type_name)[code]
    if modifier == "missing":
        return "true"
    if modifier in ("above", "below"):
        return "Location/1" if parameter.kind == "reference" else "http://x|1"
    if modifier == "of-type":
        return "http://x|a|b"
    kinds = [component.kind for component in parameter.components] or [parameter.kind]
    return "$".join(VALUES.get(kind, "x") for kind in kinds)


def test_it_claims_the_security_there_is(server: Server, told: dict[str, Any]) -> None:
    coding = told["rest"][0]["security"]["service"][0]["coding"][0]
    configured = server.ask("GET", "/.well-known/smart-configuration").status_code == 200
    assert coding["code"] == ("SMART-on-FHIR" if configured else "OAuth")


def test_it_is_a_valid_resource(told: dict[str, Any]) -> None:
    assert not find_problems(told)


def test_every_interaction_is_a_route_and_every_route_an_interaction(server: Server, told: dict[str, Any]) -> None:
    there = {(route.method, route.path) for route in routes.routes(server.store)}
    for method, tail in capability.SYSTEM_INTERACTIONS.values():
        assert (method, f"/fhir{tail}") in there
    for entry in told["rest"][0]["resource"]:
        codes = [interaction["code"] for interaction in entry["interaction"]]
        for code in codes:
            method, tail = capability.TYPE_INTERACTIONS[code]
            assert (method, f"/fhir/{entry['type']}{tail}") in there
    by_condition = {("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/_search")}
    listed = set(capability.TYPE_INTERACTIONS.values()) | by_condition
    found = {(m, p.removeprefix("/fhir/Basic")) for m, p in there if p.startswith("/fhir/Basic") and "$" not in p}
    assert found == listed


def test_every_parameter_and_modifier_is_understood(told: dict[str, Any]) -> None:
    for entry in told["rest"][0]["resource"]:
        for parameter in entry["searchParam"]:
            code = parameter["name"]
            assert parse_query(entry["type"], [(code, value_of(entry["type"], code, ""))]).conditions
            documented = parameter.get("documentation", "").partition(";")[0].removeprefix("Modifiers: ")
            for modifier in documented.split(", ") if documented.startswith(":") else ():
                if modifier == ":[type]":
                    continue
                value = value_of(entry["type"], code, modifier[1:])
                assert parse_query(entry["type"], [(code + modifier, value)]).conditions, (code, modifier)
    assert len(told["rest"][0]["resource"]) == len(resource_types()) == 146


def test_modifiers_are_those_of_the_grammar(told: dict[str, Any]) -> None:
    patient = next(entry for entry in told["rest"][0]["resource"] if entry["type"] == "Patient")
    gender = next(parameter for parameter in patient["searchParam"] if parameter["name"] == "gender")
    for modifier in MODIFIERS["token"]:
        assert f":{modifier}" in gender["documentation"]


def test_system_parameters_compartments_and_operations(told: dict[str, Any]) -> None:
    rest = told["rest"][0]
    named = {parameter["name"] for parameter in rest["searchParam"]}
    assert {"_summary", "_elements", "_sort", "_count", "_include", "_filter", "_content", "_type", "_explain"} <= named
    assert {url.rsplit("/", 1)[1] for url in rest["compartment"]} == {
        "device", "encounter", "patient", "practitioner", "relatedPerson",
    }  # fmt: skip
    assert compartment("Patient")
    listed = {operation["definition"] for operation in rest.get("operation", [])}
    for entry in rest["resource"]:
        listed |= {operation["definition"] for operation in entry.get("operation", [])}
    assert listed == {operation.definition for operation in OPERATIONS.all()}
    assert told["patchFormat"][0] == "application/json-patch+json"
    assert "application/fhir+xml" in told["format"]


def test_hierarchies_are_told_where_there_is_one(server: Server, told: dict[str, Any]) -> None:
    for entry in told["rest"][0]["resource"]:
        if entry["type"] not in ("Encounter", "Location"):
            continue
        for parameter in (p for p in entry["searchParam"] if p["type"] == "reference"):
            targets = parameters_of(entry["type"])[parameter["name"]].targets
            value = next((f"{t}/1" for t in targets if t in PARENTS), "Patient/1")
            status = server.ask("GET", f"/{entry['type']}?{parameter['name']}:below={value}").status_code
            assert (status == 200) == (":below" in parameter["documentation"]), parameter["name"]
