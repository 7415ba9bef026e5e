"""Bindings: whether a code belongs to a value set, as far as that can be known here.

A terminology answers yes, no or does not know. Only a definite no is an error; not knowing is a warning where the
binding is required, so that nobody takes silence for a yes. Answers come from a port, so that a whole terminology
service or none may stand behind it.
"""

import time
from typing import Any, Protocol

from kiungo.fhir.profiles.findings import At
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.run import Run

Json = dict[str, Any]
SEEN_MAX = 10_000
SEEN_S = 1.0


class Terminology(Protocol):
    """Whether a code is in a value set. Shapes: None is "cannot be known"; a system of None matches any."""

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None: ...

    def knows(self, system: str, code: str, version: str | None) -> bool | None:
        """Whether a code system has a code; None when its codes are not all here."""

    def misnamed(self, system: str, code: str, version: str | None, display: str) -> str | None:
        """A code's own display where another one is none of its words; None when it is, or that cannot be known."""


class Codes:
    """Judges codes, codings, concepts and quantities against value sets."""

    __slots__ = ("_seen", "_terminology", "_until_s")

    def __init__(self, terminology: Terminology) -> None:
        self._terminology = terminology
        self._seen: dict[tuple[str, str, str | None], str | None] = {}
        self._until_s = 0.0

    def holds(self, url: str, value: Any, type_name: str) -> bool | None:
        """Whether a value has a code of the value set; None when it cannot be known, False when it has no code."""
        answers = [self._terminology.holds(url, system, code) for system, code in codings_of(value, type_name)]
        if True in answers:
            return True
        return None if None in answers else False

    def check_coding(self, o: Json, at: At, run: Run) -> None:
        """Note a code that its own system does not have, and a display that is not the code's."""
        system, code, version, display = o.get("system"), o.get("code"), o.get("version"), o.get("display")
        if system.__class__ is not str or code.__class__ is not str:
            return
        display = display if display.__class__ is str else None
        seen = (system, code, display)
        if seen in self._seen and time.monotonic() < self._until_s:
            if self._seen[seen] is not None:
                _misnamed(str(display), str(self._seen[seen]), at, run)
            return
        problem = _system_problem(str(system), run)
        if problem:
            run.error("code-invalid", at, f"has the system {str(system)[:200]}, which {problem}")
            return
        named = version if isinstance(version, str) else None
        answer = self._terminology.knows(str(system), str(code), named)
        if answer is False:
            run.error("code-invalid", at, f"has the code {str(code)[:80]}, which {system} does not have")
            return
        own = self._terminology.misnamed(str(system), str(code), named, display) if display and answer else None
        if own is not None:
            _misnamed(str(display), own, at, run)
        if version is None:
            self._remember((str(system), str(code), display), own)

    def _remember(self, seen: tuple[str, str, str | None], own: str | None) -> None:
        """Keep what was found of a code that exists, for a second: most records use the same few codes."""
        now_s = time.monotonic()
        if now_s > self._until_s or len(self._seen) >= SEEN_MAX:
            self._seen = {}
            self._until_s = now_s + SEEN_S
        self._seen[seen] = own

    def check(self, item: Item, run: Run, strength: str, url: str, source: str) -> None:
        """Note a code that is not in its value set: an error when required, else a warning."""
        codings = codings_of(item.value, item.type)
        if not codings:
            self._uncoded(item, run, strength, url, source)
            return
        answer = self.holds(url, item.value, item.type)
        if answer is True:
            return
        plain = url.partition("|")[0]
        if answer is None:
            if strength == "required":
                text = f"is not judged: the required value set {plain}, or the codes it needs, are not here"
                run.warn("not-found", item.at, text, source)
            return
        listed = ", ".join(f"{system or ''}#{code}" for system, code in codings[:4])
        if strength == "required":
            run.error("code-invalid", item.at, f"({listed}) is not in the required value set {plain}", source)
        else:
            run.warn(
                "code-invalid",
                item.at,
                f"({listed}) is not in the value set {plain}; use one of its codes if any fits",
                source,
            )

    def _uncoded(self, item: Item, run: Run, strength: str, url: str, source: str) -> None:
        if item.type != "CodeableConcept" or strength != "required" or item.value.__class__ is not dict:
            return
        if not item.value.get("coding") and "extension" not in item.value:
            run.error("code-invalid", item.at, f"has no coding, but one of {url.partition('|')[0]} is required", source)


def _misnamed(display: str, own: str, at: At, run: Run) -> None:
    run.warn("invalid", (at, "display", -1), f"is {display[:120]!r}; the code's own is {own[:120]!r}")


def _system_problem(system: str, run: Run) -> str:
    if ":" not in system and not system.startswith("#"):
        return "is not absolute"
    if system.startswith("http://hl7.org/fhir/ValueSet/"):
        return "is a value set: a system is where codes are defined"
    if "/ValueSet/" in system and run.library.conformance.find("ValueSet", system) is not None:
        return "is a value set: a system is where codes are defined"
    return ""


def codings_of(value: Any, type_name: str) -> list[tuple[str | None, str]]:
    """The (system, code) pairs of a coded value; a code without a system is None and the code."""
    if value.__class__ is str:
        return [(None, value)]
    if value.__class__ is not dict:
        return []
    if type_name == "CodeableConcept":
        inner = value.get("coding")
        found = [_coding(c) for c in inner] if inner.__class__ is list else []
    else:
        found = [_coding(value)]
    return [one for one in found if one is not None]


def _coding(value: Any) -> tuple[str | None, str] | None:
    if value.__class__ is not dict or value.get("code").__class__ is not str:
        return None
    system = value.get("system")
    return (system if system.__class__ is str else "", value["code"])
