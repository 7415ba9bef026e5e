"""The one place that makes HTTP clients for outside systems.

    client = make_async_client(Outbound(name="webhooks", egress=EgressPolicy()))

Every client has connect, read and total timeouts, a limit on the answer's size, no retries and no redirects
of its own, a circuit breaker for each host, and a guard that resolves a name once, refuses addresses that are
not public, and connects to exactly the address it checked. Nothing it logs or raises holds a credential.
"""

from kiungo.kernel.clients.breaker import Breaker, BreakerSettings, CircuitOpen
from kiungo.kernel.clients.egress import EGRESS_REFUSED, EgressPolicy, Resolver, system_resolver
from kiungo.kernel.clients.make import Outbound, Timeouts, make_async_client, make_client
from kiungo.kernel.clients.poster import Answer, Poster
from kiungo.kernel.clients.redaction import redact_headers, redact_text, redact_url

__all__ = [
    "EGRESS_REFUSED",
    "Answer",
    "Breaker",
    "BreakerSettings",
    "CircuitOpen",
    "EgressPolicy",
    "Outbound",
    "Poster",
    "Resolver",
    "Timeouts",
    "make_async_client",
    "make_client",
    "redact_headers",
    "redact_text",
    "redact_url",
    "system_resolver",
]
