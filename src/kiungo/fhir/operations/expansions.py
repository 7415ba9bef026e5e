"""An expansion as a ValueSet resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.base.ids import uuid7
from kiungo.base.time import SystemClock, iso_seconds
from kiungo.fhir.terminology import Expansion, Terminology
from kiungo.fhir.terminology.composing import Entry
from kiungo.fhir.terminology.displays import designations, display_in, use_of
from kiungo.fhir.terminology.model import Concept

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_clock = SystemClock()


@dataclass(frozen=True, slots=True)
class Words:
    """Which words of each code are shown: the display's language, and designations (all when none are named)."""

    language: str | None = None
    are_shown: bool = False
    designations: tuple[str, ...] = ()


def expanded(
    terminology: Terminology,
    unit: "Unit",
    found: Expansion,
    given: Mapping[str, str | int | bool | None],
    words: "Words | None" = None,
) -> dict[str, Any]:
    """The ValueSet with its expansion; `given` are the parameters that shaped it."""
    words = words or Words()
    parameters: list[dict[str, Any]] = []
    for name, value in given.items():
        if value not in (None, "", False):
            typed = "valueBoolean" if value is True else "valueInteger" if isinstance(value, int) else "valueString"
            parameters.append({"name": name, typed: value})
    versions = {(e.system, e.version) for e in found.entries if e.version}
    parameters += [{"name": "version", "valueUri": f"{system}|{version}"} for system, version in sorted(versions)]
    expansion: dict[str, Any] = {"identifier": f"urn:uuid:{uuid7(_clock)}", "timestamp": iso_seconds(unit.now_us)}
    if found.total is not None:
        expansion["total"] = found.total
    if found.offset:
        expansion["offset"] = found.offset
    if parameters:
        expansion["parameter"] = parameters
    contains = [_contains(terminology, unit, entry, words) for entry in found.entries]
    if contains:
        expansion["contains"] = contains
    named = {"url": found.value_set.url, "version": found.value_set.version, "title": found.value_set.name}
    head = {name: value for name, value in named.items() if value}
    return {"resourceType": "ValueSet", **head, "status": "active", "expansion": expansion}


def _contains(terminology: Terminology, unit: "Unit", entry: Entry, words: Words) -> dict[str, Any]:
    concept = entry.concept
    known = None
    if words.are_shown or words.language:
        system = terminology.read(lambda reading: reading.system(entry.system), unit)
        known = system.find(concept.code) if system is not None else None
    display = concept.display
    if known is not None and words.language and (named := display_in(known, words.language)) != known.display:
        display = named
    shown: dict[str, Any] = {"system": entry.system, "code": concept.code, "display": display}
    if not concept.active:
        shown["inactive"] = True
    if concept.abstract:
        shown["abstract"] = True
    if words.are_shown and known is not None:
        listed = [_designation(term, known) for term in designations(known, words.designations)]
        if listed:
            shown["designation"] = listed
    return shown


def _designation(term: tuple[str, str, str], concept: Concept) -> dict[str, Any]:
    kind, language, text = term
    said: dict[str, Any] = {"language": language} if language else {}
    if kind:
        said["use"] = use_of(kind, concept)
    return {**said, "value": text}
