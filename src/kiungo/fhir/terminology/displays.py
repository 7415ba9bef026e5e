"""Which words of a concept are shown: its own display, or one in the language that is asked for.

Source: FHIR R4 ValueSet-expand, CodeSystem-lookup (displayLanguage, designation); BCP 47 2.1.
"""

from collections.abc import Collection, Iterator

from kiungo.fhir.terminology.model import Concept

Term = tuple[str, str, str]
LANGUAGES = "urn:ietf:bcp:47"
DEFINITION = "definition"


def display_in(concept: Concept, language: str | None) -> str:
    """The display in a language: of its region first, then of the language as such; else the concept's own."""
    if not language:
        return concept.display
    terms = [(tag.casefold(), term) for kind, tag, term in concept.terms if tag and kind != DEFINITION]
    for wanted in (part.partition(";")[0].strip().casefold() for part in language.split(",")):
        plain = wanted.partition("-")[0]
        for fits in (wanted, plain):
            found = next((term for tag, term in terms if tag == fits), None)
            if found is not None:
                return found
        found = next((term for tag, term in terms if tag.partition("-")[0] == plain), None)
        if found is not None:
            return found
    return concept.display


def is_display_of(text: str, concept: Concept) -> bool:
    """Whether a text is one of a concept's words, however it is spaced and in capitals or not."""
    wanted = " ".join(text.casefold().split())
    known = (concept.display, *(term for kind, _, term in concept.terms if kind != DEFINITION))
    return any(wanted == " ".join(one.casefold().split()) for one in known)


def designations(concept: Concept, wanted: Collection[str] = ()) -> Iterator[Term]:
    """The terms but definitions; only those of the wanted uses and languages, each system|code, where any are named."""
    for term in concept.terms:
        kind, language, _ = term
        if kind == DEFINITION:
            continue
        if not wanted or any(_is_meant(token, kind, language) for token in wanted):
            yield term


def use_of(kind: str, concept: Concept) -> dict[str, str]:
    """The Coding of the kind one of a concept's terms has."""
    system, _, code = kind.rpartition("|")
    coding = {"system": system, "code": code, "display": dict(concept.uses).get(kind, "")}
    return {name: value for name, value in coding.items() if value}


def _is_meant(token: str, kind: str, language: str) -> bool:
    system, mark, code = token.rpartition("|")
    if mark and system == LANGUAGES:
        return language.casefold() == code.casefold()
    own_system, _, own = kind.rpartition("|")
    if not mark:
        return code in (own, language)
    return code == own and own_system in ("", system)
