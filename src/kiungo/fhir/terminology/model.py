"""The words of terminology: concepts, code systems, the rules of value sets, and what can go wrong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from kiungo.base.errors import Incorrect, NotFound, define

VALUE_SET_UNKNOWN = define("VALUE_SET_UNKNOWN", NotFound, "No value set of this address is stored or known.")
CODE_SYSTEM_UNKNOWN = define("CODE_SYSTEM_UNKNOWN", NotFound, "The codes of this code system are not here.")
CONCEPT_UNKNOWN = define("CONCEPT_UNKNOWN", NotFound, "The code system has no such code.")
CONCEPT_MAP_UNKNOWN = define("CONCEPT_MAP_UNKNOWN", NotFound, "No concept map fits the request.")
EXPANSION_TOO_COSTLY = define(
    "EXPANSION_TOO_COSTLY", Incorrect, "The expansion holds more codes than one answer may.", http=422
)
VALUE_SET_WRONG = define("VALUE_SET_WRONG", Incorrect, "A value set's rules cannot be followed.", http=422)

EXPANSION_MAX = 10_000
DEPTH_MAX = 12
# What every concept has, for filters. Source: FHIR R4 ValueSet.compose.include.filter, CodeSystem 4.8.9.
OF_EVERY_CONCEPT = frozenset({"code", "concept", "display", "parent", "child", "definition", "inactive"})
PATTERN_LENGTH_MAX = 200
_REPEATED_GROUP = re.compile(r"[*+}]\??\)[*+{]|\)[*+{][^)]*\)[*+{]")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Concept:
    """One concept.

    Shapes: `terms` are (kind, language, term), where a kind is a code or system|code; `properties` are (name, value),
    and `typed` the same as a resource wrote them: (name, value[x], value); `uses` are (kind, display) of terms.
    """

    code: str
    display: str
    active: bool = True
    abstract: bool = False
    terms: tuple[tuple[str, str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    typed: tuple[tuple[str, str, Any], ...] = ()
    uses: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a concept, such as `concept is-a 404684003`."""

    property: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One include or exclude: listed codes, or those of a system that meet all filters and are in all value sets."""

    system: str | None
    version: str | None = None
    codes: dict[str, str | None] | None = None
    filters: tuple[Filter, ...] = ()
    value_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value set as its rules. `takes_inactive` is False where it says that codes out of use are none of its own."""

    url: str
    version: str
    name: str
    include: tuple[Rule, ...]
    exclude: tuple[Rule, ...] = ()
    takes_inactive: bool = True


@dataclass(frozen=True, slots=True)
class ConceptMap:
    """A concept map: groups of (source system, target system, elements as FHIR has them, what to do with the rest)."""

    url: str
    version: str
    source: str
    target: str
    groups: tuple[dict[str, object], ...]


class CodeSystem(Protocol):
    """A code system whose codes can be asked about. `is_complete` says that an unknown code is a wrong one."""

    @property
    def url(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def is_complete(self) -> bool: ...

    def find(self, code: str) -> Concept | None:
        """The concept of a code, with its terms and properties."""
        ...

    def glance(self, code: str) -> Concept | None:
        """The same without terms and properties, where those cost a look of their own."""
        ...

    def has(self, code: str) -> bool:
        """Whether the code is one of this system's."""
        ...

    def is_above(self, ancestor: str, descendant: str) -> bool:
        """Whether one code stands above another; no code stands above itself."""
        ...

    def meets(self, code: str, wanted: Filter) -> bool:
        """Whether a code of this system meets a filter."""
        ...

    def neighbours(self, code: str) -> Iterator[tuple[str, str]]:
        """The codes directly above and below one: ("parent" or "child", code), those above first."""
        ...

    def has_property(self, name: str) -> bool:
        """Whether a filter may ask for a property of this system's concepts."""
        ...

    def matching(self, filters: tuple[Filter, ...], words: tuple[str, ...], *, active_only: bool) -> Iterator[Concept]:
        """Concepts that meet every filter and have a word beginning with each of `words`, in a stable order."""
        ...


def canonical(reference: str) -> tuple[str, str | None]:
    """A canonical address without and with its version: `url|version`."""
    url, mark, version = reference.partition("|")
    return url, version.partition("#")[0] or None if mark else None


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text by which it is found: without case."""
    return tuple(dict.fromkeys(_WORD.findall(text.casefold())))


def has_words(wanted: tuple[str, ...], texts: Iterator[str] | tuple[str, ...]) -> bool:
    """Whether each wanted word begins a word of one of the texts."""
    found = [word for text in texts for word in words_of(text)]
    return all(any(word.startswith(start) for word in found) for start in wanted)


def pattern(text: str) -> "re.Pattern[str]":
    """A filter's regular expression, when it cannot run away. Raises: Incorrect VALUE_SET_WRONG."""
    problem = "repeats what already repeats" if _REPEATED_GROUP.search(text) else ""
    if len(text) > PATTERN_LENGTH_MAX:
        problem = f"is longer than {PATTERN_LENGTH_MAX} characters"
    try:
        found = re.compile(text) if not problem else None
    except re.error:
        problem = "is not a regular expression"
        found = None
    if found is None:
        raise Incorrect(
            VALUE_SET_WRONG, f"A filter's pattern {problem}", field="filter.value", hint="Write a simpler pattern"
        )
    return found
