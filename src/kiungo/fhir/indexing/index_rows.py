"""Writes a resource's index rows: all of a new one, the difference of a changed one, none of a deleted one.

Each table is one statement for all rows of all resources that are written together, in the order of its key, so that
neighbours meet the same page. On PostgreSQL the rows travel as arrays, all tables in one round trip.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kiungo.fhir.indexing.arrays import array_cast, array_text
from kiungo.fhir.indexing.counting import FRESH_COUNTS, Counted, added, differing, write_changes
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
    "fhir_fresh_count": ("changes",),
}
_FRACTIONS = frozenset({"low", "high", "low2", "high2", "latitude", "px", "py", "pz"})
_TEXTS = frozenset({"text", "words", "changes"})
_INSERT = {
    table: f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for table, columns in TABLES.items()
}
_REMOVE = {
    table: f"DELETE FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in columns)}"
    for table, columns in TABLES.items()
}
TableRows = dict[str, set[tuple[Any, ...]]]
TableLists = dict[str, list[tuple[Any, ...]]]
TOKENS = "fhir_token"
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


def insert(unit: "Unit", tenant: int, some: Sequence[tuple[int, Rows]], types: Iterable[int]) -> None:
    """Write the rows of new resources of these types, by their row ids.

    Their words wait in one row for each (see `fresh_words`), and what they change of the counters in one for all.
    """
    gathered = _gathered(tenant, some)
    changes = added(tenant, types, (token for _, rows in some for token in rows.token))
    gathered[FRESH_COUNTS] = [(changes,)]
    _insert_now(unit, gathered)


def _gathered(tenant: int, some: Iterable[tuple[int, Rows]]) -> TableLists:
    """The rows of every table for resources that are not there yet, in the order of the tables' keys."""
    base = tenant << TENANT_SHIFT
    wide = base * 2
    found: TableLists = {table: [] for table in TABLES}
    token, reference, date, number = (found[f"fhir_{name}"] for name in ("token", "reference", "date", "number"))
    string, uri, compartment = (found[f"fhir_{name}"] for name in ("string", "uri", "compartment"))
    composite, position, fresh = (found[f"fhir_{name}"] for name in ("composite", "position", "fresh_words"))
    for rid, rows in some:
        at = rows.sort_ms
        token += [(base + k, h, at, rid, s) for k, h, s in rows.token]
        reference += [(base + k, t, at, rid) for k, t in rows.reference]
        compartment += [(base + k, t, h, at, rid, s) for k, t, h, s in rows.compartment]
        date += [(wide + k, low, high, rid) for k, low, high in rows.date]
        number += [(wide + k, low, high, rid, s, u) for k, low, high, s, u in rows.number]
        string += [(base + k, text, rid, s) for k, text, s in rows.string]
        uri += [(base + k, text, rid) for k, text in rows.uri]
        composite += [(base + k, h, o, low, high, rid, *rest) for k, h, o, low, high, *rest in rows.composite]
        position += [(base + k, latitude, rid, *point) for k, latitude, *point in rows.position]
        if rows.word:
            fresh.append((rid, f" {' '.join([f'{base + k}:{text}' for k, text in rows.word])} "))
    for values in found.values():
        values.sort()
    return found


def _insert_now(unit: "Unit", rows: TableLists) -> None:
    filled = {table: values for table, values in rows.items() if values}
    if not filled:
        return
    if unit.engine == "postgresql":
        _insert_together(unit, filled)
        return
    for table, values in filled.items():
        unit.many(_INSERT[table], values)


def insert_missing(unit: "Unit", tenant: int, some: Iterable[TableRows]) -> None:
    """The same for rows of which some may be there already."""
    tokens: list[tuple[Any, ...]] = []
    for rows in some:
        tokens += rows[TOKENS]
        for table, values in rows.items():
            if values and table != TOKENS:
                unit.many(f"{_INSERT[table]} ON CONFLICT DO NOTHING", list(values))
    write_changes(unit, differing(tenant, _insert_missing_tokens(unit, sorted(tokens)), ()))


