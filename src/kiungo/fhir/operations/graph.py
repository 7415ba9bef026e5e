"""$graph: a resource and everything a GraphDefinition reaches from it.

Every step reads or searches as the caller would, so nothing is reached that may not be read.
Source: FHIR R4 Resource-graph, GraphDefinition.
"""

from typing import Any
from urllib.parse import parse_qsl

from kiungo.base.errors import Incorrect, NotFound, define
from kiungo.fhir import bundles
from kiungo.fhir.compartments import referred
from kiungo.fhir.fhirpath import Node, compile
from kiungo.fhir.model import Stored
from kiungo.fhir.operations.parameters import arguments, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, Place
from kiungo.fhir.outcome import FHIR_JSON
from kiungo.fhir.store import SEARCH_DEADLINE_MS, Store
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http import Request, Response

GRAPH_TOO_LARGE = define("GRAPH_TOO_LARGE", Incorrect, "A graph reaches more than one answer may hold.", http=422)
GRAPH_UNKNOWN = define("GRAPH_UNKNOWN", NotFound, "There is no such GraphDefinition.")
RESOURCES_MAX = 1_000
DEPTH_MAX = 6


async def graph(store: Store, request: Request, place: Place) -> Response:
    """The resources of the graph, the start first."""
    asked = arguments(request, ("graph",))
    call = request.call
    start = await store.read(call, place.type, place.id)
    definition = await _definition(store, call, asked.need("graph"))
    if definition.get("start") != place.type:
        raise wrong("graph", f"starts at {definition.get('start')}, not at {place.type}", "Name a graph for this type")
    walk = _Walk(store, call)
    walk.found[start.type, start.id] = start
    await walk.follow(start, definition.get("link", []), 0)
    entries = [bundles.search_entry(store.base_url, stored, b"match") for stored in walk.found.values()]
    return Response(200, bundles.bundle("searchset", entries, total=len(entries)), media_type=FHIR_JSON)


async def _definition(store: Store, call: Call, named: str) -> dict[str, Any]:
    require(call.principal, "system/GraphDefinition.r")
    if "://" not in named:
        stored = await store.read(call, "GraphDefinition", named.removeprefix("GraphDefinition/"))
        found: dict[str, Any] = json.loads(stored.body)
        return found
    page = json.loads(await store.search(call, "GraphDefinition", [("url", named.replace(",", "\\,"))]))
    if not page.get("entry"):
        raise NotFound(
            GRAPH_UNKNOWN, f"There is no GraphDefinition {named[:200]}", field="graph", hint="Store it first"
        )
    resource: dict[str, Any] = page["entry"][0]["resource"]
    return resource


class _Walk:
    """The resources found so far."""

    def __init__(self, store: Store, call: Call) -> None:
        self._store = store
        self._call = call
        self.found: dict[tuple[str, str], Stored] = {}

    async def follow(self, stored: Stored, links: list[dict[str, Any]], depth: int) -> None:
        """Everything the links reach from one resource."""
        if links and depth >= DEPTH_MAX:
            raise _too_large(f"goes deeper than {DEPTH_MAX} steps")
        for link in links:
            for target in link.get("target", []):
                reached = await self._reached(stored, link, target)
                for one in reached:
                    is_new = (one.type, one.id) not in self.found
                    self.found.setdefault((one.type, one.id), one)
                    if len(self.found) > RESOURCES_MAX:
                        raise _too_large(f"reaches more than {RESOURCES_MAX} resources")
                    if is_new:
                        await self.follow(one, target.get("link", []), depth + 1)

    async def _reached(self, stored: Stored, link: dict[str, Any], target: dict[str, Any]) -> list[Stored]:
        wanted = target.get("type", "")
        if "params" in target:
            return await self._searched(stored, wanted, target["params"])
        path = link.get("path")
        if not path:
            return []
        named = [_reference(item) for item in compile(path)(json.loads(stored.body))]
        texts = [text for text in named if wanted in ("", "Resource") or text.startswith(wanted + "/")]
        found = await self._store.database.read_async(
            lambda unit: referred(unit, self._call.tenant, texts, limit=RESOURCES_MAX), deadline_ms=SEARCH_DEADLINE_MS
        )
        shown = list(self._store.visible(self._call, found))
        if shown:
            self._store.note(self._call, "graph", stored.type, shown)
        return shown

    async def _searched(self, stored: Stored, wanted: str, params: str) -> list[Stored]:
        """What refers back: the search of the definition with `{ref}` as this resource."""
        require(self._call.principal, f"system/{wanted}.s")
        pairs = parse_qsl(params.replace("{ref}", f"{stored.type}/{stored.id}"))
        page = json.loads(await self._store.search(self._call, wanted, [*pairs, ("_count", str(RESOURCES_MAX))]))
        found = []
        for entry in page.get("entry", []):
            resource = entry["resource"]
            if entry["search"]["mode"] == "match":
                found.append(Stored(wanted, resource["id"], 0, 0, json.dumps(resource)))
        return found


def _reference(item: object) -> str:
    if isinstance(item, Node) and isinstance(item.value, dict):
        return str(item.value.get("reference", ""))
    return item.value if isinstance(item, Node) and isinstance(item.value, str) else ""


def _too_large(problem: str) -> Incorrect:
    return Incorrect(GRAPH_TOO_LARGE, f"The graph {problem}", field="graph", hint="Use a narrower GraphDefinition")


OPERATIONS.add(Operation("graph", f"{DEFINITIONS}Resource-graph", graph, frozenset({"instance"})))
