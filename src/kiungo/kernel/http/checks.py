"""What is checked of routes when a site is made, and of headers before anything believes them."""

from collections.abc import Sequence

from kiungo.base.errors import Incorrect, define
from kiungo.kernel.http.dispatch import Endpoint
from kiungo.kernel.http.routes import Route

HEADER_REPEATED = define("HEADER_REPEATED", Incorrect, "A header that decides something is sent twice.")

ONCE_ONLY = frozenset(
    {b"authorization", b"x-api-key", b"x-provider-id", b"idempotency-key", b"content-length", b"host"}
)


def check_public(endpoints: Sequence[Endpoint], public: Sequence[str]) -> None:
    """Every route has a scope or stands in the list, and the list names only routes that are there.

    Raises: ValueError.
    """
    without = {repr(endpoint) for endpoint in endpoints if endpoint.public}
    if without - set(public):
        raise ValueError(f"routes without a scope and not listed as public: {sorted(without - set(public))}")
    if set(public) - without:
        raise ValueError(f"listed as public but no such public route: {sorted(set(public) - without)}")


def endpoint_of(route: Route) -> Endpoint:
    """A lean route as the dispatcher keeps it."""
    return Endpoint(
        route.method,
        route.path,
        handler=route.handler,
        scope=route.scope,
        api=route.api,
        body_bytes_max=route.body_bytes_max,
        openapi=route.openapi,
        owners=route.owners,
    )


def refuse_repeated(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse a deciding header that is sent twice: which one was meant would be a guess.

    Raises: Incorrect HEADER_REPEATED.
    """
    names = [name for name, _ in headers]
    for name in ONCE_ONLY:
        if names.count(name) > 1:
            text = name.decode("ascii")
            raise Incorrect(HEADER_REPEATED, f"The header {text} is sent twice", field=text, hint="Send it once")
