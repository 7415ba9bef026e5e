"""Who did what with the records of one person: the question a patient may ask.

Which block speaks of whom is noted when the block is sealed, not when the entry is written: noting it at once cost
every read a page of an index of its own. Entries not yet sealed are few and are looked through.
"""

from collections.abc import Sequence

from kiungo.kernel.audit.entries import COLUMNS, Entry
from kiungo.kernel.audit.sealing import last_seal, ranges_from
from kiungo.kernel.database import Unit

BLOCKS_AT_ONCE = 50
SELECT = f"SELECT seq, {', '.join(COLUMNS)} FROM audit WHERE tn = ? AND person = ? AND"
NEWEST = 2**62


def entries_about(
    unit: Unit, tenant: int, person: str, *, before: int = NEWEST, count: int = 100
) -> list[tuple[int, Entry]]:
    """The newest entries about a person with a sequence number under `before`, newest first.

    Shapes: pairs of sequence number and entry; the last number is the next page's `before`.
    """
    sealed = last_seal(unit)
    last = sealed.last_seq if sealed else 0
    rows = unit.rows(f"{SELECT} seq > ? AND seq < ?", (tenant, person, last, before))
    if len(rows) < count:
        for first, to in _ranges(unit, tenant, person, before):
            rows += unit.rows(f"{SELECT} seq BETWEEN ? AND ? AND seq < ?", (tenant, person, first, to, before))
            if len(rows) >= count + BLOCKS_AT_ONCE:
                break
    newest = sorted(set(rows), reverse=True)[:count]  # a late entry lies within an earlier block too
    return [(row[0], Entry(*row[1:])) for row in newest]


def _ranges(unit: Unit, tenant: int, person: str, before: int) -> Sequence[tuple[int, int]]:
    """Where entries about the person are sealed, newest first; a block's late entries lie before its own."""
    blocks = unit.rows(
        "SELECT s.first_seq, s.last_seq, s.late FROM audit_person AS p JOIN audit_seal AS s ON s.block = p.block"
        " WHERE p.tn = ? AND p.person = ? AND (s.first_seq < ? OR s.late <> '') ORDER BY p.block DESC",
        (tenant, person, before),
    )
    found = [(first, last) for first, last, _ in blocks]
    late = [given for _, _, text in blocks for given in ranges_from(text)]
    return sorted({*found, *late}, reverse=True)
