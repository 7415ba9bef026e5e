"""Settlements and the desk of payments: lists, and one of each with everything it did."""

from typing import Any, Final
from urllib.parse import urlencode

from kiungo.base.errors import Incorrect, KiungoError
from kiungo.base.money import Money
from kiungo.base.time import iso_millis
from kiungo.console.forms import filled
from kiungo.console.vems.frame import HOME, own_facility, show
from kiungo.console.vems.overview import MODES
from kiungo.console.visit import Visit
from kiungo.domains.vems.roles import DECIDE_SETTLEMENTS
from kiungo.domains.vems.routes.legs import visible_leg
from kiungo.domains.vems.routes.settlements import STATES, read_settlement
from kiungo.domains.vems.routes.shapes import read_cursor
from kiungo.domains.vems.settlement import accounts, listing, store
from kiungo.domains.vems.settlement.listing import Listed
from kiungo.domains.vems.settlement.model import Leg, LegState
from kiungo.kernel import ledger
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Response

ADDRESS: Final = f"{HOME}/settlements"
PAYMENTS: Final = f"{HOME}/payments"
SHOWN: Final = 25
FILTERS: Final = ("q", "state", "payee")
VIEWS: Final[tuple[tuple[str, str, tuple[LegState, ...]], ...]] = (
    ("unknown", "Unknown", ("unknown",)),
    ("failed", "Failed or back", ("failed", "returned")),
    ("waiting", "Waiting", ("waiting", "held")),
    ("moving", "On their way", ("submitting", "submitted")),
    ("done", "Paid", ("posted", "carried")),
)
DONE: Final = {
    "propose": "Your proposal is kept. A second person has to confirm it.",
    "confirm": "Closed.",
    "release": "Tried again.",
    "pay-again": "This is the new payment.",
}
SET_OFF: Final = {"set-off": "What the payee owes took all of it: there is nothing left to pay."}


async def show_list(database: Database, reads: Reads, visit: Visit) -> Response:
    """Settlements, newest first."""
    query, call = visit.query, visit.call
    given = {name: query.get(name, "") for name in FILTERS}
    bound = call.principal.bindings
    error: KiungoError | None = None
    found: list[Listed] = []
    try:
        before = read_cursor(query.get("cursor"))
        found = await database.read_async(
            lambda unit: listing.settlements_page(
                unit, call.tenant, state=given["state"] if given["state"] in STATES else None,
                payee=bound.get("payee") or given["payee"] or None, booking_no=given["q"].upper() or None,
                facility=own_facility(visit), before=before, limit=SHOWN + 1,
            )
        )  # fmt: skip
    except Incorrect as problem:
        error = problem
    reads.note(call, "list", "settlement", "")
    last = found[SHOWN - 1] if len(found) > SHOWN else None
    kept = filled(query, *FILTERS)
    following = urlencode(kept | {"cursor": f"{last.created_us}_{last.row.booking_no}"}) if last else ""
    context = {
        "filters": {**given, "any": any(given.values())},
        "states": [("", "All"), *((state, state.capitalize()) for state in STATES)],
        "settlements": [_line(one) for one in found[:SHOWN]],
        "modes": MODES,
        "first_page": f"{ADDRESS}?{urlencode(kept)}" if query.get("cursor") else "",
        "next_page": f"{ADDRESS}?{following}" if last else "",
    }
    return show(visit, "settlements", "settlements.html", context, error)


def _line(found: Listed) -> dict[str, Any]:
    row = found.row
    return {
        "row": row,
        "approved": Money(row.approved_minor, row.currency),
        "payees": [share for share in row.shares if share.role != "fee"],
        "created_us": found.created_us,
    }


