"""Members and their families, authorizations, and the accumulators a family shares."""

from collections.abc import Iterable, Sequence

from kiungo.domains.payor.codec import from_bytes, to_bytes
from kiungo.domains.payor.model import Authorization, Entry, Member
from kiungo.kernel.database import Unit

LIFETIME = "lifetime"


def find(unit: Unit, tenant: int, member_id: str) -> tuple[Member, int] | None:
    """A member and the version of the family; every claim and change of the family raises the version."""
    row = unit.row(
        "SELECT m.body, f.version FROM payor_member m"
        " JOIN payor_family f ON f.tn = m.tn AND f.family_id = m.family_id"
        " WHERE m.tn = ? AND m.member_id = ?",
        (tenant, member_id),
    )
    return (from_bytes(row[0], Member), row[1]) if row else None


def put(unit: Unit, tenant: int, member: Member) -> None:
    """Insert or replace a member; the family's version rises, so that claims under way look again."""
    unit.execute(
        "INSERT INTO payor_family (tn, family_id, version) VALUES (?, ?, 1)"
        " ON CONFLICT (tn, family_id) DO UPDATE SET version = payor_family.version + 1",
        (tenant, member.family_id),
    )
    unit.execute(
        "INSERT INTO payor_member (tn, member_id, family_id, body, updated_us) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (tn, member_id) DO UPDATE SET family_id = excluded.family_id, body = excluded.body,"
        " updated_us = excluded.updated_us",
        (tenant, member.member_id, member.family_id, to_bytes(member), unit.now_us),
    )


def page(unit: Unit, tenant: int, *, after: str, limit: int) -> list[Member]:
    """Members by id, after one."""
    rows = unit.rows(
        "SELECT body FROM payor_member WHERE tn = ? AND member_id > ? ORDER BY member_id LIMIT ?",
        (tenant, after, limit),
    )
    return [from_bytes(body, Member) for (body,) in rows]


def take_family(unit: Unit, tenant: int, family_id: str, seen_version: int, seen_reference: int) -> bool:
    """Hold the family to the end of the unit if it, and the reference data, are as they were when read."""
    return (
        unit.execute(
            "UPDATE payor_family SET version = version + 1 WHERE tn = ? AND family_id = ? AND version = ?"
            " AND COALESCE((SELECT version FROM payor_version WHERE tn = ?), 0) = ?",
            (tenant, family_id, seen_version, tenant, seen_reference),
        )
        == 1
    )


def hold_family(unit: Unit, tenant: int, family_id: str) -> None:
    """Hold the family to the end of the unit, whatever happened to it."""
    unit.execute("UPDATE payor_family SET version = version + 1 WHERE tn = ? AND family_id = ?", (tenant, family_id))


def find_authorization(unit: Unit, tenant: int, number: str) -> Authorization | None:
    """A prior authorization by its number."""
    body = unit.value("SELECT body FROM payor_authorization WHERE tn = ? AND number = ?", (tenant, number))
    return from_bytes(body, Authorization) if body is not None else None


def put_authorization(unit: Unit, tenant: int, authorization: Authorization) -> None:
    """Insert or replace a prior authorization."""
    unit.execute(
        "INSERT INTO payor_authorization (tn, number, body) VALUES (?, ?, ?)"
        " ON CONFLICT (tn, number) DO UPDATE SET body = excluded.body",
        (tenant, authorization.number, to_bytes(authorization)),
    )


def used(unit: Unit, tenant: int, family_id: str) -> dict[tuple[str, str, str], int]:
    """What a family has used of each accumulator."""
    rows = unit.rows(
        "SELECT member_id, bucket, period, used FROM payor_accumulator WHERE tn = ? AND family_id = ?",
        (tenant, family_id),
    )
    return {(member, bucket, period): amount for member, bucket, period, amount in rows}


def add_entries(
    unit: Unit,
    tenant: int,
    entries: Iterable[Entry],
    *,
    family_id: str,
    claim_id: str,
    version: int,
    reversal: bool,
) -> None:
    """Append entries and move the totals by them."""
    entries = tuple(entries)
    unit.many(
        "INSERT INTO payor_entry (tn, claim_id, version, reversal, member_id, bucket, period, family_id, amount)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (tenant, claim_id, version, int(reversal), e.member_id, e.bucket, e.period, family_id, e.amount)
            for e in entries
        ],
    )
    unit.many(
        "INSERT INTO payor_accumulator (tn, family_id, member_id, bucket, period, used) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tn, family_id, member_id, bucket, period)"
        " DO UPDATE SET used = payor_accumulator.used + excluded.used",
        [(tenant, family_id, e.member_id, e.bucket, e.period, e.amount) for e in entries],
    )


def standing_entries(unit: Unit, tenant: int, claim_id: str) -> tuple[Entry, ...]:
    """What a claim's entries come to, reversals counted; reversing exactly this leaves nothing behind."""
    rows: Sequence[tuple[str, str, str, int]] = unit.rows(
        "SELECT member_id, bucket, period, CAST(SUM(amount) AS BIGINT) FROM payor_entry"
        " WHERE tn = ? AND claim_id = ? GROUP BY member_id, bucket, period HAVING SUM(amount) <> 0",
        (tenant, claim_id),
    )
    return tuple(Entry(member, bucket, period, int(amount)) for member, bucket, period, amount in rows)


def used_since(
    unit: Unit, tenant: int, family_id: str, *, plan_id: str, since_us: int
) -> dict[tuple[str, str, str], int]:
    """What a family's standing claims under a plan, submitted after a moment, have used."""
    rows = unit.rows(
        "SELECT e.member_id, e.bucket, e.period, CAST(SUM(e.amount) AS BIGINT) FROM payor_claim c"
        " JOIN payor_entry e ON e.tn = c.tn AND e.claim_id = c.claim_id"
        " WHERE c.tn = ? AND c.family_id = ? AND c.plan_id = ? AND c.submitted_us > ? AND c.voided_us IS NULL"
        " GROUP BY e.member_id, e.bucket, e.period",
        (tenant, family_id, plan_id, since_us),
    )
    return {(member, bucket, period): int(amount) for member, bucket, period, amount in rows}


def wrong_totals(unit: Unit, tenant: int) -> list[tuple[str, str, str, str, int, int]]:
    """Accumulators whose total is not the sum of their entries: family, member, bucket, period, total, sum."""
    rows = unit.rows(
        "SELECT a.family_id, a.member_id, a.bucket, a.period, a.used, CAST(COALESCE(SUM(e.amount), 0) AS BIGINT)"
        " FROM payor_accumulator a LEFT JOIN payor_entry e ON e.tn = a.tn AND e.family_id = a.family_id"
        " AND e.member_id = a.member_id AND e.bucket = a.bucket AND e.period = a.period"
        " WHERE a.tn = ? GROUP BY a.family_id, a.member_id, a.bucket, a.period, a.used"
        " HAVING a.used <> COALESCE(SUM(e.amount), 0)",
        (tenant,),
    )
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows]
