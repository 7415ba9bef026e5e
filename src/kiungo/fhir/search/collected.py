"""Sorting by tokens and references: every match is read, since the index knows them as hashes only.

A token is sorted by the words people read for it, or else by its code; an identifier by its value; a reference by
its text. So many matches as that takes are bounded, and beyond it the search is refused with advice.
"""

from collections.abc import Iterator
from functools import cmp_to_key
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.indexing.extraction import Rows, extract
from kiungo.fhir.indexing.own_values import add_rows
from kiungo.fhir.indexing.parameters import Parameter
from kiungo.fhir.indexing.values import normal
from kiungo.fhir.indexing.walking import found_in
from kiungo.fhir.model import Stored
from kiungo.fhir.search.asked import SEARCH_TOO_COSTLY, SortKey
from kiungo.fhir.search.ordering import without_value
from kiungo.kernel import json

MATCHES_MAX = 5_000
COLLECTED_KINDS = frozenset({"token", "reference"})
Keyed = tuple[list[Any], Stored]


def is_collected(sort: list[SortKey]) -> bool:
    """Whether a query must be sorted here."""
    return any(key.parameter.kind in COLLECTED_KINDS and key.parameter.code != "_id" for key in sort)


def refuse_too_many() -> None:
    """Refuse to sort more than the bound. Raises: Incorrect SEARCH_TOO_COSTLY."""
    raise Incorrect(
        SEARCH_TOO_COSTLY,
        f"Sorting by a token or reference looks at every match, and there are more than {MATCHES_MAX}",
        field="_sort",
        hint="Add a more selective parameter, or sort by a date, number, string or uri",
    )


def page_of(
    matches: list[Stored], sort: list[SortKey], after: list[Any] | None, count: int
) -> tuple[list[Stored], list[Any] | None]:
    """A page in order, and the values of its last row when there are more."""
    downwards = [key.descending for key in sort] + [sort[-1].descending]

    def compare(one: Keyed, other: Keyed) -> int:
        return _compared(one[0], other[0], downwards)

    keyed = sorted(((_values(stored, sort), stored) for stored in matches), key=cmp_to_key(compare))
    if after is not None:
        if len(after) != len(downwards):
            return [], None
        keyed = [one for one in keyed if _compared(one[0], after, downwards) > 0]
    page = keyed[:count]
    return [stored for _, stored in page], page[-1][0] if page and len(keyed) > count else None


def _compared(one: list[Any], other: list[Any], downwards: list[bool]) -> int:
    for mine, theirs, down in zip(one, other, downwards, strict=True):
        if mine != theirs:
            return -1 if (mine < theirs) is not down else 1
    return 0


def _values(stored: Stored, sort: list[SortKey]) -> list[Any]:
    tree = json.loads(stored.body)
    rows = extract(tree)
    for key in sort:
        if key.parameter.is_own:
            add_rows(rows, key.parameter, tree)
    return [*(_value(stored, tree, rows, key) for key in sort), stored.rid]


def _value(stored: Stored, tree: dict[str, Any], rows: Rows, key: SortKey) -> Any:
    parameter = key.parameter
    if parameter.code == "_id":
        return stored.id
    if parameter.code == "_lastUpdated":
        return stored.updated_us
    texts = (text for kind, value in found_in(tree, parameter) for text in _texts(kind, value))
    found = _indexed(rows, parameter)
    kind = "string" if found is None else parameter.kind
    missing = without_value(kind, descending=key.descending)
    return (max if key.descending else min)(texts if found is None else found, default=missing)


def _indexed(rows: Rows, parameter: Parameter) -> Iterator[Any] | None:
    """What the index would sort by; None where it has hashes only."""
    keys = {source.key for source in parameter.sources}
    by_kind: dict[str, Iterator[Any]] = {
        "date": (low for k, low, _ in rows.date if k // 2 in keys),
        "number": (low for k, low, *_ in rows.number if k // 2 in keys),
        "string": (text for k, text, _ in rows.string if k in keys),
        "uri": (text for k, text in rows.uri if k in keys),
    }
    return by_kind.get("number" if parameter.kind == "quantity" else parameter.kind)


def _texts(kind: str, value: Any) -> list[str]:
    """What a token or reference is sorted by."""
    if kind == "CodeableConcept":
        codings = value.get("coding") or [{}]
        return [normal(value.get("text") or codings[0].get("display") or codings[0].get("code") or "")]
    if kind == "Coding":
        return [normal(value.get("display") or value.get("code") or "")]
    if kind in ("Identifier", "ContactPoint"):
        return [normal(value.get("value") or "")]
    if kind == "Reference":
        return [value.get("reference") or value.get("display") or ""]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [normal(value)] if isinstance(value, str) else []
