"""The API's description: complete, offline, and true."""

import re
from collections.abc import Callable

import pytest
from tests.kernel.http.conftest import PUBLIC, Running

from kiungo.kernel.database import Database
from kiungo.kernel.http import Request, Response, Route
from kiungo.kernel.http.dispatch import Dispatcher, Endpoint

Start = Callable[..., Running]


@pytest.fixture
def engine() -> str:
    """Nothing here depends on the engine."""
    return "sqlite"


async def nothing(request: Request) -> Response:
    return Response(204)


def test_the_documentation_needs_nothing_from_outside(served: Running) -> None:
    page = served.client.get("/api/docs/")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    for link in links:
        assert link.startswith("/api/docs/")
        asset = served.client.get(link)
        assert asset.status_code == 200
        assert len(asset.content) > 100
    assert "SwaggerUIBundle" in served.client.get("/api/docs/swagger-ui-bundle.js").text
    assert "Apache License" in served.client.get("/api/docs/LICENSE").text
    assert served.client.get("/api/docs/../../etc/passwd").status_code == 404
    assert served.client.get("/api/docs/README.md").status_code == 404


def test_every_route_is_described_with_its_statuses(served: Running) -> None:
    document = served.client.get("/api/openapi.json").json()
    for endpoint in served.site.endpoints:
        if endpoint.openapi.get("x-hidden"):
            continue
        operation = document["paths"][endpoint.template][endpoint.method.lower()]
        statuses = set(operation["responses"])
        assert {"400", "404", "429", "503"} <= statuses, endpoint
        if endpoint.scope:
            assert {"401", "403"} <= statuses, endpoint
            assert operation["security"], endpoint
        if endpoint.method == "POST":
            assert {"408", "409", "413", "422"} <= statuses, endpoint
            assert "Idempotency-Key" in {parameter.get("name") for parameter in operation["parameters"]}
        named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert named == set(endpoint.names), endpoint


def test_every_route_has_a_scope_or_stands_in_the_public_list(served: Running) -> None:
    public = {repr(endpoint) for endpoint in served.site.endpoints if endpoint.scope is None}
    assert public == {
        *PUBLIC, "GET /livez", "GET /readyz", "GET /api/docs/", "GET /api/docs/{asset}", "GET /api/openapi.json",
        "POST /oauth2/token", "GET /oauth2/jwks", "GET /.well-known/oauth-authorization-server",
    }  # fmt: skip


@pytest.mark.parametrize("public", [PUBLIC[:1], PUBLIC[1:], (*PUBLIC, "GET /api/gone"), ()])
def test_a_public_list_that_is_not_right_stops_the_start(start: Start, public: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="public"):
        start(site={"public": public})


def test_a_route_needs_either_a_scope_or_the_word_public() -> None:
    with pytest.raises(ValueError, match="either a scope or public"):
        Route("GET", "/x", nothing)
    with pytest.raises(ValueError, match="either a scope or public"):
        Route("GET", "/x", nothing, scope="read:x", public=True)


def endpoint(method: str, template: str) -> Endpoint:
    return Endpoint(method, template, handler=nothing, scope="read:x")


def test_paths_are_told_apart() -> None:
    dispatcher = Dispatcher()
    for template in (
        "/fhir/{type}/{id}",
        "/fhir/Patient/$match",
        "/fhir/{type}/{id}/_history/{version}",
        "/files/{rest:path}",
    ):
        dispatcher.add(endpoint("GET", template))
    dispatcher.add(endpoint("POST", "/fhir/Patient/_search"))

    def found(path: str) -> tuple[list[str], tuple[str, ...]] | None:
        answer = dispatcher.find(path)
        return None if answer is None else (sorted(answer[0]), answer[1])

    assert found("/fhir/Patient/1") == (["GET"], ("Patient", "1"))
    assert found("/fhir/Patient/$match/") == (["GET"], ())
    assert found("/fhir/Patient/1/_history/3") == (["GET"], ("Patient", "1", "3"))
    assert found("/fhir/Patient/_search") == (["POST"], ())
    assert found("/files/a/b/c.txt") == (["GET"], ("a/b/c.txt",))
    assert found("/fhir//1") is None
    assert found("/fhir") is None
    assert found("/") is None
    assert found("") is None


@pytest.mark.parametrize("template", ["/a/{x}", "/a/{other}/"])
def test_a_route_declared_twice_is_refused(template: str) -> None:
    dispatcher = Dispatcher()
    dispatcher.add(endpoint("GET", "/a/{x}"))
    with pytest.raises(ValueError, match="declared twice"):
        dispatcher.add(endpoint("GET", template))


@pytest.mark.parametrize("template", ["a", "/a/{x}.json", "/{rest:path}/b"])
def test_a_template_we_cannot_keep_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"slash|last"):
        Dispatcher().add(endpoint("GET", template))


def test_etags(served: Running, database: Database) -> None:
    from kiungo.base.errors import Incorrect
    from kiungo.kernel.auth import system_call
    from kiungo.kernel.http.etags import etag, is_current, not_modified, required_version

    def asked(**headers: bytes) -> Request:
        raw = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        return Request("GET", "/x", "/x", {}, b"", raw, b"", system_call(1), served.front.keeper)

    assert etag(3) == (b"etag", b'W/"3"')
    assert is_current(asked(if_none_match=b'W/"3"'), 3)
    assert is_current(asked(if_none_match=b'"2", W/"3"'), 3)
    assert is_current(asked(if_none_match=b"*"), 3)
    assert not is_current(asked(if_none_match=b'W/"33"'), 3)
    assert not is_current(asked(), 3)
    assert not_modified(3).status == 304
    assert required_version(asked(if_match=b'W/"3"')) == "3"
    assert required_version(asked()) is None
    for wrong in (b"3", b"*", b'"1", "2"', b'W/""', b'W/"\xff"'):
        with pytest.raises(Incorrect):
            required_version(asked(if_match=wrong))