def _insert_missing_tokens(unit: "Unit", tokens: list[tuple[Any, ...]]) -> list[Counted]:
    if unit.engine != "postgresql" or not tokens:
        return _touched(unit, f"{_INSERT[TOKENS]} ON CONFLICT DO NOTHING", tokens)
    sql = f"{_array_insert(TOKENS)} ON CONFLICT DO NOTHING RETURNING k, hash, system"
    return [(k, code, system) for k, code, system in unit.rows(sql, _columns({TOKENS: tokens}))]


def _touched(unit: "Unit", sql: str, tokens: list[tuple[Any, ...]]) -> list[Counted]:
    """Run a statement for each token row; those that it really wrote or took out."""
    return [(row[0], row[1], row[4]) for row in tokens if unit.execute(sql, row)]


def replace(
    unit: "Unit",
    tenant: int,
    old: TableRows,
    new: TableRows,
    *,
    words_waited: bool,
    gone_type: int | None = None,
) -> None:
    """Write only what differs between what is there and what should be.

    Words that waited (see `fresh_words`) wait no more, so they are written now. `gone_type` is the type of a
    resource of which nothing is left.
    """
    if words_waited:
        old = {**old, WORDS: set()}
    went = _remove_now(unit, {table: sorted(rows - new[table]) for table, rows in old.items()})
    came = {table: sorted(new[table] - old[table]) for table in old}
    changes = differing(tenant, [(row[0], row[1], row[4]) for row in came[TOKENS]], went, gone_type)
    _insert_now(unit, {**came, FRESH_COUNTS: [(changes,)] if changes else []})


def _remove_now(unit: "Unit", rows: TableLists) -> list[Counted]:
    """Take rows out; the tokens that really were there."""
    filled = {table: values for table, values in rows.items() if values}
    tokens = filled.pop(TOKENS, [])
    if unit.engine != "postgresql":
        for table, values in filled.items():
            unit.many(_REMOVE[table], values)
        return _touched(unit, _REMOVE[TOKENS], tokens)
    if tokens:
        filled[TOKENS] = tokens  # last, since the last part is the one that says what it did
    if not filled:
        return []
    sql, columns = _together_sql(_array_delete, tuple(filled)), _columns(filled)
    if not tokens:
        unit.execute(sql, columns)
        return []
    return [(k, code, system) for k, code, system in unit.rows(sql, columns)]


def _insert_together(unit: "Unit", rows: TableLists) -> None:
    """One statement with a part for each table."""
    unit.execute(_together_sql(_array_insert, tuple(rows)), _columns(rows))


def _columns(rows: TableLists) -> list[str]:
    """Each column of each table as one array."""
    return [
        array_text(column, quoted=name in _TEXTS)
        for table, values in rows.items()
        for name, column in zip(TABLES[table], zip(*values, strict=True), strict=True)
    ]


def _together_sql(part_of: Callable[[str], str], tables: tuple[str, ...]) -> str:
    known = _together.get((part_of, tables))
    if known is None:
        parts = [part_of(table) for table in tables]
        if len(parts) == 1:
            known = parts[0]
        else:
            named = ", ".join(f"part{n} AS ({part})" for n, part in enumerate(parts[:-1]))
            known = f"WITH {named} {parts[-1]}"
        _together[part_of, tables] = known
    return known


def _array_insert(table: str) -> str:
    arrays = ", ".join(_cast(table, column) for column in TABLES[table])
    return f"INSERT INTO {table} ({', '.join(TABLES[table])}) SELECT * FROM unnest({arrays})"


def _array_delete(table: str) -> str:
    columns = TABLES[table]
    given = f"unnest({', '.join(_cast(table, column) for column in columns)}) g({', '.join(columns)})"
    same = " AND ".join(f"t.{column} = g.{column}" for column in columns)
    said = " RETURNING t.k, t.hash, t.system" if table == TOKENS else ""
    return f"DELETE FROM {table} t USING {given} WHERE {same}{said}"


def _cast(table: str, column: str) -> str:
    if column in _TEXTS:
        return array_cast("text")
    return array_cast("double precision" if column in _FRACTIONS and table != "fhir_date" else "bigint")


_together: dict[tuple[Callable[[str], str], tuple[str, ...]], str] = {}
