"""$fhirpath over HTTP: values with type and path, errors as OperationOutcome, and who may follow which reference."""

from typing import Any

from tests.fhir.conftest import Server

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Otieno", "given": ["Amina"]}],
    "birthDate": "1980-02-01",
    "contact": [{"gender": "male"}],
    "managingOrganization": {"reference": "Organization/o1"},
}


def _asked(expression: str, resource: dict[str, Any] | None = PATIENT, **more: Any) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [{"name": "expression", "valueString": expression}]
    if resource is not None:
        parameters.append({"name": "resource", "resource": resource})
    parameters += [{"name": name, **value} for name, value in more.items()]
    return {"resourceType": "Parameters", "parameter": parameters}


def _results(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found = []
    for parameter in answer.json()["parameter"]:
        if parameter["name"] == "result":
            parts = {part["name"]: {k: v for k, v in part.items() if k != "name"} for part in parameter["part"]}
            found.append({"type": parts["type"]["valueString"], "path": parts.get("path", {}).get("valueString")})
            found[-1] |= parts["value"]
    return found


def test_elements_come_with_type_and_path(server: Server) -> None:
    found = _results(server.ask("POST", "/$fhirpath", _asked("name.given | birthDate | contact.gender | name")))
    assert found == [
        {"type": "string", "path": "Patient.name[0].given[0]", "valueString": "Amina"},
        {"type": "date", "path": "Patient.birthDate", "valueDate": "1980-02-01"},
        {"type": "code", "path": "Patient.contact[0].gender", "valueCode": "male"},
        {"type": "HumanName", "path": "Patient.name[0]", "valueHumanName": PATIENT["name"][0]},
    ]


def test_computed_values_and_elements_without_a_type_of_their_own(server: Server) -> None:
    text = "name.count() | 1.10 | 4 'mg' | true | @2012-04 | contact"
    found = _results(server.ask("POST", "/$fhirpath", _asked(text)))
    assert [one["type"] for one in found] == ["integer", "decimal", "Quantity", "boolean", "date", "BackboneElement"]
    assert found[2]["valueQuantity"] == {
        "value": 4,
        "unit": "mg",
        "system": "http://unitsofmeasure.org",
        "code": "mg",
    }
    assert found[5]["valueString"] == '{"gender":"male"}'


def test_without_a_resource_and_with_variables_and_context(server: Server) -> None:
    assert _results(server.ask("POST", "/$fhirpath", _asked("1 + 1", None)))[0]["valueInteger"] == 2
    variables = {"part": [{"name": "limit", "valueInteger": 5}]}
    assert _results(server.ask("POST", "/$fhirpath", _asked("%limit + 1", variables=variables)))[0]["valueInteger"] == 6
    context = {"valueString": "name"}
    assert _results(server.ask("POST", "/$fhirpath", _asked("family", context=context)))[0]["valueString"] == "Otieno"


def test_errors_are_operation_outcomes(server: Server) -> None:
    for text, status, code in (
        ("name.", 400, "FHIRPATH_SYNTAX"),
        ("nmae", 400, "FHIRPATH_SEMANTIC"),
        ("name.given + 1", 422, "FHIRPATH_EXECUTION"),
        ("repeatAll($this)", 422, "FHIRPATH_TOO_COSTLY"),
    ):
        answer = server.ask("POST", "/$fhirpath", _asked(text))
        assert answer.status_code == status, answer.text
        issue = answer.json()["issue"][0]
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert issue["details"]["coding"][0]["code"] == code
    lenient = server.ask("POST", "/$fhirpath", _asked("nmae", strict={"valueBoolean": False}))
    assert _results(lenient) == []
    missing = server.ask("POST", "/$fhirpath", {"resourceType": "Parameters"})
    assert missing.status_code == 400
    assert "expression" in missing.json()["issue"][0]["diagnostics"]


def test_it_needs_the_scope_of_what_it_reads(server: Server) -> None:
    other, only_patients = server.new_key("system/Observation.rs"), server.new_key("system/Patient.rs")
    refused = server.ask("POST", "/$fhirpath", _asked("name"), key=other)
    assert refused.status_code == 403
    server.ask("PUT", "/Organization/o1", {"resourceType": "Organization", "id": "o1", "name": "Clinic"})
    text = "managingOrganization.resolve().name"
    assert _results(server.ask("POST", "/$fhirpath", _asked(text)))[0]["valueString"] == "Clinic"
    assert _results(server.ask("POST", "/$fhirpath", _asked(text), key=only_patients)) == []


def test_a_stored_resource_can_be_named(server: Server) -> None:
    other = server.new_key("system/Observation.r")
    server.ask("PUT", "/Patient/p1", PATIENT)
    named = _asked("name.family", None)
    for value in (
        {"valueString": "Patient/p1"},
        {"valueReference": {"reference": "http://testserver/fhir/Patient/p1"}},
    ):
        named["parameter"] = [named["parameter"][0], {"name": "resource", **value}]
        assert _results(server.ask("POST", "/$fhirpath", named))[0]["valueString"] == "Otieno"
        refused = server.ask("POST", "/$fhirpath", named, key=other)
        assert refused.status_code == 403
    named["parameter"][1]["valueReference"] = {"reference": "Patient/none"}
    assert server.ask("POST", "/$fhirpath", named).status_code == 404


def test_terminology_profiles_and_traces(server: Server) -> None:
    gender = "contact.gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')"
    assert _results(server.ask("POST", "/$fhirpath", _asked(gender)))[0]["valueBoolean"] is True
    profile = "conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')"
    assert _results(server.ask("POST", "/$fhirpath", _asked(profile)))[0]["valueBoolean"] is True
    unknown = server.ask("POST", "/$fhirpath", _asked("conformsTo('http://example.org/none')"))
    assert unknown.status_code == 422
    traced = server.ask("POST", "/$fhirpath", _asked("name.trace('names').count()")).json()["parameter"][-1]
    assert traced["name"] == "trace"
    assert traced["part"][0] == {"name": "name", "valueString": "names"}


def test_an_answer_has_a_bound(server: Server) -> None:
    large = {**PATIENT, "name": [{"text": "x" * 100_000}]}
    tens = "'0123456789'.toChars()" + ".select('0123456789'.toChars())" * 4
    refused = server.ask("POST", "/$fhirpath", _asked(tens))
    assert refused.status_code == 400
    assert "10,000 items" in refused.json()["issue"][0]["diagnostics"]
    copies = "'0123456789'.toChars().select('0123456789'.toChars()).select('0123456789'.toChars()).select(%resource)"
    refused = server.ask("POST", "/$fhirpath", _asked(copies, large))
    assert refused.status_code == 400
    assert "MiB" in refused.json()["issue"][0]["diagnostics"]
