"""Text: substring, indexOf, replace, matches, split, join, encode, escape and their like.

Source: FHIRPath N1, 5.6; 3.0.0-ballot for encode, escape, trim, split, join, matchesFull and lastIndexOf.
"""

import base64
import binascii
import html
import json
from collections.abc import Callable

from kiungo.fhir.fhirpath.errors import failed, too_costly
from kiungo.fhir.fhirpath.functions.arguments import (
    charged,
    integer_argument,
    of_text,
    text_argument,
    text_input,
    text_of,
)
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, TruthStep, condition, function
from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.values import Collection, Value

TEXT_MAX = 1_000_000


@function("upper")
def _upper(arguments: Arguments) -> Step:
    return of_text("upper", str.upper)


@function("lower")
def _lower(arguments: Arguments) -> Step:
    return of_text("lower", str.lower)


@function("trim")
def _trim(arguments: Arguments) -> Step:
    return of_text("trim", str.strip)


@function("length")
def _length(arguments: Arguments) -> Step:
    return of_text("length", len)


@function("toChars")
def _to_chars(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        text = text_input(items, "toChars") or ""
        run.spend(len(text))
        return list(text)

    return step


def _with_text(name: str, arguments: Arguments, compute: Callable[[str, str], Value | None]) -> Step:
    """A function of the input text and one text argument; empty when either is."""
    other = text_argument(arguments[0], name)

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        text, second = text_input(items, name), other(run, this)
        if text is None or second is None:
            return []
        return charged(run, compute(text, second))

    return step


def _text_test(name: str, arguments: Arguments, compute: Callable[[str, str], bool]) -> TruthStep:
    other = text_argument(arguments[0], name)

    def step(run: Run, items: Collection, this: Collection) -> bool | None:
        text, second = text_input(items, name), other(run, this)
        return None if text is None or second is None else compute(text, second)

    return step


@condition("startsWith", 1)
def _starts_with(arguments: Arguments) -> TruthStep:
    return _text_test("startsWith", arguments, str.startswith)


@condition("endsWith", 1)
def _ends_with(arguments: Arguments) -> TruthStep:
    return _text_test("endsWith", arguments, str.endswith)


@condition("contains", 1)
def _contains(arguments: Arguments) -> TruthStep:
    return _text_test("contains", arguments, lambda text, part: part in text)


@function("indexOf", 1)
def _index_of(arguments: Arguments) -> Step:
    return _with_text("indexOf", arguments, lambda text, part: text.find(part))


@function("lastIndexOf", 1)
def _last_index_of(arguments: Arguments) -> Step:
    return _with_text("lastIndexOf", arguments, lambda text, part: text.rfind(part))


@function("substring", 1, 2)
def _substring(arguments: Arguments) -> Step:
    first = integer_argument(arguments[0], "substring")
    count = integer_argument(arguments[1], "substring") if len(arguments) > 1 else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        text, start = text_input(items, "substring"), first(run, this)
        if text is None or start is None or not 0 <= start < len(text):
            return []
        length = count(run, this) if count else None
        return charged(run, text[start:] if length is None else text[start : start + max(0, length)])

    return step


@function("replace", 2)
def _replace(arguments: Arguments) -> Step:
    pattern, substitution = text_argument(arguments[0], "replace"), text_argument(arguments[1], "replace")

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        text, old, new = text_input(items, "replace"), pattern(run, this), substitution(run, this)
        if text is None or old is None or new is None:
            return []
        if len(text) + text.count(old) * len(new) > TEXT_MAX:
            raise too_costly(f"replace() would make a text longer than {TEXT_MAX:,} characters", "Replace less at once")
        return charged(run, text.replace(old, new))

    return step


@function("split", 1)
def _split(arguments: Arguments) -> Step:
    separator = text_argument(arguments[0], "split")

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        text, mark = text_input(items, "split"), separator(run, this)
        if text is None or mark is None:
            return []
        found: Collection = list(text.split(mark) if mark else text)
        run.spend(len(found))
        return found

    return step


@function("join", 0, 1)
def _join(arguments: Arguments) -> Step:
    separator = text_argument(arguments[0], "join") if arguments else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        if not items:
            return []
        texts = [text_of(item, "join") for item in items]
        mark = (separator(run, this) if separator else None) or ""
        if sum(map(len, texts)) + len(mark) * len(texts) > TEXT_MAX:
            raise too_costly(f"join() would make a text longer than {TEXT_MAX:,} characters", "Join less at once")
        return charged(run, mark.join(texts))

    return step


_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "urlbase64": base64.urlsafe_b64encode,
    "hex": binascii.hexlify,
    "ascii": lambda raw: raw.decode().encode("ascii", "replace"),
}
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": lambda raw: base64.b64decode(raw, validate=True),
    "urlbase64": lambda raw: base64.b64decode(raw, altchars=b"-_", validate=True),
    "hex": binascii.unhexlify,
}


def _decoded(text: str, format_: str) -> str | None:
    decode = _chosen(_DECODERS, format_, "decode")
    try:
        return decode(text.encode()).decode()
    except (binascii.Error, ValueError):
        return None


def _chosen(table: dict[str, Callable[[bytes], bytes]], name: str, function_: str) -> Callable[[bytes], bytes]:
    if name not in table:
        raise failed(f"{function_}() does not know the format {name!r}", hint=f"Known are {', '.join(table)}")
    return table[name]


@function("encode", 1)
def _encode(arguments: Arguments) -> Step:
    return _with_text("encode", arguments, lambda text, f: _chosen(_ENCODERS, f, "encode")(text.encode()).decode())


@function("decode", 1)
def _decode(arguments: Arguments) -> Step:
    return _with_text("decode", arguments, _decoded)


def _escaped(text: str, target: str) -> str:
    if target == "html":
        return html.escape(text).replace("&#x27;", "&#39;")
    if target == "json":
        return json.dumps(text, ensure_ascii=False)[1:-1]
    raise failed(f"escape() does not know the target {target!r}", hint="Known are html, json")


def _unescaped(text: str, target: str) -> str | None:
    if target == "html":
        return html.unescape(text)
    if target == "json":
        try:
            return str(json.loads(f'"{text}"'))
        except ValueError:
            # Quotes that were never escaped are quotes all the same.
            return text.replace('\\"', '"')
    raise failed(f"unescape() does not know the target {target!r}", hint="Known are html, json")


@function("escape", 1)
def _escape(arguments: Arguments) -> Step:
    return _with_text("escape", arguments, _escaped)


@function("unescape", 1)
def _unescape(arguments: Arguments) -> Step:
    return _with_text("unescape", arguments, _unescaped)
