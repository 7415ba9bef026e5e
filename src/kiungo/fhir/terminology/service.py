"""What the rest of the server asks about codes, with answers remembered for as long as they hold."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from kiungo.base.errors import Incorrect, NotFound
from kiungo.fhir.terminology import composing
from kiungo.fhir.terminology.composing import Entry
from kiungo.fhir.terminology.displays import display_in, is_display_of
from kiungo.fhir.terminology.grammars import grammars
from kiungo.fhir.terminology.model import (
    CODE_SYSTEM_UNKNOWN,
    CONCEPT_UNKNOWN,
    EXPANSION_MAX,
    EXPANSION_TOO_COSTLY,
    VALUE_SET_UNKNOWN,
    CodeSystem,
    Concept,
    Filter,
    ValueSet,
    words_of,
)
from kiungo.fhir.terminology.reading import Found, Reading, Remembered, stamp
from kiungo.formats.ucum import is_unit
from kiungo.kernel.database import Database

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

T = TypeVar("T")
ANSWERS_MAX = 20_000
LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Expansion:
    """A page of a value set's codes. `total` is None when counting them all would cost too much."""

    value_set: ValueSet
    entries: tuple[Entry, ...]
    total: int | None
    offset: int


@dataclass(frozen=True, slots=True)
class Validated:
    """Whether a code is right. `result` is None when it cannot be known; `display` is the right one."""

    result: bool | None
    message: str
    display: str | None = None
    version: str | None = None


