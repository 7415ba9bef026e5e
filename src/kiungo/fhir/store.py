"""The FHIR server's services: what a call may do with the store, with authorisation, audit and paging.

Routes and the console call this; other domains use `repository` inside their own units of work.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.fhir import bundles, history
from kiungo.fhir.guard import admit, allow_search, authorise, may_read
from kiungo.fhir.model import Stored
from kiungo.fhir.packages.sources import Libraries
from kiungo.fhir.paging import Seal, link
from kiungo.fhir.references import localised
from kiungo.fhir.repository import Repository, type_id
from kiungo.fhir.search.asked import SEARCH_TOO_COSTLY, Params, Query
from kiungo.fhir.search.includes import included
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.select import Found, run, scope_of
from kiungo.fhir.subsets import members_of, part_of
from kiungo.fhir.terminology.service import Terminologies
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Database
from kiungo.kernel.database.unit import DATABASE_DEADLINE

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

SEARCH_DEADLINE_MS = 4_000


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page: matches, what was included, the total when asked for, and where the next page begins."""

    matches: tuple[Stored, ...]
    included: tuple[Stored, ...]
    truncated: bool
    total: int | None
    next: list[Any] | None


class Store:
    """Reads, searches and histories for callers; `repository` for writes inside a unit.

    `base_url` is the server's address, such as https://example.org/fhir; `link_key` seals page links.
    `reserved` names, for the identifier systems of records that callers only read, the API that writes them.
    """

    def __init__(
        self,
        database: Database,
        reads: Reads,
        *,
        base_url: str,
        link_key: bytes,
        reserved: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.database = database
        self.terminologies = Terminologies(database)
        self.repository = Repository(database.clock, self.terminologies.of)
        self.base_url = base_url.rstrip("/")
        self.reserved = reserved
        self.seal = Seal(link_key)
        self.libraries = Libraries(database, self.terminologies)
        self._reads = reads

    def settle(self, call: Call, query: Query) -> None:
        """Make a query mean what is stored, and refuse or narrow what the caller may not ask. Raises: Forbidden."""
        query.conditions[:] = [localised(condition, self.base_url) for condition in query.conditions]
        allow_search(call, query)

    def visible(self, call: Call, found: Iterable[Stored]) -> tuple[Stored, ...]:
        """The records of these that the caller may see; each is asked about by its own type."""
        principal = call.principal
        if not principal.bindings:
            return tuple(s for s in found if principal.grants.covers(f"system/{s.type}.r"))
        return tuple(s for s in found if may_read(call, s))

    def note(self, call: Call, action: str, type_name: str, found: Iterable[Stored]) -> None:
        """Audit a read: one entry for each person whose records were shown, or one when nobody's were."""
        seen = {stored.person: stored.id for stored in found}
        for person, logical_id in seen.items() or ((None, ""),):
            self._reads.note(call, action, type_name, logical_id if len(seen) == 1 else "", person)

    async def read(self, call: Call, type_name: str, logical_id: str) -> Stored:
        """The current version of a resource. Raises: NotFound, Forbidden."""
        admit(call)
        stored = await self.database.point_read(lambda unit: self.repository.read(unit, call, type_name, logical_id))
        authorise(call, "r", stored)
        self._reads.note(call, "read", type_name, logical_id, stored.person)
        return stored

    async def vread(self, call: Call, type_name: str, logical_id: str, version: int) -> Stored:
        """One version of a resource. Raises: NotFound, Forbidden."""
        admit(call)
        stored = await self.database.point_read(
            lambda unit: self.repository.vread(unit, call, type_name, logical_id, version)
        )
        self.refuse_hidden(call, stored)
        self._reads.note(call, "vread", type_name, logical_id, stored.person)
        return stored

    async def search(self, call: Call, type_name: str, params: Params, *, lenient: bool = False) -> bytes:
        """A page of a search as a Bundle; `lenient` leaves out unknown parameters and says so in the page.

        Raises: Incorrect (a parameter, SEARCH_TOO_COSTLY), Forbidden.
        """
        query, after = self._understood(call, type_name, params, lenient=lenient)
        try:
            page = await self.database.read_async(
                lambda unit: self._searched(unit, call, query, after), deadline_ms=SEARCH_DEADLINE_MS
            )
        except Unavailable as error:
            if error.code != DATABASE_DEADLINE:
                raise
            raise Incorrect(
                SEARCH_TOO_COSTLY,
                "The search needs more time than one search may take",
                hint="Add a more selective parameter (a patient, an identifier, a code) or drop _total and _sort",
            ) from error
        return self._rendered(call, query, page)

    def search_in(self, unit: "Unit", call: Call, type_name: str, params: Params) -> bytes:
        """The same inside a unit of work, for the GET entries of a bundle."""
        query, after = self._understood(call, type_name, params)
        return self._rendered(call, query, self._searched(unit, call, query, after))

    def _understood(
        self, call: Call, type_name: str, params: Params, *, lenient: bool = False
    ) -> tuple[Query, list[Any] | None]:
        type_id(type_name)
        query = parse_query(type_name, params, lenient=lenient)
        _members(query)  # refused before anything is asked
        self.settle(call, query)
        after = self.seal.open(call, type_name, query.text, query.cursor) if query.cursor else None
        return query, after

    def _searched(self, unit: "Unit", call: Call, query: Query, after: list[Any] | None) -> SearchPage:
        scope = scope_of(unit, call.tenant, query.type, self.repository.terminology(call.tenant))
        found: Found = run(unit, scope, query, after)
        matches = self.visible(call, found.resources)
        added: tuple[Stored, ...] = ()
        truncated = False
        if query.includes or query.revincludes:
            extra, truncated = included(unit, scope, query, matches)
            added = self.visible(call, extra)
        return SearchPage(matches, added, truncated, found.total, found.next)

    def _rendered(self, call: Call, query: Query, page: SearchPage) -> bytes:
        self.note(call, "search", query.type, (*page.matches, *page.included))
        address = f"{self.base_url}/{query.type}"
        links = [("self", link(address, query.text))]
        if page.next is not None:
            links.append(("next", link(address, query.text, self.seal.close(call, query.type, query.text, page.next))))
        kept = _members(query)
        entries = [bundles.search_entry(self.base_url, part_of(s, kept), b"match") for s in page.matches]
        entries += [bundles.search_entry(self.base_url, s, b"include") for s in page.included]
        if page.truncated:
            entries.append(bundles.remark_entry("incomplete", "More resources are included than one page may hold"))
        if query.ignored:
            names = ", ".join(query.ignored)
            entries.append(bundles.remark_entry("not-supported", f"Ignored, as unknown to {query.type}: {names}"))
        return bundles.bundle("searchset", entries, links=links, total=page.total)

    def refuse_hidden(self, call: Call, stored: Stored) -> None:
        """Refuse a version that the caller may not see: its record may be about another person now than then."""
        authorise(call, "r", stored)
        for own in self._owned(call, [stored]):
            authorise(call, "r", own)

    def _owned(self, call: Call, rows: list[Stored]) -> list[Stored]:
        """For a bound caller, each version with the person it was about itself, which its record may not be now."""
        if not call.principal.bindings:
            return rows
        return [stored if stored.type == "Patient" else history.with_own_person(stored) for stored in rows]

    async def history(self, call: Call, type_name: str | None, logical_id: str | None, params: Params) -> bytes:
        """Versions of a resource, a type or everything, newest first, as a Bundle. Raises: NotFound, Incorrect."""
        return await self.database.read_async(
            lambda unit: self.history_in(unit, call, type_name, logical_id, params),
            deadline_ms=SEARCH_DEADLINE_MS,
        )

    def history_in(
        self, unit: "Unit", call: Call, type_name: str | None, logical_id: str | None, params: Params
    ) -> bytes:
        """The same inside a unit of work."""
        admit(call)
        asked = history.parse_history(type_name or "Resource", params)
        query, moments = asked.query, asked.moments
        place = "/".join(part for part in (type_name, logical_id, "_history") if part)
        after = self.seal.open(call, place, query.text, query.cursor) if query.cursor else None
        position = (after[0], after[1], after[2]) if after and len(after) == 3 else None
        limit = query.count + 1
        if type_name is None:
            numbers = history.types_present(unit, call.tenant)
            rows = history.versions_of_all(unit, call.tenant, numbers, moments, position, limit)
        else:
            rid = None
            if logical_id is not None:
                current = self.repository.find(unit, call, type_name, logical_id)
                if current is None:
                    self.repository.read(unit, call, type_name, logical_id)  # says that it is not there
                else:
                    authorise(call, "r", current)
                    rid = current.rid
            rows = history.versions_of(unit, call.tenant, type_id(type_name), rid, moments, position, limit)
        shown = self.visible(call, self._owned(call, rows[: query.count]))
        self.note(call, "history", type_name or "*", shown)
        address = f"{self.base_url}/{place}"
        links = [("self", link(address, query.text))]
        if len(rows) > query.count and query.count:
            last = rows[query.count - 1]
            values = [last.updated_us, last.rid, last.version]
            links.append(("next", link(address, query.text, self.seal.close(call, place, query.text, values))))
        return bundles.bundle("history", [bundles.history_entry(self.base_url, s) for s in shown], links=links)


def _members(query: Query) -> frozenset[str] | None:
    """The members of each match that were asked for; a count shows no match at all."""
    return None if query.summary == "count" else members_of(query.type, query.text)
