"""The formats of FHIR's primitive types: an inline Python test for generated code, and a careful one.

The inline test is an expression over `v` that is quick for ordinary values; whatever it refuses is decided
by `problem`, which also says in words what is wrong.
Source: FHIR R4 2.24.0.1 (primitive types).
"""

import html
import re
from collections.abc import Callable
from decimal import Decimal
from html.entities import html5
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

INTEGER_MAX = 2**31 - 1
DECIMAL_MAX = 10**100
# Of a string or markdown. Units: characters. Source: FHIR R4 2.24.0.1, string.
TEXT_MAX = 1024 * 1024

_YEAR = r"(?:[0-9](?:[0-9](?:[0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_MONTH_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|[12][0-9]))"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

DATE = re.compile(rf"{_YEAR}(?:-(?:{_MONTH_DAY}|0[1-9]|1[0-2]))?", re.ASCII).fullmatch
DATE_TIME = re.compile(rf"{_YEAR}(?:-(?:{_MONTH_DAY}(?:T{_TIME}{_ZONE})?|0[1-9]|1[0-2]))?", re.ASCII).fullmatch
INSTANT = re.compile(rf"{_YEAR}-{_MONTH_DAY}T{_TIME}{_ZONE}", re.ASCII).fullmatch
TIME = re.compile(_TIME, re.ASCII).fullmatch
TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f]+").fullmatch
CODE = re.compile(r"[^\s]+(?:\s[^\s]+)*", re.ASCII).fullmatch
URI = re.compile(r"[^\s\x00-\x1f]+", re.ASCII).fullmatch
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII).fullmatch
OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", re.ASCII).fullmatch
UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII).fullmatch
BASE64 = re.compile(r"\s*[A-Za-z0-9+/][A-Za-z0-9+/\s]*(?:=\s*){0,2}", re.ASCII).fullmatch
_SPACE = re.compile(r"\s+")
# Narrative may be shown by any client: nothing that runs or loads by itself. Source: FHIR R4 2.4.0 txt-1.
_ACTIVE_WORDS = (
    *("<script", "<iframe", "<object", "<embed", "<form", "<input", "<button", "<link", "<base", "<meta"),
    *("<frame", "<head", "<body", "<html", "<style", "<applet", "<svg", "javascript:"),
)
_ACTIVE_SCHEMES = ("javascript:", "vbscript:", "data:text/html")
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*;)")
_XML_OWN = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})
_SPACE_OR_CONTROL = re.compile(r"[\x00-\x20]+")
# The first search begins with a literal, which is quick; the second decides about what it found.
_MAYBE_HANDLER = re.compile(r"on[a-z]+\s*=").search
_HANDLER = re.compile(r"<[^>]*[\s\"'/]on[a-z]+\s*=").search


def _is_active(text: str) -> bool:
    low = text.lower()
    if any(word in low for word in _ACTIVE_WORDS):
        return True
    if "href" in low or "src" in low:
        # A browser reads an address without its character references, spaces and line ends.
        plain = _SPACE_OR_CONTROL.sub("", html.unescape(low))
        if any(scheme in plain for scheme in _ACTIVE_SCHEMES):
            return True
    return bool(_MAYBE_HANDLER(low) and _HANDLER(low))


def leap_day_is_wrong(text: str) -> bool:
    """Whether a well-formed date names 29 February of a year that has none."""
    if text[5:10] != "02-29":
        return False
    year = int(text[:4])
    return year % 4 != 0 or (year % 100 == 0 and year % 400 != 0)


def _text(v: Any) -> str | None:
    if not isinstance(v, str):
        return "must be a string"
    if not v:
        return "must not be empty"
    if len(v) > TEXT_MAX:
        return f"has {len(v)} characters, more than the {TEXT_MAX} a text may have: send it as an attachment"
    return None if TEXT(v) else "holds a control character"


def _pattern(match: Callable[[str], Any], words: str) -> Callable[[Any], str | None]:
    def check(v: Any) -> str | None:
        if not isinstance(v, str):
            return "must be a string"
        return None if match(v) else words

    return check


def _uri(words: str) -> Callable[[Any], str | None]:
    """A URN that says a UUID or an OID follows must have one, a UUID in either case."""

    def check(v: Any) -> str | None:
        if not isinstance(v, str):
            return "must be a string"
        if not URI(v):
            return words
        if v.startswith("urn:uuid:") and not UUID(v.lower().partition("#")[0].partition("|")[0]):
            return "is not a UUID after urn:uuid:"
        if v.startswith("urn:oid:") and not OID(v.partition("#")[0].partition("|")[0]):
            return "is not an OID after urn:oid: numbers with dots between, none with a 0 in front"
        return None

    return check


def _dated(match: Callable[[str], Any], words: str) -> Callable[[Any], str | None]:
    def check(v: Any) -> str | None:
        if not isinstance(v, str):
            return "must be a string"
        if not match(v):
            return words
        return "is not a day in the calendar" if leap_day_is_wrong(v) else None

    return check


