"""`If-Match: *`: some version must be there. Source: RFC 9110 13.1.1."""

from typing import Any

from tests.fhir.conftest import Server

STAR = {"If-Match": "*"}
PATCH = [{"op": "add", "path": "/active", "value": True}]


def person(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "a", **more}


def test_a_star_asks_for_any_version(server: Server) -> None:
    assert server.ask("PUT", "/Patient/a", person(), headers=STAR).status_code == 412
    assert server.ask("PATCH", "/Patient/a", PATCH, headers=STAR).status_code == 404
    server.ask("PUT", "/Patient/a", person())
    assert server.ask("PUT", "/Patient/a", person(gender="male"), headers=STAR).headers["etag"] == 'W/"2"'
    patched = {**STAR, "Content-Type": "application/json-patch+json"}
    assert server.ask("PATCH", "/Patient/a", PATCH, headers=patched).headers["etag"] == 'W/"3"'
    assert server.ask("DELETE", "/Patient/a", headers=STAR).status_code == 204
    assert server.ask("DELETE", "/Patient/a", headers=STAR).status_code == 412, "nothing is there any more"
    assert server.ask("PUT", "/Patient/a", person(), headers=STAR).status_code == 412


def test_in_a_bundle_too(server: Server) -> None:
    request = {"method": "PUT", "url": "Patient/a", "ifMatch": "*"}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": person(), "request": request}]}
    assert server.ask("POST", "", batch).json()["entry"][0]["response"]["status"].startswith("412")
    server.ask("PUT", "/Patient/a", person())
    batch["entry"][0]["resource"] = person(gender="male")  # type: ignore[index]
    assert server.ask("POST", "", batch).json()["entry"][0]["response"]["etag"] == 'W/"2"'


def test_missing_is_asked_of_every_resource_by_its_id_and_moment(server: Server) -> None:
    server.ask("PUT", "/Patient/a", person())
    for name in ("_id", "_lastUpdated"):
        assert server.search_ids(f"/Patient?{name}:missing=false") == ["a"]
        assert server.search_ids(f"/Patient?{name}:missing=true") == []
        assert server.search_ids(f"/Patient?{name}:missing=false&gender:missing=true") == ["a"]
