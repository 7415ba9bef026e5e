"""Who may do what over FHIR: bindings, scopes behind conditions and chains, records another part owns."""

import pytest

from kiungo.fhir.prepare import prepare
from kiungo.fhir.search import includes
from tests.fhir.conftest import Server, observation, patient
from tests.fhir.interactions.test_bundles import bundle, entry

MRN = "identifier=http://example.org/mrn|MRN-1"
CONDITION = {"If-None-Exist": MRN}


def code_of(answer: object) -> str:
    found: str = answer.json()["issue"][0]["details"]["coding"][0]["code"]  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("bindings", [{"provider": "PROV-001"}, {"facility": "FID-1"}, {"patient": "p", "x": "y"}])
def test_a_binding_fhir_cannot_guard_is_refused_everywhere(server: Server, bindings: dict[str, str]) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    bound = server.new_key("system/*.cruds", bindings=bindings)
    asked = [
        ("GET", "/Patient/p", None),
        ("GET", "/Patient/nobody", None),
        ("GET", "/Patient/p/_history/1", None),
        ("GET", "/Patient", None),
        ("POST", "/Patient/_search", b""),
        ("GET", "/Patient/_history", None),
        ("GET", "/Patient/p/_history", None),
        ("GET", "/_history", None),
        ("POST", "/Patient", patient()),
        ("PUT", "/Patient/p", patient(id="p", active=True)),
        ("PUT", f"/Patient?{MRN}", patient()),
        ("DELETE", "/Patient/p", None),
        ("DELETE", "/Patient/nobody", None),
        ("DELETE", f"/Patient?{MRN}", None),
        ("POST", "", bundle("batch", entry("GET", "Patient/p"))),
        ("POST", "", bundle("transaction", entry("GET", "Patient"))),
    ]
    for method, path, body in asked:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body == b"" else {}
        answer = server.ask(method, path, body, headers=headers, key=bound)
        assert (answer.status_code, code_of(answer)) == (403, "BINDING_NOT_GUARDED"), (method, path, answer.text)
        assert b"Mwangi" not in answer.content
    assert server.ask("GET", "/Patient/p").json()["meta"]["versionId"] == "1"


def test_a_condition_needs_the_scope_to_search(server: Server) -> None:
    server.create(patient())
    for scope in ("system/Patient.c", "system/Patient.cud"):
        key = server.new_key(scope)
        refused = server.ask("POST", "/Patient", patient(), headers=CONDITION, key=key)
        assert (refused.status_code, "system/Patient.s" in refused.text) == (403, True)
        assert b"Mwangi" not in refused.content
    for method, body in (("PUT", patient(gender="male")), ("DELETE", None)):
        assert server.ask(method, f"/Patient?{MRN}", body, key=key).status_code == 403
    for kind in ("batch", "transaction"):
        for asked in (
            entry("POST", "Patient", patient(), ifNoneExist=MRN),
            entry("PUT", f"Patient?{MRN}", patient(gender="male")),
            entry("DELETE", f"Patient?{MRN}"),
        ):
            answer = server.ask("POST", "", bundle(kind, asked), headers={"Prefer": "return=representation"}, key=key)
            refused_inside = answer.json().get("entry", [{"response": {"status": "403"}}])[0]["response"]["status"]
            assert refused_inside.startswith("403"), answer.text
            assert b"Mwangi" not in answer.content
    assert server.search_ids("/Patient?gender=female") == server.search_ids("/Patient")


def test_a_match_is_shown_only_to_who_may_read_it(server: Server) -> None:
    existing = server.create(patient())
    blind = server.new_key("system/Patient.cs")
    answer = server.ask("POST", "/Patient", patient(), headers=CONDITION, key=blind)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"] == 'W/"1"'
    assert f"/Patient/{existing['id']}/_history/1" in answer.headers["location"]
    for kind in ("batch", "transaction"):
        body = bundle(kind, entry("POST", "Patient", patient(), ifNoneExist=MRN))
        prefer = {"Prefer": "return=representation"}
        hidden = server.ask("POST", "", body, headers=prefer, key=blind).json()["entry"][0]
        assert (hidden["response"]["status"], "resource" in hidden) == ("200 OK", False)
        seen = server.ask("POST", "", body, headers=prefer).json()["entry"][0]
        assert seen["resource"] == existing
    server._runner.run(server.reads.flush())
    shown = "SELECT count(*) FROM audit WHERE action = 'read' AND person = ?"
    before = server.database.read(lambda unit: unit.value(shown, (existing["id"],)))
    seeing = server.new_key("system/Patient.crs")
    assert server.ask("POST", "/Patient", patient(), headers=CONDITION, key=seeing).json() == existing
    server._runner.run(server.reads.flush())
    assert server.database.read(lambda unit: unit.value(shown, (existing["id"],))) == before + 1, "showing it is a read"


