"""The FHIR tutorial and the pages about writing and purging happen as they are told."""

import httpx

from tests.console.conftest import House, house
from tests.docs.test_examples import curl, curls

__all__ = ["house"]  # the console's fixture, used here by its name


def send(client: httpx.Client, line: str, key: str) -> httpx.Response:
    # What a shell does with \$ inside double quotes.
    return curl(client, line.replace("\\$", "$"), URL="", KEY=key)


def test_the_pages_about_records_happen_as_they_are_told(house: House) -> None:
    """The tutorial first; the how-to pages go on with its patient."""
    key = house.key("Ada", "administrator")
    put, measure, find, mistype, patch, history, transact, everything = curls("docs/tutorials/first-fhir-session.md")
    with httpx.Client(base_url=house.url, timeout=20) as client:
        stored = send(client, put, key)
        assert (stored.status_code, stored.headers["etag"]) == (201, 'W/"1"')
        again = send(client, put, key)
        assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')
        assert send(client, measure, key).status_code == 201
        assert len(send(client, find, key).json()["entry"]) == 1
        refused = send(client, mistype, key)
        assert refused.status_code == 400
        assert "did you mean patient?" in refused.text
        changed = send(client, patch, key)
        assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
        assert send(client, patch, key).status_code == 412
        assert len(send(client, history, key).json()["entry"]) == 2
        first, second = (send(client, transact, key).json()["entry"] for _ in range(2))
        assert first[0]["fullUrl"] == second[0]["fullUrl"]
        assert first[1]["fullUrl"] != second[1]["fullUrl"]
        assert len(send(client, everything, key).json()["entry"]) == 2

        json_patch, path_patch = curls("docs/how-to/patch-and-transact.md")
        assert send(client, json_patch, key).status_code == 412
        assert send(client, path_patch, key).json()["birthDate"] == "1991-05-03"

        look, purge = curls("docs/how-to/delete-a-persons-data.md")
        counted = {part["name"]: part for part in send(client, look, key).json()["parameter"]}
        assert counted["dryRun"]["valueBoolean"] is True
        assert counted["resources"]["valueInteger"] == 2
        assert send(client, history, key).json()["entry"][0]["resource"]["id"] == "achieng"
        assert send(client, purge, key).status_code == 200
        assert client.get("/fhir/Patient/achieng", headers={"X-API-Key": key}).status_code == 410
        assert not any("resource" in entry for entry in send(client, history, key).json()["entry"])
        for person in ("achieng", "Patient/achieng"):
            trail = client.get("/api/admin/audit/", params={"person": person}, headers={"X-API-Key": key}).json()
            assert "purge" in {entry["action"] for entry in trail["entries"]}
