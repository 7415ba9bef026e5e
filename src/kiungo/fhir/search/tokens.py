"""The modifiers of tokens and references that look further: `:text :of-type :in :not-in :above :below`.

Source: FHIR R4 3.1.1.5.1 (modifiers).
"""

from collections.abc import Iterable

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing import values
from kiungo.fhir.indexing.parameters import Parameter, Source, parameters_of
from kiungo.fhir.search import matching
from kiungo.fhir.search.asked import SEARCH_NOT_SUPPORTED, SEARCH_VALUE_WRONG, Predicate, Value
from kiungo.fhir.search.lookups import PARENTS, Lookups
from kiungo.fhir.search.matching import LAST, Match, Scope
from kiungo.fhir.search.sql import among

# Up to so many codes, testing one row is that many seeks; for more, all rows are found once.
SEEKS_MAX = 40
FURTHER = frozenset({"text", "of-type", "in", "not-in", "above", "below"})


def matches(scope: Scope, predicate: Predicate) -> list[Match]:
    """What meets a token or reference by a modifier that looks further; `:not-in` as what it denies."""
    if predicate.parameter.kind == "reference":
        return [
            m for value in predicate.values for m in _in_tree(scope, predicate.parameter, predicate.modifier, value)
        ]
    found: list[Match] = []
    for source in predicate.parameter.sources:
        for value in predicate.values:
            if predicate.modifier == "text":
                found.append(_by_text(scope, source, value))
            elif predicate.modifier == "of-type":
                found.append(_of_type(scope, source, value))
            else:
                found += _coded(scope, source, _codes(scope.asking(), predicate, source, value))
    return found


def _by_text(scope: Scope, source: Source, value: Value) -> Match:
    text = values.normal(value.text)
    if not text:
        raise _wrong("a text to search for has at least one letter")
    return Match("fhir_string", "x.k = ? AND x.text >= ? AND x.text < ?", (scope.key(source), text, text + LAST))


def _of_type(scope: Scope, source: Source, value: Value) -> Match:
    if len(value.parts) != 3 or not value.parts[1] or not value.parts[2]:
        raise _wrong("an identifier of a type is system|code|value, system and code being those of the type")
    return matching.Match(
        "fhir_token",
        "x.k = ? AND x.hash = ? AND x.system = ?",
        (scope.key(source), values.typed_hash(*value.parts), values.OF_TYPE),
        True,
        True,
    )


def _codes(lookups: Lookups, predicate: Predicate, source: Source, value: Value) -> list[tuple[str, str]]:
    if predicate.modifier in ("in", "not-in"):
        return lookups.codes(value.text)
    if len(value.parts) != 2 or not all(value.parts):
        raise _wrong(f"{predicate.parameter.code}:{predicate.modifier} needs a code with its system: system|code")
    system, code = value.parts
    return [(system, found) for found in lookups.related(system, code, above=predicate.modifier == "above")]


def _coded(scope: Scope, source: Source, codes: Iterable[tuple[str, str]]) -> list[Match]:
    """The rows of these codes, with one match for each system."""
    by_system: dict[int, list[int]] = {}
    for system, code in codes:
        by_system.setdefault(values.hash32(system), []).append(values.identifier_hash(code))
    key = scope.key(source)
    found: list[Match] = []
    for number, hashes in by_system.items():
        if len(hashes) <= SEEKS_MAX:
            marks = ", ".join("?" * len(hashes))
            where = f"x.k = ? AND x.hash IN ({marks}) AND x.system = ?"
            found.append(Match("fhir_token", where, (key, *hashes, number), keyed=True))
        else:
            listed = among(scope.engine, hashes)
            where = f"x.k = ? AND x.hash {listed.text} AND x.system = ?"
            found.append(Match("fhir_token", where, (key, *listed.parameters, number)))
    return found


def _in_tree(scope: Scope, parameter: Parameter, modifier: str, value: Value) -> list[Match]:
    """What refers to a resource or to one below it (above it), where its type says what is part of what."""
    parts = values.split_reference(value.text)
    types = [t for t in parameter.targets if t in PARENTS]
    if parts is not None and parts[0] is None and parts[1] in types:
        type_name, logical_id = parts[1], parts[2]
    elif "/" not in value.text and len(types) == 1:
        type_name, logical_id = types[0], value.text
    else:
        raise Incorrect(
            SEARCH_NOT_SUPPORTED,
            f"{parameter.code}:{modifier} needs a reference to one of {', '.join(sorted(PARENTS))}",
            field=f"{parameter.code}:{modifier}",
            hint="Write location:below=Location/42",
        )
    if modifier == "above":
        wanted = [values.target_of(type_name, one) for one in scope.asking().ancestors(type_name, logical_id)]
        marks = ", ".join("?" * len(wanted))
        return [
            Match("fhir_reference", f"x.k = ? AND x.target IN ({marks})", (scope.key(source), *wanted), keyed=True)
            for source in _of_target(parameter, type_name)
        ]
    parent = parameters_of(type_name)[PARENTS[type_name][0]].sources[0]
    tree = (
        "WITH RECURSIVE below(target) AS (SELECT CAST(? AS BIGINT) UNION SELECT r.target FROM below b "
        "JOIN fhir_reference f ON f.k = ? AND f.target = b.target JOIN fhir_resource r ON r.rid = f.rid) "
        "SELECT target FROM below"
    )
    first = values.target_of(type_name, logical_id)
    return [
        Match("fhir_reference", f"x.k = ? AND x.target IN ({tree})", (scope.key(source), first, scope.key(parent)))
        for source in _of_target(parameter, type_name)
    ]


def _of_target(parameter: Parameter, type_name: str) -> list[Source]:
    return [s for s in parameter.sources if s.target_type in (None, type_ids()[type_name])]


def _wrong(message: str) -> Incorrect:
    return Incorrect(SEARCH_VALUE_WRONG, message, hint="See FHIR R4 search, modifiers")