def test_chains_need_the_scope_of_every_type_they_touch(server: Server) -> None:
    one = server.create(patient())
    mine = server.create(observation(f"Patient/{one['id']}"))
    narrow = server.new_key("system/Observation.rs")
    for path, scope in (
        ("/Observation?subject:Patient.birthdate=1984-02-29", "system/Patient.s"),
        ("/Observation?patient.birthdate=1984-02-29", "system/Patient.s"),
        ("/Observation?subject.identifier=MRN-1", "system/"),
        ("/Observation?subject:Patient.general-practitioner:Practitioner.name=x", "system/Practitioner.s"),
        ("/Observation?_has:DiagnosticReport:result:status=final", "system/DiagnosticReport.s"),
        ("/Observation?_has:DiagnosticReport:result:subject:Patient.name=x", "system/Patient.s"),
    ):
        key = server.new_key("system/Observation.rs", "system/DiagnosticReport.s") if "result:subj" in path else narrow
        key = server.new_key("system/Observation.rs", "system/Patient.s") if "practitioner" in path else key
        answer = server.ask("GET", path, key=key)
        assert (answer.status_code, scope in answer.text) == (403, True), (path, answer.text)
    both = server.new_key("system/Observation.rs", "system/Patient.s")
    assert server.search_ids("/Observation?subject:Patient.birthdate=1984-02-29", key=both) == [mine["id"]]
    condition = {"If-None-Exist": "subject:Patient.birthdate=1984-02-29"}
    writer = server.new_key("system/Observation.cruds")
    body = observation(f"Patient/{one['id']}")
    assert server.ask("POST", "/Observation", body, headers=condition, key=writer).status_code == 403
    inner = bundle("batch", entry("GET", "Observation?subject:Patient.birthdate=1984-02-29"))
    assert server.ask("POST", "", inner, key=narrow).json()["entry"][0]["response"]["status"].startswith("403")


def test_a_person_s_credential_learns_nothing_of_others_by_searching(server: Server) -> None:
    for name in ("other", "another"):
        server.ask("PUT", f"/Patient/{name}", patient(id=name))
    link = [{"other": {"reference": "Patient/other"}, "type": "seealso"}]
    server.ask("PUT", "/Patient/mine", patient(id="mine", birthDate="2001-01-01", link=link))
    bound = server.new_key("system/*.cruds", bindings={"patient": "mine"})
    page = server.ask("GET", "/Patient?birthdate=1984-02-29&_count=1", key=bound).json()
    assert [part["relation"] for part in page["link"]] == ["self"], "another page would tell that there are others"
    assert server.search_ids("/Patient", key=bound) == ["mine"]
    assert server.search_ids("/Organization", key=bound) == []
    chained = server.ask("GET", "/Patient?link:Patient.birthdate=1984-02-29", key=bound)
    assert (chained.status_code, code_of(chained)) == (403, "NOT_YOURS")
    note = observation("Patient/mine", identifier=[{"system": "http://example.org/o", "value": "1"}])
    server.create(note | {"subject": {"reference": "Patient/other"}})
    header = {"If-None-Exist": "identifier=http://example.org/o|1"}
    assert server.ask("POST", "/Observation", note, headers=header, key=bound).status_code == 201
    assert server.ask("POST", "/Observation", note, headers=header, key=bound).status_code == 200


