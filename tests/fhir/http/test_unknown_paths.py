"""A path whose resource type does not exist is a 404 that names the type, and the one that was meant."""

import pytest

from tests.fhir.conftest import Server


@pytest.mark.parametrize(
    ("path", "said", "meant"),
    [
        ("/Patiant", "Patiant is not a resource type", "Did you mean Patient?"),
        ("/patient/1", "patient is not a resource type", "Did you mean Patient?"),
        ("/Observaton/1/_history/2", "Observaton is not", "Did you mean Observation?"),
        ("/Patiant/$everything", "Patiant is not", "Did you mean Patient?"),
        ("/Zzzz", "Zzzz is not", "/fhir/metadata"),
        ("/Zz<b>" + "z" * 200, "Zz<b>zzz", "/fhir/metadata"),
    ],
)
def test_an_unknown_type_is_named(server: Server, path: str, said: str, meant: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = server.ask(method, path)
        (issue,) = answer.json()["issue"]
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("application/fhir+json")
        assert issue["details"]["coding"][0]["code"] == "FHIR_TYPE_UNKNOWN"
        assert issue["code"] == "not-found"
        assert said in issue["diagnostics"]
        assert meant in issue["diagnostics"]
        assert len(issue["diagnostics"]) < 200


def test_a_known_type_with_an_unknown_end_is_not_blamed(server: Server) -> None:
    for path in ("/Patient/1/2/3/4", "/$nothing", "/_nothing"):
        answer = server.ask("GET", path)
        assert answer.status_code == 404
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "ROUTE_UNKNOWN"
