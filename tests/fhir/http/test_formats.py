"""Formats, preferences and the conditions that stand in headers."""

import json

from tests.fhir.conftest import Server, patient

HEALTH_WORDS = b"Mwangi"


def test_json_by_every_name_and_pretty_on_demand(server: Server) -> None:
    made = server.create(patient())
    path = f"/Patient/{made['id']}"
    plain = server.ask("GET", path)
    for asked in ("json", "application/json", "application/fhir%2Bjson", "application/fhir+json"):
        assert server.ask("GET", f"{path}?_format={asked}").content == plain.content, asked
    pretty = server.ask("GET", f"{path}?_pretty=true")
    assert (pretty.json(), pretty.content.count(b"\n") > 5) == (made, True)
    assert server.ask("GET", f"{path}?_pretty=false").content == plain.content
    for accept in ("*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/*"):
        assert server.ask("GET", path, headers={"Accept": accept}).json() == made


def test_a_format_that_is_not_offered_is_refused(server: Server) -> None:
    made = server.create(patient())
    path = f"/Patient/{made['id']}"
    for query, headers in (("?_format=ttl", {}), ("", {"Accept": "text/turtle"}), ("", {"Accept": "image/png"})):
        answer = server.ask("GET", path + query, headers=headers)
        assert (answer.status_code, HEALTH_WORDS in answer.content) == (406, False)
    error = server.ask("GET", "/Patient/none?_pretty=true")
    assert (error.status_code, error.content.count(b"\n") > 3) == (404, True)
    assert server.ask("GET", "/Patient/none").content.count(b"\n") == 0, "the wish of one request ends with it"


def test_links_keep_the_format(server: Server) -> None:
    for n in range(3):
        server.create(patient(gender="male", id=f"n{n}"))
    page = server.ask("GET", "/Patient?_count=1&_pretty=true").json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert "_pretty=true" in following
    assert server.ask("GET", following).content.count(b"\n") > 5


def test_head_answers_like_get_without_a_body(server: Server) -> None:
    made = server.create(patient())
    read = server.ask("HEAD", f"/Patient/{made['id']}")
    assert (read.status_code, read.content, read.headers["etag"]) == (200, b"", 'W/"1"')
    assert server.ask("HEAD", "/Patient?gender=female").status_code == 200
    assert server.ask("HEAD", "/Patient/none").status_code == 404


