"""$run and $export of views over HTTP."""

from random import Random
from typing import Any

import pytest

from kiungo.fhir.packages.archive import Manifest
from kiungo.fhir.packages.installed import install
from kiungo.fhir.views import exports, sources
from kiungo.kernel.jobs.worker import run_due
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
    about = {"name": "patient", "valueReference": {"reference": f"Patient/{ids[2]}"}}
    assert [row["id"] for row in run(server, about, query="?_format=json").json()] == [ids[2]]
    only = run(server, query=f"?_format=json&patient=Patient/{ids[1]}").json()
    assert only == [{"id": ids[1], "family": "Mwangi"}]
    assert run(server, query="?_format=xlsx").status_code == 400
    assert run(server, query="?_since=2999-01-01").text == ""


def test_rows_of_what_is_sent(server: Server) -> None:
    sent = run(server, {"name": "resource", "resource": {**patient(), "id": "mine"}}, query="?_format=json")
    assert sent.json() == [{"id": "mine", "family": "Mwangi"}]


def test_a_view_is_named_by_its_address_in_a_package(server: Server) -> None:
    one = server.create(patient())["id"]
    url = "http://example.org/ViewDefinition/people"
    manifest = Manifest("example.views", "1.0.0", (), "digest")
    server.database.write(lambda unit: install(unit, 1, manifest, [{**VIEW, "url": url, "version": "1.0.0"}]))

    def named(address: str) -> Any:
        reference = {"name": "viewReference", "valueReference": {"reference": address}}
        return server.ask(
            "POST", "/ViewDefinition/$run?_format=json", {"resourceType": "Parameters", "parameter": [reference]}
        )

    assert named(url).json() == named(f"{url}|1.0.0").json() == [{"id": one, "family": "Mwangi"}]
    for address in (f"{url}|2", "http://example.org/other"):
        assert (named(address).status_code, "VIEW_UNKNOWN" in named(address).text) == (404, True)
    assert server.ask("POST", "/ViewDefinition/$run", {"resourceType": "Parameters"}).status_code == 400


def test_a_view_sees_what_its_caller_may_read(server: Server) -> None:
    mine, _other = (server.create(patient())["id"] for _ in range(2))
    bound = server.new_key("system/Patient.rs", bindings={"patient": mine})
    assert [row["id"] for row in run(server, query="?_format=json", key=bound).json()] == [mine]
    assert run(server, key=server.new_key("system/Observation.r")).status_code == 403
    rows = server.database.read(lambda u: u.rows("SELECT person FROM audit WHERE action = 'view'"))
    assert rows == [] or (mine,) in rows


def export(server: Server, query: str = "", key: str | None = None) -> Any:
    part = [{"name": "name", "valueString": "people"}, {"name": "viewResource", "resource": VIEW}]
    body = {"resourceType": "Parameters", "parameter": [{"name": "view", "part": part}]}
    return server.ask("POST", f"/ViewDefinition/$export{query}", body, key=key)


def work_off(server: Server) -> int:
    return run_due(server.database, exports.jobs(server.database), Random(1))


def test_an_export_is_made_in_steps_and_fetched(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "RESOURCES_PER_STEP", 2)
    monkeypatch.setattr(exports, "BATCH", 2)
    monkeypatch.setattr(sources, "BATCH", 2)
    ids = [server.create(patient())["id"] for _ in range(5)]
    begun = export(server, "?_format=csv")
    assert begun.status_code == 202, begun.text
    status = begun.headers["content-location"]
    waiting = server.ask("GET", status)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "2")
    assert work_off(server) == 3
    done = server.ask("GET", status)
    assert done.status_code == 200
    (output,) = (p["part"] for p in done.json()["parameter"] if p["name"] == "output")
    assert output[0]["valueString"] == "people"
    files = [server.ask("GET", part["valueUri"]) for part in output[1:]]
    assert [f.headers["content-type"] for f in files] == ["text/csv; charset=utf-8"] * 3
    lines = [line for f in files for line in f.text.splitlines() if line != "id,family"]
    assert lines == [f"{one},Mwangi" for one in ids]
    audited = server.database.read(lambda u: u.rows("SELECT person FROM audit WHERE action = 'export'"))
    assert {person for (person,) in audited} == {None, *ids}

    other = server.new_key("system/*.cruds")
    assert server.ask("GET", status, key=other).status_code == 404
    assert server.ask("GET", output[1]["valueUri"], key=other).status_code == 404


def test_an_export_has_the_rights_of_its_caller(server: Server) -> None:
    mine, _other = (server.create(patient())["id"] for _ in range(2))
    assert export(server, key=server.new_key("system/Observation.r")).status_code == 403
    bound = server.new_key("system/Patient.rs", bindings={"patient": mine})
    status = export(server, "?_format=ndjson", key=bound).headers["content-location"]
    work_off(server)
    (output,) = (p["part"] for p in server.ask("GET", status, key=bound).json()["parameter"] if p["name"] == "output")
    assert server.ask("GET", output[1]["valueUri"], key=bound).json() == {"id": mine, "family": "Mwangi"}


def test_an_export_that_fails_says_why(server: Server) -> None:
    server.create(patient(name=[{"family": "A"}, {"family": "B"}]))
    wrong = {**VIEW, "select": [{"column": [{"name": "family", "path": "name.family"}]}]}
    status = server.ask("POST", "/ViewDefinition/$export", wrong).headers["content-location"]
    work_off(server)
    told = server.ask("GET", status).json()["parameter"]
    assert (told[1]["valueCode"], "2 values" in told[3]["valueString"]) == ("failed", True)
    assert server.ask("POST", "/ViewDefinition/$export", {**VIEW, "select": []}).status_code == 422


def test_an_export_is_cancelled_by_whoever_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESOURCES_PER_STEP", "BATCH"):
        monkeypatch.setattr(exports, name, 1)
    monkeypatch.setattr(sources, "BATCH", 1)
    server.create(patient())
    server.create(patient())
    status = export(server, "?_format=csv").headers["content-location"]
    assert server.ask("DELETE", status, key=server.new_key("system/*.cruds")).status_code == 404
    handlers = exports.jobs(server.database)

    def cancelled_meanwhile(job: Any) -> Any:
        keep = handlers[exports.JOB](job)
        assert server.ask("DELETE", status).status_code == 202
        return keep

    run_due(server.database, {**handlers, exports.JOB: cancelled_meanwhile}, Random(1))
    assert server.ask("GET", status).status_code == 404
    assert server.ask("DELETE", status).status_code == 404
    left = server.database.read(lambda u: u.value("SELECT count(*) FROM fhir_view_export_file"))
    assert left == 0
    actions = server.database.read(lambda u: u.rows("SELECT action FROM audit WHERE kind = 'ViewDefinition'"))
    assert ("cancel",) in actions