def _whole(low: int) -> Callable[[Any], str | None]:
    def check(v: Any) -> str | None:
        if v.__class__ is not int:
            return "must be a whole number"
        return None if low <= v <= INTEGER_MAX else f"must be between {low} and {INTEGER_MAX}"

    return check


def _boolean(v: Any) -> str | None:
    return None if v is True or v is False else "must be true or false"


def _decimal(v: Any) -> str | None:
    if v.__class__ is int and not -DECIMAL_MAX < v < DECIMAL_MAX:
        return "is beyond 10**100"
    if v.__class__ is int or v.__class__ is Decimal:
        return None
    return "must be a Decimal, a float has no exact digits" if v.__class__ is float else "must be a number"


def _base64(v: Any) -> str | None:
    if not isinstance(v, str):
        return "must be a string"
    if not BASE64(v) or len(_SPACE.sub("", v)) % 4:
        return "is not base64"
    return None


def _xhtml(v: Any) -> str | None:
    if not isinstance(v, str):
        return "must be a string"
    text = v.strip()
    if not text.startswith("<div") or not (text.endswith("</div>") or text.endswith("/>")):
        return "must be one XHTML div element"
    if _is_active(text):
        return "holds active content, which a narrative must not"
    return _malformed(text)


def _malformed(text: str) -> str | None:
    """Why a narrative cannot be shown as XML: it is parsed without looking at what it holds."""
    if "<!DOCTYPE" in text:
        return "has a document type declaration, which a narrative must not"
    try:
        plain = _NAMED.sub(_character, text) if "&" in text else text
        ParserCreate("UTF-8", " ").Parse(plain.encode(), True)
    except (ExpatError, UnicodeEncodeError) as error:
        return f"is not well-formed XHTML: {error}"
    return None


def _character(found: re.Match[str]) -> str:
    """HTML's named characters mean nothing in XML, which names only five."""
    return found[0] if found[1] in _XML_OWN else html5.get(found[1], found[0])


_DATE_WORDS = "is not a date, write YYYY, YYYY-MM or YYYY-MM-DD"
_DATE_TIME_WORDS = "is not a date or a time with a zone, write 2024-10-03 or 2024-10-03T10:30:00Z"
CHECKS: dict[str, Callable[[Any], str | None]] = {
    "string": _text,
    "markdown": _text,
    "boolean": _boolean,
    "integer": _whole(-INTEGER_MAX - 1),
    "positiveInt": _whole(1),
    "unsignedInt": _whole(0),
    "decimal": _decimal,
    "code": _pattern(CODE, "is not a code: no spaces at the ends, none doubled"),
    "id": _pattern(ID, "is not an id: 1 to 64 letters, digits, hyphens or dots"),
    "uri": _uri("is not a URI: it is empty or holds a space"),
    "url": _uri("is not a URL: it is empty or holds a space"),
    "canonical": _uri("is not a canonical URL: it is empty or holds a space"),
    "oid": _pattern(OID, "is not an OID such as urn:oid:1.2.3"),
    "uuid": _pattern(UUID, "is not a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    "date": _dated(DATE, _DATE_WORDS),
    "dateTime": _dated(DATE_TIME, _DATE_TIME_WORDS),
    "instant": _dated(INSTANT, "is not an instant, write 2024-10-03T10:30:00Z"),
    "time": _pattern(TIME, "is not a time, write 10:30:00"),
    "base64Binary": _base64,
    "xhtml": _xhtml,
}

_SIMPLE_TEXT = "v.__class__ is str and v and v.isprintable()"
_SHORT_TEXT = f"{_SIMPLE_TEXT} and len(v) <= {TEXT_MAX}"
_NO_SPACE = _SIMPLE_TEXT + " and ' ' not in v"
_PLAIN_URI = _NO_SPACE + " and v[:4] != 'urn:'"
# Expressions over `v` that are true for ordinary right values; false means: ask CHECKS.
INLINE: dict[str, str] = {
    "string": _SHORT_TEXT,
    "markdown": _SHORT_TEXT,
    "boolean": "v is True or v is False",
    "integer": "v.__class__ is int and -2147483648 <= v <= 2147483647",
    "positiveInt": "v.__class__ is int and 1 <= v <= 2147483647",
    "unsignedInt": "v.__class__ is int and 0 <= v <= 2147483647",
    "decimal": "v.__class__ is Decimal or (v.__class__ is int and -2147483648 <= v <= 2147483647)",
    "code": _NO_SPACE,
    "uri": _PLAIN_URI,
    "url": _PLAIN_URI,
    "canonical": _PLAIN_URI,
    "date": "v.__class__ is str and DATE(v) and v[5:10] != '02-29'",
    "dateTime": "v.__class__ is str and DATE_TIME(v) and v[5:10] != '02-29'",
    "instant": "v.__class__ is str and INSTANT(v) and v[5:10] != '02-29'",
}


def problem(kind: str, v: Any) -> str | None:
    """What is wrong with a primitive value, or None when it is right."""
    return CHECKS[kind](v)
