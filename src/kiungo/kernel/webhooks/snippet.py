"""What may be kept of a receiver's answer: a short text without anything the payload or a person put there."""

import re
from collections.abc import Iterator
from typing import Any

from kiungo.kernel import json

SNIPPET_CHARACTERS_MAX = 200
READ_BYTES_MAX = 2_000
HIDDEN = "***"
_WORD = re.compile(r"[^\W_][\w'.@+-]*", re.UNICODE)
_DIGITS = re.compile(r"\d{2,}")
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_WORD_CHARACTERS_MIN = 2


def snippet_of(answer: bytes, payload: bytes) -> str | None:
    """The beginning of an answer, with every word of the payload's values, long digits and mail addresses hidden.

    A receiver often echoes what it did not like; the log of deliveries must not become a copy of records.
    """
    text = _CONTROL.sub(" ", answer[:READ_BYTES_MAX].decode("utf-8", "replace")).strip()
    if not text:
        return None
    hidden = {word.casefold() for value in _values(json.loads(payload)) for word in _words(value)}
    text = _EMAIL.sub(HIDDEN, text)
    text = _WORD.sub(lambda found: HIDDEN if _is_hidden(found.group(), hidden) else found.group(), text)
    return _DIGITS.sub("#", text)[:SNIPPET_CHARACTERS_MAX]


def _is_hidden(word: str, hidden: set[str]) -> bool:
    return any(part.casefold() in hidden for part in (word, word.strip(".'-"), *re.split(r"[.'@+-]", word)))


def _words(value: str) -> Iterator[str]:
    for found in _WORD.findall(value):
        for part in (found, found.strip(".'-"), *re.split(r"[.'@+-]", found)):
            if len(part) >= _WORD_CHARACTERS_MIN:
                yield part


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    elif isinstance(value, str):
        yield value
    elif value is not None and not isinstance(value, bool):
        yield str(value)
