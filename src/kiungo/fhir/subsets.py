"""Parts of stored resources, for `_summary` and `_elements`: whole members left out, the others as they are.

Elements a resource must have always stay, and a tag says that the rest is missing.
Source: FHIR R4 3.1.1.5.8 and 3.1.1.5.9 (summary, elements).
"""

from functools import lru_cache

import msgspec

from kiungo.base.errors import Incorrect, define
from kiungo.fhir.definitions import get_type
from kiungo.fhir.model import Prepared, Stored
from kiungo.fhir.search.asked import SEARCH_VALUE_WRONG, Params
from kiungo.kernel import json

RESOURCE_PART = define("RESOURCE_PART", Incorrect, "A part of a resource cannot be written over the whole.")
SUMMARIES = ("false", "true", "text", "data")
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
_TAG = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def members_of(type_name: str, params: Params) -> frozenset[str] | None:
    """The members of a type's resources that a read's parameters ask for; None for all of them. Raises: Incorrect."""
    summaries = [value for name, value in params if name == "_summary"]
    elements = [part.strip() for name, value in params if name == "_elements" for part in value.split(",")]
    if any(value not in SUMMARIES for value in summaries) or len(set(summaries)) > 1:
        raise _wrong("_summary", f"must be one of {', '.join(SUMMARIES)}")
    mode = summaries[0] if summaries else "false"
    if elements and mode != "false":
        raise _wrong("_elements", "cannot be combined with _summary; ask for one of them")
    if elements:
        return _elements(type_name, tuple(elements))
    return None if mode == "false" else _summary(type_name, mode)


def part_of(stored: Stored, kept: frozenset[str] | None) -> Stored:
    """The resource with these members only, marked as a part; itself when all are kept."""
    if kept is None or not stored.body:
        return stored
    members = _members.decode(stored.body)
    meta = json.loads(bytes(members["meta"]))
    meta["tag"] = [*meta.get("tag", ()), _TAG]
    members["meta"] = msgspec.Raw(json.dumps(meta))
    shown = (b'"%b":%b' % (n.encode(), bytes(raw)) for n, raw in members.items() if n.removeprefix("_") in kept)
    return stored._replace(body=b"{" + b",".join(shown) + b"}")


def refuse_part(prepared: Prepared) -> None:
    """Refuse to write a part over its whole: what was left out would be lost. Raises: Incorrect."""
    if any(tag.get("code") == _TAG["code"] for tag in prepared.tree.get("meta", {}).get("tag", ())):
        raise Incorrect(
            RESOURCE_PART,
            "The resource is tagged as a part of one (SUBSETTED), so writing it would lose the rest",
            field="meta.tag",
            hint="Read it whole, change that, and write it",
        )


@lru_cache(maxsize=1024)
def _elements(type_name: str, wanted: tuple[str, ...]) -> frozenset[str]:
    kept = set(_summary(type_name, "must"))
    for name in wanted:
        # A choice is asked for by its stem or by one of its written names.
        written = {
            text
            for element in get_type(type_name).elements
            for text, _ in element.written()
            if name in (element.name, element.name.removesuffix("[x]"), text)
        }
        if not written and name not in _ALWAYS:
            raise _wrong("_elements", f"names {name[:40]!r}, which {type_name} does not have")
        kept |= {name} & written or written
    return frozenset(kept)


@lru_cache(maxsize=1024)
def _summary(type_name: str, mode: str) -> frozenset[str]:
    found = set(_ALWAYS)
    for element in get_type(type_name).elements:
        keep = {
            "true": element.in_summary,
            "data": element.name != "text",
            "text": element.name == "text",
            "must": False,
        }[mode]
        if keep or element.min > 0:
            found.update(name for name, _ in element.written())
    return frozenset(found)


def _wrong(name: str, problem: str) -> Incorrect:
    return Incorrect(
        SEARCH_VALUE_WRONG, f"{name} {problem}", field=name, hint="See FHIR R4 search, summary and elements"
    )
