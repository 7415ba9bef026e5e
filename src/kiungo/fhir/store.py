"""The FHIR server's services: what a call may do with the store, with authorisation, audit and paging.

Routes and the console call this; other domains use `repository` inside their own units of work.
"""

from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.fhir import bundles, history, searching
from kiungo.fhir.guard import admit, allow_search, authorise, may_read
from kiungo.fhir.model import Stored
from kiungo.fhir.pace import Pace
from kiungo.fhir.packages.sources import Libraries
from kiungo.fhir.paging import Seal, link
from kiungo.fhir.references import localised
from kiungo.fhir.repository import Repository, type_id
from kiungo.fhir.search.asked import SEARCH_TOO_COSTLY, Params, Query
from kiungo.fhir.search.counts import Counts
from kiungo.fhir.search.usual import Forms
from kiungo.fhir.terminology.service import Terminologies
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Database
from kiungo.kernel.database.unit import DATABASE_DEADLINE

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

SEARCH_DEADLINE_MS = 4_000


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
        self.counts = Counts()
        self.forms = Forms()
        self._pace = Pace(database)

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

    async def search(
        self,
        call: Call,
        type_name: str | None,
        params: Params,
        *,
        owner: tuple[str, str] | None = None,
        lenient: bool = False,
    ) -> bytes:
        """A page of a search as a Bundle; `lenient` leaves out unknown parameters and says so in the page.

        Without a type it goes across types; `owner` keeps it in that resource's compartment.
        Raises: Incorrect (a parameter, SEARCH_TOO_COSTLY), Forbidden, NotFound.
        """
        place = searching.Place(type_name, owner)

        def look(unit: "Unit") -> searching.Answer:
            answer = searching.search_usual(self, unit, call, place, params)
            if answer is not None:
                return answer
            asked = searching.understand(self, unit, call, place, params, lenient=lenient)
            return asked, searching.search(self, unit, call, asked)

        shape = _shape(call, place, params)
        if self.database.engine == "postgresql" and self.forms.has(call.tenant, place.only_type, params):
            # A transaction around it would be two more round trips.
            answer = await self._pace.try_statement(
                shape, lambda unit: searching.search_usual(self, unit, call, place, params)
            )
            if answer is not None:
                return searching.rendered(self, call, *answer)
        try:
            asked, page = await self._pace.read(shape, look, deadline_ms=SEARCH_DEADLINE_MS)
        except Unavailable as error:
            if error.code != DATABASE_DEADLINE:
                raise
            raise Incorrect(
                SEARCH_TOO_COSTLY,
                "The search needs more time than one search may take",
                hint="Add a more selective parameter (a patient, an identifier, a code) or drop _total and _sort",
            ) from error
        return searching.rendered(self, call, asked, page)

    def search_in(
        self,
        unit: "Unit",
        call: Call,
        type_name: str | None,
        params: Params,
        owner: tuple[str, str] | None = None,
    ) -> bytes:
        """The same inside a unit of work, for the GET entries of a bundle."""
        asked = searching.understand(self, unit, call, searching.Place(type_name, owner), params)
        return searching.rendered(self, call, asked, searching.search(self, unit, call, asked))

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


def _shape(call: Call, place: searching.Place, params: Params) -> Hashable:
    """What searches of one cost have in common: everything but their values."""
    return call.tenant, place.type, place.owner is None, tuple(name for name, _ in params)
