"""$everything, $document, $lastn, $meta, $graph and $purge over HTTP."""

from typing import Any
from urllib.parse import quote

from kiungo.fhir.prepare import prepare
from tests.fhir.conftest import Server, observation, patient


def shown(answer: Any) -> list[str]:
    """Type/id of each entry."""
    assert answer.status_code == 200, answer.text
    resources = (entry["resource"] for entry in answer.json().get("entry", []))
    return [f"{r['resourceType']}/{r['id']}" for r in resources]


def person(server: Server) -> tuple[str, list[str]]:
    """A patient with two observations, an encounter and a practitioner."""
    doctor = server.create({"resourceType": "Practitioner", "name": [{"family": "Kimani"}]})["id"]
    one = server.create(patient(generalPractitioner=[{"reference": f"Practitioner/{doctor}"}]))["id"]
    reference = f"Patient/{one}"
    encounter = server.create(
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": reference},
        }
    )["id"]
    first = server.create(observation(reference, encounter={"reference": f"Encounter/{encounter}"}))["id"]
    second = server.create(observation(reference, when="2025-02-01"))["id"]
    return one, [f"Practitioner/{doctor}", f"Encounter/{encounter}", f"Observation/{first}", f"Observation/{second}"]


def test_everything(server: Server) -> None:
    one, [doctor, encounter, first, second] = person(server)
    other, _ = person(server)
    path = f"/Patient/{one}/$everything"
    assert shown(server.ask("GET", path)) == [f"Patient/{one}", encounter, first, second, doctor]
    assert shown(server.ask("GET", f"{path}?_type=Observation")) == [first, second]
    assert shown(server.ask("GET", f"{path}?start=2025-01-01&_type=Observation")) == [second]
    assert shown(server.ask("GET", f"{path}?end=2025-01-01&_type=Observation,Encounter")) == [encounter, first]
    assert shown(server.ask("GET", f"{path}?_since=2999-01-01")) in ([], [doctor])
    assert shown(server.ask("GET", f"/{encounter}/$everything")) == [encounter, first, f"Patient/{one}"]

    paged: list[str] = []
    address: str | None = f"{path}?_count=2&_type=Patient,Encounter,Observation"
    while address:
        page = server.ask("GET", address)
        paged += shown(page)
        address = next((x["url"] for x in page.json()["link"] if x["relation"] == "next"), None)
    assert paged == [f"Patient/{one}", encounter, first, second]

    bound = server.new_key("system/*.rs", bindings={"patient": other})
    assert server.ask("GET", path, key=bound).status_code == 403
    narrow = server.new_key("system/Patient.r", "system/Observation.r")
    assert shown(server.ask("GET", path, key=narrow)) == [f"Patient/{one}", first, second]
    assert server.ask("GET", f"{path}?_typo=Observation").status_code == 400
    assert server.ask("GET", f"{path}?_type=Nothing").status_code == 400


def test_lastn(server: Server) -> None:
    one, _ = person(server)
    reference = f"Patient/{one}"
    for when in ("2024-01-01", "2026-01-01", "2025-01-01"):
        server.create(observation(reference, code="2-2", when=when))
    path = f"/Observation/$lastn?patient={one}&category=vital-signs"
    found = server.ask("GET", path)
    assert [e["resource"]["effectiveDateTime"] for e in found.json()["entry"]] == ["2026-01-01", "2025-02-01"]
    more = server.ask("GET", f"{path}&max=2&code=2-2")
    assert [e["resource"]["effectiveDateTime"] for e in more.json()["entry"]] == ["2026-01-01", "2025-01-01"]
    assert server.ask("GET", "/Observation/$lastn?category=vital-signs").status_code == 400
    assert server.ask("GET", f"/Observation/$lastn?patient={one}").status_code == 400


