"""Which answers are tried again, and how long to wait before.

A server that says it is busy did nothing, so any call is sent again. An answer that was lost may have had its
effect: only calls that do the same when repeated are sent again.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kiungo.client.fhir.errors import away
from kiungo.client.steps import Ask, Lost, Pause, Reply, Steps, send

BUSY = frozenset({429, 502, 503, 504})
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
CONDITIONS = frozenset({"if-none-exist", "if-match", "idempotency-key"})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently. Units: seconds. A server's Retry-After is kept up to `wait_s_max`."""

    attempts_max: int = 4
    first_wait_s: float = 0.5
    wait_s_max: float = 30.0

    def wait_s(self, made: int, retry_after: str | None) -> float:
        """The wait after that many attempts: what the server asked for, or full jitter."""
        asked = retry_after_s(retry_after)
        if asked is not None:
            return min(asked, self.wait_s_max)
        longest = min(self.first_wait_s * 2 ** (made - 1), self.wait_s_max)
        return random.uniform(0, longest)  # noqa: S311 - jitter, not a secret


def persist(ask: Ask, retries: Retries) -> Steps[Reply]:
    """Send until there is an answer worth having. Raises: Unavailable FHIR_SERVER_AWAY."""
    repeatable = ask.method in REPEATABLE or any(name.lower() in CONDITIONS for name in ask.headers)
    last, made, retry_after = "", 0, None
    while made < retries.attempts_max:
        if made:
            yield Pause(retries.wait_s(made, retry_after))
        made += 1
        try:
            reply = yield from send(ask)
        except Lost as error:
            last, retry_after = str(error), None
            if not repeatable:
                break
            continue
        retry_after = reply.headers.get("retry-after")
        if reply.status not in BUSY and not (reply.status == 409 and retry_after is not None):
            return reply
        last = f"HTTP {reply.status}"
    raise away(made, last)


def retry_after_s(text: str | None) -> float | None:
    """Seconds from a Retry-After header, which holds a number or a date; None when it holds neither."""
    if not text:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
