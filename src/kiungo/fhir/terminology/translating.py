"""From a code of one system to those of another, by concept maps.

Source: FHIR R4 ConceptMap, and its $translate.
"""

from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import NotFound
from kiungo.fhir.terminology.model import CONCEPT_MAP_UNKNOWN, ConceptMap
from kiungo.fhir.terminology.reading import Reading
from kiungo.fhir.terminology.shelves import artifact, concept_map_of, stored_maps

NO_MATCH = ("unmatched", "disjoint")
REVERSED = {
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}
OTHER_MAPS_MAX = 4


@dataclass(frozen=True, slots=True)
class Match:
    """One target. `source` is the address of the map that says so. Shapes: `products` are (element, system, code)."""

    equivalence: str
    system: str
    code: str
    display: str
    source: str
    products: tuple[tuple[str, str, str], ...] = ()

    @property
    def is_match(self) -> bool:
        """Whether the target means something of the source, rather than that nothing does."""
        return self.equivalence not in NO_MATCH


@dataclass(frozen=True, slots=True)
class Asked:
    """What to translate. `target_system`, `version`, `source` and `target` narrow the answer when given.

    Shapes: `dependencies` are (element, code) pairs, which targets that depend on others need.
    """

    system: str
    code: str
    target_system: str = ""
    source: str = ""
    target: str = ""
    reverse: bool = False
    version: str = ""
    dependencies: frozenset[tuple[str, str]] = frozenset()


def translate(reading: Reading, asked: Asked, maps: list[ConceptMap]) -> list[Match]:
    """Every target in these maps, equal ones first."""
    found = [match for known in maps for match in _in_map(reading, known, asked, 0)]
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda m: (not m.is_match, m.equivalence not in ("equal", "equivalent")))


def maps_for(reading: Reading, asked: Asked, url: str | None) -> list[ConceptMap]:
    """The map of an address, or every map between the value sets or systems asked for. Raises: NotFound."""
    if url is not None:
        found = reading.concept_map(url)
        if found is None:
            raise _unknown(f"There is no concept map {url[:200]}")
        return [found]
    maps = [concept_map_of(r) for r in stored_maps(reading.unit, reading.tenant)]
    maps += [concept_map_of({"url": known, **content}) for known, content in artifact()["maps"].items()]
    fitting = [m for m in maps if _fits(m, asked)]
    if not fitting:
        raise _unknown("No concept map leads from this system or value set to the wanted one")
    return fitting


def _fits(known: ConceptMap, asked: Asked) -> bool:
    source, target = (asked.target, asked.source) if asked.reverse else (asked.source, asked.target)
    if (source and known.source.partition("|")[0] != source) or (target and known.target.partition("|")[0] != target):
        return False
    near, far = ("target", "source") if asked.reverse else ("source", "target")
    return any(
        group.get(near) == asked.system and asked.target_system in ("", group.get(far)) for group in known.groups
    )


def _in_map(reading: Reading, known: ConceptMap, asked: Asked, depth: int) -> list[Match]:
    found: list[Match] = []
    for group in known.groups:
        near, far = ("target", "source") if asked.reverse else ("source", "target")
        if asked.system not in ("", group.get(near)) or asked.target_system not in ("", group.get(far)):
            continue
        if asked.version and group.get(f"{near}Version", asked.version) != asked.version:
            continue
        mine = _backward(known, group, asked) if asked.reverse else _forward(known, group, asked)
        found += mine if mine or asked.reverse else _rest(reading, known, group, asked, depth)
    return found


def _forward(known: ConceptMap, group: dict[str, Any], asked: Asked) -> list[Match]:
    return [
        Match(
            target.get("equivalence", "relatedto"),
            group.get("target", ""),
            target.get("code", ""),
            target.get("display", ""),
            known.url,
            tuple((p.get("property", ""), p.get("system", ""), p.get("value", "")) for p in target.get("product", ())),
        )
        for element in group.get("element", ())
        if element.get("code") == asked.code
        for target in element.get("target", ())
        if _is_met(target, asked)
    ]


def _is_met(target: dict[str, Any], asked: Asked) -> bool:
    """Whether all that a target depends on was said."""
    needed = {(d.get("property", ""), d.get("value", "")) for d in target.get("dependsOn", ())}
    return needed <= asked.dependencies


def _backward(known: ConceptMap, group: dict[str, Any], asked: Asked) -> list[Match]:
    found = []
    for element in group.get("element", ()):
        for target in element.get("target", ()):
            if target.get("code") == asked.code:
                said = target.get("equivalence", "relatedto")
                found.append(
                    Match(
                        REVERSED.get(said, said),
                        group.get("source", ""),
                        element.get("code", ""),
                        element.get("display", ""),
                        known.url,
                    )
                )
    return found


def _rest(reading: Reading, known: ConceptMap, group: dict[str, Any], asked: Asked, depth: int) -> list[Match]:
    """What a group says about the codes it does not list."""
    rest = group.get("unmapped") or {}
    if any(element.get("code") == asked.code for element in group.get("element", ())):
        return []
    mode = rest.get("mode")
    if mode == "provided":
        return [Match("equal", group.get("target", ""), asked.code, "", known.url)]
    if mode == "fixed":
        return [Match("inexact", group.get("target", ""), rest.get("code", ""), rest.get("display", ""), known.url)]
    if mode == "other-map" and depth < OTHER_MAPS_MAX:
        other = reading.concept_map(rest.get("url", ""))
        return _in_map(reading, other, asked, depth + 1) if other is not None else []
    return []


def _unknown(problem: str) -> NotFound:
    return NotFound(CONCEPT_MAP_UNKNOWN, problem, field="url", hint="Store the ConceptMap, or name another in `url`")