class Terminology:
    """The terminology of one tenant; safe from any thread.

    Every method takes the `unit` it is asked in; without one it reads by itself. Inside a unit of work always pass
    the unit: a second read on the same thread would be another snapshot.
    """

    def __init__(self, database: Database, tenant: int) -> None:
        self._database = database
        self._tenant = tenant
        self._grammars = grammars(is_unit)
        self._found: Remembered[Found] = Remembered(256)
        self._answers: Remembered[Found] = Remembered(ANSWERS_MAX)
        self._stamp: tuple[object, ...] | None = None
        self._looked_s = -LOOK_AGAIN_S

    def member(
        self, value_set: str, system: str | None, code: str, version: str | None = None, *, unit: "Unit | None" = None
    ) -> bool | None:
        """Whether a value set holds a code; None when the set or the system's codes are not here.

        Without a system, as for an element of type `code`, any system of the set may hold it.
        """
        key = (value_set, version, system, code)
        if unit is None and time.monotonic() - self._looked_s < LOOK_AGAIN_S:
            known = self._answers.get(key)
            if known is not None:
                return bool(known[0]) if known[0] is not None else None

        def look(reading: Reading) -> bool | None:
            known = self._answers.get(key)
            if known is None:
                found = reading.value_set(value_set, version)
                known = self._answers.put(
                    key, (None if found is None else composing.member(reading, found, system, code),)
                )
            return bool(known[0]) if known[0] is not None else None

        return self._in(look, unit)

    def expand(
        self,
        value_set: str | ValueSet,
        *,
        filter: str = "",
        offset: int = 0,
        count: int | None = None,
        active_only: bool = False,
        selectable_only: bool = False,
        without_systems: Collection[str] = (),
        version: str | None = None,
        unit: "Unit | None" = None,
    ) -> Expansion:
        """A page of the codes of a value set, in the order of its rules.

        `selectable_only` leaves out codes that only group others; `without_systems` those of some systems.

        Raises: NotFound VALUE_SET_UNKNOWN, CODE_SYSTEM_UNKNOWN; Incorrect EXPANSION_TOO_COSTLY, VALUE_SET_WRONG.
        """

        def look(reading: Reading) -> Expansion:
            found = self._value_set(reading, value_set, version)
            entries = composing.expand(reading, found, words_of(filter), active_only=active_only)
            if selectable_only or without_systems:
                entries = (
                    entry
                    for entry in entries
                    if not (selectable_only and entry.concept.abstract) and entry.system not in without_systems
                )
            return _page(found, entries, offset, count)

        return self._in(look, unit)

    def codes(self, value_set: str, *, limit: int = EXPANSION_MAX, unit: "Unit | None" = None) -> list[tuple[str, str]]:
        """Every (system, code) of a value set, for a search by `:in`. Raises: as `expand`."""

        def look(reading: Reading) -> list[tuple[str, str]]:
            found = self._value_set(reading, value_set, None)
            listed = list(islice(composing.expand(reading, found, ()), limit + 1))
            if len(listed) > limit:
                raise _too_costly(found, limit)
            return [(entry.system, entry.concept.code) for entry in listed]

        return self._in(look, unit)

    def related(
        self, system: str, code: str, *, above: bool, limit: int = EXPANSION_MAX, unit: "Unit | None" = None
    ) -> list[str]:
        """The code itself and all below it (or above it), for a search by `:below` or `:above`. Raises: as `expand`."""
        wanted = Filter("concept", "generalizes" if above else "is-a", code)

        def look(reading: Reading) -> list[str]:
            codes = _system(reading, system, None)
            listed = [c.code for c in islice(codes.matching((wanted,), (), active_only=False), limit + 1)]
            if len(listed) > limit:
                raise _too_costly(None, limit)
            return listed if code in listed else [code, *listed]

        return self._in(look, unit)

    def lookup(
        self, system: str, code: str, version: str | None = None, *, unit: "Unit | None" = None
    ) -> tuple[CodeSystem, Concept]:
        """What is known about a code, and the system it was found in.

        Raises: NotFound CODE_SYSTEM_UNKNOWN, CONCEPT_UNKNOWN.
        """

        def look(reading: Reading) -> tuple[CodeSystem, Concept]:
            codes = _system(reading, system, version)
            found = codes.find(code)
            if found is None:
                raise NotFound(
                    CONCEPT_UNKNOWN, f"{system} has no code {code[:80]!r}", field="code", hint="Check its spelling"
                )
            return codes, found

        return self._in(look, unit)

    def validate_code(
        self,
        *,
        code: str,
        system: str | None = None,
        value_set: str | ValueSet | None = None,
        code_system: CodeSystem | None = None,
        display: str | None = None,
        version: str | None = None,
        language: str | None = None,
        abstract_is_right: bool = True,
        unit: "Unit | None" = None,
    ) -> Validated:
        """Whether a code is one of a system, or of a value set; and whether a display is the code's own.

        `code_system` is one that was sent along, `version` that of the code's system.

        Raises: NotFound VALUE_SET_UNKNOWN or CODE_SYSTEM_UNKNOWN.
        """

        def look(reading: Reading) -> Validated:
            codes = code_system or (reading.system(system, version) if system else None)
            if value_set is None:
                codes = codes or _system(reading, system or "", version)
                found: bool | None = codes.has(code) or (False if codes.is_complete else None)
                where = codes.url or system or "the code system"
            else:
                known = self._value_set(reading, value_set, None)
                where = known.url or "the value set"
                if codes is None and version is not None and system:
                    return Validated(False, _no_version(reading, system, version))
                found = composing.member(reading, known, system, code)
            verdict = _judged(codes, found, where, code, display, language)
            concept = codes.glance(code) if codes is not None and verdict.result else None
            if concept is not None and concept.abstract and not abstract_is_right:
                return replace(verdict, result=False, message=f"The code {code[:80]!r} only groups others (abstract)")
            return verdict

        return self._in(look, unit)

    def subsumes(
        self, system: str, code_a: str, code_b: str, version: str | None = None, *, unit: "Unit | None" = None
    ) -> str:
        """How two codes stand: equivalent, subsumes, subsumed-by or not-subsumed. Raises: NotFound."""

        def look(reading: Reading) -> str:
            codes = _system(reading, system, version)
            one, other = (_known(codes, system, code) for code in (code_a, code_b))
            if one == other:
                return "equivalent"
            if codes.is_above(one, other):
                return "subsumes"
            return "subsumed-by" if codes.is_above(other, one) else "not-subsumed"

        return self._in(look, unit)

    def read(self, look: Callable[[Reading], T], unit: "Unit | None" = None) -> T:
        """Anything else that needs systems, value sets and maps in one snapshot."""
        return self._in(look, unit)

    def _in(self, look: Callable[[Reading], T], unit: "Unit | None") -> T:
        if unit is None:
            return self._database.read(lambda own: look(self._reading(own)))
        return look(self._reading(unit))

    def _reading(self, unit: "Unit") -> Reading:
        now = stamp(unit, self._tenant)
        if now != self._stamp:
            self._found.clear()
            self._answers.clear()
            self._stamp = now
        self._looked_s = time.monotonic()
        return Reading(unit, self._tenant, self._found, self._grammars)

    def _value_set(self, reading: Reading, value_set: str | ValueSet, version: str | None) -> ValueSet:
        if isinstance(value_set, ValueSet):
            return value_set
        found = reading.value_set(value_set, version)
        if found is None:
            raise NotFound(
                VALUE_SET_UNKNOWN,
                f"There is no value set {value_set[:200]}",
                field="url",
                hint="Store it, or install the guide it belongs to",
            )
        return found


