"""The RESTful interactions over HTTP."""

import json

from kiungo.fhir.indexing.parameters import parameters_of
from tests.fhir.conftest import BASE, Server, observation, patient


def test_create_read_update_delete(server: Server) -> None:
    created = server.ask("POST", "/Patient", patient())
    assert created.status_code == 201
    body = created.json()
    location = created.headers["location"]
    assert location == f"{BASE}/Patient/{body['id']}/_history/1"
    assert created.headers["etag"] == 'W/"1"'
    assert created.headers["content-type"].startswith("application/fhir+json")

    read = server.ask("GET", f"/Patient/{body['id']}")
    assert (read.status_code, read.content) == (200, created.content)
    assert read.headers["last-modified"].endswith("GMT")
    assert server.ask("GET", f"/Patient/{body['id']}", headers={"If-None-Match": 'W/"1"'}).status_code == 304
    head = server.ask("HEAD", f"/Patient/{body['id']}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(created.content))

    changed = {**body, "gender": "other"}
    updated = server.ask("PUT", f"/Patient/{body['id']}", changed, headers={"If-Match": 'W/"1"'})
    assert (updated.status_code, updated.json()["meta"]["versionId"]) == (200, "2")
    stale = server.ask("PUT", f"/Patient/{body['id']}", {**changed, "active": True}, headers={"If-Match": 'W/"1"'})
    assert stale.status_code == 412
    assert stale.json()["issue"][0]["details"]["coding"][0]["code"] == "VERSION_CONFLICT"

    assert server.ask("DELETE", f"/Patient/{body['id']}").status_code == 204
    assert server.ask("DELETE", f"/Patient/{body['id']}").status_code == 204
    gone = server.ask("GET", f"/Patient/{body['id']}")
    assert (gone.status_code, gone.json()["issue"][0]["code"]) == (410, "deleted")
    assert server.ask("GET", f"/Patient/{body['id']}/_history/2").json()["gender"] == "other"
    assert server.ask("GET", f"/Patient/{body['id']}/_history/3").status_code == 410
    assert server.ask("GET", f"/Patient/{body['id']}/_history/9").status_code == 404

    again = server.ask("PUT", f"/Patient/{body['id']}", changed)
    assert (again.status_code, again.json()["meta"]["versionId"]) == (201, "4")
    assert server.ask("GET", f"/Patient/{body['id']}").status_code == 200


def test_received_text_is_kept_to_the_digit(server: Server) -> None:
    text = (
        b'{ "resourceType" : "Observation", "status":"final","code":{"text":"x"},\n'
        b' "valueQuantity": {"value": 1.10, "unit": "\\u006dg"}, "id": "other", '
        b'"meta": {"versionId": "9", "profile": ["http://example.org/p"]} }'
    )
    created = server.ask("POST", "/Observation", text)
    assert created.status_code == 201, created.text
    assert b'"valueQuantity":{"value": 1.10, "unit": "\\u006dg"}' in created.content
    assert created.json()["id"] != "other"
    assert created.json()["meta"]["versionId"] == "1"
    assert created.json()["meta"]["profile"] == ["http://example.org/p"]
    assert server.ask("GET", f"/Observation/{created.json()['id']}").content == created.content


def test_same_content_makes_no_version(server: Server) -> None:
    body = server.create(patient())
    path = f"/Patient/{body['id']}"
    spaced = b"  " + server.ask("GET", path).content.replace(b'"gender":', b'\n "gender" : ')
    answer = server.ask("PUT", path, spaced)
    assert (answer.status_code, answer.json()["meta"]["versionId"]) == (200, "1")
    first = server.ask(
        "PUT",
        "/Observation/o",
        b'{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.1}}',
    )
    assert first.status_code == 201
    more_precise = server.ask("PUT", "/Observation/o", first.content.replace(b"1.1}", b"1.10}"))
    assert more_precise.json()["meta"]["versionId"] == "2"


BAD_BODIES = [
    (b"{", 400, "JSON_MALFORMED"),
    (b"[]", 400, "RESOURCE_INVALID"),
    (b"null", 400, "RESOURCE_INVALID"),
    (b'{"resourceType":"Patient","nme":[]}', 400, "RESOURCE_INVALID"),
    (b'{"resourceType":"Observation","status":"final","code":{"text":"x"}}', 400, "RESOURCE_TYPE_WRONG"),
    (b'{"resourceType":"Patient","gender":"\\u0000"}', 400, "JSON_FORBIDDEN_CHARACTER"),
    (b'{"resourceType":"Patient","extension":' + b"[" * 5000, 400, "JSON_TOO_DEEP"),
    (b'{"resourceType":"Patient","birthDate":"2023-02-29"}', 400, "RESOURCE_INVALID"),
]


def test_bad_bodies_are_refused_and_not_stored(server: Server) -> None:
    for body, status, code in BAD_BODIES:
        answer = server.ask("POST", "/Patient", body)
        assert answer.status_code == status
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["details"]["coding"][0]["code"] == code
    assert server.search_ids("/Patient") == []


def test_several_problems_are_told_at_once(server: Server) -> None:
    answer = server.ask("POST", "/Patient", {"resourceType": "Patient", "gender": "f", "birthDate": "1.2.3", "x": 1})
    places = {issue["expression"][0] for issue in answer.json()["issue"]}
    assert places == {"Patient.gender", "Patient.birthDate", "Patient.x"}


def test_prefer_decides_the_body(server: Server) -> None:
    assert server.ask("POST", "/Patient", patient(), headers={"Prefer": "return=minimal"}).content == b""
    told = server.ask("POST", "/Patient", patient(), headers={"Prefer": "return=OperationOutcome"})
    assert told.json()["resourceType"] == "OperationOutcome"


def test_media_types(server: Server) -> None:
    assert server.ask("POST", "/Patient", b"<Patient/>", headers={"Content-Type": "text/turtle"}).status_code == 415
    assert server.ask("POST", "/Patient", b"<Patient/>", headers={"Content-Type": "application/xml"}).status_code == 400
    assert server.ask("GET", "/Patient", headers={"Accept": "text/turtle"}).status_code == 406
    assert server.ask("GET", "/Patient?_format=ttl").status_code == 406


def test_unknown_types_and_methods(server: Server) -> None:
    assert server.ask("GET", "/Foo/1").json()["resourceType"] == "OperationOutcome"
    assert server.ask("GET", "/Foo/1").status_code == 404
    assert server.ask("PATCH", "/Patient/1/_history", b"[]").status_code == 405
    assert server.ask("PUT", "/Patient/1/_history", b"{}").status_code == 405
    assert server.ask("PUT", "/Patient/a_b", patient(id="a_b")).status_code == 400
    assert server.ask("PUT", "/Patient/a", patient(id="b")).status_code == 400


def test_conditional_create_is_decided_once_among_eight(server: Server) -> None:
    header = {"If-None-Exist": "identifier=http://example.org/mrn|MRN-1"}
    answers = server.ask_together(*[("POST", "/Patient", patient(), header)] * 8)
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert len({a.json()["id"] for a in answers}) == 1
    assert len(server.search_ids("/Patient")) == 1


def test_conditional_create_refuses_what_would_match_anything(server: Server) -> None:
    for condition in ("", "_count=1", "nosuch=1"):
        assert server.ask("POST", "/Patient", patient(), headers={"If-None-Exist": condition}).status_code == 400
    server.create(patient())
    server.create(patient())
    answer = server.ask("POST", "/Patient", patient(), headers={"If-None-Exist": "identifier=MRN-1"})
    assert answer.status_code == 412


def test_conditional_update_and_delete(server: Server) -> None:
    first = server.ask("PUT", "/Patient?identifier=MRN-1", patient())
    assert first.status_code == 201
    second = server.ask("PUT", "/Patient?identifier=MRN-1", patient(gender="male"))
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])
    assert server.ask("DELETE", "/Patient?identifier=MRN-1").status_code == 204
    assert server.search_ids("/Patient") == []
    assert server.ask("DELETE", "/Patient").status_code == 400


