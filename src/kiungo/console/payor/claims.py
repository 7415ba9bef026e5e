"""The list of claims: filters that work without script, one page at a time."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from kiungo.base.errors import Incorrect, NotFound
from kiungo.base.money import Money
from kiungo.console.forms import filled
from kiungo.console.visit import Visit
from kiungo.domains.payor import listing
from kiungo.domains.payor.service import Payor
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.kernel import json
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response

ADDRESS: Final = "/console/claims"
SHOWN: Final = 25
STATUSES: Final = (("", "All"), ("approved", "Approved"), ("under_review", "Under review"), ("rejected", "Rejected"))
FILTERS: Final = ("q", "status", "since", "until")
# A number somebody looks for may be any of these; they are tried in this order.
NUMBERS: Final = ("insurance_id", "provider_claim_id", "booking_no", "provider_id")
_CLAIM_ID: Final = re.compile(r"CLM-[0-9]{8}-[A-Z0-9]{6}\Z", re.ASCII)


async def show_claims(payor: Payor, visit: Visit, *, note: Any) -> Response:
    """The claims this visitor may see, newest first."""
    query = visit.query
    given = {name: query.get(name, "") for name in FILTERS}
    context: dict[str, Any] = {
        "filters": {**given, "any": any(given.values())},
        "statuses": STATUSES,
        "provider": visit.owner,
        "can_submit": visit.can("write:claims"),
        "problem": "",
        "claims": [],
        "first_page": "",
        "next_page": "",
    }
    try:
        pairs = _pairs(query)
        found = await payor.database.read_async(lambda unit: _find(payor, unit, visit.call, pairs, given["q"]))
    except Incorrect as error:
        context["problem"] = error.told
        return visit.page("claims.html", context, error.http_status)
    for row in found.rows:
        note(visit.call, "list", row)
    kept = filled(query, *FILTERS)
    context["claims"] = [row_view(row) for row in found.rows]
    if query.get("cursor"):
        context["first_page"] = f"{ADDRESS}?{urlencode(kept)}"
    if found.cursor:
        context["next_page"] = f"{ADDRESS}?{urlencode(kept | {'cursor': found.cursor})}"
    return visit.page("claims.html", context)


def _pairs(query: Mapping[str, str]) -> list[tuple[str, str]]:
    """The page's filters in the words of the list."""
    names = {"status": "status", "since": "submitted_from", "until": "submitted_to", "cursor": "cursor"}
    pairs = [(names[name], query[name]) for name in names if query.get(name)]
    return [*pairs, ("limit", str(SHOWN))]


def _find(payor: Payor, unit: Unit, call: Call, pairs: Sequence[tuple[str, str]], asked: str) -> listing.Page:
    if _CLAIM_ID.match(asked.upper()):
        try:
            return listing.Page([payor.find(unit, call, asked.upper())], None)
        except NotFound:
            return listing.Page([], None)
    own = payor.only_provider(call, None)
    if not asked:
        return listing.page(unit, call.tenant, listing.read_query(pairs), provider_id=own)
    for name in NUMBERS:
        query = listing.read_query([*pairs, (name, asked)])
        found = listing.page(unit, call.tenant, query, provider_id=own)
        if found.rows:
            return found
    return listing.Page([], None)


def row_view(row: ClaimRow) -> dict[str, Any]:
    """One claim as a line of a list."""
    wire = json.loads(row.wire)
    marks = [name for name in ("void", "paid", "information_requested") if wire.get(name)]
    codes = [wire["diagnosis_code"], *dict.fromkeys(line["procedure_code"] or "no code" for line in wire["lines"])]
    return {
        "claim_id": row.claim_id,
        "version": row.version,
        "provider_claim_id": row.provider_claim_id,
        "patient_name": wire["patient_name"],
        "insurance_id": row.member_id,
        "codes": " · ".join(codes),
        "provider": wire.get("provider_name") or row.provider_id,
        "status": row.state,
        "mark": marks[0] if marks else "",
        "amount": Money(row.charge_minor, row.currency),
        "paid": None if row.state == "under_review" else Money(row.paid_minor, row.currency),
        "submitted_us": row.submitted_us,
        "priority": wire["priority"],
        "assignee": row.assigned_to,
        "since_us": row.submitted_us,
    }
