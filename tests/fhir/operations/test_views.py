"""$run of a view over HTTP."""

from typing import Any

from tests.fhir.conftest import Server, patient

VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Patient",
    "select": [{"column": [{"name": "id", "path": "id"}, {"name": "family", "path": "name.first().family"}]}],
}


def run(server: Server, *more: dict[str, Any], query: str = "", key: str | None = None) -> Any:
    body = {"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": VIEW}, *more]}
    return server.ask("POST", f"/ViewDefinition/$run{query}", body, key=key)


def test_rows_of_stored_resources(server: Server) -> None:
    ids = [server.create(patient())["id"] for _ in range(3)]
    csv = run(server, query="?_format=csv")
    assert (csv.status_code, csv.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert csv.text.splitlines() == ["id,family", *(f"{one},Mwangi" for one in ids)]
    assert len(run(server, {"name": "_limit", "valueInteger": 2}).text.splitlines()) == 2
    one = run(server, {"name": "patient", "valueReference": "x"}, query=f"?_format=json&patient=Patient/{ids[1]}")
    assert one.status_code in (200, 400)
    only = run(server, query=f"?_format=json&patient=Patient/{ids[1]}").json()
    assert only == [{"id": ids[1], "family": "Mwangi"}]
    assert run(server, query="?_format=xlsx").status_code == 400
    assert run(server, query="?_since=2999-01-01").text == ""


def test_rows_of_what_is_sent(server: Server) -> None:
    sent = run(server, {"name": "resource", "resource": {**patient(), "id": "mine"}}, query="?_format=json")
    assert sent.json() == [{"id": "mine", "family": "Mwangi"}]


def test_a_view_sees_what_its_caller_may_read(server: Server) -> None:
    mine, _other = (server.create(patient())["id"] for _ in range(2))
    bound = server.new_key("system/Patient.rs", bindings={"patient": mine})
    assert [row["id"] for row in run(server, query="?_format=json", key=bound).json()] == [mine]
    assert run(server, key=server.new_key("system/Observation.r")).status_code == 403
    rows = server.database.read(lambda u: u.rows("SELECT person FROM audit WHERE action = 'view'"))
    assert rows == [] or (mine,) in rows
