"""Connections that resolve a name once, check what it leads to, and go to exactly the address checked."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore
import httpx

from kiungo.kernel.clients.egress import EgressPolicy, Resolver

SocketOptions = Iterable[Any] | None


async def addresses_of(
    host: str, port: int, policy: EgressPolicy, resolver: Resolver, *, field: str = "url"
) -> Sequence[str]:
    """Resolve a host in a thread, and return its addresses when the policy allows every one of them.

    Raises: Incorrect EGRESS_REFUSED; httpx.ConnectError when it does not resolve.
    """
    try:
        found = await asyncio.get_running_loop().run_in_executor(None, resolver, host, port)
    except OSError:
        raise httpx.ConnectError(f"the name {host} does not resolve") from None
    return policy.check_addresses(host, found, field=field)


class GuardedAsyncBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for an asynchronous pool. TLS still names and verifies the host, not the address."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers, of those the policy allows."""
        until_s = time.monotonic() + (timeout or 60.0)
        failure: Exception = httpcore.ConnectError(f"no address of {host} answers")
        try:
            async with asyncio.timeout(timeout):
                addresses = await addresses_of(host, port, self._policy, self._resolver)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"resolving {host} took too long") from None
        except httpx.ConnectError as error:
            raise httpcore.ConnectError(str(error)) from None
        for address in addresses:
            left_s = max(until_s - time.monotonic(), 0.01)
            try:
                return await self._plain.connect_tcp(address, port, left_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait between attempts; part of httpcore's interface."""
        await asyncio.sleep(seconds)


class GuardedBackend(httpcore.NetworkBackend):
    """The same for a blocking pool."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, of those the policy allows."""
        until_s = time.monotonic() + (timeout or 60.0)
        try:
            found = self._resolver(host, port)
        except OSError:
            raise httpcore.ConnectError(f"the name {host} does not resolve") from None
        failure: Exception = httpcore.ConnectError(f"no address of {host} answers")
        for address in self._policy.check_addresses(host, found):
            left_s = max(until_s - time.monotonic(), 0.01)
            try:
                return self._plain.connect_tcp(address, port, left_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def sleep(self, seconds: float) -> None:
        """Wait between attempts; part of httpcore's interface."""
        time.sleep(seconds)
