"""Code systems that are a grammar rather than a list: units, media types, languages, time zones."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from kiungo.fhir.terminology.model import Concept, Filter, pattern

UCUM = "http://unitsofmeasure.org"
MEDIA_TYPES = "urn:ietf:bcp:13"
LANGUAGES = "urn:ietf:bcp:47"
TIME_ZONES = "https://www.iana.org/time-zones"
# R4 names its own formats in short where a server says which it takes (CapabilityStatement.format).
_MEDIA_TYPE = re.compile(
    r"json|xml|ttl|[A-Za-z0-9][\w!#$&^.+-]{0,126}/[\w!#$&^.+-]{1,127}(\s*;\s*[\w!#$&^.+-]+=(\"[^\"]*\"|[^\s;\"]+))*"
)
_LANGUAGE = re.compile(
    r"(?:[a-zA-Z]{2,3}(?:-[a-zA-Z]{3}){0,3}|[a-zA-Z]{4,8})(?:-[a-zA-Z]{4})?(?:-(?:[a-zA-Z]{2}|\d{3}))?"
    r"(?:-(?:[a-zA-Z0-9]{5,8}|\d[a-zA-Z0-9]{3}))*(?:-[a-wy-zA-WY-Z0-9](?:-[a-zA-Z0-9]{2,8})+)*(?:-x(?:-[a-zA-Z0-9]{1,8})+)?"
)


@dataclass(frozen=True, slots=True)
class GrammarSystem:
    """A system whose codes cannot be listed, but each can be judged."""

    url: str
    name: str
    accepts: Callable[[str], bool]
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
        if wanted.op == "regex" and wanted.property in ("code", "concept"):
            return pattern(wanted.value).fullmatch(code[:400]) is not None
        return wanted.op in ("=", "is-a") and wanted.property in ("code", "concept") and wanted.value == code

    def neighbours(self, code: str) -> Iterator[tuple[str, str]]:
        return iter(())

    def has_property(self, name: str) -> bool:
        return True

    def matching(self, filters: tuple[Filter, ...], words: tuple[str, ...], *, active_only: bool) -> Iterator[Concept]:
        """Only codes the filters themselves name: the others are without end."""
        named = [wanted.value for wanted in filters if wanted.op in ("=", "is-a")]
        return (Concept(code, code) for code in named if all(self.meets(code, wanted) for wanted in filters))


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def grammars(is_unit: Callable[[str], bool]) -> dict[str, GrammarSystem]:
    """The grammar systems by address; `is_unit` judges a UCUM expression."""
    found = (
        GrammarSystem(UCUM, "UCUM", is_unit),
        GrammarSystem(MEDIA_TYPES, "Media types", lambda code: _MEDIA_TYPE.fullmatch(code) is not None),
        GrammarSystem(LANGUAGES, "Languages", lambda code: _LANGUAGE.fullmatch(code) is not None),
        GrammarSystem(TIME_ZONES, "Time zones", lambda code: code in _time_zones()),
    )
    return {system.url: system for system in found}