def test_a_document(server: Server) -> None:
    one, [doctor, _, first, _] = person(server)
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "Note"},
        "subject": {"reference": f"Patient/{one}"},
        "date": "2026-01-01",
        "author": [{"reference": doctor}],
        "title": "Note",
        "section": [{"title": "Signs", "entry": [{"reference": first}]}],
    }
    made = server.create(composition)["id"]
    answer = server.ask("GET", f"/Composition/{made}/$document")
    assert answer.json()["type"] == "document"
    assert shown(answer) == [f"Composition/{made}", f"Patient/{one}", doctor, first]
    assert server.ask("GET", f"/Composition/{made}/$document?persist=true").status_code == 400
    kept = server.ask("POST", f"/Composition/{made}/$document?persist=true")
    assert server.ask("GET", f"/Bundle/{kept.json()['id']}").json()["type"] == "document"
    key = server.new_key("system/Composition.r", "system/Patient.r", "system/Practitioner.r")
    refused = server.ask("GET", f"/Composition/{made}/$document", key=key)
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (422, [first])


def test_meta_of_a_type_and_of_everything_is_what_is_in_use(server: Server) -> None:
    urgent, odd = {"system": "http://a", "code": "urgent"}, {"code": "odd"}
    restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    first = server.create(patient(meta={"tag": [urgent, odd], "profile": ["http://p/1"]}))["id"]
    server.create(patient(meta={"tag": [urgent], "security": [restricted]}))
    server.ask(
        "PUT", "/Basic/b", {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "meta": {"tag": [{"code": "b"}]}}
    )

    def shown(path: str, key: str | None = None) -> Any:
        answer = server.ask("GET", path, key=key)
        return answer.json()["parameter"][0]["valueMeta"] if answer.status_code == 200 else answer.status_code

    of_type = shown("/Patient/$meta")
    assert sorted(coding["code"] for coding in of_type["tag"]) == ["odd", "urgent"]
    assert (of_type["profile"], of_type["security"]) == (["http://p/1"], [restricted])
    assert {coding["code"] for coding in shown("/$meta")["tag"]} == {"odd", "urgent", "b"}
    server.ask("DELETE", f"/Patient/{first}")
    assert shown("/Patient/$meta") == {"tag": [urgent], "security": [restricted]}
    assert shown("/Encounter/$meta") == {}
    assert shown("/$meta", server.new_key("system/Patient.r")) == 403
    assert shown("/Patient/$meta", server.new_key("system/Patient.r", bindings={"patient": first})) == 403


def test_meta_is_shown_added_and_taken_away(server: Server) -> None:
    one = server.create(patient(meta={"tag": [{"system": "http://a", "code": "x"}]}))["id"]
    path = f"/Patient/{one}"

    def change(name: str, **meta: Any) -> Any:
        body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
        return server.ask("POST", f"{path}/${name}", body)

    added = change("meta-add", tag=[{"system": "http://a", "code": "x"}, {"code": "y"}], profile=["http://p"])
    found = added.json()["parameter"][0]["valueMeta"]
    assert ([t["code"] for t in found["tag"]], found["profile"]) == (["x", "y"], ["http://p"])
    assert change("meta-delete", tag=[{"system": "http://a", "code": "x"}]).status_code == 200
    found = server.ask("GET", f"{path}/$meta").json()["parameter"][0]["valueMeta"]
    assert ([t["code"] for t in found["tag"]], found["versionId"]) == (["y"], "3")
    assert change("meta-add", versionId="9").status_code == 400
    reader = server.new_key("system/Patient.r")
    assert server.ask("POST", f"{path}/$meta-add", {}, key=reader).status_code == 403


def test_a_graph_reaches_what_it_says(server: Server) -> None:
    one, [doctor, encounter, first, second] = person(server)
    definition = {
        "resourceType": "GraphDefinition",
        "url": "http://example.org/graph",
        "name": "Record",
        "status": "active",
        "start": "Patient",
        "link": [
            {"path": "Patient.generalPractitioner", "target": [{"type": "Practitioner"}]},
            {"target": [{"type": "Observation", "params": "patient={ref}", "link": [
                {"path": "Observation.encounter", "target": [{"type": "Encounter"}]}]}]},
        ],
    }  # fmt: skip
    server.create(definition)
    path = f"/Patient/{one}/$graph?graph={quote('http://example.org/graph')}"
    found = shown(server.ask("GET", path))
    assert (found[0], set(found[1:])) == (f"Patient/{one}", {doctor, encounter, first, second})
    assert server.ask("GET", f"/Patient/{one}/$graph?graph=http://example.org/none").status_code == 404
    assert server.ask("GET", f"/{first}/$graph?graph={quote('http://example.org/graph')}").status_code == 400


