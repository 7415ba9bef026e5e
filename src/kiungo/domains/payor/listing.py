"""GET /api/claims/: which claims, in which order, one page at a time."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kiungo.base.errors import Incorrect
from kiungo.base.time import parse_date, to_us
from kiungo.domains.payor.errors import VALIDATION_ERROR
from kiungo.domains.payor.store import claims
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.kernel.database import Unit

LIMIT_USUAL: Final = 50
LIMIT_MOST: Final = 200
BOOKINGS_MOST: Final = 100
STATUSES: Final = ("submitted", "under_review", "approved", "rejected")
EQUAL: Final = {
    "status": "state = ?",
    "insurance_id": "member_id = ?",
    "provider_id": "provider_id = ?",
    "provider_claim_id": "provider_claim_id = ?",
    "booking_no": "booking_no = ?",
    "plan_id": "plan_id = ?",
}
FLAGS: Final = {
    "void": ("voided_us IS NOT NULL", "voided_us IS NULL"),
    "paid": ("payment_id IS NOT NULL", "payment_id IS NULL"),
}
PARAMETERS: Final = (*EQUAL, *FLAGS, "submitted_from", "submitted_to", "limit", "cursor")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query understood. Shapes: `before` is the last claim of the page before."""

    where: list[tuple[str, Any]]
    limit: int
    before: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page, newest first, and where the next one begins."""

    rows: list[ClaimRow]
    cursor: str | None


def read_query(pairs: Sequence[tuple[str, str]]) -> Asked:
    """Understand the query of a list. Raises: Incorrect VALIDATION_ERROR, also for a name it does not know."""
    where: list[tuple[str, Any]] = []
    limit, before = LIMIT_USUAL, None
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen or name not in PARAMETERS:
            raise _unknown(name, repeated=name in seen)
        seen.add(name)
        if name in EQUAL:
            if name == "status" and value not in STATUSES:
                raise _wrong("status", f"must be one of {', '.join(STATUSES)}")
            where.append(_one_of(value) if name == "booking_no" and "," in value else (EQUAL[name], value))
        elif name in FLAGS:
            if value not in ("true", "false"):
                raise _wrong(name, "must be true or false")
            where.append((FLAGS[name][0 if value == "true" else 1], None))
        elif name == "limit":
            if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= LIMIT_MOST):
                raise _wrong("limit", f"must be a whole number from 1 to {LIMIT_MOST}")
            limit = int(value)
        elif name == "cursor":
            before = read_cursor(value)
        else:
            where.append(_bound(name, value))
    return Asked(where, limit, before)


def page(unit: Unit, tenant: int, asked: Asked, *, provider_id: str | None) -> Page:
    """One page of the claims a caller may see; `provider_id` None is all of them."""
    where = list(asked.where)
    if provider_id is not None:
        where.append(("provider_id = ?", provider_id))
    rows = claims.page(unit, tenant, where=where, before=asked.before, limit=asked.limit + 1)
    more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    return Page(rows, f"{rows[-1].submitted_us}_{rows[-1].claim_id}" if more else None)


def render(found: Page) -> bytes:
    """{"success", "count", "claims", "next"}: the claims are the bytes their rows keep."""
    following = b'"%b"' % found.cursor.encode() if found.cursor else b"null"
    return b'{"success":true,"count":%d,"claims":[%b],"next":%b}' % (
        len(found.rows),
        b",".join(row.wire for row in found.rows),
        following,
    )


def _one_of(value: str) -> tuple[str, Any]:
    """Several bookings at once, for whoever follows many claims."""
    numbers = tuple(number for number in value.split(",") if number)
    if not 1 <= len(numbers) <= BOOKINGS_MOST:
        raise _wrong("booking_no", f"must be at most {BOOKINGS_MOST} booking numbers, separated by commas")
    return f"booking_no IN ({', '.join('?' * len(numbers))})", numbers


def _bound(name: str, value: str) -> tuple[str, Any]:
    day = parse_date(value, field=name)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if name == "submitted_from":
        return "submitted_us >= ?", to_us(moment)
    try:
        return "submitted_us < ?", to_us(moment + timedelta(days=1))
    except OverflowError:
        raise _wrong(name, "is beyond the calendar") from None


def read_cursor(value: str) -> tuple[int, str]:
    """Where a page begins. Raises: Incorrect VALIDATION_ERROR."""
    moment, _, claim_id = value.partition("_")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 18 and 0 < len(claim_id) <= 64):
        raise _wrong("cursor", "is not one this list gave")
    return int(moment), claim_id


def _unknown(name: str, *, repeated: bool) -> Incorrect:
    if repeated:
        return _wrong(name[:64], "is given twice")
    near = difflib.get_close_matches(name[:64], PARAMETERS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(PARAMETERS)}"
    return _wrong(name[:64], f"is not a parameter of this list; {hint}")


def _wrong(field: str, problem: str) -> Incorrect:
    return Incorrect(VALIDATION_ERROR, f"{field} {problem}", field=field, hint="Correct the query and ask again")
