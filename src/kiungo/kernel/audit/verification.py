"""Checking the audit trail against its seals, block by block, naming the first entry that is wrong."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from kiungo.kernel.audit.sealing import (
    DIGEST_BYTES,
    NO_HASH,
    SEAL_COLUMNS,
    SELECT_ENTRIES,
    Row,
    Seal,
    digests_of,
    hash_of,
    lines_of,
    ranges_from,
    seal_of,
)
from kiungo.kernel.database import Database, Unit

BLOCK_DEADLINE_MS = 30_000


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and the first thing that is wrong.

    `head` is the newest block's hash; noted elsewhere, it shows later whether blocks were cut off.
    """

    blocks: int
    rows: int
    unsealed: int
    head: str
    problem: str | None = None
    block: int | None = None
    seq: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem is None


class _Break(Exception):
    def __init__(self, problem: str, block: int | None, seq: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.block = block
        self.seq = seq


def verify(database: Database, key: bytes = b"", *, expected_head: str | None = None) -> Report:
    """Recompute the whole chain. Not on the event loop.

    `expected_head` is a hash noted earlier: the chain must still contain it.
    """
    blocks = rows = 0
    previous_hash, last_seq = NO_HASH, 0
    met_expected = expected_head is None
    late = database.read(_late_numbers, deadline_ms=BLOCK_DEADLINE_MS)
    try:
        while True:
            block = partial(_block, number=blocks + 1, late=late)
            found = database.read(block, deadline_ms=BLOCK_DEADLINE_MS)
            if found is None:
                break
            seal, entries = found
            _check_links(seal, previous_hash, last_seq, key)
            _check_entries(seal, entries)
            blocks, rows = blocks + 1, rows + len(entries)
            previous_hash, last_seq = seal.hash, seal.last_seq
            met_expected |= seal.hash == expected_head
        if not met_expected:
            raise _Break("the noted head is not in the chain: newer blocks were cut off", blocks)
        unsealed = database.read(lambda unit: _after(unit, blocks, last_seq), deadline_ms=BLOCK_DEADLINE_MS)
    except _Break as found_break:
        return Report(blocks, rows, 0, previous_hash, found_break.problem, found_break.block, found_break.seq)
    return Report(blocks, rows, unsealed, previous_hash)


def _block(unit: Unit, number: int, late: Mapping[int, int]) -> tuple[Seal, list[Row]] | None:
    """A block and its entries as they are now: the late ones first, then its own range."""
    row = unit.row(f"SELECT {SEAL_COLUMNS} FROM audit_seal WHERE block = ?", (number,))
    if row is None:
        return None
    seal = seal_of(row)
    entries: list[Row] = []
    for first, last in (*seal.late, (seal.first_seq, seal.last_seq)):
        entries += unit.rows(f"{SELECT_ENTRIES} WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last))
    return seal, [entry for entry in entries if late.get(entry[0], number) == number]


def _late_numbers(unit: Unit) -> dict[int, int]:
    """Late entries by their number, with the block that took them in."""
    return {
        number: block
        for block, text in unit.rows("SELECT block, late FROM audit_seal WHERE late <> ''")
        for first, last in ranges_from(text)
        for number in range(first, last + 1)
    }


def _check_links(seal: Seal, previous_hash: str, last_seq: int, key: bytes) -> None:
    if seal.previous_hash != previous_hash or seal.first_seq != last_seq + 1:
        raise _Break("the block does not follow the one before it", seal.block)
    if bool(key) and not seal.keyed:
        raise _Break("the block is sealed without the key", seal.block)
    if seal.keyed and not key:
        raise _Break("the block is sealed with a key that was not given", seal.block)
    if not hmac.compare_digest(seal.computed_hash(key), seal.hash):
        raise _Break("the block's seal is wrong: it was altered, or made with another key", seal.block)


def _check_entries(seal: Seal, entries: list[Row]) -> None:
    """Compare what is there with what was sealed, number by number."""
    absent = {seq for first, last in seal.absent for seq in range(first, last + 1)}
    expected = [seq for first, last in seal.late for seq in range(first, last + 1)]
    expected += [seq for seq in range(seal.first_seq, seal.last_seq + 1) if seq not in absent]
    present = [entry[0] for entry in entries]
    missing = sorted(set(expected) - set(present))
    if missing:
        raise _Break("an entry was deleted", seal.block, missing[0])
    inserted = sorted(set(present) - set(expected))
    if inserted:
        raise _Break("an entry was inserted after the block was sealed", seal.block, inserted[0])
    lines = lines_of(entries)
    if hash_of(lines) == seal.rows_hash:
        return
    digests = digests_of(lines)
    for position, seq in enumerate(present):
        at = slice(position * DIGEST_BYTES, (position + 1) * DIGEST_BYTES)
        if digests[at] != seal.digests[at]:
            raise _Break("an entry was changed", seal.block, seq)
    raise _Break("the entries are not those that were sealed", seal.block)


def _after(unit: Unit, blocks: int, last_seq: int) -> int:
    """How many entries wait for a seal. Raises: _Break when a block is missing before later ones."""
    later = unit.value("SELECT min(block) FROM audit_seal WHERE block > ?", (blocks,))
    if later is not None:
        raise _Break(f"the blocks before block {later} are missing", blocks + 1)
    return int(unit.value("SELECT count(*) FROM audit WHERE seq > ?", (last_seq,)))
