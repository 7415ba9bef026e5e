"""FHIRPath text into tokens.

Source: FHIRPath N1 (2.0.0), lexical elements and grammar.
"""

import re
from typing import NamedTuple

from kiungo.fhir.fhirpath.errors import unreadable

LENGTH_MAX = 20_000

_TOKEN = re.compile(
    r"""
    (?P<space>\s+ | //[^\n\r]* | /\*.*?\*/)
  | (?P<time>@T[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?)
  | (?P<datetime>@[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?T
      (?:[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)
  | (?P<date>@[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?)
  | (?P<number>[0-9]+(?:\.[0-9]+)?)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<quoted>`(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*")
  | (?P<special>\$[A-Za-z]+)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark><=|>=|!=|!~|[-+*/&|<>=~.,()\[\]{}%])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SINGLE = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}


class Token(NamedTuple):
    """A token. Shapes: `kind` is a group of the pattern above or "end"; `text` of strings is unescaped."""

    kind: str
    text: str
    at: int


def tokens_of(text: str) -> list[Token]:
    """All tokens, an "end" token last. Raises: Incorrect FHIRPATH_SYNTAX."""
    if len(text) > LENGTH_MAX:
        raise unreadable("", 0, f"it is longer than {LENGTH_MAX} characters", hint="Split it into smaller expressions")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None or (text.startswith("/*", at) and match.lastgroup != "space"):
            raise unreadable(text, at, _what_is_wrong(text, at))
        kind = match.lastgroup
        if kind != "space":
            value = match.group()
            if kind in ("string", "quoted"):
                value = _unescaped(text, at + 1, value[1:-1])
            found.append(Token(kind, value, at))
        at = match.end()
    found.append(Token("end", "", len(text)))
    return found


def _what_is_wrong(text: str, at: int) -> str:
    if text[at] in "'`\"":
        return f"the {text[at]} is never closed"
    if text.startswith("/*", at):
        return "the comment is never closed"
    if text[at] == "@":
        return "this is no date or time"
    return f"the character {text[at]!r} has no meaning here"


def _unescaped(whole: str, at: int, text: str) -> str:
    if "\\" not in text:
        return text

    def meaning(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code == "u":
            raise unreadable(whole, at + match.start(), "\\u needs four hexadecimal digits")
        return _SINGLE.get(code, code)

    plain = _ESCAPE.sub(meaning, text)
    # Escapes may spell a character beyond the basic plane as two surrogates.
    try:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise unreadable(whole, at, "an escape spells half a character") from None
