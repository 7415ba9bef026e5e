"""Writes a resource's index rows: all of a new one, the difference of a changed one, none of a deleted one.

Each table is one statement for all its rows. On PostgreSQL the rows travel as arrays, so that a resource
costs one round trip for all tables together.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from kiungo.fhir.indexing.extraction import Rows

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

TENANT_SHIFT = 14
TABLES: dict[str, tuple[str, ...]] = {
    "fhir_token": ("k", "hash", "sort_ms", "rid", "system"),
    "fhir_reference": ("k", "target", "sort_ms", "rid"),
    "fhir_compartment": ("k", "target", "hash", "sort_ms", "rid", "system"),
    "fhir_date": ("k", "low", "high", "rid"),
    "fhir_number": ("k", "low", "high", "rid", "system", "unit"),
    "fhir_string": ("k", "text", "rid", "spelling"),
    "fhir_uri": ("k", "text", "rid"),
    "fhir_composite": (
        *("k", "hash", "other", "low", "high", "rid", "system", "other_system", "unit", "text", "low2", "high2"),
    ),
    "fhir_position": ("k", "latitude", "rid", "px", "py", "pz"),
    "fhir_word": ("k", "text", "rid"),
    "fhir_fresh_words": ("rid", "words"),
}
_FRACTIONS = frozenset({"low", "high", "low2", "high2", "latitude", "px", "py", "pz"})
_INSERT = {
    table: f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for table, columns in TABLES.items()
}
_REMOVE = {
    table: f"DELETE FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in columns)}"
    for table, columns in TABLES.items()
}
TableRows = dict[str, set[tuple[Any, ...]]]
WORDS = "fhir_word"
FRESH_WORDS = "fhir_fresh_words"


def key_base(tenant: int) -> int:
    """What is added to a parameter's number to make its key in this tenant."""
    return tenant << TENANT_SHIFT


def table_rows(rows: Rows, tenant: int, rid: int) -> TableRows:
    """The rows of every table with tenant and row id filled in."""
    base = tenant << TENANT_SHIFT
    wide = base * 2  # date and number keys are doubled: the low bit says whether the value is a wide range
    at = rows.sort_ms
    return {
        "fhir_token": {(base + k, h, at, rid, s) for k, h, s in rows.token},
        "fhir_reference": {(base + k, t, at, rid) for k, t in rows.reference},
        "fhir_compartment": {(base + k, t, h, at, rid, s) for k, t, h, s in rows.compartment},
        "fhir_date": {(wide + k, low, high, rid) for k, low, high in rows.date},
        "fhir_number": {(wide + k, low, high, rid, s, u) for k, low, high, s, u in rows.number},
        "fhir_string": {(base + k, text, rid, s) for k, text, s in rows.string},
        "fhir_uri": {(base + k, text, rid) for k, text in rows.uri},
        "fhir_composite": {(base + k, h, o, low, high, rid, *rest) for k, h, o, low, high, *rest in rows.composite},
        "fhir_position": {(base + k, latitude, rid, *at) for k, latitude, *at in rows.position},
        "fhir_word": {(base + k, text, rid) for k, text in rows.word},
    }


def insert(unit: "Unit", rows: TableRows) -> None:
    """Write the rows of new resources; their words wait in one row for each (see `fresh_words`)."""
    _insert_now(unit, {**rows, WORDS: set(), FRESH_WORDS: _fresh_rows(rows[WORDS])})


def _insert_now(unit: "Unit", rows: TableRows) -> None:
    filled = {table: values for table, values in rows.items() if values}
    if not filled:
        return
    if unit.engine == "postgresql":
        _insert_together(unit, filled)
        return
    for table, values in filled.items():
        unit.many(_INSERT[table], list(values))


def insert_all(unit: "Unit", some: Iterable[TableRows]) -> None:
    """The same for several resources; their rows differ in their row ids, so none is there twice."""
    together: TableRows = {table: set() for table in TABLES}
    for rows in some:
        for table, values in rows.items():
            together[table] |= values
    insert(unit, together)


def insert_missing(unit: "Unit", some: Iterable[TableRows]) -> None:
    """The same for rows of which some may be there already."""
    for rows in some:
        for table, values in rows.items():
            if values:
                unit.many(f"{_INSERT[table]} ON CONFLICT DO NOTHING", list(values))


def replace(unit: "Unit", rid: int, old: TableRows, new: TableRows) -> None:
    """Write only what differs between what is there and what should be; words that still wait are written now."""
    if unit.execute(f"DELETE FROM {FRESH_WORDS} WHERE rid = ?", (rid,)):
        old = {**old, WORDS: set()}
    for table in old:
        gone = old[table] - new[table]
        if gone:
            unit.many(_REMOVE[table], list(gone))
    _insert_now(unit, {table: new[table] - old[table] for table in old})


def _fresh_rows(words: Iterable[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """The rows of words as one row for each resource. Shapes: its words are ` KEY:WORD KEY:WORD `."""
    by_rid: dict[int, list[str]] = {}
    for k, text, rid in words:
        by_rid.setdefault(rid, []).append(f"{k}:{text}")
    return {(rid, f" {' '.join(parts)} ") for rid, parts in by_rid.items()}


def _insert_together(unit: "Unit", rows: dict[str, set[tuple[Any, ...]]]) -> None:
    """One statement with a part for each table; each column is one array."""
    parameters: Sequence[Any] = list(
        chain.from_iterable(([list(c) for c in zip(*values, strict=True)]) for values in rows.values())
    )
    unit.execute(_together_sql(tuple(rows)), parameters)


def _together_sql(tables: tuple[str, ...]) -> str:
    known = _together.get(tables)
    if known is None:
        parts = [_array_insert(table) for table in tables]
        if len(parts) == 1:
            known = parts[0]
        else:
            named = ", ".join(f"part{n} AS ({part})" for n, part in enumerate(parts[:-1]))
            known = f"WITH {named} {parts[-1]}"
        _together[tables] = known
    return known


def _cast(table: str, column: str) -> str:
    if column in ("text", "words"):
        return "text"
    return "double precision" if column in _FRACTIONS and table != "fhir_date" else "bigint"


def _array_insert(table: str) -> str:
    columns = TABLES[table]
    casts = [f"?::{_cast(table, column)}[]" for column in columns]
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({', '.join(casts)})"


_together: dict[tuple[str, ...], str] = {}