def test_a_read_by_date_answers_only_what_changed(server: Server) -> None:
    made = server.create(patient())
    path = f"/Patient/{made['id']}"
    last = server.ask("GET", path).headers["last-modified"]
    assert server.ask("GET", path, headers={"If-Modified-Since": last}).status_code == 304
    assert server.ask("GET", path, headers={"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}).status_code == 200
    assert server.ask("GET", path, headers={"If-Modified-Since": "whenever"}).status_code == 200
    both = {"If-Modified-Since": last, "If-None-Match": 'W/"7"'}
    assert server.ask("GET", path, headers=both).status_code == 200, "the ETag decides where both are given"


def test_preferences_of_writes(server: Server) -> None:
    answer = server.ask("POST", "/Patient", patient(), headers={"Prefer": "return=minimal"})
    assert (answer.status_code, answer.content) == (201, b"")
    answer = server.ask("POST", "/Patient", patient(), headers={"Prefer": "return=OperationOutcome"})
    assert answer.json()["resourceType"] == "OperationOutcome"
    logical_id = answer.headers["location"].split("/")[-3]
    gone = server.ask("DELETE", f"/Patient/{logical_id}", headers={"Prefer": "return=OperationOutcome"})
    assert (gone.status_code, gone.json()["issue"][0]["severity"]) == (200, "information")
    entry = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    said = server.ask("POST", "", bundle, headers={"Prefer": "return=OperationOutcome"}).json()["entry"][0]
    assert "resource" not in said
    assert said["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_lenient_handling_drops_unknown_parameters_and_says_so(server: Server) -> None:
    server.create(patient())
    path = "/Patient?nmae=x&gender=female"
    assert server.ask("GET", path).status_code == 400
    assert server.ask("GET", path, headers={"Prefer": "handling=strict"}).status_code == 400
    page = server.ask("GET", path, headers={"Prefer": "respond-async; handling=lenient"}).json()
    assert [e["search"]["mode"] for e in page["entry"]] == ["match", "outcome"]
    assert "nmae" in page["entry"][1]["resource"]["issue"][0]["diagnostics"]
    assert "nmae" not in page["link"][0]["url"]
    wrong = server.ask("GET", "/Patient?birthdate=soon", headers={"Prefer": "handling=lenient"})
    assert wrong.status_code == 400, "a known parameter with a wrong value is never left out"
    condition = {"If-None-Exist": "nmae=x", "Prefer": "handling=lenient"}
    assert server.ask("POST", "/Patient", patient(), headers=condition).status_code == 400


def test_a_delete_by_condition_takes_as_many_as_it_says(server: Server) -> None:
    for n in range(4):
        server.create(patient(gender="male" if n else "female"))
    assert server.ask("DELETE", "/Patient?gender=male").status_code == 412
    assert server.ask("DELETE", "/Patient?gender=male&_count=2").status_code == 412
    assert len(server.search_ids("/Patient")) == 4, "all or none"
    for wrong in ("0", "101", "many"):
        assert server.ask("DELETE", f"/Patient?gender=male&_count={wrong}").status_code == 400
    done = server.ask("DELETE", "/Patient?gender=male&_count=3")
    assert (done.status_code, "3 Patient" in done.text) == (200, True)
    assert len(server.search_ids("/Patient")) == 1
    assert server.ask("DELETE", "/Patient?_count=10").status_code == 400, "a condition names something"


def test_an_outcome_says_the_case_beside_the_rule(server: Server) -> None:
    issue = json.loads(server.ask("GET", "/Patient?nmae=x").content)["issue"][0]
    assert issue["details"]["text"] != issue["diagnostics"]
    assert "did you mean name" in issue["diagnostics"]


def test_xml_in_and_out(server: Server) -> None:
    xml = {"Content-Type": "application/fhir+xml"}
    body = (
        b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/><name><family value="Mwangi"/></name>'
        b'<multipleBirthInteger value="2"/></Patient>'
    )
    made = server.ask("POST", "/Patient", body, headers={**xml, "Accept": "application/fhir+xml"})
    assert (made.status_code, made.headers["content-type"]) == (201, "application/fhir+xml; charset=utf-8")
    assert b'<family value="Mwangi"/>' in made.content
    path = "/Patient/" + made.headers["location"].split("/")[-3]
    assert server.ask("GET", path).json()["multipleBirthInteger"] == 2
    for query, headers in (
        ("?_format=xml", {}),
        ("?_format=application/fhir%2Bxml", {}),
        ("", {"Accept": "application/xml;q=0.9, application/json;q=0.5"}),
    ):
        answer = server.ask("GET", path + query, headers=headers)
        assert answer.content == made.content, query
    assert (
        server.ask("GET", f"{path}?_format=json", headers={"Accept": "application/fhir+xml"}).json()["active"] is True
    )
    page = server.ask("GET", "/Patient?family=mwangi&_format=xml")
    assert page.content.startswith(b'<?xml version="1.0" encoding="UTF-8"?>') or page.content.startswith(b"<")
    assert b"<Bundle" in page.content
    assert b"_format=xml" in page.content
    error = server.ask("GET", "/Patient?nmae=x&_format=xml")
    assert (error.status_code, b"<OperationOutcome" in error.content) == (400, True)
    assert server.ask("GET", "/Patient?nmae=x").json()["resourceType"] == "OperationOutcome"
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Patient xmlns="http://hl7.org/fhir"><id value="&a;"/></Patient>'
    assert server.ask("POST", "/Patient", bomb, headers=xml).status_code == 400
    assert server.ask("GET", "/metadata?_format=xml").content.count(b"<CapabilityStatement") == 1


def test_a_body_or_answer_of_another_version_or_encoding_is_refused(server: Server) -> None:
    made = server.create(patient())
    path = f"/Patient/{made['id']}"
    for kind, status in (("4.0", 200), ('"4.0"', 200), ("4.0.1", 200), ("5.0", 406), ("3.0", 406)):
        answer = server.ask("GET", path, headers={"Accept": f"application/fhir+json; fhirVersion={kind}"})
        assert answer.status_code == status, kind
    both = "application/fhir+json; fhirVersion=5.0, application/fhir+xml; fhirVersion=4.0;q=0.5"
    assert server.ask("GET", path, headers={"Accept": both}).headers["content-type"].startswith("application/fhir+xml")
    assert server.ask("GET", path, headers={"Accept": "application/fhir+json;q=0"}).status_code == 406
    for headers, status in (
        ({"Content-Type": "application/fhir+json; fhirVersion=4.0; charset=utf-8"}, 201),
        ({"Content-Type": "application/fhir+json; fhirVersion=5.0"}, 415),
        ({"Content-Type": "application/fhir+json", "Content-Encoding": "gzip"}, 415),
    ):
        assert server.ask("POST", "/Patient", patient(), headers=headers).status_code == status, headers


def test_what_an_update_by_id_must_carry_and_may_demand(server: Server) -> None:
    missing = server.ask("PUT", "/Patient/p", patient())
    assert (missing.status_code, missing.json()["issue"][0]["expression"]) == (400, ["id"])
    only_new = {"If-None-Match": "*"}
    assert server.ask("PUT", "/Patient/p", patient(id="p"), headers=only_new).status_code == 201
    refused = server.ask("PUT", "/Patient/p", patient(id="p", active=True), headers=only_new)
    assert (refused.status_code, server.ask("GET", "/Patient/p").json()["meta"]["versionId"]) == (412, "1")
    assert server.ask("PUT", "/Patient/p", patient(id="p"), headers={"If-None-Match": 'W/"1"'}).status_code == 400
    assert server.ask("PUT", "/Patient?gender=other", patient(), headers=only_new).status_code == 400
    server.ask("DELETE", "/Patient/p")
    assert server.ask("PUT", "/Patient/p", patient(id="p"), headers=only_new).status_code == 201
