"""Versions in HTTP: ETag out, If-None-Match and If-Match in."""

from kiungo.base.errors import Incorrect, define
from kiungo.kernel.http.messages import Request, Response

ETAG_MALFORMED = define("ETAG_MALFORMED", Incorrect, 'A version is not written as W/"3".')

NOT_MODIFIED = 304


def etag(version: int | str) -> tuple[bytes, bytes]:
    """The ETag header of a version: `W/"3"`."""
    return b"etag", f'W/"{version}"'.encode("ascii")


def is_current(request: Request, version: int | str) -> bool:
    """Whether If-None-Match names this version, so that 304 is the answer."""
    given = request.raw_headers.get(b"if-none-match")
    if given is None:
        return False
    wanted = str(version).encode("ascii")
    return given.strip() == b"*" or any(_bare(part) == wanted for part in given.split(b","))


def not_modified(version: int | str) -> Response:
    """The empty answer to who has this version already."""
    return Response(NOT_MODIFIED, b"", (etag(version),))


def required_version(request: Request) -> str | None:
    """The version If-Match asks for, or None without one.

    Raises: Incorrect ETAG_MALFORMED, also for several versions or a star.
    """
    given = request.raw_headers.get(b"if-match")
    if given is None:
        return None
    bare = _bare(given)
    if bare is None:
        raise Incorrect(ETAG_MALFORMED, "If-Match is not one version", field="If-Match", hint='Write it as W/"3"')
    return bare.decode("ascii")


def _bare(tag: bytes) -> bytes | None:
    text = tag.strip()
    if text.startswith((b"W/", b"w/")):
        text = text[2:]
    inner = text[1:-1]
    quoted = len(text) > 2 and text[:1] == text[-1:] == b'"'
    return inner if quoted and b'"' not in inner and b"," not in inner and inner.isascii() else None
