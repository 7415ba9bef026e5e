"""Search: any type, any parameters as in the API, one page at a time, with the plan when it is asked for."""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from kiungo.base.errors import KiungoError
from kiungo.console.fhir.frame import HOME, Json, address_of, known_type, told
from kiungo.console.fhir.printed import name_of
from kiungo.console.visit import Visit
from kiungo.fhir.capability import searchable
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.auth import require
from kiungo.kernel.http import Response
from kiungo.kernel.http.messages import parse_query

SHOWN: Final = 20
QUICK: Final = ("Patient", "Encounter", "Observation", "Condition", "Claim", "Coverage", "Appointment", "Practitioner")
KINDS: Final = {"plan": "Plan", "rewritten": "Rewritten", "advice": "Advice", "sql": "SQL"}
_READABLE: Final = "=&:/|,.-_$*~+%;@!()"


async def show_search(store: Store, visit: Visit) -> Response:
    """The form, and what it finds."""
    query = visit.query
    type_name, text = query.get("type", ""), query.get("q", "")
    context: Json = {
        "type": type_name,
        "q": text,
        "explain": bool(query.get("explain")),
        "types": resource_types(),
        "quick": [name for name in QUICK if visit.can(f"system/{name}.s")],
        "parameters": [],
        "problem": "",
        "rows": [],
        "told": [],
        "kinds": KINDS,
        "total": None,
        "next_page": "",
        "first_page": "",
    }
    status = 200
    if type_name:
        try:
            require(visit.call.principal, f"system/{known_type(type_name)}.s")
            context["parameters"] = [parameter.code for parameter in searchable(type_name)]
            context |= await _found(store, visit, type_name, text, context["explain"])
        except KiungoError as error:
            context["problem"], status = told(error), error.http_status
    return visit.page("fhir/search.html", context, status)


async def _found(store: Store, visit: Visit, type_name: str, text: str, explain: bool) -> Json:
    params = parse_query(quote(text.lstrip("?"), safe=_READABLE).encode())
    given = {name for name, _ in params}
    if "_count" not in given:
        params.append(("_count", str(SHOWN)))
    if explain and "_explain" not in given:
        params.append(("_explain", "true"))
    bundle: Json = json.loads(await store.search(visit.call, type_name, params))
    entries = [entry for entry in bundle.get("entry", ()) if "resource" in entry]
    outcomes = [entry["resource"] for entry in entries if entry["resource"]["resourceType"] == "OperationOutcome"]
    return {
        "rows": [row_of(entry) for entry in entries if entry["resource"] not in outcomes],
        "told": _issues(outcomes),
        "total": bundle.get("total"),
        "next_page": _next(bundle, type_name, explain),
        "first_page": _page(type_name, _without_cursor(text), explain) if "cursor" in text else "",
    }


def row_of(entry: Json) -> Json:
    """A match as a line of the list."""
    tree = entry["resource"]
    meta = tree.get("meta", {})
    return {
        "type": tree["resourceType"],
        "id": tree["id"],
        "address": address_of(tree["resourceType"], tree["id"]),
        "name": name_of(tree),
        "status": tree.get("status", "") if isinstance(tree.get("status"), str) else "",
        "version": meta.get("versionId", ""),
        "updated": str(meta.get("lastUpdated", ""))[:19].replace("T", " "),
        "included": entry.get("search", {}).get("mode") == "include",
    }


def _issues(outcomes: Iterable[Json]) -> list[Json]:
    """The plan of the search and other remarks, in groups by kind."""
    found = []
    for outcome in outcomes:
        for issue in outcome.get("issue", ()):
            codings: list[Any] = issue.get("details", {}).get("coding") or [{}]
            kind = codings[0].get("code") or issue.get("severity", "")
            found.append({"kind": kind, "text": issue.get("diagnostics", "")})
    return found


def _next(bundle: Json, type_name: str, explain: bool) -> str:
    url = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), "")
    return _page(type_name, urlsplit(url).query, explain) if url else ""


def _without_cursor(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith(("_cursor=", "cursor=")))


def _page(type_name: str, text: str, explain: bool) -> str:
    return f"{HOME}?{urlencode({'type': type_name, 'q': text} | ({'explain': '1'} if explain else {}))}"
