"""$validate over HTTP: statuses, modes, places, profiles of installed packages, and rules for writes."""

# ruff: noqa: E501 - bodies, one a line

from typing import Any

from kiungo.fhir.packages.archive import Manifest
from kiungo.fhir.packages.installed import install, packages, remove
from kiungo.fhir.packages.policy import set_policy
from tests.fhir.conftest import Server, observation, patient

PROFILE = "http://example.org/fhir/StructureDefinition/named-patient"
NAMED: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "url": PROFILE,
    "version": "1.2.0",
    "name": "NamedPatient",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Patient", "path": "Patient"},
            {"id": "Patient.name", "path": "Patient.name", "min": 1},
            {"id": "Patient.name.family", "path": "Patient.name.family", "min": 1},
            {"id": "Patient.telecom", "path": "Patient.telecom", "max": "0"},
        ]
    },
}
MANIFEST = Manifest("example.named", "1.2.0", ("hl7.fhir.r4.core#4.0.1",), "0" * 64)


def issues(server: Server, path: str, body: Any = None, method: str = "POST") -> list[dict[str, Any]]:
    answer = server.ask(method, path, body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["issue"]
    return found


def test_a_right_and_a_wrong_resource_and_where_it_is_wrong(server: Server) -> None:
    assert not [i for i in issues(server, "/Patient/$validate", patient()) if i["severity"] == "error"]
    text = b'{\n  "resourceType": "Patient",\n  "name": [{"family": "x"}],\n  "birthDate": "tomorrow",\n  "_active": {"id": 1}\n}'
    found = issues(server, "/Patient/$validate", text)
    by_place = {i["expression"][0]: i for i in found if i["severity"] == "error"}
    assert set(by_place) == {"Patient.birthDate", "Patient.active.id"}
    assert [e["valueInteger"] for e in by_place["Patient.birthDate"]["extension"]] == [4, 16]
    body = observation("Patient/1", valueQuantity={"value": 1, "code": "/min"})
    found = [
        i
        for i in issues(server, "/Observation/$validate", body)
        if i["code"] == "invariant" and i["severity"] == "error"
    ]
    assert [i["expression"] for i in found] == [["Observation.value.ofType(Quantity)"]]


def test_xml_is_judged_with_its_own_lines(server: Server) -> None:
    body = b'<Patient xmlns="http://hl7.org/fhir">\n <name>\n  <family value="x"/>\n </name>\n <gender value="f"/>\n</Patient>'
    for text, line in (
        (body, 5),
        (
            b'<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="resource"/>\n<resource>'
            + body
            + b"</resource></parameter></Parameters>",
            6,
        ),
    ):
        answer = server.ask("POST", "/Patient/$validate", text, headers={"Content-Type": "application/fhir+xml"})
        assert answer.status_code == 200, answer.text
        issue = next(i for i in answer.json()["issue"] if i["severity"] == "error")
        assert (issue["expression"], issue["extension"][0]["valueInteger"]) == (["Patient.gender"], line)


def test_parameters_modes_and_mistakes(server: Server) -> None:
    stored = server.create(patient())
    sent = {
        "resourceType": "Parameters",
        "parameter": [{"name": "mode", "valueCode": "update"}, {"name": "resource", "resource": patient(id="other")}],
    }
    found = issues(server, f"/Patient/{stored['id']}/$validate", sent)
    assert [i["expression"] for i in found if i["severity"] == "error"] == [["Patient.id"]]
    assert found[0]["extension"][0]["valueInteger"] >= 1
    assert not [
        i for i in issues(server, f"/Patient/{stored['id']}/$validate", method="GET") if i["severity"] == "error"
    ]
    assert (
        issues(server, f"/Patient/{stored['id']}/$validate?mode=delete", method="POST")[0]["severity"] == "information"
    )
    wrong = issues(server, "/Patient/$validate", observation("Patient/1"))
    assert any("Observation/$validate" in i["diagnostics"] for i in wrong)
    for path, status in (
        ("/Patient/$validate", 400),
        ("/Patient/$validate?mode=nonsense", 400),
        ("/Patient/$validate?mode=delete", 400),
        ("/Patient/nobody/$validate", 404),
    ):
        assert server.ask("POST", path, b"").status_code == status
    assert server.ask("POST", "/Patient/$validate", b'{"resourceType": ').status_code == 400


def test_profiles_of_packages_and_rules_for_writes(server: Server) -> None:
    nameless = patient(name=[{"given": ["Amina"]}], telecom=[{"system": "phone", "value": "1"}])
    found = issues(server, f"/Patient/$validate?profile={PROFILE}", nameless)
    assert [i["code"] for i in found if i["severity"] == "error"] == ["not-found"]
    server.database.write(lambda unit: install(unit, 1, MANIFEST, [NAMED]))
    server.store.libraries.forget()
    for path in (f"/Patient/$validate?profile={PROFILE}", f"/Patient/$validate?profile={PROFILE}|1.2.0"):
        found = [i for i in issues(server, path, nameless) if i["severity"] == "error"]
        assert {i["expression"][0] for i in found} == {"Patient.name[0]", "Patient"}
    assert server.ask("POST", "/Patient", nameless).status_code == 201
    server.database.write(lambda unit: set_policy(unit, 1, "Patient", (PROFILE,)))
    server.store.libraries.forget()
    refused = server.ask("POST", "/Patient", nameless)
    assert refused.status_code == 422
    assert {i["expression"][0] for i in refused.json()["issue"]} == {"Patient.name[0]", "Patient"}
    assert server.ask("POST", "/Patient", patient()).status_code == 201
    entries = [{"resource": one, "request": {"method": "POST", "url": "Patient"}} for one in (patient(), nameless)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert server.ask("POST", "", bundle).status_code == 422
    answer = server.ask("POST", "", {**bundle, "type": "batch"}).json()
    assert [e["response"]["status"][:3] for e in answer["entry"]] == ["201", "422"]
    server.database.write(lambda unit: set_policy(unit, 1, "Patient", ()))
    server.store.libraries.forget()
    assert server.ask("POST", "/Patient", nameless).status_code == 201
    assert [p.name for p in server.database.read(lambda unit: packages(unit, 1))] == ["example.named"]
    server.database.write(lambda unit: remove(unit, 1, "example.named", "1.2.0"))
    assert server.database.read(lambda unit: packages(unit, 1)) == []
