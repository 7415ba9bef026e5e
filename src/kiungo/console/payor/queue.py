"""The review desk: what waits for a person, oldest first."""

from typing import Any, Final
from urllib.parse import urlencode

from kiungo.console.forms import filled
from kiungo.console.payor.actions import name_of
from kiungo.console.payor.claims import row_view
from kiungo.console.visit import Visit
from kiungo.domains.payor import listing, queue
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.service import Payor
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response

QUEUE: Final = "/console/review"
SHOWN: Final = 25
VIEWS: Final = (("", "All"), ("mine", "Mine"), ("nobody", "Nobody's"))


async def show_queue(payor: Payor, desk: ReviewDesk, visit: Visit, *, note: Any) -> Response:
    """The claims that wait: all, mine, or nobody's."""
    query = visit.query
    whose = query.get("whose", "")
    me = visit.call.principal.id

    after = listing.read_cursor(query["cursor"]) if query.get("cursor") else None

    def read(unit: Unit) -> tuple[queue.Queue, dict[str, str]]:
        asked = {"": None, "mine": me, "nobody": ""}.get(whose)
        found = queue.waiting(payor, unit, visit.call, assigned_to=asked, limit=SHOWN, after=after)
        taken = (item.row for item in found.items if item.row.assigned_to)
        return found, {row.claim_id: name_of(row, desk.steps(unit, visit.call, row.claim_id)) for row in taken}

    found, names = await payor.database.read_async(read)
    for item in found.items:
        note(visit.call, "list", item.row)
    kept = filled(query, "whose")
    claims = [
        row_view(item.row)
        | {
            "assignee": names.get(item.row.claim_id, ""),
            "reasons": list(dict.fromkeys(finding.text for finding in item.questions)),
        }
        for item in found.items
    ]
    context = {
        "claims": claims,
        "can_decide": True,
        "views": [
            {"title": title, "address": f"{QUEUE}?whose={name}", "is_current": name == whose} for name, title in VIEWS
        ],
        "next_page": f"{QUEUE}?{urlencode(kept | {'cursor': found.cursor})}" if found.cursor else "",
    }
    return visit.page("review.html", context)
