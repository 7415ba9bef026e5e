"""Regular expressions: matches, matchesFull, replaceMatches.

A pattern comes from a caller, so it is compiled once, and runs against a clock.
Source: FHIRPath N1, 5.6.9 and 5.6.10; 3.0.0-ballot for matchesFull and flags.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import regex  # type: ignore[import-untyped]  # it comes without annotations

from kiungo.fhir.fhirpath.errors import failed, too_costly
from kiungo.fhir.fhirpath.functions.arguments import charged, text_argument, text_input
from kiungo.fhir.fhirpath.functions.registry import Argument, Arguments, Step, TruthStep, condition, function
from kiungo.fhir.fhirpath.run import STEPS_BETWEEN_LOOKS, Run
from kiungo.fhir.fhirpath.values import Collection

PATTERN_LENGTH_MAX = 2_000
MATCH_TIME_MAX_S = 0.5
SLOW_S = 0.002
TEXT_MAX = 1_000_000
_FLAGS = {"i": regex.IGNORECASE, "m": regex.MULTILINE}
_GROUP = regex.compile(r"\$(?:\{(?P<name>\w+)\}|(?P<number>[0-9]{1,2})|(?P<dollar>\$))")


@lru_cache(maxsize=512)
def _compiled(pattern: str, flags: str) -> Any:
    if len(pattern) > PATTERN_LENGTH_MAX:
        raise failed(f"The regular expression is longer than {PATTERN_LENGTH_MAX} characters")
    if set(flags) - set(_FLAGS):
        raise failed(f"{flags!r} are no flags of a regular expression", hint="Use i (any case), m (lines) or both")
    chosen = regex.DOTALL
    for flag in flags:
        chosen |= _FLAGS[flag]
    try:
        return regex.compile(pattern, chosen)
    except (regex.error, OverflowError, RecursionError) as error:
        raise failed(f"The regular expression cannot be read: {error}", hint="Escape a backslash as \\\\") from None


def _timed(run: Run, match: Callable[[], Any]) -> Any:
    """What a match gives; slow ones make the evaluation look at its clock."""
    started_s = time.monotonic()
    try:
        found = match()
        if time.monotonic() - started_s > SLOW_S:
            run.spend(STEPS_BETWEEN_LOOKS)
        return found
    except TimeoutError:
        raise too_costly(
            f"The regular expression needs more than {MATCH_TIME_MAX_S} s", hint="Avoid repeats within repeats: (a+)+"
        ) from None


def _flags(arguments: Arguments, position: int, name: str) -> Callable[[Run, Collection], str]:
    if len(arguments) <= position:
        return lambda run, this: ""
    argument: Argument = arguments[position]
    flags = text_argument(argument, name)
    return lambda run, this: flags(run, this) or ""


def _matching(name: str, arguments: Arguments, *, whole: bool) -> TruthStep:
    pattern, flags = text_argument(arguments[0], name), _flags(arguments, 1, name)

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        text, wanted = text_input(items, name), pattern(run, this)
        if text is None or wanted is None:
            return None
        compiled = _compiled(wanted, flags(run, this))
        find = compiled.fullmatch if whole else compiled.search
        return _timed(run, lambda: find(text, timeout=MATCH_TIME_MAX_S)) is not None

    return step


@condition("matches", 1, 2)
def _matches(arguments: Arguments) -> TruthStep:
    return _matching("matches", arguments, whole=False)


@condition("matchesFull", 1, 2)
def _matches_full(arguments: Arguments) -> TruthStep:
    return _matching("matchesFull", arguments, whole=True)


@function("replaceMatches", 2, 3)
def _replace_matches(arguments: Arguments) -> Step:
    name = "replaceMatches"
    pattern, substitution = text_argument(arguments[0], name), text_argument(arguments[1], name)
    flags = _flags(arguments, 2, name)

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        text, wanted, new = text_input(items, name), pattern(run, this), substitution(run, this)
        if text is None or wanted is None or new is None:
            return []
        if not wanted:
            return [text]
        return charged(run, _timed(run, lambda: _replaced(_compiled(wanted, flags(run, this)), text, new)))

    return step


def _replaced(compiled: Any, text: str, new: str) -> str:
    """The text with each match replaced; `$1` and `${name}` in the new text are groups."""
    size = 0

    def made(match: Any) -> str:
        nonlocal size
        found: str = _GROUP.sub(lambda group: _group(match, group), new)
        size += len(found)
        if size > TEXT_MAX:
            raise too_costly(f"replaceMatches() would make a text longer than {TEXT_MAX:,} characters", "Replace less")
        return found

    result: str = compiled.sub(made, text, timeout=MATCH_TIME_MAX_S)
    return result


def _group(match: Any, group: Any) -> str:
    if group["dollar"]:
        return "$"
    try:
        return match[group["name"] or int(group["number"])] or ""
    except IndexError:
        raise failed(f"The regular expression has no group {group[0]}") from None
