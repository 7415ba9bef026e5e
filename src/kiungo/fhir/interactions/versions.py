"""One version of a resource gives way to the next: the old one into the history, the new one into its place."""

from typing import TYPE_CHECKING, Any

from kiungo.fhir.indexing.index_rows import FRESH_WORDS

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_KEEP = (
    "INSERT INTO fhir_history (rid, version, tn, type, updated_us, deleted, method, body) "
    "SELECT rid, version, tn, type, updated_us, deleted, method, body FROM fhir_resource WHERE rid = ?"
)
_CHANGE = (
    "UPDATE fhir_resource SET version = ?, updated_us = ?, sort_ms = ?, deleted = ?, method = ?, person = ?, "
    "content_hash = ?, body = ? WHERE rid = ?"
)
_FORGET = f"DELETE FROM {FRESH_WORDS} WHERE rid = ?"
# Each part sees the rows as they were before all of them.
_TOGETHER = (
    f"WITH waiting AS ({_FORGET} RETURNING rid), kept AS ({_KEEP}), changed AS ({_CHANGE}) SELECT 1 FROM waiting"
)


def next_version(unit: "Unit", rid: int, values: tuple[Any, ...]) -> bool:
    """Write the next version of a row that the unit has locked; whether the words of the old one still waited.

    Shapes: `values` are version, updated_us, sort_ms, deleted, method, person, content_hash and body.
    """
    if unit.engine == "postgresql":
        return unit.row(_TOGETHER, (rid, rid, *values, rid)) is not None
    unit.execute(_KEEP, (rid,))
    unit.execute(_CHANGE, (*values, rid))
    return unit.execute(_FORGET, (rid,)) > 0
