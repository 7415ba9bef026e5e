"""The seal over the audit trail: blocks of entries in a hash chain, made beside the work, never in it.

A block covers a range of sequence numbers. Numbers missing from the range (a unit that was rolled back,
or one that is still running on PostgreSQL) are written down as absent; if their entry appears later, a
later block takes it in as late. Entries and seals are both append-only.

    hash(block) = H(hash(block - 1), block, range, absent, late, time, hash of the entries)

H is SHA-256, or HMAC-SHA-256 when a seal key is set: then nobody can forge a seal with the database alone.
Cutting off the newest blocks together with their entries shows only against a head noted elsewhere, which
is why each seal's hash is logged.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from kiungo.base.time import SECOND_US
from kiungo.kernel import json
from kiungo.kernel.audit.entries import COLUMNS
from kiungo.kernel.database import Database, Unit

BLOCK_ROWS_MAX = 1_000
BLOCKS_PER_RUN_MAX = 1_000
LATE_AFTER_S_MAX = 86_400
DIGEST_BYTES = 8
NO_HASH = "0" * 64
ENTRY_COLUMNS = f"seq, {', '.join(COLUMNS)}"
SELECT_ENTRIES = f"SELECT {ENTRY_COLUMNS} FROM audit"
SEAL_COLUMNS = (
    "block, first_seq, last_seq, rows_sealed, absent, late, at_us, keyed, rows_hash, digests, previous_hash, hash"
)
log = structlog.get_logger(__name__)
Row = tuple[Any, ...]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Seal:
    """One block of the chain. Shapes: `absent` and `late` are ranges; `digests` 8 bytes an entry."""

    block: int
    first_seq: int
    last_seq: int
    rows_sealed: int
    absent: tuple[Range, ...]
    late: tuple[Range, ...]
    at_us: int
    keyed: bool
    rows_hash: str
    digests: bytes
    previous_hash: str
    hash: str

    def computed_hash(self, key: bytes) -> str:
        """What `hash` must be."""
        text = "|".join(
            str(part)
            for part in (
                self.previous_hash, self.block, self.first_seq, self.last_seq, self.rows_sealed,
                ranges_text(self.absent), ranges_text(self.late), self.at_us, int(self.keyed), self.rows_hash,
                self.digests.hex(),
            )
        ).encode()  # fmt: skip
        if self.keyed:
            return hmac.new(key, text, hashlib.sha256).hexdigest()
        return hashlib.sha256(text).hexdigest()


def seal_pending(database: Database, key: bytes = b"") -> int:
    """Seal every entry that was not yet sealed when it began; returns how many. Not on the event loop.

    Two sealers at once do no harm: the second finds the block made.
    """
    sealed = 0
    for _ in range(BLOCKS_PER_RUN_MAX):
        rows = seal_block(database, key)
        sealed += rows
        if rows < BLOCK_ROWS_MAX:
            break  # what came meanwhile is the next run's: a busy trail is not sealed entry by entry
    return sealed


def seal_block(database: Database, key: bytes = b"") -> int:
    """Make the next block, of at most `BLOCK_ROWS_MAX` entries; returns how many it took in. Not on the event loop."""
    seal = database.read(lambda unit: next_seal(unit, key))
    if seal is None or not database.write(partial(_append, seal=seal)):
        return 0
    log.debug("audit.sealed", block=seal.block, rows=seal.rows_sealed, hash=seal.hash)
    return seal.rows_sealed


def next_seal(unit: Unit, key: bytes) -> Seal | None:
    """The block that would come next, or None when everything is sealed."""
    last = last_seal(unit)
    last_seq, previous_hash, number = (last.last_seq, last.hash, last.block) if last else (0, NO_HASH, 0)
    fresh = unit.rows_together(
        ENTRY_COLUMNS, "FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", (last_seq, BLOCK_ROWS_MAX)
    )
    late = _late_entries(unit)
    if not fresh and not late:
        return None
    first_seq = last_seq + 1
    new_last = fresh[-1][0] if fresh else last_seq
    present = {row[0] for row in fresh}
    absent = ranges_of(seq for seq in range(first_seq, new_last + 1) if seq not in present)
    rows = [*late, *fresh]
    lines = lines_of(rows)
    unsigned = Seal(
        number + 1, first_seq, new_last, len(rows), absent, ranges_of(row[0] for row in late), unit.now_us,
        bool(key), hash_of(lines), digests_of(lines), previous_hash, "",
    )  # fmt: skip
    return _signed(unsigned, key)


def last_seal(unit: Unit) -> Seal | None:
    """The newest block."""
    row = unit.row(f"SELECT {SEAL_COLUMNS} FROM audit_seal ORDER BY block DESC LIMIT 1")
    return None if row is None else seal_of(row)


def seal_of(row: Row) -> Seal:
    """A block from its row."""
    block, first_seq, last_seq, count, absent, late, at_us, keyed, rows_hash, digests, previous, own = row
    return Seal(
        block, first_seq, last_seq, count, ranges_from(absent), ranges_from(late), at_us, bool(keyed),
        rows_hash, bytes(digests), previous, own,
    )  # fmt: skip


def lines_of(rows: Sequence[Row]) -> list[bytes]:
    """Entries as the bytes that are hashed: the values of each as one JSON array."""
    return [json.dumps(row) + b"\n" for row in rows]


def hash_of(lines: Sequence[bytes]) -> str:
    """The hash over entries in their order."""
    return hashlib.sha256(b"".join(lines)).hexdigest()


def digests_of(lines: Sequence[bytes]) -> bytes:
    """A short digest of each entry, by which a broken one is named."""
    return b"".join([hashlib.sha256(line).digest()[:DIGEST_BYTES] for line in lines])


def ranges_of(numbers: Iterable[int]) -> tuple[Range, ...]:
    """Ascending numbers as ranges, both ends included."""
    ranges: list[Range] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges)


def ranges_text(ranges: Iterable[Range]) -> str:
    """5-5,9-40"""
    return ",".join(f"{first}-{last}" for first, last in ranges)


def ranges_from(text: str) -> tuple[Range, ...]:
    """The ranges of a text."""
    pairs = (part.split("-") for part in text.split(",") if part)
    return tuple((int(first), int(last)) for first, last in pairs)


def _late_entries(unit: Unit) -> list[Row]:
    """Entries that appeared in a gap of an earlier block since; gaps older than a day stay gaps."""
    since_us = unit.now_us - LATE_AFTER_S_MAX * SECOND_US
    seals = unit.rows(
        "SELECT absent, late FROM audit_seal WHERE at_us >= ? AND (absent <> '' OR late <> '') ORDER BY at_us",
        (since_us,),
    )
    taken = [given for _, late in seals for given in ranges_from(late)]
    found: list[Row] = []
    for absent, _ in seals:
        for first, last in ranges_from(absent):
            rows = unit.rows(f"{SELECT_ENTRIES} WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last))
            found += [row for row in rows if not any(low <= row[0] <= high for low, high in taken)]
    return sorted(found)[:BLOCK_ROWS_MAX]


def _signed(seal: Seal, key: bytes) -> Seal:
    values = {name: getattr(seal, name) for name in Seal.__slots__}
    return Seal(**{**values, "hash": seal.computed_hash(key)})


def _append(unit: Unit, seal: Seal) -> bool:
    """Write the block unless another sealer was first, and whom it is about."""
    unit.lock("audit.seal")
    last = last_seal(unit)
    if (last.hash if last else NO_HASH) != seal.previous_hash:
        return False
    unit.execute(
        f"INSERT INTO audit_seal ({SEAL_COLUMNS}) VALUES ({'?, ' * 11}?)",
        (
            seal.block, seal.first_seq, seal.last_seq, seal.rows_sealed, ranges_text(seal.absent),
            ranges_text(seal.late), seal.at_us, int(seal.keyed), seal.rows_hash, seal.digests,
            seal.previous_hash, seal.hash,
        ),
    )  # fmt: skip
    for taken in ((seal.first_seq, seal.last_seq), *seal.late):
        unit.execute(
            "INSERT INTO audit_person (tn, person, block) SELECT DISTINCT tn, person, ? FROM audit"
            " WHERE seq BETWEEN ? AND ? AND person IS NOT NULL ON CONFLICT DO NOTHING",
            (seal.block, *taken),
        )
    return True
