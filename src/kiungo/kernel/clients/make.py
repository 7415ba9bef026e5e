"""Makes the HTTP clients. Nobody else constructs one."""

import logging
import ssl
import time
from dataclasses import dataclass, field

import httpcore
import httpx

from kiungo import __version__
from kiungo.kernel.clients.breaker import Breaker, BreakerSettings
from kiungo.kernel.clients.connect import GuardedAsyncBackend, GuardedBackend
from kiungo.kernel.clients.egress import EgressPolicy, Resolver, system_resolver
from kiungo.kernel.clients.transport import GuardedAsyncTransport, GuardedTransport

RESPONSE_BYTES_MAX = 5_000_000
_KEEPALIVE_S = 30.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take. Units: seconds; `total_s` covers everything, connecting to last byte."""

    connect_s: float = 3.0
    read_s: float = 10.0
    total_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Outbound:
    """What kind of client to make. `breaker` None is for callers that space their attempts themselves."""

    name: str
    egress: EgressPolicy = field(default_factory=EgressPolicy)
    timeouts: Timeouts = field(default_factory=Timeouts)
    breaker: BreakerSettings | None = field(default_factory=BreakerSettings)
    response_bytes_max: int = RESPONSE_BYTES_MAX
    connections_max: int = 200
    base_url: str = ""
    resolver: Resolver = system_resolver
    tls: ssl.SSLContext | None = None


def make_async_client(outbound: Outbound) -> httpx.AsyncClient:
    """A client for the event loop. It follows no redirect, retries nothing and reads no proxy settings."""
    _quieten()
    inner = httpx.AsyncHTTPTransport(verify=outbound.tls or True, trust_env=False)
    # httpx offers no parameter for the connection's backend, so the pool it made is replaced whole.
    inner._pool = httpcore.AsyncConnectionPool(
        ssl_context=outbound.tls or public_tls(),
        max_connections=outbound.connections_max,
        max_keepalive_connections=outbound.connections_max,
        keepalive_expiry=_KEEPALIVE_S,
        network_backend=GuardedAsyncBackend(outbound.egress, outbound.resolver),
    )
    transport = GuardedAsyncTransport(
        inner,
        outbound.egress,
        _breaker(outbound),
        total_s=outbound.timeouts.total_s,
        response_bytes_max=outbound.response_bytes_max,
    )
    return httpx.AsyncClient(
        transport=transport,
        base_url=outbound.base_url,
        timeout=_timeout(outbound.timeouts),
        headers=_headers(outbound),
        follow_redirects=False,
        trust_env=False,
    )


def make_client(outbound: Outbound) -> httpx.Client:
    """The same for threads."""
    _quieten()
    inner = httpx.HTTPTransport(verify=outbound.tls or True, trust_env=False)
    inner._pool = httpcore.ConnectionPool(
        ssl_context=outbound.tls or public_tls(),
        max_connections=outbound.connections_max,
        max_keepalive_connections=outbound.connections_max,
        keepalive_expiry=_KEEPALIVE_S,
        network_backend=GuardedBackend(outbound.egress, outbound.resolver),
    )
    transport = GuardedTransport(
        inner,
        outbound.egress,
        _breaker(outbound),
        total_s=outbound.timeouts.total_s,
        response_bytes_max=outbound.response_bytes_max,
    )
    return httpx.Client(
        transport=transport,
        base_url=outbound.base_url,
        timeout=_timeout(outbound.timeouts),
        headers=_headers(outbound),
        follow_redirects=False,
        trust_env=False,
    )


def _breaker(outbound: Outbound) -> Breaker | None:
    return Breaker(outbound.breaker, time.monotonic) if outbound.breaker else None


def _timeout(timeouts: Timeouts) -> httpx.Timeout:
    return httpx.Timeout(timeouts.read_s, connect=timeouts.connect_s, pool=timeouts.connect_s)


def _headers(outbound: Outbound) -> dict[str, str]:
    return {"User-Agent": f"kiungo/{__version__} ({outbound.name})", "Accept-Encoding": "identity"}


def public_tls() -> ssl.SSLContext:
    """TLS 1.2 or later, verified against the machine's trusted authorities."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _quieten() -> None:
    """Both libraries log whole URLs and headers below WARNING; ours are logged redacted instead."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
