"""What both clients share: which answers are tried again, how long to wait, and what to send."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kiungo import __version__
from kiungo.base.errors import Unavailable
from kiungo.client.answers import CLAIM_SERVICE_AWAY, CLAIM_UNDECIDED
from kiungo.client.steps import Ask, Lost, Pause, Reply, Steps, send

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Waits between attempts and between looks. Units: seconds; the document's are 2 and 4, and 30."""

    between_attempts_s: tuple[float, ...] = (2.0, 4.0)
    between_looks_s: float = 30.0

    def attempts(self) -> Iterator[float | None]:
        """The wait before each attempt; None before the first."""
        yield None
        yield from self.between_attempts_s


class ClaimCalls:
    """Requests to one server as one caller; only its own errors are tried again: what it refused, it would again."""

    def __init__(self, base_url: str, api_key: str | None, provider_id: str | None, waits: Waits) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = headers_of(api_key, provider_id)
        self._waits = waits

    def get(self, path: str) -> Steps[Reply]:
        """Read. Raises: Unavailable CLAIM_SERVICE_AWAY."""
        return self._send("GET", path, {}, None)

    def post(self, path: str, body: Mapping[str, Any], idempotency_key: str | None) -> Steps[Reply]:
        """Send, with a key of its own that is the same over its attempts: a repeat never makes a second claim.

        Raises: Unavailable CLAIM_SERVICE_AWAY.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return self._send("POST", path, headers, render(body))

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Steps[Reply]:
        ask = Ask(method, self._base_url + path, {**self._headers, **headers}, body)
        last, made = "", 0
        for wait_s in self._waits.attempts():
            if wait_s is not None:
                yield Pause(wait_s)
            made += 1
            try:
                reply = yield from send(ask)
            except Lost as error:
                last = str(error)
                continue
            if reply.status < 500:
                return reply
            last = f"HTTP {reply.status}"
        raise away(made, last)


def headers_of(api_key: str | None, provider_id: str | None) -> dict[str, str]:
    """The headers of every call; what is not known is not sent."""
    headers = {"User-Agent": f"kiungo-client/{__version__}", "Accept": "application/json"}
    if api_key:
        headers["X-API-Key"] = api_key
    if provider_id:
        headers["X-Provider-ID"] = provider_id
    return headers


def render(body: Mapping[str, Any]) -> bytes:
    """A body as JSON; a Decimal is sent as a string, which the API takes as an exact amount."""
    return json.dumps(body, default=_exact).encode()


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def away(attempts: int, last: str) -> Unavailable:
    """The error when every attempt failed."""
    return Unavailable(
        CLAIM_SERVICE_AWAY,
        f"No answer after {attempts} attempts; the last: {last}",
        hint="Try again later with the same idempotency key",
    )


def undecided(claim_id: str, waited_s: float) -> Unavailable:
    """The error when waiting for a decision ended."""
    return Unavailable(
        CLAIM_UNDECIDED,
        f"Claim {claim_id} is still under review after {waited_s:.0f} s",
        hint="Wait for the webhook instead, or go on waiting later",
    )
