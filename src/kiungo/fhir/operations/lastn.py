"""$lastn: the newest observations of each code.

Source: FHIR R4 Observation-lastn.
"""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kiungo.fhir import bundles
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.operations.parameters import Arguments, arguments, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, Place
from kiungo.fhir.outcome import FHIR_JSON
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.http import Request, Response

MAX_MOST = 100
READ_MAX = 5_000
PAGE = 500
OWN = frozenset({"max", "_count"})


async def lastn(store: Store, request: Request, place: Place) -> Response:
    """At most `max` (else one) of each code, newest first, among those that the other parameters select."""
    allowed = {name.partition(":")[0] for name, _ in request.query} & set(parameters_of("Observation"))
    names = {name for name, _ in request.query if name.partition(":")[0] in allowed}
    asked = arguments(request, {*OWN, *parameters_of("Observation"), *names})
    wanted = _selected(asked)
    most = min(asked.number("max") or 1, MAX_MOST)
    found, is_cut = await _newest(store, request, wanted, most)
    entries = [
        b'{"fullUrl":"%b","resource":%b,"search":{"mode":"match"}}'
        % (f"{store.base_url}/Observation/{item['id']}".encode(), json.dumps(item))
        for item in found
    ]
    if is_cut:
        entries.append(
            bundles.remark_entry("incomplete", f"Only the newest {READ_MAX} observations were looked at; name a code")
        )
    return Response(200, bundles.bundle("searchset", entries, total=len(found)), media_type=FHIR_JSON)


def _selected(asked: Arguments) -> list[tuple[str, str]]:
    wanted = [(name, str(value)) for name in asked.names() if name not in OWN for value in asked.all(name)]
    codes = {name.partition(":")[0].partition(".")[0] for name, _ in wanted}
    if not codes & {"patient", "subject"}:
        raise wrong("patient", "is missing", "Name whose observations: patient=ID or subject=Group/ID")
    if not codes & {"code", "category"}:
        raise wrong("category", "is missing", "Name a category or a code")
    return wanted


async def _newest(
    store: Store, request: Request, wanted: list[tuple[str, str]], most: int
) -> tuple[list[dict[str, Any]], bool]:
    """The newest of each code, and whether the search ended before all were read."""
    kept: list[dict[str, Any]] = []
    groups: dict[tuple[str, str], int] = {}  # a coding to its group: concepts that share a coding are one code
    sizes: list[int] = []
    params: list[tuple[str, str]] | None = [*wanted, ("_sort", "-date"), ("_count", str(PAGE))]
    read = 0
    while params is not None and read < READ_MAX:
        page = json.loads(await store.search(request.call, "Observation", params))
        for entry in page.get("entry", []):
            resource = entry["resource"]
            if entry["search"]["mode"] != "match":
                continue
            group = _group(resource, groups, sizes)
            if sizes[group] < most:
                sizes[group] += 1
                kept.append(resource)
        read += PAGE
        following = next((x["url"] for x in page["link"] if x["relation"] == "next"), None)
        params = parse_qsl(urlsplit(following).query, keep_blank_values=True) if following else None
    return kept, params is not None


def _group(resource: dict[str, Any], groups: dict[tuple[str, str], int], sizes: list[int]) -> int:
    concept = resource.get("code", {})
    codings = [(c.get("system", ""), c["code"]) for c in concept.get("coding", ()) if "code" in c]
    codings = codings or [("", concept.get("text", ""))]
    number = next((groups[coding] for coding in codings if coding in groups), len(sizes))
    if number == len(sizes):
        sizes.append(0)
    groups.update(dict.fromkeys(codings, number))
    return number


OPERATIONS.add(
    Operation(
        "lastn", f"{DEFINITIONS}Observation-lastn", lastn, frozenset({"type"}), ("Observation",), interactions="rs"
    )
)
