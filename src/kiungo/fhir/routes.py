"""The FHIR API over HTTP: lean routes that send stored bytes as they are.

Every type has routes of its own, so that each carries its own scope and unknown types are unknown paths.
"""

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from kiungo.base.errors import Incorrect, Unsupported, define
from kiungo.base.time import iso_seconds
from kiungo.fhir import capability
from kiungo.fhir.bundle_parts import understand
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.guard import admit, may_read
from kiungo.fhir.model import RESOURCE_TYPE_WRONG, Prepared, Stored
from kiungo.fhir.outcome import FHIR_JSON, all_well
from kiungo.fhir.prepare import prepare
from kiungo.fhir.references import rewritten
from kiungo.fhir.search.query import Params
from kiungo.fhir.store import Store
from kiungo.fhir.subsets import members_of, part_of
from kiungo.fhir.transaction import Runner
from kiungo.fhir.writing import create, put, remove
from kiungo.kernel.auth.scopes import ANY_CREDENTIAL
from kiungo.kernel.http import Request, Response, Route
from kiungo.kernel.http.etags import ETAG_MALFORMED, etag, is_current, not_modified, required_version
from kiungo.kernel.http.messages import HeaderPairs, parse_query

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

MEDIA_TYPE_WRONG = define("MEDIA_TYPE_WRONG", Incorrect, "A FHIR body must be JSON.", http=415)
FORMAT_NOT_OFFERED = define("FORMAT_NOT_OFFERED", Unsupported, "Answers are JSON only.", http=406)
VERSION_ID_WRONG = define("VERSION_ID_WRONG", Incorrect, "A version id is a whole number.", http=404)

PUBLIC = ("GET /fhir/metadata",)
HIDDEN = {"x-hidden": True}
BUNDLE_BYTES_MAX = 32 * 1024 * 1024
FORM = b"application/x-www-form-urlencoded"
TypedHandler = Callable[[str, Request], Awaitable[Response]]


