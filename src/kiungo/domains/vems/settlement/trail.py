"""Everything that happened to a booking's money, in order: steps, messages and postings."""

from dataclasses import dataclass
from typing import Literal

from kiungo.base.money import Money
from kiungo.domains.vems.notifications import service as notifications
from kiungo.domains.vems.settlement import store
from kiungo.kernel.database import Unit

JOURNALS_OF_A_LEG = ("", "/paid", "/void", "/returned", "/late")
_ORDER = {"step": 0, "posting": 1, "message": 2}


@dataclass(frozen=True, slots=True)
class TrailLine:
    """One thing that happened. Units: microseconds UTC. Shapes: `amount` only for postings."""

    at_us: int
    what: Literal["step", "posting", "message"]
    title: str
    detail: str
    who: str
    reference: str
    amount: Money | None = None


def trail(unit: Unit, tenant: int, booking_no: str) -> list[TrailLine]:
    """The trail of one settlement, oldest first; within one moment steps, then postings, then messages.

    Raises: NotFound SETTLEMENT_NOT_FOUND.
    """
    row = store.get_settlement(unit, tenant, booking_no)
    lines = [
        TrailLine(at_us, "step", what, detail, who, reference)
        for at_us, what, reference, who, detail in store.steps_of(unit, tenant, booking_no)
    ]
    keys = [f"decision/{booking_no}/{version}" for version in range(1, row.version + 1)]
    for leg in store.legs_of(unit, tenant, booking_no):
        keys += [f"leg/{leg.reference}{ending}" for ending in JOURNALS_OF_A_LEG]
    for key in keys:
        lines += _postings(unit, tenant, key)
    lines += [
        TrailLine(n.created_us, "message", f"{n.channel} {n.state}", n.subject, n.recipient, n.notification_id)
        for n in notifications.about(unit, tenant, booking_no)
    ]
    return sorted(lines, key=lambda line: (line.at_us, _ORDER[line.what]))


def _postings(unit: Unit, tenant: int, key: str) -> list[TrailLine]:
    rows = unit.rows(
        "SELECT j.posted_us, j.kind, j.phase, p.debit, p.credit, p.amount_minor, p.currency FROM ledger_journal AS j"
        " JOIN ledger_posting AS p ON p.tn = j.tn AND p.journal = j.id WHERE j.tn = ? AND j.key = ? ORDER BY p.seq",
        (tenant, key),
    )
    return [
        TrailLine(at_us, "posting", f"{kind} {phase}", f"{credit} to {debit}", "ledger", key, Money(minor, currency))
        for at_us, kind, phase, debit, credit, minor, currency in rows
    ]
