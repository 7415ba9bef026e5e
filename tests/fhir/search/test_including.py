"""`:iterate` follows references as far as they go, ends in circles, and says where it stopped."""

from kiungo.fhir.search import includes
from tests.fhir.conftest import Server


def line(server: Server, length: int, *, closed: bool = False) -> None:
    """Organizations each part of the next; closed, the last is part of the first."""
    for number in range(length):
        above = number + 1 if number + 1 < length else 0 if closed else None
        body = {"resourceType": "Organization", "id": f"o{number}", "name": f"o{number}"}
        part_of = {} if above is None else {"partOf": {"reference": f"Organization/o{above}"}}
        assert server.ask("PUT", f"/Organization/o{number}", {**body, **part_of}).status_code == 201


def found(server: Server) -> tuple[list[str], bool]:
    path = "/Organization?_id=o0&_include=Organization:partof&_include:iterate=Organization:partof"
    entries = server.ask("GET", path).json()["entry"]
    ids = [entry["resource"].get("id", "") for entry in entries if entry["search"]["mode"] != "outcome"]
    return ids, any(entry["search"]["mode"] == "outcome" for entry in entries)


def test_references_are_followed_to_their_end(server: Server) -> None:
    line(server, 8)
    assert found(server) == ([f"o{n}" for n in range(8)], False)


def test_a_circle_ends(server: Server) -> None:
    line(server, 3, closed=True)
    assert found(server) == (["o0", "o1", "o2"], False)


def test_a_chain_beyond_the_bound_is_cut_and_said(server: Server) -> None:
    line(server, includes.ITERATIONS_MAX + 3)
    ids, is_told = found(server)
    assert (len(ids), is_told) == (includes.ITERATIONS_MAX + 1, True)


def kept(server: Server, kind: str, name: str, **members: object) -> None:
    answer = server.ask("PUT", f"/{kind}/{name}", {"resourceType": kind, "id": name, **members})
    assert answer.status_code == 201, answer.text


def shown(server: Server, path: str) -> set[str]:
    answer = server.ask("GET", path)
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json()["entry"]}


BY_NAME = "QuestionnaireResponse:questionnaire"


def test_what_is_named_by_its_url_is_included(server: Server) -> None:
    """Of a version named that one, else the one that changed last."""
    form = {"url": "http://example.org/form,1", "status": "active"}
    kept(server, "Questionnaire", "old", version="1", **form)
    kept(server, "Questionnaire", "new", version="2", **form)
    kept(server, "Questionnaire", "other", url="http://example.org/form", status="active")
    kept(server, "QuestionnaireResponse", "of-old", status="completed", questionnaire=f"{form['url']}|1")
    kept(server, "QuestionnaireResponse", "of-any", status="completed", questionnaire=form["url"])
    kept(server, "QuestionnaireResponse", "of-none", status="completed", questionnaire=f"{form['url']}|3")
    for response, questionnaires in (("of-old", {"old"}), ("of-any", {"new"}), ("of-none", set())):
        for include in (
            "QuestionnaireResponse:questionnaire",
            "*",
            "QuestionnaireResponse:questionnaire:Questionnaire",
        ):
            path = f"/QuestionnaireResponse?_id={response}&_include={include}"
            assert shown(server, path) == {response, *questionnaires}, path
    for questionnaire, responses in (("old", {"of-old", "of-any"}), ("new", {"of-any"}), ("other", set())):
        path = f"/Questionnaire?_id={questionnaire}&_revinclude={BY_NAME}"
        assert shown(server, path) == {questionnaire, *responses}, path


def test_a_chain_through_a_url_is_refused_and_not_answered_by_nothing(server: Server) -> None:
    for path in (
        "/QuestionnaireResponse?questionnaire.title=x",
        "/Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed",
        "/QuestionnaireResponse?_filter=questionnaire.title eq x",
    ):
        answer = server.ask("GET", path)
        assert answer.status_code == 400, path
        assert "canonical" in answer.json()["issue"][0]["diagnostics"]
