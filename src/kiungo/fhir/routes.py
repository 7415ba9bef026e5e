"""The FHIR API over HTTP: lean routes that send stored bytes as they are.

Every type has routes of its own, so that each carries its own scope and unknown types are unknown paths.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version

from kiungo.base.errors import Incorrect
from kiungo.base.time import iso_seconds
from kiungo.fhir import capability
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.http.headers import has_this, version_headers
from kiungo.fhir.http.negotiation import MEDIA_TYPE_WRONG, negotiated
from kiungo.fhir.http.operations import operation_routes
from kiungo.fhir.http.preferences import preferences
from kiungo.fhir.http.writes import WriteApi
from kiungo.fhir.model import version_number
from kiungo.fhir.operations.registry import OPERATIONS
from kiungo.fhir.outcome import FHIR_JSON
from kiungo.fhir.search.asked import Params
from kiungo.fhir.searching import COMPARTMENTS
from kiungo.fhir.store import Store
from kiungo.fhir.subsets import members_of, part_of
from kiungo.kernel.auth.scopes import ANY_CREDENTIAL
from kiungo.kernel.http import Request, Response, Route
from kiungo.kernel.http.etags import not_modified
from kiungo.kernel.http.messages import parse_query

PUBLIC = ("GET /fhir/metadata",)
HIDDEN = {"x-hidden": True}
BUNDLE_BYTES_MAX = 32 * 1024 * 1024
FORM = b"application/x-www-form-urlencoded"
TypedHandler = Callable[[str, Request], Awaitable[Response]]


def routes(store: Store) -> list[Route]:
    """Every route of the FHIR API."""
    api = FhirApi(store)
    writes = WriteApi(store, api.metadata)
    found = [
        Route("GET", "/fhir/metadata", negotiated(api.metadata), public=True, api="fhir", openapi=HIDDEN),
        Route(
            "POST",
            "/fhir",
            negotiated(writes.bundle),
            scope=ANY_CREDENTIAL,
            api="fhir",
            openapi=HIDDEN,
            body_bytes_max=BUNDLE_BYTES_MAX,
        ),
        Route("GET", "/fhir", negotiated(api.search_all), scope=ANY_CREDENTIAL, api="fhir", openapi=HIDDEN),
        Route("POST", "/fhir/_search", negotiated(api.search_all), scope=ANY_CREDENTIAL, api="fhir", openapi=HIDDEN),
        Route("GET", "/fhir/_history", negotiated(api.system_history), scope="system/*.r", api="fhir", openapi=HIDDEN),
    ]
    patterns: tuple[tuple[str, str, TypedHandler, str], ...] = (
        ("GET", "", api.search, "s"),
        ("POST", "", writes.create, "c"),
        ("PUT", "", writes.update, "u"),
        ("PATCH", "", writes.patch, "u"),
        ("DELETE", "", writes.delete, "d"),
        ("POST", "/_search", api.search_by_form, "s"),
        ("GET", "/_history", api.history, "r"),
        ("GET", "/{id}", api.read, "r"),
        ("PUT", "/{id}", writes.update, "u"),
        ("PATCH", "/{id}", writes.patch, "u"),
        ("DELETE", "/{id}", writes.delete, "d"),
        ("GET", "/{id}/_history", api.history, "r"),
        ("GET", "/{id}/_history/{version}", api.vread, "r"),
    )
    for name in COMPARTMENTS:
        compartment = negotiated(partial(api.search_inside, name))
        for method, tail in (("GET", ""), ("POST", "/_search")):
            path = f"/fhir/{name}/{{id}}/{{type}}{tail}"
            found.append(Route(method, path, compartment, scope=ANY_CREDENTIAL, api="fhir", openapi=HIDDEN))
    for name in resource_types():
        for method, tail, handler, interaction in patterns:
            found.append(
                Route(
                    method,
                    f"/fhir/{name}{tail}",
                    negotiated(partial(handler, name)),
                    scope=f"system/{name}.{interaction}",
                    api="fhir",
                    openapi=HIDDEN,
                )
            )
    return [*found, *operation_routes(store, OPERATIONS.all())]


class FhirApi:
    """The handlers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._metadata: bytes | None = None

    async def metadata(self, request: Request) -> Response:
        """The CapabilityStatement; made once."""
        if self._metadata is None:
            started = iso_seconds(self._store.database.clock.now_us())
            self._metadata = await asyncio.to_thread(
                capability.statement, self._store.base_url, version("kiungo"), started
            )
        return Response(200, self._metadata, media_type=FHIR_JSON)

    async def read(self, type_name: str, request: Request) -> Response:
        """The current version, as it is stored."""
        kept = members_of(type_name, request.query) if request.raw_query else None
        stored = await self._store.read(request.call, type_name, request.params["id"])
        if has_this(request, stored):
            return not_modified(stored.version)
        body = stored.body if kept is None else part_of(stored, kept).body
        return Response(200, body, version_headers(stored), media_type=FHIR_JSON)

    async def vread(self, type_name: str, request: Request) -> Response:
        """One version."""
        wanted = version_number(request.params["version"])
        kept = members_of(type_name, request.query) if request.raw_query else None
        stored = await self._store.vread(request.call, type_name, request.params["id"], wanted)
        if has_this(request, stored):
            return not_modified(stored.version)
        return Response(200, part_of(stored, kept).body, version_headers(stored), media_type=FHIR_JSON)

    async def search(self, type_name: str, request: Request) -> Response:
        """A page of matches."""
        found = await self._store.search(request.call, type_name, request.query, lenient=_is_lenient(request))
        return Response(200, found, media_type=FHIR_JSON)

    async def search_by_form(self, type_name: str, request: Request) -> Response:
        """The same with the parameters in the body, and those of the address."""
        found = await self._store.search(request.call, type_name, _params(request), lenient=_is_lenient(request))
        return Response(200, found, media_type=FHIR_JSON)

    async def search_all(self, request: Request) -> Response:
        """A page of matches of several types; the caller's scopes decide which."""
        found = await self._store.search(request.call, None, _params(request), lenient=_is_lenient(request))
        return Response(200, found, media_type=FHIR_JSON)

    async def search_inside(self, owner: str, request: Request) -> Response:
        """A page of what belongs to one patient, encounter, device, practitioner or related person."""
        type_name = request.params["type"]
        found = await self._store.search(
            request.call,
            None if type_name == "*" else type_name,
            _params(request),
            owner=(owner, request.params["id"]),
            lenient=_is_lenient(request),
        )
        return Response(200, found, media_type=FHIR_JSON)

    async def history(self, type_name: str, request: Request) -> Response:
        """Versions of one resource or of the type."""
        found = await self._store.history(request.call, type_name, request.params.get("id"), request.query)
        return Response(200, found, media_type=FHIR_JSON)

    async def system_history(self, request: Request) -> Response:
        """Versions of everything."""
        found = await self._store.history(request.call, None, None, request.query)
        return Response(200, found, media_type=FHIR_JSON)


def _is_lenient(request: Request) -> bool:
    return preferences(request.raw_headers.get(b"prefer")).is_lenient


def _params(request: Request) -> Params:
    """The parameters of the address, and those of a form where there is one."""
    if request.method != "POST":
        return request.query
    if not request.raw_headers.get(b"content-type", FORM).startswith(FORM):
        raise Incorrect(MEDIA_TYPE_WRONG, "A _search body is form-encoded", hint=f"Send {FORM.decode()}")
    return [*request.query, *parse_query(request.body)]
