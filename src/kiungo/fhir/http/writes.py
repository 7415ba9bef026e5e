"""The handlers that change something: create, update, delete and bundles, each in one unit of work."""

import asyncio
from typing import TYPE_CHECKING

from kiungo.base.errors import Conflict, Incorrect
from kiungo.fhir.guard import admit, may_read
from kiungo.fhir.http.calls import call_all
from kiungo.fhir.http.headers import if_match, if_none_match_any, version_headers
from kiungo.fhir.http.negotiation import Handler, received
from kiungo.fhir.http.preferences import preferences
from kiungo.fhir.interactions.bundle_parts import understand
from kiungo.fhir.interactions.patching import Patch, parse_patch, patched, target, write_patched
from kiungo.fhir.interactions.transaction import Runner
from kiungo.fhir.interactions.writing import create, put, refuse_existing, remove, remove_all
from kiungo.fhir.model import RESOURCE_ID_WRONG, RESOURCE_TYPE_WRONG, VERSION_CONFLICT, Prepared, Stored
from kiungo.fhir.outcome import FHIR_JSON, all_well
from kiungo.fhir.packages.enforcing import conform, conform_entries
from kiungo.fhir.prepare import prepare
from kiungo.fhir.references import rewritten
from kiungo.fhir.search.asked import Params
from kiungo.fhir.store import Store
from kiungo.kernel.http import Request, Response
from kiungo.kernel.http.etags import etag
from kiungo.kernel.http.messages import parse_query

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

# How often a patch is tried again when others change the resource meanwhile.
PATCH_TRIES_MAX = 5
LARGE_BYTES = 64 * 1024


