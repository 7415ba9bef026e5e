"""Value sets without a database: those of the sources at hand over FHIR's own code systems."""

from typing import TYPE_CHECKING, Any, cast

from kiungo.base.errors import KiungoError
from kiungo.fhir.profiles.conformance import Source
from kiungo.fhir.terminology import composing
from kiungo.fhir.terminology.displays import is_display_of
from kiungo.fhir.terminology.grammars import GrammarSystem, grammars
from kiungo.fhir.terminology.imported import ImportedRow
from kiungo.fhir.terminology.reading import Found, Reading, Remembered
from kiungo.fhir.terminology.tree import TreeSystem
from kiungo.formats.ucum import is_unit

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

ANSWERS_MAX = 20_000


def known_in(reading: Reading, system: str, code: str, version: str | None) -> bool | None:
    """Whether a code system has a code; None when its codes are not all here."""
    try:
        codes = reading.system(system, version)
    except KiungoError:
        return None
    if codes is None:
        return None
    if isinstance(codes, TreeSystem) and codes.is_supplement:
        return False  # it adds to the codes of another system and has none of its own
    return True if codes.has(code) else False if codes.is_complete else None


def misnamed_in(reading: Reading, system: str, code: str, version: str | None, display: str) -> str | None:
    """A code's own display where another one is none of its words; a supplement's words are not asked here."""
    try:
        codes = reading.system(system, version)
    except KiungoError:
        return None
    if codes is None or isinstance(codes, GrammarSystem):
        return None
    concept = codes.find(code)
    if concept is None or not concept.display or is_display_of(display, concept):
        return None
    return concept.display


class _Reading(Reading):
    """Reads from a source of conformance resources instead of tables."""

    def _imported(self, url: str) -> list[ImportedRow]:
        return []


class LocalTerminology:
    """Whether a code is in a value set, from what is at hand; answers are remembered, at most so many."""

    def __init__(self, conformance: Source) -> None:
        def shelf(_unit: "Unit", _tenant: int, type_name: str, url: str) -> list[dict[str, Any]]:
            found = conformance.find(type_name, url)
            return [found] if found is not None else []

        remembered: Remembered[Found] = Remembered(256)
        self._reading = _Reading(cast("Unit", None), 0, remembered, grammars(is_unit), (shelf,))
        self._answers: Remembered[Found] = Remembered(ANSWERS_MAX)

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Yes, no, or None when it cannot be known here."""
        key = (value_set, system, code)
        known = self._answers.get(key)
        if known is None:
            known = self._answers.put(key, (self._look(value_set, system, code),))
        answer: bool | None = known[0]
        return answer

    def knows(self, system: str, code: str, version: str | None) -> bool | None:
        """Whether a code system has a code; None when its codes are not all here."""
        key = ("knows", system, code, version)
        known = self._answers.get(key)
        if known is None:
            known = self._answers.put(key, (known_in(self._reading, system, code, version),))
        answer: bool | None = known[0]
        return answer

    def misnamed(self, system: str, code: str, version: str | None, display: str) -> str | None:
        """A code's own display where another one is none of its words; None when it is, or that cannot be known."""
        return misnamed_in(self._reading, system, code, version, display)

    def _look(self, value_set: str, system: str | None, code: str) -> bool | None:
        try:
            found = self._reading.value_set(value_set)
            return None if found is None else composing.member(self._reading, found, system, code)
        except KiungoError:
            return None  # a value set that cannot be followed decides nothing
