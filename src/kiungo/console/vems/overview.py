"""The overview: what needs somebody, and the charts of the payment cycle."""

from datetime import date, timedelta
from typing import Any, Final

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.base.time import parse_date
from kiungo.console.rendering import words
from kiungo.console.vems import charts
from kiungo.console.vems.charts import Bar, Segment
from kiungo.console.vems.frame import HOME, own_facility, show
from kiungo.console.visit import Visit
from kiungo.domains.vems.analytics import queries
from kiungo.domains.vems.analytics.model import ApprovalRow, CycleRow, Days, Period, ServiceRow, StakeholderRow
from kiungo.domains.vems.analytics.queries import ALL
from kiungo.domains.vems.model import CURRENCY, contract_day
from kiungo.domains.vems.settlement import accounts, listing
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Response

DAYS_USUAL: Final = 90
SPANS: Final = ((30, "30 days"), (90, "90 days"), (365, "A year"))
STAGES: Final = (
    ("booked_to_claimed", "s1", "booked to claimed"),
    ("claimed_to_decided", "s2", "claimed to decided"),
    ("decided_to_paid", "s3", "decided to paid"),
)
WAITS: Final = (
    ("unknown", "Outcome unknown", "Nobody knows whether the money moved. Two persons decide."),
    ("failed", "Failed", "The money did not move. See to the cause, then pay again."),
    ("returned", "Came back", "The bank returned it. Check the payee's details, then pay again."),
    ("waiting", "Waiting", "For money at the rail, or for a payee's details."),
)


async def show_overview(database: Database, settlements: Settlements, visit: Visit) -> Response:
    """What needs somebody, and four charts over a period."""
    today = date.fromisoformat(contract_day(database.clock.now_us()))
    tenant, facility = visit.call.tenant, own_facility(visit)
    error: Incorrect | None = None
    try:
        period = _period(visit, today)
    except Incorrect as problem:
        period, error = Period(today - timedelta(days=DAYS_USUAL), today), problem

    def read(unit: Unit) -> dict[str, Any]:
        services = queries.services(unit, tenant, period, facility)
        approvals = queries.approvals(unit, tenant, period, facility)
        cycles = queries.cycles(unit, tenant, period, facility)
        stakeholders = queries.stakeholders(unit, tenant, period, facility)
        return {
            "figures": _figures(approvals, cycles, stakeholders),
            "cycle": charts.rows([_cycle_bar(row) for row in cycles]),
            "approvals": charts.rows([_approval_bar(row) for row in approvals], whole=True),
            "services": charts.rows([_service_bar(row) for row in services[:12]]),
            "money": charts.rows([_money_bar(row) for row in stakeholders[:12]]),
            "waits": [] if facility else _waits(unit, tenant),
            "floats": [] if facility else _floats(settlements, unit, tenant),
        }

    context = await database.read_async(read)
    spans = [
        {
            "title": title,
            "address": f"{HOME}?since={today - timedelta(days=days)}&until={today}",
            "is_current": (period.until, (period.until - period.since).days) == (today, days),
        }
        for days, title in SPANS
    ]
    context |= {"since": period.since.isoformat(), "until": period.until.isoformat(), "spans": spans}
    return show(visit, "overview", "overview.html", context, error)


def _period(visit: Visit, today: date) -> Period:
    query = visit.query
    until = parse_date(query["until"], field="until") if query.get("until") else today
    usual = until - timedelta(days=min(DAYS_USUAL, (until - date.min).days))
    since = parse_date(query["since"], field="since") if query.get("since") else usual
    if since > until or until == date.max:
        since, until = usual, until if until < date.max else today
    return Period(since, until)


def _waits(unit: Unit, tenant: int) -> list[dict[str, Any]]:
    counted = listing.sums_of(unit, tenant, CURRENCY)
    return [
        {"state": state, "title": title, "text": text, "count": counted[state][0], "amount": counted[state][1]}
        for state, title, text in WAITS
        if state in counted
    ]


def _floats(settlements: Settlements, unit: Unit, tenant: int) -> list[dict[str, Any]]:
    paused = settlements.legs.paused(unit, tenant)
    return [
        {"rail": rail, "amount": accounts.float_of(unit, tenant, rail, can.currency), "paused": paused.get(rail, "")}
        for rail, can in sorted(settlements.rails.items())
    ]


def _figures(
    approvals: list[ApprovalRow], cycles: list[CycleRow], stakeholders: list[StakeholderRow]
) -> list[tuple[str, Any]]:
    decided = sum(row.approved + row.partially_paid + row.rejected for row in approvals)
    yes = sum(row.approved + row.partially_paid for row in approvals)
    overall = next((row for row in cycles if row.month == ALL), None)
    return [
        ("Bookings", sum(row.bookings for row in approvals)),
        ("Approved", f"{100 * yes / decided:.0f} %" if decided else "\N{EN DASH}"),
        ("Claim to payment", f"{_days(overall.claimed_to_paid)} days" if overall else "\N{EN DASH}"),
        ("Paid out", _sum([row.paid_minor for row in stakeholders if row.role != "fee"])),
        ("Our fee", _sum([row.owed_minor for row in stakeholders if row.role == "fee"])),
    ]


def _sum(minors: list[int]) -> Money:
    return Money(sum(minors), CURRENCY)


def _days(found: Days) -> str:
    return f"{found.median / 10:.1f}"


def _cycle_bar(row: CycleRow) -> Bar:
    stages = [(getattr(row, name), tone, text) for name, tone, text in STAGES]
    segments = [Segment(days.mean, tone, f"{text} {days.mean / 10:.1f} days") for days, tone, text in stages]
    total = sum(days.mean for days, _, _ in stages) / 10
    label = "All" if row.month == ALL else row.month
    return Bar(label, segments, f"{total:.1f} days", f"{row.claimed_to_paid.count} paid")


def _approval_bar(row: ApprovalRow) -> Bar:
    segments = [
        Segment(row.approved, "good", f"{row.approved} approved"),
        Segment(row.partially_paid, "part", f"{row.partially_paid} in part"),
        Segment(row.rejected, "bad", f"{row.rejected} rejected"),
        Segment(row.pending, "none", f"{row.pending} open"),
    ]
    rate = f"{row.rate_bp / 100:.0f} %" if row.rate_bp is not None else "none decided"
    return Bar(MODES.get(row.mode, words(row.mode)), segments, rate, f"{row.bookings} booked")


def _service_bar(row: ServiceRow) -> Bar:
    rest = row.booked - row.completed - row.cancelled
    segments = [
        Segment(row.completed, "good", f"{row.completed} delivered"),
        Segment(rest, "none", f"{rest} to come"),
        Segment(row.cancelled, "bad", f"{row.cancelled} cancelled"),
    ]
    return Bar(row.service_code, segments, f"{row.completed} of {row.booked}", row.service_name)


def _money_bar(row: StakeholderRow) -> Bar:
    unknown = (row.unknown_minor, "bad", "unknown")
    parts = ((row.paid_minor, "good", "paid"), (row.open_minor, "part", "on its way"), unknown)
    segments = [Segment(minor, tone, f"{Money(minor, CURRENCY)} {text}") for minor, tone, text in parts]
    whole = Money(row.owed_minor, CURRENCY)
    return Bar(row.name, segments, f"{whole.minor // 100:,}", words(row.role))


MODES: Final = {"sha": "SHA", "cash": "Cash", "mpesa": "M-Pesa", "other_insurances": "Other insurers"}
