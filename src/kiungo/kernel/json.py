"""JSON with exact decimals, and with limits on what comes in."""

import json as stdlib_json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from kiungo.base.errors import Incorrect, define
from kiungo.base.money import Money

JSON_MALFORMED = define("JSON_MALFORMED", Incorrect, "The body is not JSON in UTF-8.")
JSON_TOO_DEEP = define("JSON_TOO_DEEP", Incorrect, "The body nests deeper than the limit.")
JSON_MEMBER_TWICE = define(
    "JSON_MEMBER_TWICE", Incorrect, "An object has a member twice, and each reader would take another one."
)
JSON_FORBIDDEN_CHARACTER = define(
    "JSON_FORBIDDEN_CHARACTER", Incorrect, "The body has a NUL or a lone surrogate, which no record may hold."
)

DEPTH_MAX = 64
NUMBER_EXPONENT_MAX = 100
FIELD_LENGTH_MAX = 200
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")


def loads(body: bytes | str, *, depth_max: int = DEPTH_MAX) -> Any:
    """Parse JSON; a number with a fraction or exponent becomes a Decimal with the digits it was written with.

    Raises: Incorrect (malformed, too deep, NUL or lone surrogate, NaN, a fraction beyond 10**100).
    """
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    if raw.count(b"[") + raw.count(b"{") > depth_max and _too_deep(raw, depth_max):
        raise Incorrect(JSON_TOO_DEEP, f"The body nests deeper than {depth_max} levels", hint="Flatten the structure")
    if b"\\u0000" in raw or b"\\ud" in raw or b"\\uD" in raw:
        _refuse_forbidden(raw)
    try:
        return _decoder.decode(raw)
    except UnicodeDecodeError as error:
        raise Incorrect(
            JSON_MALFORMED, f"The body is not UTF-8 (byte {error.start})", hint="Send JSON encoded as UTF-8"
        ) from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Incorrect(JSON_MALFORMED, _plain(error), hint="Send one JSON value encoded as UTF-8") from None


def loads_body(raw: bytes) -> Any:
    """Parse what a caller sent, in which no object has a member twice.

    Raises: as `loads`; Incorrect JSON_MEMBER_TWICE.
    """
    parsed = loads(raw)
    refuse_repeats(raw, parsed)
    return parsed


def refuse_repeats(raw: bytes, parsed: Any) -> None:
    """Refuse a text, parsed before, in which an object has a member twice. Raises: Incorrect JSON_MEMBER_TWICE.

    What is kept as it came must mean one thing: a reader that takes the first would see what nobody has checked.
    A member lost in parsing is a colon lost in rendering, so that most texts are counted, not parsed again.
    """
    if b"\\u003" in raw or raw.count(b":") != _encoder.encode(parsed).count(b":"):
        stdlib_json.loads(raw, object_pairs_hook=_refuse_repeated, parse_float=str, parse_int=str)


def _refuse_repeated(members: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            raise Incorrect(
                JSON_MEMBER_TWICE, f"An object has the member {name[:60]!r} twice", field=name[:60], hint="Send it once"
            )
        seen.add(name)


def dumps(value: Any) -> bytes:
    """Render JSON; Money and Decimal become numbers with exactly the digits they hold."""
    return _encoder.encode(value)


def dumps_pretty(value: Any) -> bytes:
    """Render JSON for people, indented by two."""
    return msgspec.json.format(_encoder.encode(value), indent=2)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:  # an exponent of twenty digits is beyond Decimal itself
        raise ValueError("a number is beyond 10**100") from error
    if abs(number.adjusted()) > NUMBER_EXPONENT_MAX:
        raise ValueError("a number is beyond 10**100")
    return number


def _encode_other(value: object) -> object:
    if isinstance(value, Money):
        return value.decimal()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _plain(error: Exception) -> str:
    return f"The body is not JSON: {error}" if str(error) else "The body is not JSON"


def _too_deep(raw: bytes, depth_max: int) -> bool:
    """Whether brackets nest deeper than the limit, those inside strings not counted."""
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    left = b"".join(plain.split(b'"')[::2]).translate(_AS_SQUARE, _ALL_BUT_BRACKETS)
    if b"[" * (depth_max + 1) in left:
        return True
    for _ in range(
        depth_max
    ):  # each round takes the innermost pairs away, so it ends after as many as there are levels
        shorter = left.replace(b"[]", b"")
        if len(shorter) == len(left):
            break
        left = shorter
    return left.count(b"[") > 0 if b"[]" in left else left.count(b"[") > depth_max


def _refuse_forbidden(raw: bytes) -> None:
    """Escapes only mean characters where their backslash is not itself escaped; pairs of surrogates are fine."""
    text = raw.replace(b"\\\\", b"__")
    position = text.find(b"\\u")
    while position >= 0:
        digits = text[position + 2 : position + 6]
        try:
            unit = int(digits, 16)
        except ValueError:
            return  # malformed: the parser says so with its position
        if unit == 0 or 0xDC00 <= unit < 0xE000:
            raise _forbidden(raw)
        step = 6
        if 0xD800 <= unit < 0xDC00:
            low = text[position + 6 : position + 12].lower()
            if not (low.startswith(b"\\u") and low[2:4] in (b"dc", b"dd", b"de", b"df")):
                raise _forbidden(raw)
            step = 12
        position = text.find(b"\\u", position + step)


def _forbidden(raw: bytes) -> Incorrect:
    field = _forbidden_in(raw)
    return Incorrect(
        JSON_FORBIDDEN_CHARACTER,
        f"{field or 'The body'} holds a NUL or a lone surrogate character",
        field=field or None,
        hint="Remove characters that are not Unicode text",
    )


def _forbidden_in(raw: bytes) -> str:
    """The member that holds such a character, as `lines[0].notes`; nothing when the body is malformed besides."""
    try:
        parsed = stdlib_json.loads(raw, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return ""
    left: list[tuple[str, Any]] = [("", parsed)]
    while left:
        path, value = left.pop()
        if isinstance(value, str) and _FORBIDDEN.search(value):
            return path[:FIELD_LENGTH_MAX]
        if isinstance(value, dict):
            named = [(f"{path}.{name}".lstrip("."), inner) for name, inner in value.items() if _is_plain(name)]
            left += reversed(named)
        elif isinstance(value, list):
            left += [(f"{path}[{place}]", inner) for place, inner in reversed(list(enumerate(value)))]
    return ""


def _is_plain(name: str) -> bool:
    return not _FORBIDDEN.search(name) and name.isprintable()


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_number)
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_encode_other)