async def show_one(database: Database, reads: Reads, visit: Visit) -> Response:
    """One settlement: shares, payments, and what they did in the ledger."""
    call, number = visit.call, visit.request.params["number"]

    def read(unit: Unit) -> dict[str, Any]:
        read_settlement(unit, call, number)
        row = store.get_settlement(unit, call.tenant, number)
        suspense = Money(accounts.suspense_of(unit, call.tenant, number, row.currency), row.currency)
        shares = [
            {"share": share, **{name: Money(getattr(share, f"{name}_minor"), row.currency) for name in _AMOUNTS}}
            for share in row.shares
        ]
        return {
            "settlement": row,
            "booking_no": number.partition("/")[0],
            "mode": MODES.get(row.mode, row.mode),
            "figures": [
                ("Booked", Money(row.total_minor, row.currency)),
                ("Approved", Money(row.approved_minor, row.currency)),
                ("Received", Money(row.remitted_minor, row.currency)),
                *([("Beyond it, in suspense", suspense)] if suspense.minor else []),
            ],
            "shares": shares,
            "legs": store.legs_of(unit, call.tenant, number),
            "journals": ledger.journals_about(unit, call.tenant, number),
            "clawbacks": listing.clawbacks(unit, call.tenant, number=number, limit=100),
        }

    context = await database.read_async(read)
    reads.note(call, "read", "settlement", number)
    return show(visit, "settlements", "settlement.html", context)


async def show_desk(database: Database, visit: Visit) -> Response:
    """The desk of payments: those nobody knows the outcome of first, then what waits for a cause to be mended."""
    query, call = visit.query, visit.call
    chosen = next((view for view in VIEWS if view[0] == query.get("view")), VIEWS[0])
    bound = call.principal.bindings
    own = bound.get("payee") or bound.get("facility")
    after = read_cursor(query["cursor"]) if query.get("cursor") else None

    def read(unit: Unit) -> tuple[list[tuple[int, Leg]], dict[str, int]]:
        found = listing.legs_page(
            unit, call.tenant, states=chosen[2], payee=own, after=after, limit=SHOWN + 1
        )  # fmt: skip
        return found, listing.counts_of(unit, call.tenant, payee=own)

    found, counted = await database.read_async(read)
    last = found[SHOWN - 1] if len(found) > SHOWN else None
    here = f"{PAYMENTS}?view={chosen[0]}"
    context = {
        "view": chosen[0],
        "views": [
            {
                "title": title,
                "address": f"{PAYMENTS}?view={name}",
                "is_current": name == chosen[0],
                "count": sum(counted.get(state, 0) for state in states),
            }
            for name, title, states in VIEWS
        ],
        "legs": [leg for _, leg in found[:SHOWN]],
        "next_page": f"{here}&cursor={last[0]}_{last[1].reference}" if last else "",
    }
    return show(visit, "payments", "payments.html", context)


async def show_payment(database: Database, visit: Visit, error: KiungoError | None = None) -> Response:
    """One payment with its steps, and what can be done with it."""
    call, reference = visit.call, visit.request.params["reference"]

    def read(unit: Unit) -> dict[str, Any]:
        leg = visible_leg(unit, call, reference)
        steps = [step for step in store.steps_of(unit, call.tenant, leg.booking_no) if step[2] == reference]
        names = [who for _, what, _, who, _ in steps if what == f"proposed_{leg.proposed_outcome}"]
        may = visit.can(DECIDE_SETTLEMENTS)
        open_for = {"unknown": ("paid", "failed"), "posted": ("returned",)}.get(leg.state, ())
        proposed = leg.proposed_outcome if leg.proposed_outcome in open_for else None
        return {
            "leg": leg,
            "steps": [(at_us, iso_millis(at_us), what, who, detail) for at_us, what, _, who, detail in steps],
            "outcomes": open_for if may else (),
            "proposed": proposed,
            "proposer": names[-1] if names else "",
            "is_own": leg.proposed_by == call.principal.id,
            "may_release": may and leg.state in ("waiting", "held"),
            "may_pay_again": may and leg.state in ("failed", "returned"),
        }

    context = await database.read_async(read)
    return show(visit, "payments", "payment.html", context, error)


_AMOUNTS: Final = ("contract", "accrued", "committed")
