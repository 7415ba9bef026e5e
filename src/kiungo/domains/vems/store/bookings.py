"""A booking's row, its lines, what it said before it was revised, and its steps."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Literal, cast

from kiungo.base.money import Money
from kiungo.domains.vems.model import ApprovalState, BookedLine, BookingState, Distribution, PaymentMode
from kiungo.kernel import json
from kiungo.kernel.database import Unit

StepKind = Literal["step", "message", "posting"]


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A row of vems_booking. Units: `*_us` microseconds UTC; `booked_for_us` is the first service's moment.

    Shapes: `overridden` says that a person set anything by hand, `decided_by_hand` that it was what is approved.
    """

    booking_no: str
    booking_id: str
    facility: str
    claim_id: str
    patient_cr: str
    patient_fhir: str
    mode: PaymentMode
    state: BookingState
    approval: ApprovalState
    overridden: int
    revision: int
    fingerprint: bytes
    request: bytes
    diagnosis: str | None
    currency: str
    total_minor: int
    booked_for_us: int
    claimed_us: int | None
    created_us: int
    updated_us: int
    decided_by_hand: int = 0

    @property
    def total(self) -> Money:
        """What the whole booking costs."""
        return Money(self.total_minor, self.currency)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a booking, in the order it was written."""

    id: int
    at_us: int
    kind: StepKind
    what: str
    by: str
    text: str
    detail: Mapping[str, Any] | None


COLUMNS = tuple(field.name for field in fields(BookingRow))
LINE_COLUMNS = (
    "number", "line_id", "service_code", "vendor_code", "at_us", "state", "capitated", "currency", "vendor_minor",
    "facility_minor", "fee_minor", "terms",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM vems_booking"
_INSERT = f"INSERT INTO vems_booking (tn, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)}) ON CONFLICT DO NOTHING"
_UPDATE = f"UPDATE vems_booking SET {', '.join(f'{name} = ?' for name in COLUMNS)} WHERE tn = ? AND booking_no = ?"
_LINES = f"SELECT {', '.join(LINE_COLUMNS)} FROM vems_booking_line WHERE tn = ? AND booking_no = ? ORDER BY number"
_BOTH = (
    f"SELECT {', '.join(f'b.{name}' for name in COLUMNS)}, {', '.join(f'l.{name}' for name in LINE_COLUMNS)}"
    " FROM vems_booking AS b JOIN vems_booking_line AS l ON l.tn = b.tn AND l.booking_no = b.booking_no"
    " WHERE b.tn = ? AND b.booking_no = ? ORDER BY l.number"
)
_INSERT_LINE = (
    f"INSERT INTO vems_booking_line (tn, booking_no, {', '.join(LINE_COLUMNS)}) "
    f"VALUES (?, ?{', ?' * len(LINE_COLUMNS)})"
)


def find(unit: Unit, tenant: int, booking_no: str) -> BookingRow | None:
    """A booking by its number."""
    row = unit.row(f"{_SELECT} WHERE tn = ? AND booking_no = ?", (tenant, booking_no))
    return BookingRow(*row) if row else None


def find_with_lines(unit: Unit, tenant: int, booking_no: str) -> tuple[BookingRow, tuple[BookedLine, ...]] | None:
    """A booking with its booked services in their order; every booking has one."""
    rows = unit.rows(_BOTH, (tenant, booking_no))
    size = len(COLUMNS)
    return (BookingRow(*rows[0][:size]), tuple(_line(row[size:]) for row in rows)) if rows else None


def find_of_claim(unit: Unit, tenant: int, facility: str, claim_id: str) -> BookingRow | None:
    """The booking a facility made for one of its claims."""
    row = unit.row(f"{_SELECT} WHERE tn = ? AND facility = ? AND claim_id = ?", (tenant, facility, claim_id))
    return BookingRow(*row) if row else None


def hold(unit: Unit, tenant: int, booking_no: str) -> None:
    """Let no other unit change the booking until this one ends."""
    if unit.engine == "postgresql":
        unit.rows("SELECT 1 FROM vems_booking WHERE tn = ? AND booking_no = ? FOR UPDATE", (tenant, booking_no))


def insert(unit: Unit, tenant: int, row: BookingRow, lines: Sequence[BookedLine]) -> bool:
    """Write a new booking with its lines; False, with nothing written, when its claim or its number has one."""
    if unit.execute(_INSERT, (tenant, *_values(row))) != 1:
        return False
    add_lines(unit, tenant, row.booking_no, lines)
    return True


def update(unit: Unit, tenant: int, row: BookingRow) -> None:
    """Write all of a booking's row anew."""
    unit.execute(_UPDATE, (*_values(row), tenant, row.booking_no))


def add_lines(unit: Unit, tenant: int, booking_no: str, lines: Sequence[BookedLine]) -> None:
    """Write the booked services."""
    unit.many(_INSERT_LINE, [(tenant, booking_no, *_line_values(line)) for line in lines])


def replace_lines(
    unit: Unit, tenant: int, row: BookingRow, old: Sequence[BookedLine], new: Sequence[BookedLine]
) -> None:
    """Keep what the booking said as its history, and write the services it now has."""
    kept = json.dumps([dict(zip(LINE_COLUMNS, _line_history(line), strict=True)) for line in old])
    unit.execute(
        "INSERT INTO vems_booking_revision (tn, booking_no, revision, replaced_us, request, lines)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (tenant, row.booking_no, row.revision, unit.now_us, row.request, kept),
    )
    unit.execute("DELETE FROM vems_booking_line WHERE tn = ? AND booking_no = ?", (tenant, row.booking_no))
    add_lines(unit, tenant, row.booking_no, new)


