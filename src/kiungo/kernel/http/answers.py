"""Common headers of every answer, and errors in the shape of their API."""

from collections.abc import Iterable, Sequence

from kiungo.base.errors import KiungoError
from kiungo.kernel.http.errors import ErrorShape, common_headers
from kiungo.kernel.http.messages import Response

HeaderList = list[tuple[bytes, bytes]]

NO_STORE = (b"cache-control", b"no-store")
NO_SNIFF = (b"x-content-type-options", b"nosniff")
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
PAGE_HEADERS: HeaderList = [
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        b" object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
]


class Answers:
    """How answers leave: chosen once per site. `https` adds the promise to stay on it."""

    def __init__(self, shapes: Sequence[ErrorShape], *, https: bool) -> None:
        self._by_api = {shape.api: shape for shape in shapes}
        self._by_prefix = sorted(
            ((prefix, shape) for shape in shapes for prefix in shape.prefixes),
            key=lambda pair: len(pair[0]),
            reverse=True,
        )
        self._always: HeaderList = [NO_SNIFF, *([STRICT_TRANSPORT] if https else [])]
        self._usual: HeaderList = [NO_STORE, *self._always]

    def shape_of(self, api: str | None, path: str) -> ErrorShape:
        """The shape of an API, or for a path outside every route the longest prefix that fits."""
        if api is not None and api in self._by_api:
            return self._by_api[api]
        for prefix, shape in self._by_prefix:
            if path.startswith(prefix):
                return shape
        return self._by_prefix[-1][1]

    def render(self, shape: ErrorShape, error: KiungoError, request_id: str) -> Response:
        """An error as an answer, with the headers its category asks for."""
        response = shape.render(error, request_id)
        response.headers += common_headers(error, response.headers)
        return response

    def headers_of(self, response: Response, request_id: str) -> HeaderList:
        """All headers of a lean answer; nothing is stored by caches unless the handler says so."""
        media_type = response.media_type
        headers = [
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(response.body)),
            (b"x-request-id", request_id.encode("ascii")),
        ]
        own = response.headers
        if own:
            headers += own
            headers += self._always if _says(own, b"cache-control") else self._usual
        else:
            headers += self._usual
        if media_type.startswith(b"text/html"):
            headers += PAGE_HEADERS
        return headers

    def completed(self, headers: Iterable[tuple[bytes, bytes]], request_id: str) -> HeaderList:
        """FastAPI's headers with the common ones."""
        complete = list(headers)
        complete.append((b"x-request-id", request_id.encode("ascii")))
        complete += self._always if _says(complete, b"cache-control") else self._usual
        if any(name == b"content-type" and value.startswith(b"text/html") for name, value in complete):
            complete += PAGE_HEADERS
        return complete


def _says(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bool:
    for name, _ in headers:  # noqa: SIM110 - any() would make a generator, at every answer
        if name == wanted:
            return True
    return False