class WriteApi:
    """The handlers."""

    def __init__(self, store: Store, metadata: Handler) -> None:
        self._store = store
        self._metadata = metadata

    async def create(self, type_name: str, request: Request) -> Response:
        """A new resource; with If-None-Exist only when nothing matches."""
        prepared = await self._received(type_name, request, None)
        condition = request.raw_headers.get(b"if-none-exist")
        params: Params | None = parse_query(condition.removeprefix(b"?")) if condition is not None else None

        def work(unit: "Unit") -> Response:
            stored = create(self._store, unit, request.call, prepared, params)
            return self.written(request, stored, 201 if stored.created else 200)

        return await request.write(work, brief=params is None and not is_large(request))

    async def update(self, type_name: str, request: Request) -> Response:
        """A new version, or a new resource under the caller's id; also by condition."""
        logical_id = request.params.get("id")
        prepared = await self._received(type_name, request, logical_id)
        condition = None if logical_id is not None else request.query
        wanted, only_new = if_match(request), if_none_match_any(request)
        if logical_id is not None and prepared.body_id is None:
            raise Incorrect(
                RESOURCE_ID_WRONG, "The resource has no id", field="id", hint=f"Put the address's id in: {logical_id}"
            )

        def work(unit: "Unit") -> Response:
            if only_new:
                refuse_existing(self._store, unit, request.call, type_name, logical_id)
            stored = put(self._store, unit, request.call, prepared, logical_id, condition, wanted)
            return self.written(request, stored, 201 if stored.created else 200)

        return await request.write(work, brief=condition is None and not is_large(request))

    async def patch(self, type_name: str, request: Request) -> Response:
        """Change parts of a resource: decided on what is read before, written only if that is still current."""
        admit(request.call)
        kept = await request.kept()
        if kept is not None:
            return kept
        logical_id, wanted = request.params.get("id"), if_match(request)
        condition = None if logical_id is not None else request.query
        patch = parse_patch(request.headers.get("content-type", ""), request.body)
        for _ in range(PATCH_TRIES_MAX - 1):
            try:
                return await self._patched(type_name, request, patch, logical_id, condition, wanted)
            except Conflict as error:
                if error.code != VERSION_CONFLICT or wanted:
                    raise
        return await self._patched(type_name, request, patch, logical_id, condition, wanted)

    async def _patched(
        self,
        type_name: str,
        request: Request,
        patch: Patch,
        logical_id: str | None,
        condition: Params | None,
        wanted: int | None,
    ) -> Response:
        store, call = self._store, request.call
        current = await store.database.read_async(
            lambda unit: target(store, unit, call, type_name, logical_id, condition)
        )
        prepared = await asyncio.to_thread(patched, store, call, current, patch)
        version = wanted or current.version

        def work(unit: "Unit") -> Response:
            return self.written(request, write_patched(store, unit, call, prepared, version), 200)

        return await request.write(work)

    async def delete(self, type_name: str, request: Request) -> Response:
        """Deleting what is not there is no error; a condition with `_count` deletes as many as that."""
        logical_id = request.params.get("id")
        condition = None if logical_id is not None else request.query
        wanted = if_match(request)
        says = preferences(request.raw_headers.get(b"prefer")).returned == "OperationOutcome"

        def work(unit: "Unit") -> Response:
            if condition is not None and any(name == "_count" for name, _ in condition):
                count = remove_all(self._store, unit, request.call, type_name, condition)
                return Response(200, all_well(f"{count} {type_name} deleted"), media_type=FHIR_JSON)
            gone = remove(self._store, unit, request.call, type_name, logical_id, condition, wanted)
            headers = (etag(gone.version),) if gone else ()
            if not says:
                return Response(204, b"", headers, media_type=FHIR_JSON)
            told = f"{type_name} deleted, version {gone.version}" if gone else f"There was no such {type_name}"
            return Response(200, all_well(told), headers, media_type=FHIR_JSON)

        return await request.write(work)

    async def bundle(self, request: Request) -> Response:
        """A batch or transaction; parsed and prepared in a thread, decided in one unit of work."""
        admit(request.call)
        body = await asyncio.to_thread(received, request)
        work = await asyncio.to_thread(understand, self._store, body)
        await asyncio.to_thread(conform_entries, self._store.libraries, request.call.tenant, work)
        kept = await request.kept() if work.calls else None
        if kept is not None:
            return kept
        called = await call_all(self._store, request, work, self._metadata)
        runner = Runner(self._store, request.call, returned=preferences(request.raw_headers.get(b"prefer")).returned)

        def run(unit: "Unit") -> Response:
            return Response(200, runner.run(unit, work, called), media_type=FHIR_JSON)

        return await request.write(run)

    async def _received(self, type_name: str, request: Request, logical_id: str | None) -> Prepared:
        """The body, prepared; a large one in a thread, where it holds up nobody. Raises: as `_prepared`."""
        if is_large(request):
            return await asyncio.to_thread(self._prepared, type_name, request, logical_id)
        return self._prepared(type_name, request, logical_id)

    def _prepared(self, type_name: str, request: Request, logical_id: str | None) -> Prepared:
        """The body, prepared; its references to this server are relative. Raises: Incorrect."""
        prepared = prepare(rewritten(received(request), {}, self._store.base_url), id=logical_id)
        if prepared.type != type_name:
            raise Incorrect(
                RESOURCE_TYPE_WRONG,
                f"A {prepared.type} cannot be written as {type_name}",
                field="resourceType",
                hint=f"Send it to /fhir/{prepared.type}",
            )
        conform(self._store.libraries, request.call.tenant, prepared)
        return prepared

    def written(self, request: Request, stored: Stored, status: int) -> Response:
        """The answer to a write: what the caller prefers to see of it, and no more than it may read."""
        base, headers = self._store.base_url, version_headers(stored)
        if status == 201 or request.method == "POST":
            location = f"{base}/{stored.type}/{stored.id}/_history/{stored.version}".encode()
            headers = (*headers, (b"location", location))
        returned = preferences(request.raw_headers.get(b"prefer")).returned
        if returned == "minimal" or (stored.is_found and not may_read(request.call, stored)):
            body = b""
        elif returned == "OperationOutcome":
            body = all_well(f"{stored.type} {stored.outcome}, version {stored.version}")
        else:
            body = stored.body
            if stored.is_found:
                self._store.note(request.call, "read", stored.type, (stored,))
        return Response(status, body, headers, media_type=FHIR_JSON)


def is_large(request: Request) -> bool:
    """Whether preparing and writing the body takes longer than other requests should wait."""
    return len(request.body) > LARGE_BYTES