def _known(codes: CodeSystem, system: str, code: str) -> str:
    """The code as its system spells it. Raises: NotFound CONCEPT_UNKNOWN."""
    found = codes.find(code)
    if found is None:
        raise NotFound(CONCEPT_UNKNOWN, f"{system} has no code {code[:80]!r}", field="code", hint="Check its spelling")
    return found.code


def _system(reading: Reading, system: str, version: str | None) -> CodeSystem:
    found = reading.system(system, version)
    if found is None:
        other = _no_version(reading, system, version) if version is not None else ""
        raise NotFound(
            CODE_SYSTEM_UNKNOWN,
            other or f"The codes of {system[:200] or 'no system'} are not here",
            field="system",
            hint="Import them with `kiungo fhir terminology import`, or store the CodeSystem",
        )
    return found


def _no_version(reading: Reading, system: str, version: str) -> str:
    """What to say about a version of a system that is not here."""
    other = reading.system(system)
    here = f"; version {other.version} is" if other is not None and other.version else ""
    return f"Version {version[:80]} of {system[:200]} is not here{here}"


def _judged(
    codes: CodeSystem | None, found: bool | None, where: str, code: str, display: str | None, language: str | None
) -> Validated:
    concept = codes.find(code) if codes is not None and found else None
    version = codes.version or None if codes is not None else None
    if found is None:
        return Validated(None, f"Whether {code[:80]!r} is in {where} cannot be known: codes it needs are not here")
    if not found:
        return Validated(False, f"The code {code[:80]!r} is not in {where}", version=version)
    right = display_in(concept, language) if concept is not None else None
    if display is not None and concept is not None and not is_display_of(display, concept):
        return Validated(False, f"The code is right, but its display is {right!r}", right, version)
    note = "" if concept is None or concept.active else "The code is right, but is no longer in use (inactive)"
    return Validated(True, note, right, version)


def _page(value_set: ValueSet, entries: Iterator[Entry], offset: int, count: int | None) -> Expansion:
    if count is None:
        listed = list(islice(entries, EXPANSION_MAX + offset + 1))[offset:]
        if len(listed) > EXPANSION_MAX:
            raise _too_costly(value_set, EXPANSION_MAX)
        return Expansion(value_set, tuple(listed), offset + len(listed), offset)
    skipped = sum(1 for _ in islice(entries, offset))
    shown = tuple(islice(entries, count))
    counted = skipped + len(shown)
    rest = sum(1 for _ in islice(entries, max(EXPANSION_MAX - counted, 0) + 1))
    return Expansion(value_set, shown, counted + rest if counted + rest <= EXPANSION_MAX else None, offset)


def _too_costly(value_set: ValueSet | None, limit: int) -> Incorrect:
    name = value_set.url[:200] if value_set is not None and value_set.url else "This"
    return Incorrect(
        EXPANSION_TOO_COSTLY,
        f"{name} has more than {limit} codes",
        field="count",
        hint="Ask for a page with count and offset, or narrow it with filter",
    )


class Terminologies:
    """The terminology of each tenant on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_tenant: dict[int, Terminology] = {}

    def of(self, tenant: int) -> Terminology:
        """The tenant's terminology; made once."""
        found = self._by_tenant.get(tenant)
        if found is None:
            found = self._by_tenant.setdefault(tenant, Terminology(self._database, tenant))
        return found
