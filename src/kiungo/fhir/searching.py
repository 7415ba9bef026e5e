"""Searches of one type, of several, and of a compartment: understood, run and rendered as a page.

Source: FHIR R4 3.1.1 (search), 3.1.0.9 (search across types), 3.1.1.1 (compartments).
"""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect, NotFound, Unavailable
from kiungo.fhir import bundles, history
from kiungo.fhir.definitions import compartment, type_ids, type_names
from kiungo.fhir.guard import admit
from kiungo.fhir.model import RESOURCE_TYPE_UNKNOWN, Stored
from kiungo.fhir.paging import link
from kiungo.fhir.repository import type_id
from kiungo.fhir.search.asked import (
    SEARCH_INDEX_BUILDING,
    SEARCH_NOT_SUPPORTED,
    SEARCH_VALUE_WRONG,
    AnyOf,
    Condition,
    Params,
    Predicate,
    Query,
    Value,
)
from kiungo.fhir.search.explain import explain
from kiungo.fhir.search.grammar import get_parameter
from kiungo.fhir.search.includes import included
from kiungo.fhir.search.known import is_negating
from kiungo.fhir.search.matching import Scope
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.select import Found, run, scope_of
from kiungo.fhir.subsets import members_of, part_of
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.fhir.store import Store
    from kiungo.kernel.database import Unit