def test_both_contents_of_a_write_are_the_person_s_own(server: Server) -> None:
    for name in ("mine", "other"):
        server.ask("PUT", f"/Patient/{name}", patient(id=name))
        server.ask("PUT", f"/Observation/of-{name}", observation(f"Patient/{name}", id=f"of-{name}"))
    bound = server.new_key("system/*.cruds", bindings={"patient": "mine"})
    refused = [
        ("POST", "Observation", observation("Patient/other")),
        ("PUT", "Observation/new", observation("Patient/other", id="new")),
        ("PUT", "Observation/of-mine", observation("Patient/other", id="of-mine")),
        ("PUT", "Observation/of-other", observation("Patient/mine", id="of-other")),
        ("PUT", "Observation?status=final", observation("Patient/other")),
        ("PUT", "Patient/new", patient(id="new")),
        ("POST", "Patient", patient()),
        ("POST", "Organization", {"resourceType": "Organization", "name": "x"}),
        ("DELETE", "Observation/of-other", None),
    ]
    for method, path, body in refused:
        assert server.ask(method, "/" + path, body, key=bound).status_code == 403, (method, path)
        for kind in ("batch", "transaction"):
            answer = server.ask("POST", "", bundle(kind, entry(method, path, body)), key=bound)
            status = answer.json().get("entry", [{"response": {"status": str(answer.status_code)}}])[0]
            assert status["response"]["status"].startswith("403"), (kind, method, path, answer.text)
    assert sorted(server.search_ids("/Observation")) == ["of-mine", "of-other"]
    allowed = bundle("transaction", entry("PUT", "Observation/of-mine", observation("Patient/mine", "8310-5")))
    assert server.ask("POST", "", allowed, key=bound).status_code == 200
    assert server.ask("GET", "/Observation/of-mine").json()["meta"]["versionId"] == "2"


def test_records_of_another_part_are_not_written_over_fhir(server: Server) -> None:
    system = "urn:kiungo:payor:claim"
    kept = patient(id="kept", identifier=[{"system": system, "value": "CLM-1"}])
    server.database.write(lambda unit: server.store.repository.update(unit, server.call, prepare(kept)))
    free = patient(identifier=[{"system": "http://example.org/mrn", "value": "CLM-1"}])
    server.ask("PUT", "/Patient/free", free | {"id": "free"})
    taking = free | {"identifier": [*free["identifier"], {"system": system, "value": "CLM-2"}]}
    refused = [
        ("POST", "Patient", taking),
        ("PUT", "Patient/free", taking | {"id": "free"}),
        ("PUT", "Patient/new", taking | {"id": "new"}),
        ("PUT", "Patient?identifier=none", taking),
        ("PUT", "Patient/kept", free | {"id": "kept"}),
        ("PUT", "Patient/kept", kept | {"active": True}),
        ("PUT", f"Patient?identifier={system}|CLM-1", free),
        ("DELETE", "Patient/kept", None),
        ("DELETE", f"Patient?identifier={system}|", None),
    ]
    for method, path, body in refused:
        answer = server.ask(method, "/" + path, body)
        assert (answer.status_code, code_of(answer)) == (403, "RESOURCE_RESERVED"), (method, path, answer.text)
        assert "/api/claims/" in answer.text
        for kind in ("batch", "transaction"):
            assert "RESOURCE_RESERVED" in server.ask("POST", "", bundle(kind, entry(method, path, body))).text
    assert server.ask("GET", "/Patient/kept").json()["meta"]["versionId"] == "1"
    assert server.ask("PUT", "/Patient/free", free | {"id": "free", "active": True}).status_code == 200
    referring = observation("Patient/free", focus=[{"identifier": {"system": system, "value": "CLM-1"}}])
    assert server.ask("POST", "/Observation", referring).status_code == 201, "referring to it is no change of it"
    single = {"resourceType": "QuestionnaireResponse", "status": "completed"}
    single["identifier"] = {"system": system, "value": "CLM-1"}  # type: ignore[assignment]
    assert server.ask("POST", "/QuestionnaireResponse", single).status_code == 403


