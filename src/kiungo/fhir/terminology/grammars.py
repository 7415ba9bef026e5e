"""Code systems that are a grammar rather than a list: units, media types, languages, time zones."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from kiungo.base.errors import Incorrect
from kiungo.fhir.terminology.model import EXPANSION_TOO_COSTLY, Concept, Filter, has_words, pattern

UCUM = "http://unitsofmeasure.org"
MEDIA_TYPES = "urn:ietf:bcp:13"
LANGUAGES = "urn:ietf:bcp:47"
TIME_ZONES = "https://www.iana.org/time-zones"
# R4 names its own formats in short where a server says which it takes (CapabilityStatement.format).
_MEDIA_TYPE = re.compile(
    r"json|xml|ttl|[A-Za-z0-9][\w!#$&^.+-]{0,126}/[\w!#$&^.+-]{1,127}(\s*;\s*[\w!#$&^.+-]+=(\"[^\"]*\"|[^\s;\"]+))*"
)
# The parts of a language tag, by which value sets choose some. Source: BCP 47 2.1; FHIR R4 4.3.14 (language codes).
_PARTS = {
    "language": r"(?:[a-zA-Z]{2,3}(?=-|$)|[a-zA-Z]{4,8})",
    "ext-lang": r"(?<![a-zA-Z]{4})(?:-[a-zA-Z]{3}){1,3}(?=-|$)",  # after a short language only
    "script": r"-[a-zA-Z]{4}(?=-|$)",
    "region": r"-(?:[a-zA-Z]{2}|\d{3})(?=-|$)",
    "variant": r"(?:-(?:[a-zA-Z0-9]{5,8}|\d[a-zA-Z0-9]{3})(?=-|$))+",
    "extension": r"(?:-[a-wy-zA-WY-Z0-9](?:-[a-zA-Z0-9]{2,8})+)+",
    "private-use": r"-x(?:-[a-zA-Z0-9]{1,8})+",
}
_LANGUAGE = re.compile("".join(f"({part})" if name == "language" else f"({part})?" for name, part in _PARTS.items()))
_OWN = frozenset({"code", "concept", "display"})


@dataclass(frozen=True, slots=True)
class GrammarSystem:
    """A system whose codes cannot be listed, unless `every` does, but each can be judged."""

    url: str
    name: str
    accepts: Callable[[str], bool]
    every: Callable[[], Collection[str]] | None = None
    version: str = ""
    is_complete: bool = True

    def find(self, code: str) -> Concept | None:
        return Concept(code, code) if self.accepts(code) else None

    def glance(self, code: str) -> Concept | None:
        return self.find(code)

    def has(self, code: str) -> bool:
        return self.accepts(code)

    def is_above(self, ancestor: str, descendant: str) -> bool:
        """A language stands above its regional forms; elsewhere nothing stands above anything."""
        return self.url == LANGUAGES and descendant.lower().startswith(ancestor.lower() + "-")

    def meets(self, code: str, wanted: Filter) -> bool:
        op, value = wanted.op, wanted.value
        below, above = self.is_above(value, code), self.is_above(code, value)
        by_place = {"is-a": below or code == value, "descendent-of": below, "generalizes": above or code == value}
        by_place["is-not-a"] = not by_place["is-a"]
        if op in by_place:
            return by_place[op]
        held = self._held(code, wanted.property)
        if op == "exists":
            return (held is not None) == (value == "true")
        if op == "regex":
            return held is not None and pattern(value).fullmatch(held[:400]) is not None
        listed = [part.strip() for part in value.split(",")] if op in ("in", "not-in") else [value]
        return (held in listed) == (op != "not-in")

    def _held(self, code: str, name: str) -> str | None:
        if name in _OWN:
            return code
        found = _LANGUAGE.fullmatch(code)
        part = found[list(_PARTS).index(name) + 1] if found is not None else None
        return part.removeprefix("-") if part is not None else None

    def neighbours(self, code: str) -> Iterator[tuple[str, str]]:
        return iter(())

    def has_property(self, name: str) -> bool:
        return name in _OWN or (self.url == LANGUAGES and name in _PARTS)

    def matching(self, filters: tuple[Filter, ...], words: tuple[str, ...], *, active_only: bool) -> Iterator[Concept]:
        """Every code, or those the filters themselves name. Raises: Incorrect EXPANSION_TOO_COSTLY."""
        named = [w.value.split(",") for w in filters if w.property in _OWN and w.op in ("=", "in")]
        listed: Collection[str] = [code.strip() for code in named[0]] if named else self.every() if self.every else ()
        if not listed:
            raise Incorrect(
                EXPANSION_TOO_COSTLY,
                f"The codes of {self.url} are without end, and cannot be listed",
                field="compose.include",
                hint="List the codes that are meant, or ask with $validate-code whether one is",
            )
        fitting = (code for code in listed if self.accepts(code) and all(self.meets(code, one) for one in filters))
        return (Concept(code, code) for code in fitting if not words or has_words(words, (code,)))


@cache
def _time_zones() -> dict[str, None]:
    return dict.fromkeys(sorted(available_timezones()))


def grammars(is_unit: Callable[[str], bool]) -> dict[str, GrammarSystem]:
    """The grammar systems by address; `is_unit` judges a UCUM expression."""
    found = (
        GrammarSystem(UCUM, "UCUM", is_unit),
        GrammarSystem(MEDIA_TYPES, "Media types", lambda code: _MEDIA_TYPE.fullmatch(code) is not None),
        GrammarSystem(LANGUAGES, "Languages", lambda code: _LANGUAGE.fullmatch(code) is not None),
        GrammarSystem(TIME_ZONES, "Time zones", lambda code: code in _time_zones(), _time_zones),
    )
    return {system.url: system for system in found}
