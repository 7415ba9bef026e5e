"""Follows a value set's rules: is a code in it, and which codes are. Three answers: yes, no, and cannot be known.

It cannot be known where a rule needs the codes of a system that is not here. Nothing is guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kiungo.base.errors import Incorrect, NotFound
from kiungo.fhir.terminology.model import (
    CODE_SYSTEM_UNKNOWN,
    DEPTH_MAX,
    VALUE_SET_UNKNOWN,
    VALUE_SET_WRONG,
    CodeSystem,
    Concept,
    Rule,
    ValueSet,
    has_words,
)
from kiungo.fhir.terminology.reading import Reading

# Properties of SNOMED CT whose values are expressions (ECL, or post-coordinated): read as a text they match nothing.
EXPRESSIONS = frozenset({"constraint", "expression"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One code of an expansion."""

    system: str
    version: str
    concept: Concept


def member(reading: Reading, value_set: ValueSet, system: str | None, code: str, depth: int = 0) -> bool | None:
    """Whether the value set holds the code; None when it cannot be known. Without a system any rule may hold it."""
    _check_depth(depth, value_set)
    answer: bool | None = False
    for rule in value_set.include:
        found = _rule_holds(reading, rule, system, code, depth)
        if found:
            answer = True
            break
        if found is None:
            answer = None
    if answer is False or (not value_set.takes_inactive and system is not None and _is_inactive(reading, system, code)):
        return False
    for rule in value_set.exclude:
        out = _rule_holds(reading, rule, system, code, depth)
        if out:
            return False
        if out is None:
            answer = None
    return answer


def _is_inactive(reading: Reading, system: str, code: str) -> bool:
    codes = reading.system(system)
    concept = codes.glance(code) if codes is not None else None
    return concept is not None and not concept.active


def _rule_holds(reading: Reading, rule: Rule, system: str | None, code: str, depth: int) -> bool | None:
    if rule.system is not None and system is not None and rule.system != system:
        return False
    answer: bool | None = True
    if rule.system is not None:
        answer = _own_holds(reading, rule, code)
    elif not rule.value_sets:
        return False
    for reference in rule.value_sets:
        if answer is False:
            return False
        other = reading.value_set(reference)
        found = None if other is None else member(reading, other, system or rule.system, code, depth + 1)
        answer = False if found is False else None if found is None else answer
    return answer


def _own_holds(reading: Reading, rule: Rule, code: str) -> bool | None:
    assert rule.system is not None
    if rule.codes is not None:
        found = reading.system(rule.system, rule.version)
        if code in rule.codes:
            return not _is_mistaken(found, code)
        if found is None or getattr(found, "case_sensitive", True):
            return False
        return code.casefold() in {listed.casefold() for listed in rule.codes}
    codes = reading.system(rule.system, rule.version)
    if codes is None or any(wanted.property in EXPRESSIONS for wanted in rule.filters):
        return None
    _refuse_properties(codes, rule)
    if not codes.has(code):
        return False if codes.is_complete else None
    return all(codes.meets(code, wanted) for wanted in rule.filters)


def expand(
    reading: Reading, value_set: ValueSet, words: tuple[str, ...], *, active_only: bool = False, depth: int = 0
) -> Iterator[Entry]:
    """The codes of a value set in the order of its rules, each once. Raises: NotFound CODE_SYSTEM_UNKNOWN."""
    _check_depth(depth, value_set)
    active_only = active_only or not value_set.takes_inactive
    seen: set[tuple[str, str]] = set()
    for rule in value_set.include:
        for entry in _entries(reading, rule, words, active_only, depth):
            key = entry.system, entry.concept.code
            if key in seen:
                continue
            seen.add(key)
            if not any(_rule_holds(reading, out, *key, depth) for out in value_set.exclude):
                yield entry


def _entries(reading: Reading, rule: Rule, words: tuple[str, ...], active_only: bool, depth: int) -> Iterator[Entry]:
    references = list(rule.value_sets)
    if rule.system is not None:
        entries = _own_entries(reading, rule, words, active_only)
    elif references:
        entries = expand(reading, _known(reading, references.pop(0)), words, active_only=active_only, depth=depth + 1)
    else:
        return
    others = [_known(reading, reference) for reference in references]
    for entry in entries:
        if all(member(reading, other, entry.system, entry.concept.code, depth + 1) for other in others):
            yield entry


def _own_entries(reading: Reading, rule: Rule, words: tuple[str, ...], active_only: bool) -> Iterator[Entry]:
    assert rule.system is not None
    codes = reading.system(rule.system, rule.version)
    version = codes.version if codes is not None else rule.version or ""
    if rule.codes is None:
        _refuse_expressions(rule)
        complete = _complete(codes, rule)
        _refuse_properties(complete, rule)
        for concept in complete.matching(rule.filters, words, active_only=active_only):
            yield Entry(rule.system, version, concept)
        return
    for code, written in rule.codes.items():
        known = codes.glance(code) if codes is not None else None
        if known is not None and active_only and not known.active:
            continue
        if _is_mistaken(codes, code):
            continue
        display = written or (known.display if known is not None else code)
        if not words or has_words(words, (code, display)):
            found = Concept(code, display) if known is None else replace(known, code=code, display=display)
            yield Entry(rule.system, version, found)


def _is_mistaken(codes: CodeSystem | None, code: str) -> bool:
    """Whether a listed code is none of its system's, all of whose codes are here.

    It is left out, as the terminology servers of others do: a value set chooses among codes and cannot make one. One
    wrong line does not keep the others from being expanded; $validate of the value set names it.
    """
    return codes is not None and codes.is_complete and not codes.has(code)


def _refuse_properties(codes: CodeSystem, rule: Rule) -> None:
    """A filter on what no concept has would answer with nothing, as if that were true."""
    for wanted in rule.filters:
        if not codes.has_property(wanted.property):
            raise Incorrect(
                VALUE_SET_WRONG,
                f"A filter asks for {wanted.property[:80]!r}, and {codes.url[:200]} has no such property",
                field="compose.include.filter",
                hint="Name a property that the code system declares",
            )


def _refuse_expressions(rule: Rule) -> None:
    if any(wanted.property in EXPRESSIONS for wanted in rule.filters):
        raise Incorrect(
            VALUE_SET_WRONG,
            "A filter is written in SNOMED CT's expression language, which is not followed here",
            field="compose.include.filter",
            hint="Write it as concept is-a CODE, or as several rules",
        )


def _complete(codes: CodeSystem | None, rule: Rule) -> CodeSystem:
    if codes is None:
        raise NotFound(
            CODE_SYSTEM_UNKNOWN,
            f"The codes of {rule.system} are not here" + (f" in version {rule.version}" if rule.version else ""),
            field="system",
            hint="Import them with `kiungo fhir terminology import`, or store the CodeSystem",
        )
    return codes


def _known(reading: Reading, reference: str) -> ValueSet:
    found = reading.value_set(reference)
    if found is None:
        raise NotFound(
            VALUE_SET_UNKNOWN,
            f"There is no value set {reference[:200]}",
            field="url",
            hint="Store it, or install the guide it belongs to",
        )
    return found


def _check_depth(depth: int, value_set: ValueSet) -> None:
    if depth > DEPTH_MAX:
        raise Incorrect(
            VALUE_SET_WRONG,
            f"Value sets refer to each other deeper than {DEPTH_MAX} steps, at {value_set.url[:200]}",
            field="compose",
            hint="Break the circle of references",
        )
