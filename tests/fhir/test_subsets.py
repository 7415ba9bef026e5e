"""Parts of resources: `_summary` and `_elements`."""

import pytest

from tests.fhir.conftest import Server, observation, patient
from tests.fhir.interactions.test_bundles import bundle, entry

OWN = {"resourceType", "id", "meta"}
TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}


@pytest.fixture
def served(server: Server) -> Server:
    server.ask(
        "PUT", "/Patient/p", patient(id="p", text=TEXT, maritalStatus={"text": "x"}, meta={"tag": [{"code": "a"}]})
    )
    server.ask("PUT", "/Observation/o", observation("Patient/p", id="o", text=TEXT, note=[{"text": "long"}]))
    return server


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("_elements=valueQuantity", {"status", "code", "valueQuantity"}),
        ("_elements=value,subject", {"status", "code", "valueQuantity", "subject"}),
        ("_summary=text", {"status", "code", "text"}),
        ("_summary=data", {"status", "code", "category", "subject", "effectiveDateTime", "valueQuantity", "note"}),
        ("_summary=true", {"status", "code", "subject", "effectiveDateTime", "valueQuantity"}),
    ],
)
def test_a_part_of_a_resource_says_that_it_is_one(served: Server, asked: str, kept: set[str]) -> None:
    read = served.ask("GET", f"/Observation/o?{asked}")
    assert (read.status_code, read.headers["etag"]) == (200, 'W/"1"')
    found = read.json()
    assert set(found) == OWN | kept
    assert found["meta"]["tag"][-1]["code"] == "SUBSETTED"
    page = served.ask("GET", f"/Observation?subject=p&{asked}").json()
    assert page["entry"][0]["resource"] == found
    assert asked in page["link"][0]["url"]
    inside = served.ask("POST", "", bundle("batch", entry("GET", f"Observation/o?{asked}"))).json()
    assert inside["entry"][0]["resource"] == found
    assert served.ask("GET", f"/Observation/o/_history/1?{asked}").json() == found


def test_digits_and_tags_stay_and_a_whole_is_not_marked(served: Server) -> None:
    served.ask("PUT", "/Observation/o", observation("Patient/p", id="o", valueQuantity={"value": 7}))
    text = served.ask("GET", "/Observation/o").content.replace(b'"value": 7', b'"value": 7.10')
    assert served.ask("PUT", "/Observation/o", text).status_code == 200
    assert b'"value": 7.10' in served.ask("GET", "/Observation/o?_elements=value").content
    tags = served.ask("GET", "/Patient/p?_elements=gender").json()["meta"]["tag"]
    assert [tag["code"] for tag in tags] == ["a", "SUBSETTED"]
    whole = served.ask("GET", "/Patient/p").content
    assert served.ask("GET", "/Patient/p?_summary=false").content == whole
    assert b"SUBSETTED" not in whole
    included = served.ask("GET", "/Observation?_elements=code&_include=Observation:subject").json()["entry"]
    assert "gender" in included[1]["resource"], "elements are those of the type searched for"


def test_a_part_is_not_written_over_the_whole(served: Server) -> None:
    part = served.ask("GET", "/Patient/p?_elements=gender").json()
    assert served.ask("PUT", "/Patient/p", part).status_code == 400
    inside = served.ask("POST", "", bundle("batch", entry("PUT", "Patient/p", part))).json()
    assert inside["entry"][0]["response"]["status"].startswith("400")
    assert served.ask("GET", "/Patient/p").json()["meta"]["versionId"] == "1"


def test_no_matches_wanted_is_a_count_whatever_else_is_asked(served: Server) -> None:
    for asked in ("_count=0&_summary=text", "_summary=false&_count=0", "_count=0&_elements=code"):
        answer = served.ask("GET", f"/Observation?{asked}")
        assert (answer.status_code, answer.json()["total"], "entry" in answer.json()) == (200, 1, False), asked


def test_what_is_no_subset_is_refused(served: Server) -> None:
    for asked in ("_elements=nosuch", "_elements=", "_summary=some", "_summary=text&_elements=code"):
        for path in ("/Observation/o", "/Observation"):
            answer = served.ask("GET", f"{path}?{asked}")
            assert (answer.status_code, asked[:8] in answer.text) == (400, True), (path, asked, answer.text)
    assert served.ask("GET", "/Observation/o?_summary=count").status_code == 400
