"""Words of new resources are put in their place a little later, many resources at a time.

A resource has some fifty words, and each would be a page of the index to itself. So a write leaves them in one row,
where a search still finds them, and every second what waits is sorted into the index together, page by page.
"""

from collections.abc import Sequence
from typing import Any

from kiungo.kernel.database import Database, Unit

TOGETHER = 50


def settle_words(database: Database) -> int:
    """Put every waiting word in its place; how many resources that were. Not on the event loop."""
    settled = 0
    while done := database.write(settle_some):
        settled += done
    return settled


def settle_some(unit: Unit) -> int:
    """The same for the resources that wait longest."""
    unit.lock("fhir.words")
    waiting = unit.rows(
        "DELETE FROM fhir_fresh_words WHERE rid IN (SELECT rid FROM fhir_fresh_words ORDER BY rid LIMIT ?)"
        " RETURNING rid, words",
        (TOGETHER,),
    )
    unit.many(
        "INSERT INTO fhir_word (k, text, rid) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        sorted(row for rid, words in waiting for row in _rows(rid, words)),
    )
    return len(waiting)


def _rows(rid: int, words: str) -> Sequence[tuple[Any, ...]]:
    parts = (part.split(":", 1) for part in words.split())
    return [(int(key), text, rid) for key, text in parts]
