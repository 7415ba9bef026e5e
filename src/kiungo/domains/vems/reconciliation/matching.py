"""Which payment a statement line is: by our reference, or as a suggestion for a person. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher

from kiungo.base.money import Money
from kiungo.domains.vems.settlement.model import REFERENCE_LENGTH, REFERENCE_LETTERS
from kiungo.ports.payment import StatementLine

DAYS_AROUND = 5
SUGGESTIONS_MAX = 5
_REFERENCE = re.compile(rf"(?<![A-Z0-9])[{REFERENCE_LETTERS}]{{{REFERENCE_LENGTH}}}(?![A-Z0-9])")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A payment a line might be. Shapes: `amount` as on a statement, negative for money that left."""

    reference: str
    amount: Money
    party: str
    day: date


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A possible match, with a score from 0 to 100 and why."""

    line_id: str
    reference: str
    score: int
    why: str


def references_in(line: StatementLine) -> tuple[str, ...]:
    """Everything on a line that has the form of one of our references, in order, each once."""
    found = [match for text in (*line.references, line.text) for match in _REFERENCE.findall(text.upper())]
    return tuple(dict.fromkeys(found))


def suggest(line: StatementLine, candidates: Iterable[Candidate]) -> Sequence[Suggestion]:
    """Payments of exactly this amount around this day, the likeliest first."""
    found = []
    for candidate in candidates:
        days = abs((candidate.day - line.booked_on).days)
        if candidate.amount != line.amount or days > DAYS_AROUND:
            continue
        alike = _alike(line, candidate.party)
        score = 40 + 10 * (DAYS_AROUND - days) // DAYS_AROUND + alike // 2
        found.append(
            Suggestion(
                line.line_id, candidate.reference, score, f"same amount, {days} days apart, party {alike} % alike"
            )
        )
    return sorted(found, key=lambda suggestion: (-suggestion.score, suggestion.reference))[:SUGGESTIONS_MAX]


def _alike(line: StatementLine, party: str) -> int:
    said = (line.party or line.text).casefold()
    return round(100 * SequenceMatcher(None, said, party.casefold()).ratio()) if said and party else 0
