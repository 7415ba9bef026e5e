"""Words of new resources are put in their place a little later, many resources at a time.

A resource has some fifty words, and each would be a page of the index to itself. So a write leaves them in one row,
where a search still finds them, and every second what waits is sorted into the index together, page by page.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from kiungo.fhir.indexing.arrays import array_cast, array_text
from kiungo.kernel.database import Database, Unit

TOGETHER = 150
IN_BULK = 2_000
_SETTLE = "INSERT INTO fhir_word (k, text, rid) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_SETTLE_ARRAYS = (
    "INSERT INTO fhir_word (k, text, rid) SELECT * FROM "
    f"unnest({array_cast('bigint')}, {array_cast('text')}, {array_cast('bigint')}) ON CONFLICT DO NOTHING"
)


def settle_words(database: Database, together: int = TOGETHER) -> int:
    """Put every waiting word in its place; how many resources that were. Not on the event loop.

    `together` is how many at a time: more of them meet on a page, and others who write wait longer.
    """
    settled = 0
    while done := database.write(partial(settle_some, together=together)):
        settled += done
    return settled


def settle_some(unit: Unit, together: int = TOGETHER) -> int:
    """The same for the resources that wait longest."""
    unit.lock("fhir.words")
    waiting = unit.rows(
        "DELETE FROM fhir_fresh_words WHERE rid IN (SELECT rid FROM fhir_fresh_words ORDER BY rid LIMIT ?)"
        " RETURNING rid, words",
        (together,),
    )
    found = sorted(row for rid, words in waiting for row in _rows(rid, words))
    if unit.engine == "postgresql" and found:
        keys, texts, rids = zip(*found, strict=True)
        given = array_text(keys, quoted=False), array_text(texts, quoted=True), array_text(rids, quoted=False)
        unit.execute(_SETTLE_ARRAYS, given)
    else:
        unit.many(_SETTLE, found)
    return len(waiting)


def _rows(rid: int, words: str) -> Sequence[tuple[Any, ...]]:
    parts = (part.split(":", 1) for part in words.split())
    return [(int(key), text, rid) for key, text in parts]
