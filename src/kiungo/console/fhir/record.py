"""One resource: its content, its versions with what each changed, and what is wrong with it."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kiungo.base.errors import KiungoError
from kiungo.console.fhir.changes import changes
from kiungo.console.fhir.frame import Json, address_of, asked_type, search_address, tabs_of, told
from kiungo.console.fhir.printed import name_of, printed
from kiungo.console.visit import Notice, Visit
from kiungo.fhir.definitions import compartment
from kiungo.fhir.operations.validating import judged
from kiungo.fhir.store import Store
from kiungo.fhir.validation.reporting import outcome
from kiungo.kernel import json
from kiungo.kernel.http import Response

SHOWN_VERSIONS = 20
RELATED = (
    "Encounter",
    "Condition",
    "Observation",
    "AllergyIntolerance",
    "MedicationRequest",
    "Immunization",
    "Procedure",
)


async def show_record(store: Store, visit: Visit) -> Response:
    """The current version, or the one the address names."""
    type_name, logical_id = asked_type(visit, "r"), visit.request.params["id"]
    wanted = visit.query.get("version", "")
    if wanted.isdecimal() and len(wanted) < 10:
        stored = await store.vread(visit.call, type_name, logical_id, int(wanted))
        visit.notice = Notice("wait", f"This is version {wanted}, not necessarily the current one.")
    else:
        stored = await store.read(visit.call, type_name, logical_id)
    tree: Json = json.loads(stored.body)
    context = {
        "content": printed(tree),
        "version": stored.version,
        "updated_us": stored.updated_us,
        "person": {"id": stored.person, "address": address_of("Patient", stored.person)}
        if stored.person and type_name != "Patient"
        else None,
        "profiles": tree.get("meta", {}).get("profile", []),
        "bytes": len(stored.body),
        "related": _related(visit, type_name, logical_id),
    }
    return _page(visit, "record", type_name, logical_id, "", tree, context)


async def show_history(store: Store, visit: Visit) -> Response:
    """Every version, newest first, with what it changed."""
    type_name, logical_id = asked_type(visit, "r"), visit.request.params["id"]
    asked = [("_count", str(SHOWN_VERSIONS))]
    if visit.query.get("after"):
        asked.append(("_cursor", visit.query["after"]))
    bundle: Json = json.loads(await store.history(visit.call, type_name, logical_id, asked))
    entries, cursor = bundle.get("entry", []), _cursor_of(bundle)
    pairs = zip(entries, [*entries[1:], None], strict=True)
    versions = [_version(entry, older, type_name, logical_id, is_last=not cursor) for entry, older in pairs]
    newest: Json = next((entry["resource"] for entry in entries if "resource" in entry), {})
    older_page = address_of(type_name, logical_id, "history", after=cursor) if cursor else ""
    context = {"versions": versions, "older_page": older_page, "is_newest": "after" not in visit.query}
    return _page(visit, "history", type_name, logical_id, "history", newest, context)


async def show_validation(store: Store, visit: Visit) -> Response:
    """What is wrong with the resource as it is stored, against the profiles it claims, or another."""
    type_name, logical_id = asked_type(visit, "r"), visit.request.params["id"]
    stored = await store.read(visit.call, type_name, logical_id)
    tree: Json = json.loads(stored.body)
    profile = visit.query.get("profile", "")
    context: Json = {"profile": profile, "findings": [], "profiles": [], "counts": {}, "problem": ""}
    try:
        report = await asyncio.to_thread(judged, store, visit.call, tree, [profile] if profile else [])
    except KiungoError as error:
        context["problem"] = told(error)
    else:
        issues = outcome(report.findings, tree)["issue"] if report.findings else []
        context["findings"] = [_finding(issue) for issue in issues]
        context["profiles"] = report.profiles
        severities = [issue["severity"] for issue in issues]
        context["counts"] = {name: severities.count(name) for name in ("error", "warning", "information")}
    return _page(visit, "validate", type_name, logical_id, "validate", tree, context)


def _page(
    visit: Visit, template: str, type_name: str, logical_id: str, tab: str, tree: Json, context: dict[str, Any]
) -> Response:
    head = {
        "type": type_name,
        "id": logical_id,
        "name": name_of(tree),
        "search": search_address(type_name),
        "tabs": tabs_of(type_name, logical_id, tab),
    }
    return visit.page(f"fhir/{template}.html", {**head, **context})


def _related(visit: Visit, type_name: str, logical_id: str) -> list[Json]:
    """Searches that lead from a person to their records."""
    if type_name != "Patient":
        return []
    within = compartment("Patient")
    return [
        {"title": name, "address": search_address(name, f"{within[name][0]}=Patient/{logical_id}")}
        for name in RELATED
        if within.get(name) and visit.can(f"system/{name}.s")
    ]


def _cursor_of(bundle: Json) -> str:
    """Where the next page of a history begins."""
    url = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), "")
    return next((value for name, value in parse_qsl(urlsplit(url).query) if name == "_cursor"), "")


def _version(entry: Json, older: Json | None, type_name: str, logical_id: str, *, is_last: bool) -> Json:
    tree = entry.get("resource")
    before = older.get("resource") if older else None
    response = entry.get("response", {})
    number = str(tree["meta"]["versionId"]) if tree else str(response.get("etag", "")).removeprefix("W/").strip('"')
    at = str(response.get("lastModified") or (tree or {}).get("meta", {}).get("lastUpdated", ""))
    return {
        "number": number,
        "method": entry.get("request", {}).get("method", ""),
        "at": at[:19].replace("T", " "),
        "address": address_of(type_name, logical_id, version=number) if tree else "",
        "is_first": older is None and is_last,
        "is_compared": older is not None,
        "after_deletion": older is not None and before is None,
        "changes": changes(before, tree) if tree and before else [],
    }


def _finding(issue: Json) -> Json:
    rule = next((one.get("code", "") for one in issue["details"].get("coding", ())), "")
    return {
        "severity": issue["severity"],
        "text": issue["details"]["text"],
        "where": issue["expression"][0],
        "rule": rule,
    }
