"""Counters of resources by type and by code, exact at every moment.

A write leaves one row that says what it changes, in the same unit of work, so it is rolled back with it and no two
writers wait for each other. The rows are added to the counters together, by one at a time. A count is a counter and
what still waits beside it, read in one statement: both engines show one moment to a statement.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from kiungo.fhir import definitions
from kiungo.fhir.indexing.arrays import array_cast, array_text
from kiungo.fhir.indexing.parameters import parameter_keys

if TYPE_CHECKING:
    from kiungo.kernel.database import Database, Unit

FRESH_COUNTS = "fhir_fresh_count"
TENANT_SHIFT = 14
TOGETHER = 500
# Tokens that are one of a kind: to count them would be a counter for each.
UNIQUE = frozenset({"identifier", "group-identifier", "phone", "email", "telecom"})
Counted = tuple[int, int, int]
_ADD = (
    "INSERT INTO fhir_count (k, hash, system, n) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (k, hash, system) DO UPDATE SET n = fhir_count.n + excluded.n"
)
_ADD_ARRAYS = (
    "INSERT INTO fhir_count (k, hash, system, n) SELECT * FROM "
    f"unnest({array_cast('integer')}, {array_cast('bigint')}, {array_cast('integer')}, {array_cast('bigint')}) "
    "ON CONFLICT (k, hash, system) DO UPDATE SET n = fhir_count.n + excluded.n"
)
_READ = (
    "SELECT system, n, '' FROM fhir_count WHERE k = ? AND hash = ? "
    f"UNION ALL SELECT 0, 0, changes FROM {FRESH_COUNTS} WHERE changes LIKE ?"
)


@cache
def counted_keys() -> frozenset[int]:
    """The parameters whose codes are counted: R4's tokens, but for those that are one of a kind."""
    known = parameter_keys()
    tokens = {(row.type, row.code) for row in definitions.parameter_rows() if row.kind == "token"}
    common = {code for type_name, code in tokens if type_name == "Resource"}
    return frozenset(
        key
        for (type_name, code), key in known.items()
        if code not in UNIQUE and (code in common or (type_name, code) in tokens)
    )


def type_key(tenant: int, type_number: int) -> int:
    """The key of a type's counter, which no parameter has."""
    return -((tenant << TENANT_SHIFT) + type_number)


def changes_text(changes: Iterable[tuple[Counted, int]]) -> str:
    """Changes as a row says them; empty when nothing changes."""
    text = " ".join([f"{k}:{code}:{system}={n}" for (k, code, system), n in changes])
    return f" {text} " if text else ""


def added(tenant: int, types: Iterable[int], tokens: Iterable[tuple[int, int, int]]) -> str:
    """What new resources of these types with these tokens (without tenant) change."""
    base, counted = tenant << TENANT_SHIFT, counted_keys()
    found: dict[Counted, int] = {}
    for number in types:
        one = (-(base + number), 0, 0)
        found[one] = found.get(one, 0) + 1
    for k, code, system in tokens:
        if k in counted:
            one = (base + k, code, system)
            found[one] = found.get(one, 0) + 1
    return changes_text(found.items())


def differing(tenant: int, came: Iterable[Counted], went: Iterable[Counted], types: int | None = None) -> str:
    """What it changes that token rows came and went, and with `types` that a resource of that type went."""
    base, counted = tenant << TENANT_SHIFT, counted_keys()
    found: Counter[Counted] = Counter(row for row in came if row[0] - base in counted)
    found.subtract(row for row in went if row[0] - base in counted)
    if types is not None:
        found[(-(base + types), 0, 0)] -= 1
    return changes_text((one, n) for one, n in found.items() if n)


def write_changes(unit: "Unit", text: str) -> None:
    """Leave a row of changes, where there are any."""
    if text:
        unit.execute(f"INSERT INTO {FRESH_COUNTS} (changes) VALUES (?)", (text,))


def count_of(unit: "Unit", k: int, code: int = 0, system: int | None = None) -> int | None:
    """How many resources have a code; None where the counters do not say.

    Without a system: where only one system's code is in use, since a resource may have the same code of two.
    """
    start = f"{k}:{code}:" if system is None else f"{k}:{code}:{system}="
    found: Counter[int] = Counter()
    for of_system, n, changes in unit.rows(_READ, (k, code, f"% {start}%")):
        if not changes:
            found[of_system] += n
            continue
        for part in changes.split():
            if part.startswith(start):
                named, _, amount = part.partition("=")
                found[int(named.rpartition(":")[2])] += int(amount)
    if system is not None:
        return found.get(system)
    used = [n for n in found.values() if n]
    return used[0] if len(used) == 1 else None


def settle_counts(database: "Database") -> int:
    """Add every waiting row to the counters; how many rows that were. Not on the event loop."""
    settled = 0
    while done := database.write(settle_some_counts):
        settled += done
    return settled


def settle_some_counts(unit: "Unit") -> int:
    """The same for the rows that wait longest."""
    unit.lock("fhir.counts")
    waiting = unit.rows(
        f"DELETE FROM {FRESH_COUNTS} WHERE seq IN (SELECT seq FROM {FRESH_COUNTS} ORDER BY seq LIMIT ?) "
        "RETURNING changes",
        (TOGETHER,),
    )
    found: Counter[str] = Counter()
    for (changes,) in waiting:
        for part in changes.split():
            named, _, amount = part.partition("=")
            found[named] += int(amount)
    rows = sorted((*map(int, named.split(":")), n) for named, n in found.items() if n)
    if unit.engine == "postgresql" and rows:
        unit.execute(_ADD_ARRAYS, tuple(array_text(column, quoted=False) for column in zip(*rows, strict=True)))
    else:
        unit.many(_ADD, rows)
    return len(waiting)
