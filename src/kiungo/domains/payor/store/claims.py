"""The claim's one row: its state, its keys, its amounts, and the bytes the API answers with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from kiungo.domains.payor.model import Claim, Line, LineResult, Neighbour, Outcome
from kiungo.domains.payor.rules.case import UNITS_REFUSED, accepted_units
from kiungo.kernel.database import Unit


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A row of payor_claim. Shapes: `desk` is set while a person has to do something."""

    claim_id: str
    state: Outcome
    version: int
    provider_id: str
    member_id: str
    family_id: str
    plan_id: str
    currency: str
    charge_minor: int
    paid_minor: int
    patient_minor: int
    submitted_us: int
    decided_us: int | None
    fingerprint: bytes | None
    provider_claim_id: str | None
    booking_no: str | None
    patient_fhir: str
    claim_fhir: str
    response_fhir: str
    benefit_fhir: str
    desk: str | None
    assigned_to: str | None
    voided_us: int | None
    replaced_by: str | None
    payment_id: str | None
    wire: bytes


COLUMNS = tuple(field.name for field in fields(ClaimRow))
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM payor_claim"
_INSERT = (
    f"INSERT INTO payor_claim (tn, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)})"
    " ON CONFLICT (tn, claim_id) DO NOTHING"
)
_UPDATE = f"UPDATE payor_claim SET {', '.join(f'{name} = ?' for name in COLUMNS)} WHERE tn = ? AND claim_id = ?"


def insert(unit: Unit, tenant: int, row: ClaimRow) -> bool:
    """Write a new claim; False when its id is taken. Raises: IntegrityViolation for content or booking."""
    return unit.execute(_INSERT, (tenant, *_values(row))) == 1


def update(unit: Unit, tenant: int, row: ClaimRow) -> None:
    """Write all of a claim's row anew."""
    unit.execute(_UPDATE, (*_values(row), tenant, row.claim_id))


def find(unit: Unit, tenant: int, claim_id: str) -> ClaimRow | None:
    """A claim by its id."""
    row = unit.row(f"{_SELECT} WHERE tn = ? AND claim_id = ?", (tenant, claim_id))
    return ClaimRow(*row) if row else None


def find_wire(unit: Unit, tenant: int, claim_id: str) -> tuple[bytes, str, str, str, int] | None:
    """What a GET needs: the claim object, its state, its provider, the patient's record and the version."""
    row = unit.row(
        "SELECT wire, state, provider_id, patient_fhir, version FROM payor_claim WHERE tn = ? AND claim_id = ?",
        (tenant, claim_id),
    )
    return (row[0], row[1], row[2], row[3], row[4]) if row else None


def find_same(
    unit: Unit, tenant: int, member_id: str, fingerprints: Sequence[bytes], *, but: str = ""
) -> ClaimRow | None:
    """The claim of the same content: the one that stands, else the one that was voided last."""
    row = unit.row(
        f"{_SELECT} WHERE tn = ? AND member_id = ? AND fingerprint IN ({', '.join('?' * len(fingerprints))})"
        " AND claim_id <> ? ORDER BY voided_us IS NOT NULL, voided_us DESC LIMIT 1",
        (tenant, member_id, *fingerprints, but),
    )
    return ClaimRow(*row) if row else None


def of_own_number(unit: Unit, tenant: int, claim: Claim, *, but: str = "") -> str | None:
    """The first other claim under the provider's own number that was not replaced, and that no rule rejected.

    What a person rejected or voided counts: the same number again is for a person, too.
    """
    if claim.provider_claim_id is None:
        return None
    found: str | None = unit.value(
        "SELECT c.claim_id FROM payor_claim c WHERE c.tn = ? AND c.provider_claim_id = ? AND c.provider_id = ?"
        " AND c.claim_id NOT IN (?, ?) AND c.replaced_by IS NULL AND (c.state <> 'rejected' OR EXISTS"
        " (SELECT 1 FROM payor_step s WHERE s.tn = c.tn AND s.claim_id = c.claim_id AND s.action = 'reject'))"
        " ORDER BY c.submitted_us + 0, c.claim_id LIMIT 1",  # a sum: not by the index of times, but of numbers
        (tenant, claim.provider_claim_id, claim.provider_id, but, claim.replaces or ""),
    )
    return found


def claim_of_booking(unit: Unit, tenant: int, booking_no: str) -> str | None:
    """The live claim that used a booking."""
    found: str | None = unit.value(
        "SELECT claim_id FROM payor_claim WHERE tn = ? AND booking_no = ? AND voided_us IS NULL"
        " AND state <> 'rejected'",
        (tenant, booking_no),
    )
    return found


