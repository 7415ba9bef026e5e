"""The FHIR client, for threads and for the event loop: the calls of `calls.py` as methods."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import httpx

from kiungo.client.fhir.calls import FhirCalls, Query, Resource, Written
from kiungo.client.fhir.capabilities import Capabilities
from kiungo.client.fhir.credentials import Credentials
from kiungo.client.fhir.retries import Retries
from kiungo.client.steps import InThreads, OnLoop

TIMEOUT_S = 30.0


class FhirClient(InThreads):
    """A FHIR R4 server as methods.

    `checks` reads the server's CapabilityStatement once and refuses what the server does not offer, before it is
    sent. `http` is a client of the caller's own; it is not closed here.
    Raises (every call): RefusedByServer; Unavailable FHIR_SERVER_AWAY; Unsupported FHIR_NOT_OFFERED.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        checks: bool = True,
        retries: Retries | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(http, TIMEOUT_S)
        self._calls = FhirCalls(base_url, credentials, retries or Retries(), checks)

    def capabilities(self) -> Capabilities:
        """What the server says it can; read once."""
        return self._run(self._calls.capabilities())

    def read(self, type_name: str, id: str, *, version: str | None = None) -> Resource:
        """A resource, or one version of it."""
        return self._run(self._calls.read(type_name, id, version))

    def create(self, resource: Resource, *, if_none_exist: Query | None = None) -> Written:
        """A new resource; with a condition only when nothing matches, and otherwise what matched."""
        return self._run(self._calls.create(resource, if_none_exist))

    def update(self, resource: Resource, *, where: Query | None = None, if_match: str | None = None) -> Written:
        """The next version of the resource with this id, or of the only one that matches `where`."""
        return self._run(self._calls.update(resource, where, if_match))

    def patch(self, type_name: str, id: str, patch: object, *, if_match: str | None = None) -> Written:
        """Change parts: a list of JSON Patch operations, or a Parameters resource of FHIRPath Patch."""
        return self._run(self._calls.patch(type_name, id, patch, if_match))

    def delete(self, type_name: str, id: str | None = None, *, where: Query | None = None) -> None:
        """Delete a resource, or the one that matches `where`; deleting what is gone is no error."""
        self._run(self._calls.delete(type_name, id, where))

    def search(self, type_name: str, query: Query = ()) -> Iterator[Resource]:
        """Every match on every page; pages are fetched as they are needed."""
        for page in self.pages(type_name, query):
            yield from matches(page)

    def pages(self, type_name: str, query: Query = ()) -> Iterator[Resource]:
        """The pages of a search as Bundles, with what they include."""
        yield from self._follow(self._run(self._calls.search(type_name, query)))

    def history(self, type_name: str | None = None, id: str | None = None, query: Query = ()) -> Iterator[Resource]:
        """The entries of a history, newest first: of a resource, a type, or everything."""
        for page in self._follow(self._run(self._calls.history(type_name, id, query))):
            yield from page.get("entry", [])

    def transaction(self, entries: Iterable[Mapping[str, Any]]) -> list[Resource]:
        """Entries that are all done or none; returns the answers' entries in the same order."""
        return self._run(self._calls.bundle("transaction", entries))

    def batch(self, entries: Iterable[Mapping[str, Any]]) -> list[Resource]:
        """Entries that stand alone; each answer says how its own went."""
        return self._run(self._calls.bundle("batch", entries))

    def operation(
        self,
        name: str,
        type_name: str | None = None,
        id: str | None = None,
        *,
        given: Resource | None = None,
        query: Query = (),
    ) -> Resource:
        """Call `$name` on the server, a type or a resource; `given` is posted, without it the call is a GET."""
        return self._run(self._calls.operation(name, type_name, id, given, query))

    def _follow(self, page: Resource | None) -> Iterator[Resource]:
        while page is not None:
            yield page
            page = self._run(self._calls.page_after(page))


class AsyncFhirClient(OnLoop):
    """The same for the event loop; see `FhirClient` for each method."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        checks: bool = True,
        retries: Retries | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(http, TIMEOUT_S)
        self._calls = FhirCalls(base_url, credentials, retries or Retries(), checks)

    async def capabilities(self) -> Capabilities:
        """See `FhirClient.capabilities`."""
        return await self._run(self._calls.capabilities())

    async def read(self, type_name: str, id: str, *, version: str | None = None) -> Resource:
        """See `FhirClient.read`."""
        return await self._run(self._calls.read(type_name, id, version))

    async def create(self, resource: Resource, *, if_none_exist: Query | None = None) -> Written:
        """See `FhirClient.create`."""
        return await self._run(self._calls.create(resource, if_none_exist))

    async def update(self, resource: Resource, *, where: Query | None = None, if_match: str | None = None) -> Written:
        """See `FhirClient.update`."""
        return await self._run(self._calls.update(resource, where, if_match))

    async def patch(self, type_name: str, id: str, patch: object, *, if_match: str | None = None) -> Written:
        """See `FhirClient.patch`."""
        return await self._run(self._calls.patch(type_name, id, patch, if_match))

    async def delete(self, type_name: str, id: str | None = None, *, where: Query | None = None) -> None:
        """See `FhirClient.delete`."""
        await self._run(self._calls.delete(type_name, id, where))

    async def search(self, type_name: str, query: Query = ()) -> AsyncIterator[Resource]:
        """See `FhirClient.search`."""
        async for page in self.pages(type_name, query):
            for match in matches(page):
                yield match

    async def pages(self, type_name: str, query: Query = ()) -> AsyncIterator[Resource]:
        """See `FhirClient.pages`."""
        async for page in self._follow(await self._run(self._calls.search(type_name, query))):
            yield page

    async def history(
        self, type_name: str | None = None, id: str | None = None, query: Query = ()
    ) -> AsyncIterator[Resource]:
        """See `FhirClient.history`."""
        async for page in self._follow(await self._run(self._calls.history(type_name, id, query))):
            for entry in page.get("entry", []):
                yield entry

    async def transaction(self, entries: Iterable[Mapping[str, Any]]) -> list[Resource]:
        """See `FhirClient.transaction`."""
        return await self._run(self._calls.bundle("transaction", entries))

    async def batch(self, entries: Iterable[Mapping[str, Any]]) -> list[Resource]:
        """See `FhirClient.batch`."""
        return await self._run(self._calls.bundle("batch", entries))

    async def operation(
        self,
        name: str,
        type_name: str | None = None,
        id: str | None = None,
        *,
        given: Resource | None = None,
        query: Query = (),
    ) -> Resource:
        """See `FhirClient.operation`."""
        return await self._run(self._calls.operation(name, type_name, id, given, query))

    async def _follow(self, page: Resource | None) -> AsyncIterator[Resource]:
        while page is not None:
            yield page
            page = await self._run(self._calls.page_after(page))


def matches(bundle: Resource) -> list[Resource]:
    """The resources of a page that matched, without what was included with them."""
    entries = bundle.get("entry", [])
    return [e["resource"] for e in entries if e.get("search", {}).get("mode", "match") == "match" and "resource" in e]