def test_purge_counts_first_and_then_leaves_nothing(server: Server) -> None:
    one, [_, _, first, _] = person(server)
    other, _ = person(server)
    server.ask("PUT", f"/{first}", {**server.ask("GET", f"/{first}").json(), "status": "amended"})
    path = f"/Patient/{one}/$purge"
    assert server.ask("POST", path).status_code == 403
    key = server.new_key("system/*.cruds", "purge:records")
    counted = server.ask("POST", path, key=key).json()["parameter"]
    assert [p.get("valueInteger", p.get("valueBoolean")) for p in counted[:3]] == [True, 4, 5]
    assert server.ask("GET", f"/{first}").status_code == 200
    assert server.ask("POST", f"{path}?dryRun=false", key=key).status_code == 200
    assert server.ask("GET", f"/{first}").status_code == 410
    assert server.ask("GET", f"/{first}/_history/1").status_code in (404, 410)
    assert server.search_ids(f"/Observation?patient={one}") == []
    assert len(server.search_ids(f"/Observation?patient={other}")) == 2
    rows = server.database.read(lambda u: u.rows("SELECT body FROM fhir_resource WHERE person = ?", (one,)))
    assert all(not bytes(row[0]) for row in rows)
    purged = server.database.read(lambda u: u.value("SELECT count(*) FROM audit WHERE action = 'purge'"))
    assert purged == 4


def test_purge_reaches_what_was_deleted_before_or_is_about_another_by_now(server: Server) -> None:
    for name in ("one", "other"):
        server.ask("PUT", f"/Patient/{name}", patient(id=name))
        server.ask("PUT", f"/Observation/gone-{name}", observation(f"Patient/{name}", id=f"gone-{name}"))
        server.ask("DELETE", f"/Observation/gone-{name}")
    server.ask("PUT", "/Observation/moved", observation("Patient/one", id="moved"))
    server.ask("PUT", "/Observation/moved", observation("Patient/other", id="moved"))
    server.ask("PUT", "/Observation/moved", observation("Patient/other", id="moved", status="amended"))
    bound = server.new_key("system/*.cruds", "purge:records", bindings={"patient": "other"})
    assert server.ask("POST", "/Patient/one/$purge", key=bound).status_code == 403
    key = server.new_key("system/*.cruds", "purge:records")
    told = {p["name"]: p for p in server.ask("POST", "/Patient/one/$purge", key=key).json()["parameter"]}
    assert (told["resources"]["valueInteger"], told["pastVersions"]["valueInteger"]) == (1, 2)
    assert server.ask("GET", "/Observation/gone-one/_history/1").status_code == 200, "it was only counted"
    assert server.ask("POST", "/Patient/one/$purge?dryRun=false", key=key).status_code == 200
    for path, status in (
        ("/Observation/gone-one/_history/1", 404),
        ("/Observation/moved/_history/1", 404),
        ("/Observation/moved/_history/2", 200),
        ("/Observation/moved", 200),
        ("/Observation/gone-other/_history/1", 200),
    ):
        assert server.ask("GET", path).status_code == status, path
    left = server.database.read(lambda u: u.rows("SELECT body FROM fhir_history"))
    assert not any(b"Patient/one" in bytes(row[0]) for row in left)


def test_a_record_of_another_part_is_not_purged(server: Server) -> None:
    one, [_, encounter, _, _] = person(server)
    tree = server.ask("GET", f"/{encounter}").json()
    tree["identifier"] = [{"system": "urn:kiungo:payor:claim", "value": "1"}]
    prepared = prepare(tree, id=tree["id"])
    server.database.write(lambda unit: server.store.repository.update(unit, server.call, prepared))
    key = server.new_key("system/*.cruds", "purge:records")
    assert server.ask("POST", f"/Patient/{one}/$purge?dryRun=false", key=key).status_code == 403
    assert server.ask("GET", f"/{encounter}").status_code == 200