def lines_of(unit: Unit, tenant: int, booking_no: str) -> tuple[BookedLine, ...]:
    """The booked services in their order."""
    return tuple(_line(row) for row in unit.rows(_LINES, (tenant, booking_no)))


def set_line_state(unit: Unit, tenant: int, booking_no: str, number: int, state: str) -> None:
    """Move one booked service on."""
    unit.execute(
        "UPDATE vems_booking_line SET state = ? WHERE tn = ? AND booking_no = ? AND number = ?",
        (state, tenant, booking_no, number),
    )


def revisions_of(unit: Unit, tenant: int, booking_no: str) -> list[tuple[int, int, Any, Any]]:
    """What the booking said before: revision, when it was replaced, request and lines."""
    rows = unit.rows(
        "SELECT revision, replaced_us, request, lines FROM vems_booking_revision WHERE tn = ? AND booking_no = ?"
        " ORDER BY revision",
        (tenant, booking_no),
    )
    return [(revision, at_us, json.loads(request), json.loads(lines)) for revision, at_us, request, lines in rows]


def page(
    unit: Unit,
    tenant: int,
    *,
    facility: str | None = None,
    state: str | None = None,
    approval: str | None = None,
    claim_id: str | None = None,
    before: tuple[int, str] | None = None,
    limit: int = 50,
) -> list[BookingRow]:
    """Bookings, newest first, from before one."""
    conditions: list[str] = ["tn = ?"]
    values: list[Any] = [tenant]
    asked = (("facility", facility), ("state", state), ("approval", approval), ("claim_id", claim_id))
    for column, value in asked:
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if before is not None:
        conditions.append("(created_us, booking_no) < (?, ?)")
        values += before
    rows = unit.rows(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY created_us DESC, booking_no DESC LIMIT ?",
        (*values, limit),
    )
    return [BookingRow(*row) for row in rows]


def note(
    unit: Unit,
    tenant: int,
    booking_no: str,
    what: str,
    text: str,
    *,
    by: str,
    kind: StepKind = "step",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one step of a booking's trail. Shapes: `what` is an event's name, `text` one sentence for people."""
    unit.execute(
        "INSERT INTO vems_step (tn, booking_no, at_us, kind, what, by_whom, text, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (tenant, booking_no, unit.now_us, kind, what, by, text, None if detail is None else json.dumps(detail)),
    )


def steps_of(unit: Unit, tenant: int, booking_no: str, *, limit: int = 1_000) -> list[Step]:
    """A booking's trail, in order."""
    rows = unit.rows(
        "SELECT id, at_us, kind, what, by_whom, text, detail FROM vems_step WHERE tn = ? AND booking_no = ?"
        " ORDER BY id LIMIT ?",
        (tenant, booking_no, limit),
    )
    return [_step(row) for row in rows]


def newest_step(unit: Unit, tenant: int, booking_no: str, kinds: Collection[str]) -> Step | None:
    """The newest step of a booking's trail that is one of some, however long the trail."""
    row = unit.row(
        "SELECT id, at_us, kind, what, by_whom, text, detail FROM vems_step WHERE tn = ? AND booking_no = ?"
        f" AND what IN ({', '.join('?' * len(kinds))}) ORDER BY id DESC LIMIT 1",
        (tenant, booking_no, *kinds),
    )
    return _step(row) if row else None


def count_steps(unit: Unit, tenant: int, booking_no: str, what: str) -> int:
    """How often something happened to a booking."""
    found = unit.value(
        "SELECT count(*) FROM vems_step WHERE tn = ? AND booking_no = ? AND what = ?", (tenant, booking_no, what)
    )
    return int(found or 0)


_values: Callable[[BookingRow], tuple[Any, ...]] = attrgetter(*COLUMNS)


def _line_values(line: BookedLine) -> tuple[Any, ...]:
    return (
        line.number, line.line_id, line.service_code, line.vendor_code, line.at_us, line.state, int(line.capitated),
        line.sha_rate.currency, line.share.vendor.minor, line.share.facility.minor, line.share.fee.minor,
        json.dumps(_terms(line)),
    )  # fmt: skip


def _line_history(line: BookedLine) -> tuple[Any, ...]:
    return (*_line_values(line)[:-1], _terms(line))


def _terms(line: BookedLine) -> dict[str, Any]:
    return {
        "serviceName": line.service_name,
        "vendorName": line.vendor_name,
        "lotNumber": line.lot_number,
        "lotName": line.lot_name,
        "contractId": line.contract_id,
        "contractVersion": line.contract_version,
        "shaRateMinor": line.sha_rate.minor,
        "vendorPayee": line.vendor_payee,
        "facilityPayee": line.facility_payee,
    }


def _step(row: Sequence[Any]) -> Step:
    id, at_us, kind, what, by, text, detail = row
    return Step(id, at_us, cast("StepKind", kind), what, by, text, None if detail is None else json.loads(detail))


def _line(row: tuple[Any, ...]) -> BookedLine:
    number, line_id, service, vendor, at_us, state, capitated, currency, *shares, terms = row
    vendor_share, facility_share, fee = (Money(minor, currency) for minor in shares)
    agreed = json.loads(terms)
    return BookedLine(
        number=number,
        service_code=service,
        service_name=agreed["serviceName"],
        at_us=at_us,
        vendor_code=vendor,
        vendor_name=agreed["vendorName"],
        lot_number=agreed["lotNumber"],
        lot_name=agreed["lotName"],
        contract_id=agreed["contractId"],
        contract_version=agreed["contractVersion"],
        sha_rate=Money(agreed["shaRateMinor"], currency),
        share=Distribution(vendor_share, facility_share, fee),
        capitated=bool(capitated),
        vendor_payee=agreed["vendorPayee"],
        facility_payee=agreed["facilityPayee"],
        line_id=line_id,
        state=state,
    )
