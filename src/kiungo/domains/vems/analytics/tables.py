"""Reports as rows of named cells, the same for JSON, CSV and pages."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from kiungo.base.money import Money
from kiungo.domains.vems.analytics import queries
from kiungo.domains.vems.analytics.model import ApprovalRow, CycleRow, Days, Period, ServiceRow, StakeholderRow
from kiungo.domains.vems.model import CURRENCY
from kiungo.kernel.database import Unit

Cell = str | int | Decimal | Money | None
Row = Mapping[str, Cell]
NAMES: Final = ("services", "approvals", "cycles", "stakeholders")


def report(unit: Unit, tenant: int, name: str, period: Period, facility: str | None = None) -> Sequence[Row]:
    """The rows of one of NAMES. Raises: KeyError for another name."""
    match name:
        case "services":
            return [_service(row) for row in queries.services(unit, tenant, period, facility)]
        case "approvals":
            return [_approval(row) for row in queries.approvals(unit, tenant, period, facility)]
        case "cycles":
            return [_cycle(row) for row in queries.cycles(unit, tenant, period, facility)]
        case "stakeholders":
            return [_stakeholder(row) for row in queries.stakeholders(unit, tenant, period, facility)]
    raise KeyError(name)


def _service(row: ServiceRow) -> Row:
    return {
        "serviceCode": row.service_code,
        "serviceName": row.service_name,
        "booked": row.booked,
        "completed": row.completed,
        "cancelled": row.cancelled,
        "totalAmount": _money(row.total_minor),
        "completedAmount": _money(row.completed_minor),
    }


def _approval(row: ApprovalRow) -> Row:
    return {
        "paymentMode": row.mode,
        "bookings": row.bookings,
        "approved": row.approved,
        "partiallyPaid": row.partially_paid,
        "rejected": row.rejected,
        "pending": row.pending,
        "approvalPercent": None if row.rate_bp is None else Decimal(row.rate_bp).scaleb(-2),
        "totalAmount": _money(row.total_minor),
        "approvedAmount": _money(row.approved_minor),
    }


def _cycle(row: CycleRow) -> Row:
    return {
        "month": row.month,
        "payments": row.claimed_to_paid.count,
        **_days("bookedToClaimed", row.booked_to_claimed),
        **_days("claimedToDecided", row.claimed_to_decided),
        **_days("decidedToPaid", row.decided_to_paid),
        **_days("claimedToPaid", row.claimed_to_paid),
    }


def _days(name: str, found: Days) -> Row:
    return {
        f"{name}MeanDays": Decimal(found.mean).scaleb(-1),
        f"{name}MedianDays": Decimal(found.median).scaleb(-1),
        f"{name}NinthDecileDays": Decimal(found.slowest_tenth).scaleb(-1),
    }


def _stakeholder(row: StakeholderRow) -> Row:
    return {
        "role": row.role,
        "payee": row.payee_id,
        "name": row.name,
        "owedAmount": _money(row.owed_minor),
        "paidAmount": _money(row.paid_minor),
        "openAmount": _money(row.open_minor),
        "unknownAmount": _money(row.unknown_minor),
        "claimedBackAmount": _money(row.claimed_back_minor),
    }


def _money(minor: int) -> Money:
    return Money(minor, CURRENCY)
