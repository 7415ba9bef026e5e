"""A circuit breaker for each host: after repeated failures calls fail at once, until one probe succeeds.

closed     calls pass; `failures_max` failures in a row open it
open       calls are refused for `open_s`
half-open  one probe passes; success closes, failure opens again for twice as long (up to `open_s_max`)
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import httpx

State = Literal["closed", "open", "half-open"]
HOSTS_MAX = 10_000


class CircuitOpen(httpx.TransportError):
    """The host failed repeatedly and is left alone for a while. Units: `retry_after_s` seconds."""

    def __init__(self, host: str, retry_after_s: float) -> None:
        super().__init__(f"{host} failed repeatedly; not tried again for {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When to stop trying a host, and for how long."""

    failures_max: int = 5
    open_s: float = 5.0
    open_s_max: float = 300.0


@dataclass(slots=True)
class _Host:
    failures: int = 0
    open_until_s: float = 0.0
    open_s: float = 0.0
    probing: bool = field(default=False)


class Breaker:
    """Breakers of many hosts; safe from any thread. `monotonic_s` is injected so that tests can turn it."""

    def __init__(self, settings: BreakerSettings, monotonic_s: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic_s = monotonic_s
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def state(self, host: str) -> State:
        """How the breaker of a host stands now."""
        with self._lock:
            known = self._hosts.get(host)
            if known is None or known.failures < self._settings.failures_max:
                return "closed"
            return "open" if self._monotonic_s() < known.open_until_s else "half-open"

    def enter(self, host: str) -> None:
        """Ask before a call. Raises: CircuitOpen."""
        with self._lock:
            known = self._hosts.get(host)
            if known is None or known.failures < self._settings.failures_max:
                return
            left_s = known.open_until_s - self._monotonic_s()
            if left_s > 0 or known.probing:
                raise CircuitOpen(host, max(left_s, 0.1))
            known.probing = True

    def succeeded(self, host: str) -> None:
        """Tell that a call was answered, with any status below 500."""
        if host in self._hosts:
            with self._lock:
                self._hosts.pop(host, None)

    def failed(self, host: str) -> None:
        """Tell that a call was not answered, or with 500 or more."""
        settings = self._settings
        with self._lock:
            if host not in self._hosts and len(self._hosts) >= HOSTS_MAX:
                self._hosts.pop(next(iter(self._hosts)))
            known = self._hosts.setdefault(host, _Host())
            known.failures += 1
            if known.failures < settings.failures_max:
                return
            known.open_s = min(known.open_s * 2, settings.open_s_max) if known.open_s else settings.open_s
            known.open_until_s = self._monotonic_s() + known.open_s
            known.probing = False

    def abandoned(self, host: str) -> None:
        """Tell that a call was given up by the caller: neither success nor failure."""
        with self._lock:
            known = self._hosts.get(host)
            if known is not None:
                known.probing = False
