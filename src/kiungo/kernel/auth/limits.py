"""Rate limits: a token bucket per principal, and one per address for calls without a valid credential.

The buckets live in this process; with several processes each allows its own share. Memory is bounded: the
bucket least recently made gives way, which can only forgive, never refuse, a caller.
"""

import ipaddress
import time
from typing import Any

from kiungo.base.errors import Busy, define

RATE_EXCEEDED = define("RATE_EXCEEDED", Busy, "Too many requests; the answer says when to try again.")
BUCKETS_MAX = 50_000


class Bucket:
    """Tokens that refill steadily. Units: `per_s` tokens per second, at most `burst` kept."""

    __slots__ = ("_at_s", "_tokens", "burst", "per_s")

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self.per_s = per_s
        self.burst = burst
        self._tokens = burst
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Take one token: 0.0 when there was one, else the seconds until there is."""
        tokens = self._tokens + (now_s - self._at_s) * self.per_s
        tokens = min(tokens, self.burst)
        self._at_s = now_s
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            return 0.0
        self._tokens = tokens
        return (1.0 - tokens) / self.per_s

    def wait(self, now_s: float) -> float:
        """The seconds until there is a token, without taking it."""
        tokens = self._tokens + (now_s - self._at_s) * self.per_s
        return 0.0 if tokens >= 1.0 else (1.0 - tokens) / self.per_s


class Limits:
    """The buckets of one process."""

    def __init__(
        self,
        *,
        per_minute: int = 60_000,
        burst: int = 10_000,
        unauthenticated_per_minute: int = 3_000,
        buckets_max: int = BUCKETS_MAX,
    ) -> None:
        self._per_minute = per_minute
        self._burst = burst
        self._unauthenticated_per_minute = unauthenticated_per_minute
        self._buckets_max = buckets_max
        self._principals: dict[tuple[int, str], Bucket] = {}
        self._addresses: dict[str, Bucket] = {}

    def of_principal(self, tenant: int, principal_id: str, per_minute: int | None) -> Bucket:
        """The bucket of a principal; a limit of its own also bounds its burst."""
        key = (tenant, principal_id)
        bucket = self._principals.get(key)
        rate = per_minute or self._per_minute
        if bucket is None or bucket.per_s != rate / 60:
            burst = self._burst if per_minute is None else max(1, min(self._burst, per_minute))
            bucket = self._principals[key] = Bucket(rate / 60, burst, time.monotonic())
            _bound(self._principals, self._buckets_max)
        return bucket

    def of_address(self, address: str) -> Bucket:
        """The bucket of a network address; an IPv6 caller is known by its /64."""
        key = network_of(address)
        bucket = self._addresses.get(key)
        if bucket is None:
            rate = self._unauthenticated_per_minute
            bucket = self._addresses[key] = Bucket(rate / 60, rate, time.monotonic())
            _bound(self._addresses, self._buckets_max)
        return bucket


def refuse(wait_s: float) -> Busy:
    """The refusal of a call over its limit. Units: seconds until the next may succeed."""
    return Busy(
        RATE_EXCEEDED,
        "Too many requests",
        hint="Wait for the seconds Retry-After names, then send the call again",
        retry_after_s=max(wait_s, 0.001),
    )


def network_of(address: str) -> str:
    """What one caller can hold: an IPv4 address, or an IPv6 /64."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address


def _bound(buckets: dict[Any, Bucket], most: int) -> None:
    while len(buckets) > most:
        del buckets[next(iter(buckets))]
