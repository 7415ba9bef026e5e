"""Bookings: the list, and one with its shares, its claim, its money and its whole trail."""

from typing import Any, Final
from urllib.parse import urlencode

from kiungo.base.errors import Incorrect, KiungoError, NotFound
from kiungo.base.money import Money
from kiungo.console.forms import filled
from kiungo.console.vems.frame import HOME, own_facility, show
from kiungo.console.vems.overview import MODES
from kiungo.console.visit import Visit
from kiungo.domains.vems import correcting, looking, overriding
from kiungo.domains.vems.desk import BookingDesk
from kiungo.domains.vems.looking import BookingSheet
from kiungo.domains.vems.mapping.people import patient_view
from kiungo.domains.vems.roles import OVERRIDE_BOOKINGS, READ_SETTLEMENTS
from kiungo.domains.vems.routes.shapes import read_cursor
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response

ADDRESS: Final = f"{HOME}/bookings"
SHOWN: Final = 25
STATES: Final = ("pending", "confirmed", "completed", "cancelled")
APPROVALS: Final = ("pending", "approved", "partially_paid", "rejected")
FILTERS: Final = ("q", "state", "approval", "facility")
DONE: Final = {
    "propose": "Your correction is kept. A second person has to confirm the same amount.",
    "confirm": "Corrected. What was paid beyond it is claimed back.",
    "override": "Set by hand, as both of you said.",
}


async def show_list(desk: BookingDesk, reads: Reads, visit: Visit) -> Response:
    """Bookings, newest first, narrowed by number, claim, state, approval and facility."""
    query = visit.query
    given = {name: query.get(name, "") for name in FILTERS}
    error: KiungoError | None = None

    def find(unit: Unit) -> list[BookingRow]:
        return looking.find_bookings(
            unit, visit.call, asked=given["q"], facility=given["facility"] or None,
            state=_known(given["state"], STATES), approval=_known(given["approval"], APPROVALS),
            before=read_cursor(query.get("cursor")), limit=SHOWN + 1,
        )  # fmt: skip

    try:
        found = await desk.database.read_async(find)
    except Incorrect as problem:
        found, error = [], problem
    for row in found[:SHOWN]:
        reads.note(visit.call, "list", "booking", row.booking_no, row.patient_fhir)
    kept = filled(query, *FILTERS)
    last = found[SHOWN - 1] if len(found) > SHOWN else None
    following = urlencode(kept | {"cursor": f"{last.created_us}_{last.booking_no}"}) if last else ""
    context = {
        "filters": {**given, "any": any(given.values())},
        "states": [("", "All"), *((state, state.capitalize()) for state in STATES)],
        "approvals": [("", "All"), *((one, one.replace("_", " ").capitalize()) for one in APPROVALS)],
        "bound": own_facility(visit),
        "modes": MODES,
        "bookings": found[:SHOWN],
        "first_page": f"{ADDRESS}?{urlencode(kept)}" if query.get("cursor") else "",
        "next_page": f"{ADDRESS}?{following}" if last else "",
    }
    return show(visit, "bookings", "bookings.html", context, error)


async def show_one(desk: BookingDesk, reads: Reads, visit: Visit, error: KiungoError | None = None) -> Response:
    """One booking with everything that happened to it."""
    call, number = visit.call, visit.request.params["booking_no"]

    def read(unit: Unit) -> dict[str, Any]:
        sheet = looking.sheet_of(desk, unit, call, number, with_money=visit.can(READ_SETTLEMENTS))
        return _context(desk, unit, visit, sheet)

    context = await desk.database.read_async(read)
    reads.note(call, "read", "booking", number, context["booking"].patient_fhir)
    return show(visit, "bookings", "booking.html", context, error)


def _context(desk: BookingDesk, unit: Unit, visit: Visit, sheet: BookingSheet) -> dict[str, Any]:
    row, claim, proposal = sheet.booked.row, sheet.claim, sheet.proposal
    shares = [line.share for line in sheet.booked.lines]
    return {
        "booking": row,
        "mode": MODES[row.mode],
        "patient": _patient(desk, unit, visit, row),
        "lines": sheet.booked.lines,
        "totals": {
            "vendor": Money(sum(share.vendor.minor for share in shares), row.currency),
            "facility": Money(sum(share.facility.minor for share in shares), row.currency),
            "fee": Money(sum(share.fee.minor for share in shares), row.currency),
        },
        "approved": None if claim is None or claim.approved_minor is None
        else Money(claim.approved_minor, row.currency),
        "paid": Money(sum(leg.amount.minor for leg in sheet.legs if leg.state == "posted"), row.currency),
        "claim": claim,
        "settlements": sheet.settlements,
        "legs": sheet.legs,
        "trail": sheet.trail,
        "may_correct": visit.can(OVERRIDE_BOOKINGS) and row.approval in correcting.DECIDED,
        "override": sheet.override,
        "may_agree": sheet.override is not None and visit.can(OVERRIDE_BOOKINGS)
        and sheet.override.by_id != visit.call.principal.id,
        "wish": overriding.described(sheet.override.wish) if sheet.override is not None else "",
        "proposal": proposal,
        "is_own": proposal is not None and proposal.by_id == visit.call.principal.id,
    }  # fmt: skip


def _patient(desk: BookingDesk, unit: Unit, visit: Visit, row: BookingRow) -> dict[str, Any]:
    try:
        return dict(patient_view(desk.patient(unit, visit.call, row)))
    except NotFound:
        return {"name": row.patient_cr}


def _known(value: str, choices: tuple[str, ...]) -> str | None:
    return value if value in choices else None
