"""How values are written into the index, and read from a query, so that both sides agree.

Units: index times are milliseconds since 1970 UTC; hashes are signed 64-bit (codes, reference targets) or
signed 32-bit (systems, exact spellings, units).
"""

import math
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b

from kiungo.fhir.definitions import type_ids

DAY_MS = 86_400_000
# The widest times that still take six bytes in an SQLite record.
TIME_MIN = -(2**46)
TIME_MAX = 2**47 - 1
NUMBER_MIN = -1e300
NUMBER_MAX = 1e300
STRING_LENGTH_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_REFERENCE = re.compile(
    r"(?:(?P<base>[A-Za-z][A-Za-z0-9+.\-]*://\S*?)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)


@lru_cache(maxsize=8192)
def hash64(text: str) -> int:
    """The 64-bit hash of a code or other exact text."""
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=8192)
def hash32(text: str) -> int:
    """The 32-bit hash of a text that only tells apart rows whose 64-bit hash is equal. Empty is 0."""
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=4).digest(), "big", signed=True) or 1


def identifier_hash(text: str) -> int:
    """As `hash64`, without remembering: identifiers seldom come twice."""
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=8).digest(), "big", signed=True)


# The "system" of the rows that find an identifier by its type.
OF_TYPE = hash32("kiungo: identifier of type")


def typed_hash(system: str, code: str, value: str) -> int:
    """The number of an identifier's value together with a code of its type, for `:of-type`."""
    return identifier_hash(f"{system}\0{code}\0{value}")


def sphere_point(latitude: float, longitude: float) -> tuple[float, float, float]:
    """The point of a place on the unit sphere."""
    up, round_ = math.radians(latitude), math.radians(longitude)
    return math.cos(up) * math.cos(round_), math.cos(up) * math.sin(round_), math.sin(up)


@lru_cache(maxsize=8192)
def target_of(type_name: str, logical_id: str) -> int:
    """The 64-bit number of `Type/id`: 56 bits of hash, then the type's number in the low 8 bits.

    It needs no look-up and is the same before the target exists.
    """
    digest = blake2b(f"{type_name}/{logical_id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest + bytes((type_ids()[type_name],)), "big", signed=True)


def url_target(url: str) -> int:
    """The target number of a URL that is not a resource of this server; its low 8 bits are 0."""
    return int.from_bytes(blake2b(url.encode(errors="replace"), digest_size=7).digest() + b"\0", "big", signed=True)


def split_reference(text: str) -> tuple[str | None, str, str] | None:
    """(base or None, type, id) of a literal reference to a resource; None for anything else."""
    match = _REFERENCE.fullmatch(text)
    if match is None or match["type"] not in type_ids():
        return None
    return match["base"], match["type"], match["id"]


@lru_cache(maxsize=8192)
def reference_target(text: str) -> int | None:
    """The target number of a reference's text; None for a contained (`#`) one."""
    if text[:1] == "#":
        return None
    parts = split_reference(text)
    if parts is None or parts[0] is not None:
        return url_target(text.split("|", 1)[0])
    return target_of(parts[1], parts[2])


def reference_is(reference: dict[str, object], type_name: str) -> bool:
    """Whether a Reference points to the type, as far as its text and `type` tell."""
    text = reference.get("reference")
    if isinstance(text, str):
        return text.startswith(type_name + "/") or f"/{type_name}/" in text
    return reference.get("type") == type_name


def normal(text: str) -> str:
    """A string as it is searched: no case, no accents, single spaces, at most 200 characters."""
    if text.isascii():
        return " ".join(text.lower().split())[:STRING_LENGTH_MAX]
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.casefold().replace("\0", "").split())[:STRING_LENGTH_MAX]


def to_ms(moment: datetime) -> int:
    """An aware datetime in index time."""
    return (moment - _EPOCH) // _MILLISECOND


def date_span(text: str) -> tuple[int, int]:
    """The first and last millisecond a date, dateTime or instant stands for; no zone means UTC.

    Raises: ValueError for text that is not a date.
    """
    length = len(text)
    if length >= 16:
        low, high = _moment_span(text)
    elif length == 10:
        low = to_ms(datetime(int(text[:4]), int(text[5:7]), int(text[8:]), tzinfo=UTC))
        high = low + DAY_MS - 1
    elif length == 7:
        year, month = int(text[:4]), int(text[5:])
        low, high = _first_day(year, month), _first_day(year + month // 12, month % 12 + 1) - 1
    elif length == 4:
        low, high = _first_day(int(text), 1), _first_day(int(text) + 1, 1) - 1
    else:
        raise ValueError("not a date")
    return min(max(low, TIME_MIN), TIME_MAX), min(max(high, TIME_MIN), TIME_MAX)


def _first_day(year: int, month: int) -> int:
    return TIME_MAX if year > 9999 else to_ms(datetime(year, month, 1, tzinfo=UTC))


def _moment_span(text: str) -> tuple[int, int]:
    """A leap second counts as the second before; finer than a millisecond is cut."""
    if text[17:19] == "60":
        text = text[:17] + "59" + text[19:]
    if text[19:20] == ".":
        end = 20
        while end < len(text) and text[end].isdigit():
            end += 1
        digits = text[20:end]
        exact = len(digits) >= 3
        text = f"{text[:19]}.{digits[:6].ljust(6, '0')}{text[end:]}"
        width = 0 if exact else 10 ** (3 - len(digits)) - 1
    else:
        width = 59_999 if text[16:17] != ":" else 999
    moment = datetime.fromisoformat(text)
    try:
        low = to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        low = TIME_MIN if moment.year < 2 else TIME_MAX
    return low, low + width


def number_span(text: str) -> tuple[float, float]:
    """The range a number means in a query by its written precision: 5.4 is 5.35 up to 5.45.

    Raises: ArithmeticError for text that is not a number.
    Source: FHIR R4 3.1.1.4.5 (number).
    """
    value = Decimal(text)
    if not value.is_finite() or "_" in text:  # Python's own numbers may have an underscore
        raise ArithmeticError("not a finite number")
    exponent = value.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    if value == value.to_integral_value() and int(exponent) >= 0 and "e" not in text.lower():
        half = Decimal("0.5")
    return float(value - half), float(value + half)
