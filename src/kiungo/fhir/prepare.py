"""From received bytes to a Prepared resource: parse, validate, extract. Pure, and outside any unit of work."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from kiungo.base.errors import Incorrect
from kiungo.fhir.indexing.extraction import Rows, extract
from kiungo.fhir.model import RESOURCE_ID_WRONG, Prepared
from kiungo.fhir.search.words import word_rows
from kiungo.fhir.validation import find_problems, validate
from kiungo.fhir.validation.primitives import ID
from kiungo.kernel import json

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SERVERS_OWN = ("resourceType", "id", "meta")
_SERVERS_OWN_META = ("versionId", "lastUpdated")


def prepare(resource: dict[str, Any] | bytes, *, id: str | None = None) -> Prepared:
    """Parse (bytes), validate and index a resource; `id` is the one it must be written under.

    Received bytes are kept as they came, decimals to the digit. A dict is rendered; it holds int and
    Decimal, never float.
    Raises: Incorrect (malformed JSON, RESOURCE_INVALID with every problem as details, RESOURCE_ID_WRONG).
    """
    tree = json.loads(resource) if isinstance(resource, bytes) else resource
    validate(tree)
    if isinstance(resource, bytes):
        json.refuse_repeats(resource, tree)
    if id is not None:
        _check_id(id, tree.get("id"))
    return _prepared(_received_tail(resource) if isinstance(resource, bytes) else _rendered_tail(tree), tree, id)


def prepare_made(resource: dict[str, Any], *, id: str, rows: Rows | None = None) -> Prepared:
    """Index a resource that our own mapping made, without validating it: the mapping's tests do that once for all.

    Validation would be a quarter of what a claim costs. The values in it were checked where they came in. `rows` is
    what the index gets of it where that is known already, see `moulds`.
    """
    return _prepared(_rendered_tail(resource), resource, id, rows)


def reread(body: bytes) -> Prepared:
    """A stored body as it was prepared: the rules of its day hold, it is not validated again."""
    return _prepared(_received_tail(body), json.loads(body), None)


def _received_tail(text: bytes) -> bytes:
    """The members that are not the server's own, each exactly as it came."""
    members = _members.decode(text)
    return b"".join(
        b',"%b":%b' % (name.encode(), bytes(raw)) for name, raw in members.items() if name not in _SERVERS_OWN
    )


def _rendered_tail(tree: dict[str, Any]) -> bytes:
    """The same of a resource made here, rendered once."""
    rest = {name: value for name, value in tree.items() if name not in _SERVERS_OWN}
    return b"," + json.dumps(rest)[1:-1] if rest else b""


def _prepared(tail: bytes, tree: dict[str, Any], id: str | None, rows: Rows | None = None) -> Prepared:
    meta_tail = _meta_tail(tree["meta"]) if "meta" in tree else b""
    if rows is None:
        rows = extract(tree)
        rows.word = word_rows(tree)
    return Prepared(
        type=tree["resourceType"],
        id=id,
        body_id=tree.get("id"),
        tree=tree,
        tail=tail,
        meta_tail=meta_tail,
        content_hash=blake2b(meta_tail + b"\0" + tail, digest_size=16).digest(),
        rows=rows,
    )


def _check_id(wanted: str, found: str | None) -> None:
    if not ID(wanted):
        raise Incorrect(
            RESOURCE_ID_WRONG,
            "The id is not a FHIR id",
            field="id",
            hint="Use 1 to 64 letters, digits, hyphens and dots",
        )
    if found is not None and found != wanted:
        raise Incorrect(
            RESOURCE_ID_WRONG,
            "The resource carries another id than the one it is written under",
            field="id",
            hint="Leave the id out or make both the same",
        )


def _meta_tail(meta: dict[str, Any]) -> bytes:
    kept = {name: value for name, value in meta.items() if name.lstrip("_") not in _SERVERS_OWN_META}
    return b"," + json.dumps(kept)[1:-1] if kept else b""


def same_content(one: Prepared, other: Prepared) -> bool:
    """Whether two resources say the same, whatever their spacing and order; 1.10 and 1.1 are not the same."""
    if one.content_hash == other.content_hash:
        return True
    left, right = _content(one.tree), _content(other.tree)
    return left == right and _ordered.encode(left) == _ordered.encode(right)


def _content(tree: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in tree.items() if name not in ("id", "meta")}
    meta = {n: v for n, v in tree.get("meta", {}).items() if n.lstrip("_") not in _SERVERS_OWN_META}
    return {**kept, "meta": meta} if meta else kept


_ordered = msgspec.json.Encoder(decimal_format="number", order="sorted")


def compile_ahead(type_names: Iterable[str]) -> None:
    """Make the validators and extractors of these types now, so that their first resource does not wait for it."""
    for type_name in type_names:
        empty = {"resourceType": type_name}
        find_problems(empty)
        extract(empty)
