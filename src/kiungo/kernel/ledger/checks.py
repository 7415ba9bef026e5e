"""What must hold before a journal is written: the key, the hold and the reversal were not used before."""

from kiungo.base.errors import Conflict, define
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger.model import Journal
from kiungo.kernel.ledger.reports import find_journal, journal_by

LEDGER_KEY_REUSED = define("LEDGER_KEY_REUSED", Conflict, "The key belongs to another journal, with another body.")
LEDGER_HOLD_SETTLED = define("LEDGER_HOLD_SETTLED", Conflict, "The hold was posted or voided before, or is not a hold.")
LEDGER_NOT_REVERSIBLE = define(
    "LEDGER_NOT_REVERSIBLE", Conflict, "The journal was reversed before, or is not one that can be reversed."
)


def repeated(unit: Unit, tenant: int, key: str, body_hash: bytes) -> Journal | None:
    """The journal a key already belongs to. Raises: Conflict LEDGER_KEY_REUSED."""
    row = unit.row("SELECT id, body_hash FROM ledger_journal WHERE tn = ? AND key = ?", (tenant, key))
    if row is None:
        return None
    if bytes(row[1]) != body_hash:
        raise Conflict(
            LEDGER_KEY_REUSED,
            f"The key {key!r} belongs to journal {row[0]}, which says something else",
            field="key",
            hint="Send the first body again, or use a new key for a new journal",
        )
    return find_journal(unit, tenant, row[0])


def must_be_open(unit: Unit, tenant: int, held: Journal) -> None:
    """Refuse to settle what is no hold, or was settled. Raises: Conflict LEDGER_HOLD_SETTLED."""
    by = journal_by(unit, tenant, "settles", held.id)
    if held.phase != "held" or by is not None:
        why = f"was settled by journal {by}" if by is not None else "is not a hold"
        raise Conflict(LEDGER_HOLD_SETTLED, f"Journal {held.id} {why}", field="journal_id", hint="Read the hold again")


def must_be_reversible(unit: Unit, tenant: int, wrong: Journal) -> None:
    """Refuse to reverse a hold, a reversal, or what was reversed. Raises: Conflict LEDGER_NOT_REVERSIBLE."""
    by = journal_by(unit, tenant, "reverses", wrong.id)
    if wrong.phase != "posted" or wrong.reverses is not None or by is not None:
        why = (
            f"was reversed by journal {by}" if by is not None
            else "is itself a reversal" if wrong.reverses is not None
            else f"is {wrong.phase}, not posted"
        )  # fmt: skip
        raise Conflict(
            LEDGER_NOT_REVERSIBLE,
            f"Journal {wrong.id} {why}",
            field="journal_id",
            hint="Void a hold; repeat a reversed journal by posting it anew",
        )
