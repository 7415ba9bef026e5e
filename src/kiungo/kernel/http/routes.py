"""What a route is, and how a FastAPI route says which scope it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import Depends
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse

from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http.messages import Handler, Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

EXCHANGE = "kiungo.exchange"


@dataclass(frozen=True, slots=True)
class Route:
    """A lean route: method, path template, handler, and who may call it.

    `path` is like "/api/claims/{claim_id}/"; a last part "{rest:path}" takes everything left. The
    trailing slash is optional for the caller. `scope` is what the credential must carry. A route without
    a scope must be `public` and stand in the site's list of public routes.
    `owners` names the bindings it knows how to confine itself to: a credential bound to none of them is refused, so
    that () is for staff alone. None leaves it to the handler.
    `api` chooses the shape errors are answered in. `openapi` is the OpenAPI operation object.
    """

    method: str
    path: str
    handler: Handler
    scope: str | None = None
    public: bool = False
    api: str = "platform"
    openapi: Mapping[str, Any] = field(default_factory=dict)
    body_bytes_max: int | None = None
    owners: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if (self.scope is None) is not self.public:
            raise ValueError(f"{self.method} {self.path} needs either a scope or public=True, not both")


class Exchange:
    """The request behind a FastAPI route: who asks, and the one way to write."""

    __slots__ = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request

    @property
    def call(self) -> Call:
        """Who asks."""
        return self.request.call

    async def write(self, work: "Callable[[Unit], Response]") -> StarletteResponse:
        """Run one unit of work, honouring `Idempotency-Key`; return its answer from the endpoint as it is.

        Raises: as `Request.write`.
        """
        return as_starlette(await self.request.write(work))


def as_starlette(response: Response) -> StarletteResponse:
    """A kernel Response as one a FastAPI endpoint can return."""
    answer = StarletteResponse(response.body, response.status)
    answer.raw_headers = [
        (b"content-type", response.media_type),
        (b"content-length", b"%d" % len(response.body)),
        *response.headers,
    ]
    return answer


class Guard:
    """The mark a FastAPI route carries: its scope, or None when it is public, its own body limit, its owners."""

    __slots__ = ("body_bytes_max", "owners", "scope")

    def __init__(
        self, scope: str | None, body_bytes_max: int | None = None, owners: tuple[str, ...] | None = None
    ) -> None:
        self.scope = scope
        self.body_bytes_max = body_bytes_max
        self.owners = owners

    async def __call__(self, request: StarletteRequest) -> Exchange:
        exchange: Exchange = request.scope[EXCHANGE]
        if self.scope is not None:
            require(exchange.call.principal, self.scope)
        return exchange


def secured(scope: str, *, body_bytes_max: int | None = None, owners: tuple[str, ...] | None = None) -> Any:
    """The dependency of a FastAPI route whose caller must carry this scope; its value is the Exchange.

    `body_bytes_max` is the route's own limit, such as a larger one for an upload. Units: bytes. `owners` as in `Route`.

    `exchange: Annotated[Exchange, secured("read:claims")]`, or `dependencies=[secured(...)]`.
    """
    return Depends(Guard(scope, body_bytes_max, owners))


def open_to_all() -> Any:
    """The dependency of a public FastAPI route; it must also stand in the site's list of public routes."""
    return Depends(Guard(None))