def test_a_person_of_whom_another_part_has_records_is_not_deleted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kiungo.fhir.interactions.writing.LOOKED_AT_ONCE", 2)
    server.ask("PUT", "/Patient/known", patient(id="known", gender="female"))
    for number in range(3):
        server.ask("PUT", f"/Observation/o{number}", observation("Patient/known", "8310-5"))
    record = observation("Patient/known", "8310-5") | {"id": "claim"}
    record["identifier"] = [{"system": "urn:kiungo:payor:claim", "value": "CLM-1"}]
    server.database.write(lambda unit: server.store.repository.update(unit, server.call, prepare(record)))
    for path in ("Patient/known", "Patient?_id=known", "Patient?_id=known&_count=5"):
        answer = server.ask("DELETE", "/" + path)
        assert (answer.status_code, code_of(answer)) == (409, "RESOURCE_NEEDED"), answer.text
        assert "Observation/claim" in answer.text
    assert "RESOURCE_NEEDED" in server.ask("POST", "", bundle("transaction", entry("DELETE", "Patient/known"))).text
    assert server.ask("GET", "/Patient/known").status_code == 200
    server.ask("PUT", "/Patient/other", patient(id="other"))
    assert server.ask("DELETE", "/Patient/other").status_code == 204


@pytest.mark.parametrize(("looked_at_max", "shown", "said"), [(20_000, 3, False), (6, 0, True)])
def test_what_is_hidden_takes_no_place_among_what_refers(
    server: Server, monkeypatch: pytest.MonkeyPatch, looked_at_max: int, shown: int, said: bool
) -> None:
    """The others' observations were made first, and there are more of them than an answer includes."""
    monkeypatch.setattr(includes, "INCLUDED_MAX", 4)
    monkeypatch.setattr(includes, "LOOKED_AT_MAX", looked_at_max)
    for person in ("other", "mine"):
        server.ask("PUT", f"/Patient/{person}", patient(id=person))
    server.ask("PUT", "/Observation/shared", observation("Patient/mine", id="shared"))
    for person in ["other"] * 12 + ["mine"] * 3:
        server.create(observation(f"Patient/{person}", derivedFrom=[{"reference": "Observation/shared"}]))
    bound = server.new_key("system/*.rs", bindings={"patient": "mine"})
    path = "/Observation?_id=shared&_revinclude=Observation:derived-from"
    entries = server.ask("GET", path, key=bound).json()["entry"]
    found = [entry["resource"] for entry in entries if entry["search"]["mode"] == "include"]
    assert [one["subject"]["reference"] for one in found] == ["Patient/mine"] * shown
    assert any(entry["search"]["mode"] == "outcome" for entry in entries) is said


def test_a_cut_is_said_also_where_what_refers_is_on_the_page_already(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(includes, "INCLUDED_MAX", 4)
    server.ask("PUT", "/Observation/shared", observation("Patient/mine", id="shared"))
    itself = observation("Patient/mine", id="shared", derivedFrom=[{"reference": "Observation/shared"}])
    server.ask("PUT", "/Observation/shared", itself)
    for _ in range(8):
        server.create(observation("Patient/mine", derivedFrom=[{"reference": "Observation/shared"}]))
    entries = server.ask("GET", "/Observation?_id=shared&_revinclude=Observation:derived-from").json()["entry"]
    assert sum(entry["search"]["mode"] == "include" for entry in entries) == 4
    assert entries[-1]["search"]["mode"] == "outcome"


def test_nothing_is_included_through_what_may_not_be_seen(server: Server) -> None:
    for name in ("mine", "other"):
        server.ask("PUT", f"/Patient/{name}", patient(id=name))
    last = observation("Patient/mine", id="last")
    between = observation("Patient/other", id="between", derivedFrom=[{"reference": "Observation/last"}])
    for body in (
        last,
        between,
        observation("Patient/mine", id="first", derivedFrom=[{"reference": "Observation/between"}]),
    ):
        server.ask("PUT", f"/Observation/{body['id']}", body)
    path = "/Observation?_id=first&_include=Observation:derived-from&_include:iterate=Observation:derived-from"

    def shown(key: str | None = None) -> list[str]:
        return [entry["resource"]["id"] for entry in server.ask("GET", path, key=key).json()["entry"]]

    assert shown() == ["first", "between", "last"]
    assert shown(server.new_key("system/*.rs", bindings={"patient": "mine"})) == ["first"], (
        "another's record refers to it"
    )
