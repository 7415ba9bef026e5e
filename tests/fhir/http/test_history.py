"""Histories: what was current when, page by page, and whose each version was."""

from urllib.parse import quote

from tests.fhir.conftest import Server, observation, patient


def versions(server: Server, path: str, key: str | None = None) -> list[str]:
    """Type/id/version of each entry, following every page."""
    found: list[str] = []
    address: str | None = path
    while address:
        answer = server.ask("GET", address, key=key)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [entry["response"]["location"].replace("/_history", "") for entry in page.get("entry", [])]
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    return found


def test_what_was_current_at_a_moment(server: Server) -> None:
    server.ask("PUT", "/Patient/p", patient(id="p"))
    first = server.ask("GET", "/Patient/p").json()["meta"]["lastUpdated"]
    server.ask("PUT", "/Patient/p", patient(id="p", gender="male"))
    server.ask("PUT", "/Patient/q", patient(id="q"))
    second = server.ask("GET", "/Patient/p").json()["meta"]["lastUpdated"]
    server.ask("DELETE", "/Patient/p")
    # A moment is as wide as it was written: to the millisecond here.
    for path in ("/Patient/p/_history", "/Patient/_history", "/_history"):
        now_current = versions(server, f"{path}?_at=2999")
        assert [v for v in now_current if "/p/" in v] == ["Patient/p/3"], path
        then = versions(server, f"{path}?_at={quote(second)}&_count=1")
        assert "Patient/p/2" in then, path
        assert "Patient/q/1" not in then or second >= first, path
        assert versions(server, f"{path}?_at=2001") == [], path
    day = first[:10]
    assert len(versions(server, f"/Patient/p/_history?_at={day}")) == 3, "each was current for a part of the day"
    assert server.ask("GET", "/Patient/_history?_at=then").status_code == 400
    assert server.ask("GET", "/Patient/_history?_before=2020").status_code == 400


def test_an_old_version_is_shown_only_to_whom_it_was_about(server: Server) -> None:
    for name in ("mine", "other"):
        server.ask("PUT", f"/Patient/{name}", patient(id=name))
    server.ask("PUT", "/Observation/o", observation("Patient/other", id="o"))
    server.ask("PUT", "/Observation/o", observation("Patient/mine", id="o"))
    bound = server.new_key("system/*.cruds", bindings={"patient": "mine"})
    assert versions(server, "/Observation/o/_history", bound) == ["Observation/o/2"]
    assert versions(server, "/Observation/_history", bound) == ["Observation/o/2"]
    assert server.ask("GET", "/Observation/o/_history/2", key=bound).status_code == 200
    assert server.ask("GET", "/Observation/o/_history/1", key=bound).status_code == 403
    entry = {"request": {"method": "GET", "url": "Observation/o/_history/1"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    inside = server.ask("POST", "", batch, key=bound)
    assert inside.json()["entry"][0]["response"]["status"].startswith("403")
    assert versions(server, "/Observation/o/_history") == ["Observation/o/2", "Observation/o/1"]
