"""What both clients share: which answers are tried again, how long to wait, and what to send."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kiungo import __version__
from kiungo.base.errors import Unavailable
from kiungo.client.answers import CLAIM_SERVICE_AWAY, CLAIM_UNDECIDED

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


def headers_of(api_key: str | None, provider_id: str | None) -> dict[str, str]:
    """The headers of every call; what is not known is not sent."""
    headers = {"User-Agent": f"kiungo-client/{__version__}", "Accept": "application/json"}
    if api_key:
        headers["X-API-Key"] = api_key
    if provider_id:
        headers["X-Provider-ID"] = provider_id
    return headers


def submission_headers(idempotency_key: str | None) -> Mapping[str, str]:
    """A key of its own for each submission, the same over its attempts: a repeat never makes a second claim."""
    return {"Content-Type": "application/json", "Idempotency-Key": idempotency_key or uuid.uuid4().hex}


def is_tried_again(status: int) -> bool:
    """Only the server's own errors are; what the server refused, it would refuse again."""
    return status >= 500


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
