"""An expansion as a ValueSet resource."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kiungo.base.ids import uuid7
from kiungo.base.time import SystemClock, iso_seconds
from kiungo.fhir.terminology import Expansion, Terminology
from kiungo.fhir.terminology.composing import Entry

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_clock = SystemClock()


def expanded(
    terminology: Terminology,
    unit: "Unit",
    found: Expansion,
    given: Mapping[str, str | int | None],
    *,
    with_terms: bool = False,
) -> dict[str, Any]:
    """The ValueSet with its expansion; `given` are the parameters that shaped it."""
    parameters: list[dict[str, Any]] = []
    for name, value in given.items():
        if value not in (None, ""):
            parameters.append({"name": name, "valueInteger" if isinstance(value, int) else "valueString": value})
    versions = {(e.system, e.version) for e in found.entries if e.version}
    parameters += [{"name": "version", "valueUri": f"{system}|{version}"} for system, version in sorted(versions)]
    expansion: dict[str, Any] = {"identifier": f"urn:uuid:{uuid7(_clock)}", "timestamp": iso_seconds(unit.now_us)}
    if found.total is not None:
        expansion["total"] = found.total
    if found.offset:
        expansion["offset"] = found.offset
    if parameters:
        expansion["parameter"] = parameters
    contains = [_contains(terminology, unit, entry, with_terms=with_terms) for entry in found.entries]
    if contains:
        expansion["contains"] = contains
    named = {"url": found.value_set.url, "version": found.value_set.version, "title": found.value_set.name}
    head = {name: value for name, value in named.items() if value}
    return {"resourceType": "ValueSet", **head, "status": "active", "expansion": expansion}


def _contains(terminology: Terminology, unit: "Unit", entry: Entry, *, with_terms: bool) -> dict[str, Any]:
    concept = entry.concept
    shown: dict[str, Any] = {"system": entry.system, "code": concept.code, "display": concept.display}
    if not concept.active:
        shown["inactive"] = True
    if concept.abstract:
        shown["abstract"] = True
    if with_terms:
        system = terminology.read(lambda reading: reading.system(entry.system), unit)
        known = system.find(concept.code) if system is not None else None
        terms = [t for t in known.terms if t[0] != "definition"] if known is not None else []
        if terms:
            shown["designation"] = [
                {**({"language": language} if language else {}), "value": term} for _, language, term in terms
            ]
    return shown
