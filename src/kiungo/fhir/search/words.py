"""Full text: which words a resource holds, and the expressions of `_text` and `_content`.

`_text` looks in the narrative, `_content` in the narrative and every text of the resource. Words are compared
without case and accents. An expression has words, "phrases" (all their words), `and`, `or`, `not`, brackets and
`begin*`; words side by side must all be there.
Source: FHIR R4 3.1.1.4.21 (_text, _content); the expressions are the server's to choose.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.index_rows import FRESH_WORDS, WORDS, key_base
from kiungo.fhir.search.asked import SEARCH_VALUE_WRONG, AllOf, AnyOf, Condition, Not, Word
from kiungo.fhir.search.matching import LAST, Match, Scope

WORD_LENGTH_MAX = 64
WORDS_MAX = 3_000
USUAL_LENGTH_MAX = 80
TEXT_LENGTH_MAX = 400_000
TERMS_MAX = 20
DEPTH_MAX = 8
# Members whose texts are codes, addresses, or names of things in software: not for reading.
_SKIPPED = frozenset(
    {"resourceType", "id", "system", "url", "reference", "versionId", "lastUpdated", "data", "contentType", "uri"}
    | {"fullUrl", "linkId", "hash", "path", "expression", "instantiatesCanonical", "version", "code", "status", "use"}
    | {"intent", "mode", "currency", "language", "timezone", "type", "kind", "unit"}
)
# Identifiers are found by their parameter; as words each would be one of a kind.
_SKIPPED_PARTS = frozenset({"identifier", "meta", "text"})
# So common that they tell nothing apart, in the languages records here are mostly written in.
COMMON_WORDS = frozenset(
    {"a", "an", "and", "as", "at", "be", "by", "for", "from", "in", "is", "it", "no", "not", "of", "on", "or", "that"}
    | {"the", "this", "to", "was", "with", "et", "la", "le", "les", "de", "du", "na", "ya", "wa", "kwa"}
)
# Records of money: codes, amounts and sentences of ours. Their words would be a fifth of what writing a claim costs.
WORDLESS = frozenset({"Claim", "ClaimResponse", "ExplanationOfBenefit"})
# Texts that are dates are found as dates.
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}|$)")
_TAG = re.compile(r"<[^>]*>|&[a-zA-Z#0-9]+;")
_WORD = re.compile(r"[^\W_]+")
_TERM = re.compile(r'\s*(?:"([^"]*)"|([()])|([^\s()"]+))')
Place = Literal["_text", "_content"]


def word_rows(resource: dict[str, Any]) -> set[tuple[int, str]]:
    """(key, word) of everything a resource is found by as text."""
    if resource["resourceType"] in WORDLESS:
        return set()
    shown, everywhere = words_of(resource)
    narrative, content = word_key(resource["resourceType"], "_text"), word_key(resource["resourceType"], "_content")
    return {(narrative, word) for word in shown} | {(content, word) for word in everywhere - shown}


def words_of(resource: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The words of the narrative, and those of all other texts."""
    narrative = resource.get("text")
    told = narrative.get("div", "") if isinstance(narrative, dict) else ""
    shown = set(words_in(_TAG.sub(" ", told))) if told else set()
    texts: list[str] = []
    _collect({name: value for name, value in resource.items() if name not in _SKIPPED_PARTS}, texts)
    found: set[str] = set()
    for text in texts:
        # Most texts are the words for a code, which come again and again.
        found |= _usual_words(text) if len(text) <= USUAL_LENGTH_MAX else words_in(text)
    return shown, found if len(found) <= WORDS_MAX else set(sorted(found)[:WORDS_MAX])


@lru_cache(maxsize=16_384)
def _usual_words(text: str) -> frozenset[str]:
    return words_in(text)


def words_in(text: str) -> frozenset[str]:
    """The words of a text as they are compared, but for those that tell nothing."""
    text = text[:TEXT_LENGTH_MAX]
    if text.isascii():
        plain = text.lower()
    else:
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    found = {word[:WORD_LENGTH_MAX] for word in _WORD.findall(plain)} - COMMON_WORDS
    return frozenset(found if len(found) <= WORDS_MAX else sorted(found)[:WORDS_MAX])


def _collect(value: dict[str, Any], texts: list[str]) -> None:
    """The texts inside, but for those of members that are not for reading. Every write passes here."""
    for name, inner in value.items():
        kind = inner.__class__
        if kind is str:
            if name not in _SKIPPED and not (inner[:1].isdigit() and _DATE.match(inner)):
                texts.append(inner)
        elif kind is dict:
            _collect(inner, texts)
        elif kind is list:
            for item in inner:
                if item.__class__ is dict:
                    _collect(item, texts)
                elif item.__class__ is str and name not in _SKIPPED and not _DATE.match(item):
                    texts.append(item)


