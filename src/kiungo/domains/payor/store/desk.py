"""The review desk's steps, append-only, and payments."""

from dataclasses import dataclass
from typing import Final

from kiungo.domains.payor.codec import from_bytes, to_bytes
from kiungo.domains.payor.model import Ruling
from kiungo.kernel.database import Unit

FIRST_VOID: Final = "first_void"
"""Somebody asked to void a claim that was paid more than a single person takes back."""
REPLACEMENT: Final = "replacement"
"""Somebody sent a claim in the place of one that was paid more than a single person takes back."""


@dataclass(frozen=True, slots=True)
class DeskStep:
    """One thing somebody did to a claim by hand. Units: `paid_minor` is what an approval comes to, when it waits."""

    seq: int
    at_us: int
    action: str
    principal_id: str
    principal_name: str
    note: str
    ruling: Ruling | None = None
    paid_minor: int | None = None


def add(
    unit: Unit,
    tenant: int,
    claim_id: str,
    *,
    action: str,
    principal_id: str,
    principal_name: str,
    note: str,
    ruling: Ruling | None = None,
    paid_minor: int | None = None,
) -> None:
    """Append a step. The family is held by the caller, so the sequence cannot collide."""
    seq = unit.value(
        "SELECT COALESCE(MAX(seq), 0) + 1 FROM payor_step WHERE tn = ? AND claim_id = ?", (tenant, claim_id)
    )
    unit.execute(
        "INSERT INTO payor_step (tn, claim_id, seq, at_us, action, principal_id, principal_name, note, ruling,"
        " paid_minor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            tenant, claim_id, seq, unit.now_us, action, principal_id, principal_name, note,
            to_bytes(ruling) if ruling else None, paid_minor,
        ),
    )  # fmt: skip


def steps(unit: Unit, tenant: int, claim_id: str) -> list[DeskStep]:
    """All steps of a claim, oldest first."""
    rows = unit.rows(
        "SELECT seq, at_us, action, principal_id, principal_name, note, ruling, paid_minor FROM payor_step"
        " WHERE tn = ? AND claim_id = ? ORDER BY seq",
        (tenant, claim_id),
    )
    return [
        DeskStep(seq, at_us, action, principal_id, name, note, from_bytes(ruling, Ruling) if ruling else None, paid)
        for seq, at_us, action, principal_id, name, note, ruling, paid in rows
    ]