def add_services(
    unit: Unit,
    tenant: int,
    claim_id: str,
    claim: Claim,
    decided: Sequence[LineResult],
    *,
    ruled_out: Collection[int] = (),
) -> None:
    """Put a claim's services on file, for finding repetitions and counting units: those that were not denied.

    A line that a reviewer `ruled_out` is on file with no units.
    """
    units = {
        line.number: 0 if line.number in ruled_out else _accepted(stated, line)
        for stated, line in zip(claim.lines, decided, strict=True)
        if not line.denied
    }
    _insert_services(unit, tenant, claim_id, claim, units, refused=False)


def add_refused(unit: Unit, tenant: int, claim_id: str, claim: Claim) -> None:
    """Keep the services of a claim that a person refused: they count for nothing, and are known again."""
    _insert_services(
        unit, tenant, claim_id, claim, dict.fromkeys((line.number for line in claim.lines), 0), refused=True
    )


def _insert_services(
    unit: Unit, tenant: int, claim_id: str, claim: Claim, units: Mapping[int, int], *, refused: bool
) -> None:
    """Write the lines that `units` names, but those without a procedure."""
    unit.many(
        "INSERT INTO payor_service (tn, member_id, service_date, claim_id, line, procedure_code, provider_id,"
        " charge_minor, units, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                tenant, claim.member_id, line.service_date, claim_id, line.number, line.procedure,
                claim.provider_id, line.charge.minor, units[line.number], int(refused),
            )
            for line in claim.lines
            if line.procedure is not None and line.number in units
        ],
    )  # fmt: skip


def _accepted(stated: Line, decided: LineResult) -> int:
    refused = sum(one.amount.minor for one in decided.adjustments if (one.group, one.reason) == UNITS_REFUSED)
    return accepted_units(stated, refused)


def remove_services(unit: Unit, tenant: int, claim_id: str, claim: Claim) -> None:
    """Take a claim's services off the file when it no longer counts."""
    for day in {line.service_date for line in claim.lines}:
        unit.execute(
            "DELETE FROM payor_service WHERE tn = ? AND member_id = ? AND service_date = ? AND claim_id = ?",
            (tenant, claim.member_id, day, claim_id),
        )


def neighbours(unit: Unit, tenant: int, claim: Claim, *, but: str = "") -> tuple[Neighbour, ...]:
    """The member's services on file on the claim's days, without those of one claim."""
    days = sorted({line.service_date for line in claim.lines})
    rows = unit.rows(
        "SELECT claim_id, service_date, procedure_code, provider_id, charge_minor, units, refused FROM payor_service"
        f" WHERE tn = ? AND member_id = ? AND service_date IN ({', '.join('?' * len(days))})",
        (tenant, claim.member_id, *days),
    )
    return tuple(
        Neighbour(other, day, procedure, provider, charge, units, refused=bool(refused))
        for other, day, procedure, provider, charge, units, refused in rows
        if other != but
    )


def unpaid(unit: Unit, tenant: int, *, provider_id: str | None, limit: int) -> list[ClaimRow]:
    """Approved claims in force that nobody paid yet and that come to something, oldest decision first."""
    own, values = ("provider_id = ? AND ", (provider_id,)) if provider_id is not None else ("", ())
    rows = unit.rows(
        f"{_SELECT} WHERE tn = ? AND {own}state = 'approved' AND payment_id IS NULL AND voided_us IS NULL"
        " AND paid_minor > 0 ORDER BY decided_us, claim_id LIMIT ?",
        (tenant, *values, limit),
    )
    return [ClaimRow(*row) for row in rows]


def by_id(unit: Unit, tenant: int, *, after: str, limit: int) -> list[ClaimRow]:
    """Claims in the order of their ids, after one."""
    rows = unit.rows(f"{_SELECT} WHERE tn = ? AND claim_id > ? ORDER BY claim_id LIMIT ?", (tenant, after, limit))
    return [ClaimRow(*row) for row in rows]


def page(
    unit: Unit,
    tenant: int,
    *,
    where: list[tuple[str, Any]],
    before: tuple[int, str] | None,
    limit: int,
    oldest_first: bool = False,
) -> list[ClaimRow]:
    """Claims by submission time. Shapes: `where` is pairs of a condition and its value, or tuple of values."""
    conditions: list[str] = ["tn = ?"]
    values: list[Any] = [tenant]
    for condition, value in where:
        conditions.append(condition)
        if "?" in condition:
            values += value if isinstance(value, tuple) else (value,)
    if before is not None:
        sign = ">" if oldest_first else "<"
        conditions.append(f"(submitted_us, claim_id) {sign} (?, ?)")
        values += before
    order = "ASC" if oldest_first else "DESC"
    sql = f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY submitted_us {order}, claim_id {order} LIMIT ?"
    return [ClaimRow(*row) for row in unit.rows(sql, (*values, limit))]


def _values(row: ClaimRow) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in COLUMNS)
