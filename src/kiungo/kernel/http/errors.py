"""How an error becomes an answer, per API; the owner of an API says its shape once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import KiungoError
from kiungo.kernel.http.messages import HeaderPairs, Response


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """The shape errors take in one API: chosen by a route's `api`, or by path for unknown routes.

    Shapes: `prefixes` are literal path beginnings such as "/fhir"; the longest that fits wins.
    `render` gets the error and the request id, and returns status and body; Retry-After,
    WWW-Authenticate and X-Request-ID are added for it. `unknown` may say more about a path without a route
    than that nothing is there; None leaves it at that.
    """

    api: str
    prefixes: Sequence[str]
    render: Callable[[KiungoError, str], Response]
    unknown: Callable[[str], KiungoError | None] | None = None


def render_platform(error: KiungoError, request_id: str) -> Response:
    """The shape of every API without one of its own.

    {"error": {"code", "category", "message", "field", "hint", "details": [{"field", "message", "code"}],
    "request_id"}}; field, hint and details only when there is something to say.
    """
    body: dict[str, Any] = {
        "code": error.code,
        "category": error.category,
        "message": error.message,
    }
    if error.field is not None:
        body["field"] = error.field
    if error.hint is not None:
        body["hint"] = error.hint
    if error.details:
        body["details"] = [
            {"field": detail.field, "message": detail.message, "code": detail.code} for detail in error.details
        ]
    body["request_id"] = request_id
    return Response.json({"error": body}, error.http_status)


PLATFORM = ErrorShape("platform", ("/",), render_platform)


def common_headers(error: KiungoError, given: HeaderPairs) -> HeaderPairs:
    """The headers an error's category asks for, whatever its shape, beside those it has already."""
    headers: list[tuple[bytes, bytes]] = []
    if error.http_status == 401 and not any(name == b"www-authenticate" for name, _ in given):
        headers.append((b"www-authenticate", b'Bearer realm="kiungo"'))
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, -int(-error.retry_after_s // 1))))
    return tuple(headers)
