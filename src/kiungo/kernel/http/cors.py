"""Cross-origin calls from listed origins; off unless origins are set. Cookies are never shared."""

from collections.abc import Iterable, Mapping

from kiungo.kernel.http.dispatch import Endpoint
from kiungo.kernel.http.messages import Response

ALLOWED_HEADERS = (
    b"authorization, content-type, idempotency-key, if-match, if-none-exist, if-none-match, prefer,"
    b" x-api-key, x-provider-id, x-request-id"
)
EXPOSED_HEADERS = b"etag, location, idempotency-replayed, retry-after, x-request-id"
PREFLIGHT_AGE_S = b"600"


class Cors:
    """Answers preflights and marks answers, for exactly the listed origins."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    def preflight(self, headers: Mapping[bytes, bytes], methods: Mapping[str, Endpoint]) -> Response:
        """What a page may send; nothing for an origin that is not listed."""
        if headers.get(b"origin") not in self._origins:
            return Response(204)
        allowed = ", ".join(sorted(methods)).encode("ascii")
        return Response(
            204,
            headers=(
                (b"access-control-allow-methods", allowed),
                (b"access-control-allow-headers", ALLOWED_HEADERS),
                (b"access-control-max-age", PREFLIGHT_AGE_S),
            ),
        )

    def headers(self, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """The headers that let the calling page read the answer."""
        origin = headers.get(b"origin")
        if origin not in self._origins or origin is None:
            return [(b"vary", b"origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
            (b"vary", b"origin"),
        ]
