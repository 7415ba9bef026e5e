"""Scopes: what a credential may do, written once and matched fast.

Two families are understood, and nothing else is ever granted by accident:

    verb:thing                  read:claims, write:*, admin:access, *:*
    level/Type.interactions     system/Patient.rs, user/*.cruds, patient/Observation.read

A star is a whole word. The interactions are a subset of c, r, u, d, s in that order (`read` means rs,
`write` means cud, `*` all of them).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kiungo.base.errors import Incorrect, define

SCOPE_UNKNOWN_SHAPE = define("SCOPE_UNKNOWN_SHAPE", Incorrect, "A scope is written in neither known form.")

Level = Literal["patient", "user", "system"]
ANY_CREDENTIAL = "any:credential"

_PLAIN = re.compile(r"([a-z][a-z0-9_-]{0,31}|\*):([a-z][a-z0-9_-]{0,63}|\*)\Z", re.ASCII)
_RECORD = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]{0,63}|\*)\.(c?r?u?d?s?|read|write|\*)\Z", re.ASCII)
_LONG_FORMS = {"read": "rs", "write": "cud", "*": "cruds"}
_REMEMBERED_MAX = 512


@dataclass(frozen=True, slots=True)
class PlainScope:
    """verb:thing, where either may be a star."""

    verb: str
    thing: str

    def covers(self, asked: "Scope") -> bool:
        """Whether holding this scope is enough for the asked one."""
        return isinstance(asked, PlainScope) and self.verb in ("*", asked.verb) and self.thing in ("*", asked.thing)


@dataclass(frozen=True, slots=True)
class RecordScope:
    """level/Type.interactions, the SMART App Launch form."""

    level: Level
    type: str
    interactions: frozenset[str]

    def covers(self, asked: "Scope") -> bool:
        """Whether holding this scope is enough for the asked one.

        A patient-level scope never answers a wider question; whether the record is that patient's is
        decided beside it, see `decision.may`.
        """
        return (
            isinstance(asked, RecordScope)
            and (self.level == asked.level or (self.level != "patient" and asked.level != "patient"))
            and self.type in ("*", asked.type)
            and asked.interactions <= self.interactions
        )


Scope = PlainScope | RecordScope


def parse_scope(text: str) -> Scope:
    """Read one scope.

    Raises: Incorrect SCOPE_UNKNOWN_SHAPE, also for a scope narrowed by a query (`?category=`): widening
    it silently would grant more than was asked for.
    Source: SMART App Launch 2.2, "Scopes for requesting FHIR resources"; our ADR 0031.
    """
    plain = _PLAIN.match(text)
    if plain:
        return PlainScope(plain[1], plain[2])
    record = _RECORD.match(text)
    if record and record[3]:
        level: Level = "patient" if record[1] == "patient" else "user" if record[1] == "user" else "system"
        return RecordScope(level, record[2], frozenset(_LONG_FORMS.get(record[3], record[3])))
    raise Incorrect(
        SCOPE_UNKNOWN_SHAPE,
        f"{text[:100]!r} is not a scope",
        field="scope",
        hint="Write verb:thing such as read:claims, or level/Type.interactions such as system/Patient.rs",
    )


class Grants:
    """The scopes one principal holds, parsed once; asking again for the same action costs one lookup."""

    __slots__ = ("_answers", "_scopes")

    def __init__(self, scopes: Iterable[str]) -> None:
        self._scopes = tuple(parse_scope(scope) for scope in sorted(scopes))
        # Some routes decide by what the body asks for, piece by piece; they are open to any credential.
        self._answers: dict[str, bool] = {ANY_CREDENTIAL: bool(self._scopes)}

    def covers(self, action: str) -> bool:
        """Whether any held scope is enough for this action."""
        answer = self._answers.get(action)
        if answer is None:
            asked = parse_scope(action)
            answer = any(scope.covers(asked) for scope in self._scopes)
            if len(self._answers) < _REMEMBERED_MAX:
                self._answers[action] = answer
        return answer


def narrow(asked: Iterable[str], held: Iterable[str]) -> frozenset[str]:
    """The asked scopes that the held ones cover; the others are dropped, never widened.

    Raises: Incorrect SCOPE_UNKNOWN_SHAPE when one asked scope cannot be read.
    """
    grants = Grants(held)
    return frozenset(scope for scope in asked if grants.covers(scope))