def routes(store: Store) -> list[Route]:
    """Every route of the FHIR API."""
    api = FhirApi(store)
    found = [
        Route("GET", "/fhir/metadata", api.metadata, public=True, api="fhir", openapi=HIDDEN),
        Route(
            "POST",
            "/fhir",
            api.bundle,
            scope=ANY_CREDENTIAL,
            api="fhir",
            openapi=HIDDEN,
            body_bytes_max=BUNDLE_BYTES_MAX,
        ),
        Route("GET", "/fhir/_history", api.system_history, scope="system/*.r", api="fhir", openapi=HIDDEN),
    ]
    patterns: tuple[tuple[str, str, TypedHandler, str], ...] = (
        ("GET", "", api.search, "s"),
        ("POST", "", api.create, "c"),
        ("PUT", "", api.update, "u"),
        ("DELETE", "", api.delete, "d"),
        ("POST", "/_search", api.search_by_form, "s"),
        ("GET", "/_history", api.history, "r"),
        ("GET", "/{id}", api.read, "r"),
        ("PUT", "/{id}", api.update, "u"),
        ("DELETE", "/{id}", api.delete, "d"),
        ("GET", "/{id}/_history", api.history, "r"),
        ("GET", "/{id}/_history/{version}", api.vread, "r"),
    )
    for name in resource_types():
        for method, tail, handler, interaction in patterns:
            found.append(
                Route(
                    method,
                    f"/fhir/{name}{tail}",
                    partial(handler, name),
                    scope=f"system/{name}.{interaction}",
                    api="fhir",
                    openapi=HIDDEN,
                )
            )
    return found


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
        _json_wanted(request)
        kept = members_of(type_name, request.query) if request.raw_query else None
        stored = await self._store.read(request.call, type_name, request.params["id"])
        if is_current(request, stored.version):
            return not_modified(stored.version)
        body = stored.body if kept is None else part_of(stored, kept).body
        return Response(200, body, _version_headers(stored), media_type=FHIR_JSON)

    async def vread(self, type_name: str, request: Request) -> Response:
        """One version."""
        _json_wanted(request)
        wanted = request.params["version"]
        if not wanted.isdecimal() or len(wanted) > 9:
            raise Incorrect(VERSION_ID_WRONG, "There is no such version", field="version", hint="See _history")
        kept = members_of(type_name, request.query) if request.raw_query else None
        stored = await self._store.vread(request.call, type_name, request.params["id"], int(wanted))
        return Response(200, part_of(stored, kept).body, _version_headers(stored), media_type=FHIR_JSON)

    async def search(self, type_name: str, request: Request) -> Response:
        """A page of matches."""
        _json_wanted(request)
        found = await self._store.search(request.call, type_name, request.query)
        return Response(200, found, media_type=FHIR_JSON)

    async def search_by_form(self, type_name: str, request: Request) -> Response:
        """The same with the parameters in the body, and those of the address."""
        _json_wanted(request)
        if not request.raw_headers.get(b"content-type", FORM).startswith(FORM):
            raise Incorrect(MEDIA_TYPE_WRONG, "A _search body is form-encoded", hint=f"Send {FORM.decode()}")
        params = [*request.query, *parse_query(request.body)]
        found = await self._store.search(request.call, type_name, params)
        return Response(200, found, media_type=FHIR_JSON)

    async def history(self, type_name: str, request: Request) -> Response:
        """Versions of one resource or of the type."""
        _json_wanted(request)
        found = await self._store.history(request.call, type_name, request.params.get("id"), request.query)
        return Response(200, found, media_type=FHIR_JSON)

    async def system_history(self, request: Request) -> Response:
        """Versions of everything."""
        _json_wanted(request)
        found = await self._store.history(request.call, None, None, request.query)
        return Response(200, found, media_type=FHIR_JSON)

    async def create(self, type_name: str, request: Request) -> Response:
        """A new resource; with If-None-Exist only when nothing matches."""
        prepared = self._received(type_name, request, None)
        condition = request.raw_headers.get(b"if-none-exist")
        params: Params | None = parse_query(condition.removeprefix(b"?")) if condition is not None else None

        def work(unit: "Unit") -> Response:
            stored = create(self._store, unit, request.call, prepared, params)
            return self._written(request, stored, 201 if stored.created else 200)

        return await request.write(work)

    async def update(self, type_name: str, request: Request) -> Response:
        """A new version, or a new resource under the caller's id; also by condition."""
        logical_id = request.params.get("id")
        prepared = self._received(type_name, request, logical_id)
        condition = None if logical_id is not None else request.query
        if_match = _if_match(request)

        def work(unit: "Unit") -> Response:
            stored = put(self._store, unit, request.call, prepared, logical_id, condition, if_match)
            return self._written(request, stored, 201 if stored.created else 200)

        return await request.write(work)

    async def delete(self, type_name: str, request: Request) -> Response:
        """Deleting what is not there is no error."""
        logical_id = request.params.get("id")
        condition = None if logical_id is not None else request.query
        if_match = _if_match(request)

        def work(unit: "Unit") -> Response:
            gone = remove(self._store, unit, request.call, type_name, logical_id, condition, if_match)
            return Response(204, b"", (etag(gone.version),) if gone else (), media_type=FHIR_JSON)

        return await request.write(work)

    async def bundle(self, request: Request) -> Response:
        """A batch or transaction; parsed and prepared in a thread, decided in one unit of work."""
        _check_media_type(request)
        admit(request.call)
        work = await asyncio.to_thread(understand, self._store, request.body)
        runner = Runner(self._store, request.call, with_resources=_preference(request) == "representation")

        def run(unit: "Unit") -> Response:
            return Response(200, runner.run(unit, work), media_type=FHIR_JSON)

        return await request.write(run)

    def _received(self, type_name: str, request: Request, logical_id: str | None) -> Prepared:
        """The body, prepared; its references to this server are relative. Raises: Incorrect."""
        _check_media_type(request)
        _json_wanted(request)
        prepared = prepare(rewritten(request.body, {}, self._store.base_url), id=logical_id)
        if prepared.type != type_name:
            raise Incorrect(
                RESOURCE_TYPE_WRONG,
                f"A {prepared.type} cannot be written as {type_name}",
                field="resourceType",
                hint=f"Send it to /fhir/{prepared.type}",
            )
        return prepared

    def _written(self, request: Request, stored: Stored, status: int) -> Response:
        base, headers = self._store.base_url, _version_headers(stored)
        if status == 201 or request.method == "POST":
            location = f"{base}/{stored.type}/{stored.id}/_history/{stored.version}".encode()
            headers = (*headers, (b"location", location))
        preference = _preference(request)
        if preference == "minimal" or (stored.is_found and not may_read(request.call, stored)):
            body = b""
        elif preference == "OperationOutcome":
            body = all_well(f"{stored.type} {stored.outcome}, version {stored.version}")
        else:
            body = stored.body
            if stored.is_found:
                self._store.note(request.call, "read", stored.type, (stored,))
        return Response(status, body, headers, media_type=FHIR_JSON)


def _check_media_type(request: Request) -> None:
    given = request.raw_headers.get(b"content-type")
    if given is not None and b"json" not in given.lower():
        raise Incorrect(
            MEDIA_TYPE_WRONG, "The body must be JSON", field="Content-Type", hint="Send application/fhir+json"
        )


def _json_wanted(request: Request) -> None:
    accept = request.raw_headers.get(b"accept")
    if accept is not None and b"xml" in accept and b"json" not in accept and b"*/*" not in accept:
        raise Unsupported(
            FORMAT_NOT_OFFERED, "Answers are JSON only", field="Accept", hint="Accept application/fhir+json"
        )


def _if_match(request: Request) -> int | None:
    wanted = required_version(request)
    if wanted is None:
        return None
    if not wanted.isdecimal():
        raise Incorrect(ETAG_MALFORMED, "If-Match is not a version", field="If-Match", hint='Write it as W/"3"')
    return int(wanted)


def _preference(request: Request) -> str:
    prefer = request.raw_headers.get(b"prefer", b"").decode("latin-1")
    for part in prefer.replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name == "return":
            return value.strip()
    return ""


def _version_headers(stored: Stored) -> HeaderPairs:
    return etag(stored.version), (b"last-modified", _http_date(stored.updated_us // 1_000_000))


@lru_cache(maxsize=1024)
def _http_date(moment_s: int) -> bytes:
    return formatdate(moment_s, usegmt=True).encode("ascii")