def word_key(type_name: str, place: Place) -> int:
    """The number of a type's narrative or content words, without the tenant."""
    return type_ids()[type_name] * 2 + (place == "_content")


def word_matches(scope: Scope, word: Word) -> list[Match]:
    """The rows of a word, or of all words that begin with it; the narrative's words are content too."""
    places: tuple[Place, ...] = ("_text",) if word.parameter == "_text" else ("_text", "_content")
    keys = [key_base(scope.tenant) + word_key(scope.type, place) for place in places]
    where = f"x.k IN ({', '.join('?' * len(keys))})"
    if word.is_prefix:
        kept = Match(WORDS, f"{where} AND x.text >= ? AND x.text < ?", (*keys, word.text, word.text + LAST))
    else:
        kept = Match(WORDS, f"{where} AND x.text = ?", (*keys, word.text))
    return [kept, _fresh_match(keys, word)]


def _fresh_match(keys: Sequence[int], word: Word) -> Match:
    """The same among the few resources whose words still wait; a word holds no % or _ that LIKE would read."""
    end = "%" if word.is_prefix else " %"
    where = " OR ".join(["x.words LIKE ?"] * len(keys))
    return Match(FRESH_WORDS, f"({where})", tuple(f"% {key}:{word.text}{end}" for key in keys))


def parse_words(place: Place, expression: str) -> Condition:
    """Read an expression. Raises: Incorrect SEARCH_VALUE_WRONG."""
    terms = list(_terms(place, expression))
    if len(terms) > TERMS_MAX * 3:
        raise _wrong(place, f"has more than {TERMS_MAX} words")
    reader = _Reader(place, terms)
    found = reader.either(0)
    if reader.terms:
        raise _wrong(place, "has a bracket too many")
    return found


def _terms(place: Place, expression: str) -> Iterator[tuple[str, str]]:
    """(kind, text): a phrase, a bracket or a word."""
    position, text = 0, expression.strip()
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise _wrong(place, "has a quotation mark that is not closed")
        phrase, bracket, word = match.groups()
        yield ("phrase", phrase) if phrase is not None else ("mark", bracket) if bracket else ("word", word)
        position = match.end()


class _Reader:
    def __init__(self, place: Place, terms: list[tuple[str, str]]) -> None:
        self._place: Place = place
        self.terms = terms[::-1]

    def _is(self, word: str) -> bool:
        return bool(self.terms) and self.terms[-1][0] == "word" and self.terms[-1][1].lower() == word

    def either(self, depth: int) -> Condition:
        """Alternatives with `or` between them."""
        if depth > DEPTH_MAX:
            raise _wrong(self._place, f"nests deeper than {DEPTH_MAX} brackets")
        found = [self._together(depth)]
        while self._is("or"):
            self.terms.pop()
            found.append(self._together(depth))
        return found[0] if len(found) == 1 else AnyOf(tuple(found))

    def _together(self, depth: int) -> Condition:
        found: list[Condition] = []
        while self.terms and self.terms[-1] != ("mark", ")") and not self._is("or"):
            if self._is("and"):
                self.terms.pop()
                continue
            found.append(self._one(depth))
        if not found:
            raise _wrong(self._place, "has no word where one is needed")
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def _one(self, depth: int) -> Condition:
        if self._is("not"):
            self.terms.pop()
            if not self.terms or self.terms[-1] == ("mark", ")"):
                raise _wrong(self._place, "has no word after not")
            return Not(self._one(depth))
        kind, text = self.terms.pop()
        if kind == "mark":
            inner = self.either(depth + 1)
            if not self.terms or self.terms.pop() != ("mark", ")"):
                raise _wrong(self._place, "has a bracket that is not closed")
            return inner
        words = sorted(words_in(text))
        if not words:
            raise _wrong(self._place, f"has {text[:20]!r}, which is no word, or one too common to look for")
        is_prefix = kind == "word" and text.endswith("*") and len(words) == 1
        made = tuple(Word(self._place, word, is_prefix) for word in words)
        return made[0] if len(made) == 1 else AllOf(made)


def _wrong(place: str, problem: str) -> Incorrect:
    return Incorrect(
        SEARCH_VALUE_WRONG, f"{place} {problem}", field=place, hint=f'Write {place}=(bone or liver) and "metastases"'
    )
