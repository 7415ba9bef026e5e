"""A batch takes any interaction of R4: operations, the CapabilityStatement, searches by POST."""

import base64
from typing import Any

from tests.fhir.conftest import Server, observation, patient
from tests.fhir.interactions.test_bundles import bundle, entry

EXPAND = "ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender"
VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Patient",
    "select": [{"column": [{"name": "id", "path": "getResourceKey()"}]}],
}


def parameters(**values: Any) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, **value} for name, value in values.items()],
    }


def asked(server: Server, *entries: dict[str, Any], key: str | None = None) -> list[dict[str, Any]]:
    answer = server.ask("POST", "", bundle("batch", *entries), key=key)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["entry"]
    return found


def statuses(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["response"]["status"][:3] for answer in answers]


def test_operations_of_every_level(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    server.ask("PUT", "/Observation/o", observation("Patient/p", id="o"))
    everything, path, expansion, capabilities, made, checked = asked(
        server,
        entry("GET", "Patient/p/$everything"),
        entry("POST", "$fhirpath", parameters(expression={"valueString": "1 + 1"})),
        entry("GET", EXPAND),
        entry("GET", "metadata"),
        entry("POST", "Patient", patient()),
        entry("POST", "Patient/$validate", parameters(resource={"resource": {"resourceType": "Patient"}})),
    )
    assert {e["resource"]["resourceType"] for e in everything["resource"]["entry"]} == {"Patient", "Observation"}
    assert path["resource"]["resourceType"] == "Parameters"
    assert len(expansion["resource"]["expansion"]["contains"]) == 4
    assert capabilities["resource"]["resourceType"] == "CapabilityStatement"
    assert made["response"]["status"].startswith("201"), "other entries are as they were"
    assert checked["resource"]["resourceType"] == "OperationOutcome"


def test_each_is_refused_by_itself(server: Server) -> None:
    entries = [
        entry("GET", "Patient/none/$everything"),
        entry("GET", "Patient/$nothing"),
        entry("GET", "Nothing/$everything"),
        entry("GET", "$fhirpath"),
        entry("POST", "metadata"),
        entry("GET", EXPAND),
    ]
    assert statuses(asked(server, *entries)) == ["404", "404", "404", "400", "400", "200"]
    narrow = server.new_key("system/Patient.r")
    assert statuses(asked(server, entries[-1], entry("GET", "metadata"), key=narrow)) == ["403", "200"]
    many = bundle("batch", *[entry("GET", EXPAND)] * 101)
    assert server.ask("POST", "", many).status_code == 400


def test_a_table_comes_as_a_binary(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    body = parameters(viewResource={"resource": VIEW}, _format={"valueCode": "csv"})
    (answer,) = asked(server, entry("POST", "ViewDefinition/$run", body))
    assert answer["resource"]["resourceType"] == "Binary", answer
    assert "p" in base64.b64decode(answer["resource"]["data"]).decode()


def test_searches_by_post(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    server.ask("PUT", "/Observation/o", observation("Patient/p", id="o"))
    answers = asked(
        server,
        entry("POST", "Patient/_search?_id=p"),
        entry("POST", "_search?_type=Patient,Observation"),
        entry("POST", "Patient/p/Observation/_search?status=final"),
        entry("POST", "Patient/_search"),
        entry("POST", "Nothing/_search?_id=p"),
        entry("POST", "Patient/_search?_id=p", patient()),
        entry("POST", "Patient/_search", parameters(_id={"valueString": "p"}, active={"valueBoolean": True})),
        entry("POST", "Patient/_search", parameters(_id={"valueReference": {"reference": "p"}})),
    )
    assert statuses(answers) == ["200"] * 4 + ["400", "400", "200", "400"]
    assert "entry" not in answers[6]["resource"], "she is not said to be active"
    assert [len(answer["resource"]["entry"]) for answer in answers[:4]] == [1, 2, 1, 1]


def test_a_batch_with_a_key_of_its_own_is_run_once(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    tag = parameters(meta={"valueMeta": {"tag": [{"system": "urn:x", "code": "y"}]}})
    sent = bundle("batch", entry("POST", "Patient/p/$meta-add", tag), entry("POST", "Patient", patient()))
    first, again = (server.ask("POST", "", sent, headers={"Idempotency-Key": "one-batch"}) for _ in range(2))
    assert (first.content, again.headers["idempotency-replayed"]) == (again.content, "true")
    assert server.ask("GET", "/Patient/p").headers["etag"] == 'W/"2"'
    assert len(server.search_ids("/Patient")) == 2
