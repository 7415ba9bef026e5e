"""Request and Response of the lean routes: bytes in, bytes out, everything else read only when asked for."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from kiungo.base.errors import Incorrect, define
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit
    from kiungo.kernel.http.idempotency import Keeper

QUERY_UNREADABLE = define("QUERY_UNREADABLE", Incorrect, "The query string is not UTF-8 or has too many parts.")
HEADER_UNREADABLE = define("HEADER_UNREADABLE", Incorrect, "A request header holds bytes that are not ASCII.")

HeaderPairs = tuple[tuple[bytes, bytes], ...]
QUERY_PARTS_MAX = 200
JSON_TYPE = b"application/json"


class Response:
    """An answer: status, body bytes, media type, and headers beside content-type and content-length.

    Shapes: `headers` is pairs of lower-case name and value, as bytes. `holds_secret` says that the body
    shows a secret once; if it is kept for a repeat, it is kept encrypted.
    """

    __slots__ = ("body", "headers", "holds_secret", "media_type", "status")

    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: HeaderPairs = (),
        *,
        media_type: bytes = JSON_TYPE,
        holds_secret: bool = False,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.media_type = media_type
        self.holds_secret = holds_secret

    @classmethod
    def json(
        cls, value: Any, status: int = 200, headers: HeaderPairs = (), *, holds_secret: bool = False
    ) -> "Response":
        """An answer whose body is this value as JSON."""
        return cls(status, json.dumps(value), headers, holds_secret=holds_secret)


class Headers(Mapping[str, str]):
    """Request headers by lower-case name, decoded when asked for. Shapes: the last of a repeated name."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return _text_of(name, self._raw[name.lower().encode("ascii", "replace")])

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class Request:
    """A question to a lean route.

    Shapes: `params` are the path's named parts; `query` the pairs in their order, `+` and percent decoded;
    `raw_headers` lower-case bytes; `template` the route's path, safe for logs.
    """

    __slots__ = (
        "_query",
        "body",
        "call",
        "keeper",
        "method",
        "params",
        "path",
        "raw_headers",
        "raw_query",
        "template",
    )

    def __init__(
        self,
        method: str,
        path: str,
        template: str,
        params: Mapping[str, str],
        raw_query: bytes,
        raw_headers: Mapping[bytes, bytes],
        body: bytes,
        call: Call,
        keeper: "Keeper",
    ) -> None:
        self.method = method
        self.path = path
        self.template = template
        self.params = params
        self.raw_query = raw_query
        self.raw_headers = raw_headers
        self.body = body
        self.call = call
        self.keeper = keeper
        self._query: list[tuple[str, str]] | None = None

    @property
    def headers(self) -> Headers:
        """The headers as text."""
        return Headers(self.raw_headers)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's pairs in order, blank values kept. Raises: Incorrect QUERY_UNREADABLE."""
        if self._query is None:
            self._query = parse_query(self.raw_query)
        return self._query

    def json(self) -> Any:
        """The body as JSON values, decimals kept exact. Raises: Incorrect, naming what is malformed."""
        return json.loads_body(self.body)

    async def write(self, work: "Callable[[Unit], Response]", *, brief: bool = False) -> Response:
        """Run one unit of work and answer with what it returns; the way of every write.

        With an `Idempotency-Key` header the key and the answer are stored in the same unit: a repeat,
        also a concurrent one, gets the first answer with `Idempotency-Replayed: true`. `brief` is as of
        `Database.write_async`: the unit takes a millisecond or two.
        Raises: Conflict IDEMPOTENCY_BODY_DIFFERS (422), Incorrect IDEMPOTENCY_KEY_SHAPE.
        """
        return await self.keeper.write(self, work, brief=brief)

    async def kept(self) -> Response | None:
        """The first answer to this request's `Idempotency-Key`, or None when there is no key or no answer yet.

        For work before the unit that no longer succeeds once the first answer was given.
        Raises: as `write`.
        """
        return await self.keeper.find(self)


Handler = Callable[[Request], Awaitable[Response]]


def parse_query(raw: bytes) -> list[tuple[str, str]]:
    """A query string as pairs. Raises: Incorrect QUERY_UNREADABLE (also for a NUL or over 200 parts)."""
    if not raw:
        return []
    try:
        pairs = _pairs(raw.decode("ascii"))
    except ValueError as problem:
        raise Incorrect(
            QUERY_UNREADABLE,
            f"The query string cannot be read: it is not UTF-8, or has over {QUERY_PARTS_MAX} parts",
            field="query",
            hint="Percent-encode each value as UTF-8",
        ) from problem
    if b"%00" in raw or b"\x00" in raw:
        raise Incorrect(QUERY_UNREADABLE, "The query string holds a NUL character", field="query", hint="Remove %00")
    return pairs


def _pairs(text: str) -> list[tuple[str, str]]:
    """What `urllib.parse.parse_qsl` makes of it, in a third of the time. Raises: ValueError."""
    parts = text.split("&")
    if len(parts) > QUERY_PARTS_MAX:
        raise ValueError("too many parts")
    if "+" in text:
        parts = [part.replace("+", " ") for part in parts]
    split = [part.partition("=") for part in parts if part]
    if "%" not in text:
        return [(name, value) for name, _, value in split]
    return [
        (
            unquote(name, errors="strict") if "%" in name else name,
            unquote(value, errors="strict") if "%" in value else value,
        )
        for name, _, value in split
    ]


def _text_of(name: str, value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError as problem:
        raise Incorrect(
            HEADER_UNREADABLE,
            f"The header {name} holds bytes that are not ASCII",
            field=name,
            hint="Percent-encode them",
        ) from problem