def test_history_of_instance_type_and_system(server: Server) -> None:
    one = server.create(patient())
    two = server.create(observation(f"Patient/{one['id']}"))
    server.ask("PUT", f"/Patient/{one['id']}", {**one, "gender": "other"})
    server.ask("DELETE", f"/Patient/{one['id']}")
    mine = server.ask("GET", f"/Patient/{one['id']}/_history").json()
    assert [e["request"]["method"] for e in mine["entry"]] == ["DELETE", "PUT", "POST"]
    assert [e["response"]["etag"] for e in mine["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert "resource" not in mine["entry"][0]
    assert len(server.ask("GET", "/Patient/_history").json()["entry"]) == 3
    everything = []
    address: str | None = "/_history?_count=1"
    while address:
        page = server.ask("GET", address).json()
        everything += [e["response"]["location"] for e in page["entry"]]
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert len(everything) == len(set(everything)) == 4
    assert f"Observation/{two['id']}/_history/1" in everything
    assert server.ask("GET", "/Patient/nobody/_history").status_code == 404
    assert "entry" not in server.ask("GET", "/Patient/_history?_since=2999-01-01T00:00:00Z").json()


def test_metadata_is_public_and_names_only_what_works(server: Server) -> None:
    answer = server.ask("GET", "/metadata", key="")
    assert answer.status_code == 200
    rest = answer.json()["rest"][0]
    assert len(rest["resource"]) == 146
    for resource in rest["resource"][::12]:
        for parameter in resource["searchParam"]:
            text = {"date": "2024-01-01", "number": "1", "quantity": "1", "reference": "Patient/1", "special": "1|2"}
            known = parameters_of(resource["type"]).get(parameter["name"])
            kinds = [c.kind for c in known.components] if known and known.components else [parameter["type"]]
            value = "$".join(text.get(kind, "x") for kind in kinds)
            found = server.ask("GET", f"/{resource['type']}?{parameter['name']}={value}")
            assert found.status_code == 200, (resource["type"], parameter["name"], found.text)


def test_scopes_are_asked_for_each_interaction(server: Server) -> None:
    one = server.create(patient())
    reader = server.new_key("system/Patient.rs")
    assert server.ask("GET", f"/Patient/{one['id']}", key=reader).status_code == 200
    assert server.ask("POST", "/Patient", patient(), key=reader).status_code == 403
    assert server.ask("GET", "/Observation", key=reader).status_code == 403
    assert server.ask("GET", f"/Patient/{one['id']}", key="").status_code == 401
    assert server.ask("GET", "/_history", key=reader).status_code == 403


def test_a_key_bound_to_a_patient_sees_only_that_patient(server: Server) -> None:
    mine = server.ask("PUT", "/Patient/mine", patient(id="mine")).json()
    server.ask("PUT", "/Patient/other", patient(id="other"))
    server.create(observation("Patient/mine"))
    server.create(observation("Patient/other"))
    bound = server.new_key("system/*.cruds", bindings={"patient": "mine"})
    assert server.ask("GET", f"/Patient/{mine['id']}", key=bound).status_code == 200
    assert server.ask("GET", "/Patient/other", key=bound).status_code == 403
    assert server.search_ids("/Patient?gender=female", key=bound) == ["mine"]
    assert len(server.search_ids("/Observation", key=bound)) == 1
    found = server.ask("GET", "/Patient?_revinclude=Observation:subject&_total=accurate", key=bound)
    assert b"other" not in found.content
    assert found.json()["total"] == 1, "a total counts the caller's own"
    assert b"Patient/other" not in server.ask("GET", "/Observation/_history", key=bound).content
    assert server.ask("POST", "/Observation", observation("Patient/other"), key=bound).status_code == 403
    assert server.ask("PUT", "/Patient/other", patient(id="other", active=True), key=bound).status_code == 403
    assert server.ask("DELETE", "/Patient/other", key=bound).status_code == 403


def test_reads_and_writes_are_audited_with_the_person(server: Server) -> None:
    one = server.create(patient())
    two = server.create(observation(f"Patient/{one['id']}"))
    server.ask("GET", f"/Observation/{two['id']}")
    server.ask("GET", f"/Observation?subject={one['id']}")
    server._runner.run(server.reads.flush())
    rows = server.database.read(
        lambda unit: unit.rows("SELECT action, kind, person FROM audit WHERE person = ? ORDER BY seq", (one["id"],))
    )
    assert rows == [
        ("create", "Patient", one["id"]),
        ("create", "Observation", one["id"]),
        ("read", "Observation", one["id"]),
        ("search", "Observation", one["id"]),
    ]


def test_of_eight_parallel_updates_of_one_version_one_wins(server: Server) -> None:
    body = server.create(patient())
    path, header = f"/Patient/{body['id']}", {"If-Match": 'W/"1"'}
    asked = [("PUT", path, {**body, "name": [{"family": f"N{n}"}]}, header) for n in range(8)]
    answers = server.ask_together(*asked)
    assert sorted(a.status_code for a in answers) == [200] + [412] * 7
    assert server.ask("GET", path).json()["meta"]["versionId"] == "2"


def test_of_eight_parallel_creates_under_one_id_one_creates(server: Server) -> None:
    answers = server.ask_together(*[("PUT", "/Patient/same", patient(id="same"), {})] * 8)
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert {a.json()["meta"]["versionId"] for a in answers} == {"1"}


def test_a_name_that_is_not_ascii_goes_in_and_out(server: Server) -> None:
    body = server.create(patient(name=[{"family": "Ngũgĩ", "given": ["كريم", "李"]}]))
    assert server.ask("GET", f"/Patient/{body['id']}").json()["name"] == body["name"]
    assert body["name"][0]["family"] == "Ngũgĩ"
    assert server.search_ids("/Patient?family=ngugi") == [body["id"]]
    assert server.search_ids("/Patient?given=李") == [body["id"]]


def test_an_update_by_condition_never_overwrites_another_resource(server: Server) -> None:
    server.ask("PUT", "/Patient/taken", patient(id="taken"))
    path = "/Patient?identifier=MRN-2"
    answer = server.ask("PUT", path, patient(id="taken", identifier=[{"value": "MRN-2"}]))
    assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (409, "RESOURCE_EXISTS")
    assert server.search_ids("/Patient?identifier=MRN-1") == ["taken"]
    required = server.ask("PUT", path, patient(identifier=[{"value": "MRN-2"}]), headers={"If-Match": 'W/"1"'})
    assert required.status_code == 412
    made = server.ask("PUT", path, patient(id="free", identifier=[{"value": "MRN-2"}]))
    assert (made.status_code, made.json()["id"]) == (201, "free")
    assert server.ask("PUT", path, patient(id="other", identifier=[{"value": "MRN-2"}])).status_code == 400


def test_absolute_references_to_this_server_are_its_own(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    absolute = server.create(observation(f"{BASE}/Patient/p"))
    relative = server.create(observation("Patient/p", "8310-5"))
    server.ask("PUT", "/Observation/put", observation(f"{BASE}/Patient/p/_history/1", id="put"))
    entry = {"resource": observation(f"{BASE}/Patient/p"), "request": {"method": "POST", "url": "Observation"}}
    bundled = server.ask("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    mine = {absolute["id"], relative["id"], "put", bundled["entry"][0]["response"]["location"].split("/")[1]}
    elsewhere = server.create(observation("http://other.example/fhir/Patient/p"))
    for value in ("p", "Patient/p", f"{BASE}/Patient/p", f"Patient/none,{BASE}/Patient/p"):
        assert set(server.search_ids(f"/Observation?subject={value}")) == mine, value
    assert set(server.search_ids(f"/Observation?patient={BASE}/Patient/p")) == mine
    assert server.search_ids(f"/Patient?_has:Observation:subject:subject={BASE}/Patient/p") == ["p"]
    assert server.search_ids("/Observation?subject=http://other.example/fhir/Patient/p") == [elsewhere["id"]]
    included = server.ask("GET", f"/Observation?_id={absolute['id']}&_include=Observation:subject").json()
    assert {e["resource"]["id"] for e in included["entry"]} == {absolute["id"], "p"}
    bound = server.new_key("system/*.cruds", bindings={"patient": "p"})
    assert set(server.search_ids("/Observation", key=bound)) == mine
    text = json.dumps(observation(f"{BASE}/Patient/p")).replace("/", "\\/").encode()
    escaped = server.ask("POST", "/Observation", text).json()["id"]
    assert escaped in server.search_ids("/Observation?patient=p")


def test_canonicals_of_this_server_are_found_as_they_are_written(server: Server) -> None:
    address = f"{BASE}/Questionnaire/q"
    body = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": address}
    made = server.create(body)
    assert server.search_ids(f"/QuestionnaireResponse?questionnaire={address}") == [made["id"]]
    assert server.ask("GET", f"/QuestionnaireResponse/{made['id']}").json()["questionnaire"] == address
