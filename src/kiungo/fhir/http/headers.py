"""Versions and times in FHIR's headers: what an answer carries, and the conditions of a request."""

from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from kiungo.base.errors import Incorrect
from kiungo.fhir.model import ANY_VERSION, Stored
from kiungo.kernel.http import Request
from kiungo.kernel.http.etags import ETAG_MALFORMED, etag, is_current, required_version
from kiungo.kernel.http.messages import HeaderPairs


def version_headers(stored: Stored) -> HeaderPairs:
    """ETag and Last-Modified of a version."""
    return etag(stored.version), (b"last-modified", _http_date(stored.updated_us // 1_000_000))


def has_this(request: Request, stored: Stored) -> bool:
    """Whether the caller has this version already, by If-None-Match or else by If-Modified-Since.

    A date that cannot be read is no condition. Source: RFC 9110 13.1.3; FHIR R4 3.1.0.1.5 (conditional read).
    """
    if b"if-none-match" in request.raw_headers:
        return is_current(request, stored.version)
    since = request.raw_headers.get(b"if-modified-since")
    moment_s = _seconds(since) if since is not None else None
    return moment_s is not None and stored.updated_us // 1_000_000 <= moment_s


def if_match(request: Request) -> int | None:
    """The version If-Match asks for, ANY_VERSION for a star (RFC 9110 13.1.1). Raises: Incorrect ETAG_MALFORMED."""
    if request.raw_headers.get(b"if-match", b"").strip() == b"*":
        return ANY_VERSION
    wanted = required_version(request)
    if wanted is None:
        return None
    if not wanted.isdecimal():
        raise Incorrect(ETAG_MALFORMED, "If-Match is not a version", field="If-Match", hint='Write it as W/"3"')
    return int(wanted)


def if_none_match_any(request: Request) -> bool:
    """Whether a write must make what it writes: `If-None-Match: *`. Raises: Incorrect for a version.

    Source: RFC 9110 13.1.2.
    """
    given = request.raw_headers.get(b"if-none-match")
    if given is not None and given.strip() != b"*":
        raise Incorrect(
            ETAG_MALFORMED,
            "A write takes no version in If-None-Match",
            field="If-None-Match",
            hint="Write *, or If-Match",
        )
    return given is not None


@lru_cache(maxsize=1024)
def _http_date(moment_s: int) -> bytes:
    return formatdate(moment_s, usegmt=True).encode("ascii")


def _seconds(text: bytes) -> int | None:
    try:
        moment = parsedate_to_datetime(text.decode("ascii"))
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