COMPARTMENTS = ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")
SHARED_SORTS = frozenset({"_lastUpdated", "_id"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search was asked: at a type, at the whole server (`type` None), or in a resource's compartment.

    Shapes: `owner` is ("Patient", "42") for /fhir/Patient/42/Observation and /fhir/Patient/42/*.
    """

    type: str | None
    owner: tuple[str, str] | None = None

    @property
    def only_type(self) -> str | None:
        """The type that alone is searched, and throughout; None for any other search."""
        return self.type if self.owner is None and self.type in type_ids() else None

    @property
    def path(self) -> str:
        """The address below the server's own, as page links have it."""
        parts = (*(self.owner or ()), self.type or ("*" if self.owner else ""))
        return "/".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Asked:
    """A search that was understood: one query for each type, all of the same parameters; none where no type is left.

    Shapes: `first` is the query whose result parameters hold for all.
    """

    place: Place
    queries: tuple[Query, ...]
    first: Query
    text: list[tuple[str, str]]
    after: list[Any] | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page: matches, what was included, the total when asked for, and where the next page begins."""

    matches: tuple[Stored, ...]
    included: tuple[Stored, ...]
    truncated: bool
    total: int | None
    next: list[Any] | None
    plan: list[dict[str, Any]] = field(default_factory=list)


Answer = tuple[Asked, SearchPage]


def understand(
    store: "Store", unit: "Unit", call: Call, place: Place, params: Params, *, lenient: bool = False
) -> Asked:
    """Read a search and decide what of it the caller may ask.

    Raises: Incorrect (a parameter), Forbidden, NotFound (a type, one outside the compartment).
    """
    admit(call)
    types, rest = _types(unit, call, place, params)
    is_one = place.type is not None
    known = store.repository.own.known(unit, call.tenant)
    queries: list[Query] = []
    for name in types:
        query = parse_query(name, rest, lenient=lenient, is_one=is_one, known=known)
        _members(query)  # refused before anything is asked
        if place.owner is not None:
            query.conditions.append(_inside(place.owner, name))
        _refuse_wider(query)
        store.settle(call, query)
        queries.append(query)
    if not is_one:
        _refuse_unshared_sorts(queries)
    first = queries[0] if queries else parse_query("Basic", [(n, v) for n, v in rest if n in ("_count", "_cursor")])
    text = [(name, value) for name, value in params if name != "_cursor" and name not in first.ignored]
    after = store.seal.open(call, place.path, text, first.cursor) if first.cursor else None
    return Asked(place, tuple(queries), first, text, after)


def _types(unit: "Unit", call: Call, place: Place, params: Params) -> tuple[list[str], Params]:
    """The types a search looks at: those it names, which the caller must be allowed, or those it is allowed."""
    if place.owner is not None and place.owner[0] not in COMPARTMENTS:
        raise NotFound(RESOURCE_TYPE_UNKNOWN, f"There is no compartment of a {place.owner[0]}", hint="See /metadata")
    if place.type is not None:
        type_id(place.type)
        if place.owner is not None and place.type not in _members_of(place.owner[0]):
            raise NotFound(
                RESOURCE_TYPE_UNKNOWN,
                f"No {place.type} is in the compartment of a {place.owner[0]}",
                hint="Search the type itself",
            )
        require(call.principal, f"system/{place.type}.s")
        return [place.type], params
    wanted = [part for name, value in params if name == "_type" for part in value.split(",") if part]
    rest = [(name, value) for name, value in params if name != "_type"]
    unknown = [name for name in wanted if name not in type_ids()]
    if unknown:
        raise Incorrect(
            SEARCH_VALUE_WRONG,
            f"_type names {unknown[0][:40]!r}, which is no resource type",
            field="_type",
            hint="Write _type=Patient,Observation",
        )
    for name in wanted:
        require(call.principal, f"system/{name}.s")
    if not wanted:
        present = [type_names()[number] for number in history.types_present(unit, call.tenant)]
        wanted = [name for name in present if call.principal.grants.covers(f"system/{name}.s")]
    if place.owner is not None:
        wanted = [name for name in wanted if name in _members_of(place.owner[0])]
    return list(dict.fromkeys(wanted)), rest


def _members_of(owner: str) -> frozenset[str]:
    return frozenset(compartment(owner)) | {owner}


def _inside(owner: tuple[str, str], type_name: str) -> Condition:
    """That a resource is in a compartment: it refers to the owner by one of the parameters that say so."""
    value = Value("", ("/".join(owner),))
    found: list[Condition] = [
        Predicate(get_parameter(type_name, code), "", (value,)) for code in compartment(owner[0]).get(type_name, ())
    ]
    if type_name == owner[0]:
        found.append(Predicate(get_parameter(type_name, "_id"), "", (Value("", (owner[1],)),)))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def _refuse_wider(query: Query) -> None:
    """A negation over an index that is still being built would show more than matches. Raises: Unavailable."""
    if query.unfinished and any(is_negating(condition) for condition in query.conditions):
        raise Unavailable(
            SEARCH_INDEX_BUILDING,
            f"The index of {', '.join(query.unfinished)} is still being built, so a negation would find too much",
            hint="Ask without :not, :not-in, :missing and not, or try again when it is ready",
            retry_after_s=10,
        )


def _refuse_unshared_sorts(queries: list[Query]) -> None:
    for key in queries[0].sort if queries else ():
        if key.parameter.code not in SHARED_SORTS:
            raise Incorrect(
                SEARCH_NOT_SUPPORTED,
                "A search across types is sorted by _lastUpdated or _id only",
                field="_sort",
                hint="Search one type to sort by its parameters",
            )


def search_usual(store: "Store", unit: "Unit", call: Call, place: Place, params: Params) -> Answer | None:
    """Understand and run a search by the statement that is kept of its form; None where that is not possible.

    Only for callers without bindings, who see every record of a type that they may read.
    Raises: Forbidden.
    """
    name = place.only_type
    if name is None or call.principal.bindings:
        return None
    if store.repository.own.known(unit, call.tenant).building:
        return None
    found = store.forms.find(unit, Scope(call.tenant, name, unit.engine, unit.now_us, None, store.counts), params)
    if found is None:
        return None
    require(call.principal, f"system/{name}.s")
    usual, values = found
    page = usual.run(unit, values)
    matches = store.visible(call, page.resources)
    asked = Asked(place, (usual.query,), usual.query, list(params), None)
    return asked, SearchPage(matches, (), False, None, page.next)


def search(store: "Store", unit: "Unit", call: Call, asked: Asked) -> SearchPage:
    """Run an understood search; what the caller may not read is left out."""
    terminology = store.repository.terminology(call.tenant)
    queries = asked.queries
    if not queries:
        return SearchPage((), (), False, 0, None)
    found = [
        run(unit, scope_of(unit, call.tenant, query.type, terminology, store.counts), query, asked.after)
        for query in queries
    ]
    together = found[0] if len(found) == 1 else _merged(asked.first, found)
    matches = store.visible(call, together.resources)
    added: tuple[Stored, ...] = ()
    truncated = False
    if asked.first.includes or asked.first.revincludes:
        scope = scope_of(unit, call.tenant, asked.first.type, terminology)
        extra, truncated = included(unit, scope, asked.first, matches, partial(store.visible, call))
        added = tuple(extra)
    plan: list[dict[str, Any]] = []
    if asked.first.explain:
        for query in queries:
            plan += explain(unit, scope_of(unit, call.tenant, query.type, terminology), query)
    return SearchPage(matches, added, truncated, together.total, together.next, plan)


def _merged(query: Query, parts: list[Found]) -> Found:
    """Pages of several types as one: the nearest of all by the values they are ordered by."""
    directions = [key.descending for key in query.sort] or [True]
    rows = [(key, stored) for part in parts for key, stored in zip(part.keys, part.resources, strict=True)]
    for place, down in reversed([*enumerate(directions), (len(directions), directions[-1])]):  # the row id is last
        rows.sort(key=lambda row: row[0][place], reverse=down)
    page = rows[: query.count]
    more = len(rows) > query.count or any(part.next is not None for part in parts)
    totals = [part.total for part in parts if part.total is not None]
    return Found(
        tuple(stored for _, stored in page),
        page[-1][0] if more and page else None,
        sum(totals) if totals else None,
        tuple(key for key, _ in page),
    )


def rendered(store: "Store", call: Call, asked: Asked, page: SearchPage) -> bytes:
    """A page as a searchset Bundle, noted as a read of whom it shows."""
    place, query = asked.place, asked.first
    store.note(call, "search", place.type or "*", (*page.matches, *page.included))
    address = f"{store.base_url}/{place.path}".rstrip("/")
    links = [("self", link(address, asked.text))]
    if page.next is not None:
        links.append(("next", link(address, asked.text, store.seal.close(call, place.path, asked.text, page.next))))
    kept = {query.type: _members(query) for query in asked.queries}
    entries = [bundles.search_entry(store.base_url, part_of(s, kept.get(s.type)), b"match") for s in page.matches]
    entries += [bundles.search_entry(store.base_url, s, b"include") for s in page.included]
    if page.truncated:
        entries.append(bundles.remark_entry("incomplete", "More resources belong here than a page holds, or follows"))
    if query.ignored:
        names = ", ".join(query.ignored)
        entries.append(bundles.remark_entry("not-supported", f"Ignored, as unknown to {query.type}: {names}"))
    if query.unfinished:
        told = ", ".join(f"{code} ({percent} %)" for code, percent in query.unfinished.items())
        text = f"Matches may be missing: an index is still being built, for {told}"
        entries.append(bundles.remark_entry("incomplete", text))
    if page.plan:
        entries.append(bundles.outcome_entry(page.plan))
    return bundles.bundle("searchset", entries, links=links, total=page.total)


def _members(query: Query) -> frozenset[str] | None:
    """The members of each match that were asked for; a count shows no match at all."""
    return None if query.summary == "count" else members_of(query.type, query.text)
