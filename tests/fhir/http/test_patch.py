"""PATCH by id and by condition, alone and in bundles, with both kinds of patch."""

import base64
import json
from typing import Any

import pytest

from tests.fhir.conftest import Server, patient

JSON_PATCH = {"Content-Type": "application/json-patch+json"}
MALE = [{"op": "replace", "path": "/gender", "value": "male"}]


def parameters(path: str, value: dict[str, Any]) -> dict[str, Any]:
    """A FHIRPath Patch that replaces one element."""
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", **value},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def patch_entry(url: str, resource: dict[str, Any], **request: str) -> dict[str, Any]:
    return {"resource": resource, "request": {"method": "PATCH", "url": url, **request}}


def binary(operations: list[dict[str, Any]]) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]


@pytest.fixture
def path(server: Server) -> str:
    """Where the one patient is."""
    return "/Patient/" + str(server.create(patient())["id"])


def test_both_kinds_of_patch(server: Server, path: str) -> None:
    one = server.ask("PATCH", path, MALE, headers=JSON_PATCH)
    assert (one.status_code, one.json()["gender"], one.headers["etag"]) == (200, "male", 'W/"2"')
    two = server.ask("PATCH", path, parameters("Patient.birthDate", {"valueDate": "1990-01-01"}))
    assert (two.json()["birthDate"], two.json()["meta"]["versionId"]) == ("1990-01-01", "3")
    same = server.ask("PATCH", path, MALE, headers=JSON_PATCH)
    assert same.json()["meta"]["versionId"] == "3", "what changes nothing makes no version"
    assert server.search_ids("/Patient?gender=male&birthdate=1990") == [path.rsplit("/", maxsplit=1)[-1]]


def test_what_a_patch_empties_is_no_element_any_more(server: Server, path: str) -> None:
    kept = server.ask("GET", path).json()
    add = {"op": "add", "path": "/contact", "value": [{"name": {"family": "Kin", "given": ["A", "B"]}}]}
    server.ask("PATCH", path, [add], headers=JSON_PATCH)
    given = {"op": "remove", "path": "/contact/0/name/given/0"}
    family = {"op": "remove", "path": "/contact/0/name/family"}
    one = server.ask("PATCH", path, [given, given], headers=JSON_PATCH).json()
    assert one["contact"] == [{"name": {"family": "Kin"}}]
    none = server.ask("PATCH", path, [family], headers=JSON_PATCH).json()
    assert {k: v for k, v in none.items() if k != "meta"} == {k: v for k, v in kept.items() if k != "meta"}
    empty = server.ask("PATCH", path, [{"op": "add", "path": "/contact", "value": []}], headers=JSON_PATCH)
    assert code_of(empty) == (400, "RESOURCE_INVALID"), "what is sent empty is refused as in any other body"


def test_what_a_patch_may_not_do(server: Server, path: str) -> None:
    refused = [
        ([{"op": "replace", "path": "/gender", "value": "m"}], 400),
        ([{"op": "remove", "path": "/nothing"}], 400),
        ([{"op": "test", "path": "/gender", "value": "male"}], 400),
        ([{"op": "replace", "path": "/resourceType", "value": "Group"}], 400),
        ([{"op": "replace", "path": "/id", "value": "other"}], 400),
        ([{"op": "replace", "path": "", "value": 7}], 400),
        ({"op": "replace"}, 400),
    ]
    for operations, status in refused:
        answer = server.ask("PATCH", path, operations, headers=JSON_PATCH)
        assert answer.status_code in (status, 409, 422), answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert server.ask("PATCH", path, b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert server.ask("PATCH", "/Patient/nobody", MALE, headers=JSON_PATCH).status_code == 404
    stale = server.ask("PATCH", path, MALE, headers={**JSON_PATCH, "If-Match": 'W/"7"'})
    assert code_of(stale) == (412, "VERSION_CONFLICT")
    assert server.ask("GET", path).json()["meta"]["versionId"] == "1"
    server.ask("DELETE", path)
    assert server.ask("PATCH", path, MALE, headers=JSON_PATCH).status_code == 410


def test_patch_by_condition(server: Server, path: str) -> None:
    answer = server.ask("PATCH", "/Patient?identifier=MRN-1", MALE, headers=JSON_PATCH)
    assert (answer.status_code, answer.json()["gender"]) == (200, "male")
    assert server.ask("PATCH", "/Patient?identifier=MRN-2", MALE, headers=JSON_PATCH).status_code == 404
    assert server.ask("PATCH", "/Patient", MALE, headers=JSON_PATCH).status_code == 400
    server.create(patient())
    assert code_of(server.ask("PATCH", "/Patient?identifier=MRN-1", MALE, headers=JSON_PATCH)) == (
        412,
        "MULTIPLE_MATCHES",
    )


def test_parallel_patches_are_all_applied(server: Server, path: str) -> None:
    together = [
        ("PATCH", path, [{"op": "add", "path": "/name/-", "value": {"family": f"N{n}"}}], JSON_PATCH) for n in range(4)
    ]
    assert [a.status_code for a in server.ask_together(*together)] == [200] * 4
    assert {n["family"] for n in server.ask("GET", path).json()["name"]} == {"Mwangi", "N0", "N1", "N2", "N3"}


def test_patches_in_bundles(server: Server, path: str) -> None:
    logical_id = path.rsplit("/", maxsplit=1)[-1]
    made = {"fullUrl": "urn:uuid:1b4e28ba-2fa1-11d2-883f-0016d3cca427", "resource": {"resourceType": "Organization"}}
    made["request"] = {"method": "POST", "url": "Organization"}
    moved = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "managingOrganization"},
        {"name": "value", "valueReference": {"reference": made["fullUrl"]}},
    ]
    joined = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": moved}]}
    answer = server.ask("POST", "", bundle("transaction", patch_entry(f"Patient/{logical_id}", joined), made))
    assert answer.status_code == 200, answer.text
    organization = answer.json()["entry"][1]["response"]["location"].split("/")[1]
    assert server.ask("GET", path).json()["managingOrganization"]["reference"] == f"Organization/{organization}"
    one = server.ask("POST", "", bundle("batch", patch_entry("Patient?identifier=MRN-1", binary(MALE))))
    assert one.json()["entry"][0]["response"]["status"] == "200 OK"
    mixed = bundle(
        "batch", patch_entry("Patient/none", binary(MALE)), patch_entry(f"Patient/{logical_id}", binary([{}]))
    )
    statuses = [e["response"]["status"][:3] for e in server.ask("POST", "", mixed).json()["entry"]]
    assert statuses[0] == "404"
    assert statuses[1] in ("400", "422")
    twice = bundle(
        "transaction",
        patch_entry(f"Patient/{logical_id}", binary(MALE)),
        {"resource": patient(id=logical_id), "request": {"method": "PUT", "url": f"Patient/{logical_id}"}},
    )
    assert server.ask("POST", "", twice).status_code == 400, "no resource is written twice in one transaction"


def test_who_may_patch(server: Server, path: str) -> None:
    reader = server.new_key("system/Patient.rs")
    assert server.ask("PATCH", path, MALE, headers=JSON_PATCH, key=reader).status_code == 403
    writer = server.new_key("system/Patient.u")
    blind = server.ask("PATCH", path, MALE, headers=JSON_PATCH, key=writer)
    assert (blind.status_code, blind.content) == (200, b""), "what it may not read it is not shown"
    bound = server.new_key("system/*.cruds", bindings={"patient": "someone-else"})
    assert server.ask("PATCH", path, MALE, headers=JSON_PATCH, key=bound).status_code == 403
