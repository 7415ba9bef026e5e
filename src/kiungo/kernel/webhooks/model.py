"""Endpoints, deliveries and attempts, as values."""

from dataclasses import dataclass
from typing import Final, Literal

from kiungo.base.time import SECOND_US

State = Literal["due", "delivered", "dead", "held"]
"""Held is what happened while its endpoint was inactive: it is sent only when its period is replayed."""
Cause = Literal["event", "ping", "replay", "requeue"]
LaneKey = tuple[int, str]
"""Tenant and endpoint id: each endpoint is a queue of its own."""

PING = "ping"
READ_WEBHOOKS: Final = "read:webhooks"
WRITE_WEBHOOKS: Final = "write:webhooks"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A receiver's address and what it wants. Shapes: `owner` is opaque, such as a provider's id."""

    tenant: int
    id: str
    owner: str
    url: str
    events: tuple[str, ...]
    active: bool
    disabled_reason: str | None
    overlap_until_us: int
    created_us: int
    updated_us: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint. Shapes: `id` is the webhook-id, the same over all attempts and replays.

    `sequence` counts the deliveries of one subject to one endpoint, so that a receiver can order them.
    """

    tenant: int
    id: str
    endpoint: str
    event: str
    subject: str
    sequence: int
    state: State
    cause: Cause
    attempts: int
    tries: int
    due_us: int
    created_us: int
    settled_us: int | None
    last_status: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery about to be attempted: what the sender needs, no more."""

    id: str
    subject: str
    sequence: int
    cause: Cause
    attempts: int
    tries: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """Where a lane delivers to now. Shapes: `keys` is the present key, then the earlier one in an overlap.

    Units: `resume_us` microseconds UTC; the receiver asked to be left alone until then.
    """

    url: str
    keys: tuple[bytes, ...]
    resume_us: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request and what came back. Units: microseconds; `retry_after_s` seconds."""

    started_us: int
    duration_us: int
    status: int | None
    error: str | None
    snippet: str | None
    retry_after_s: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def resume_us(self) -> int:
        """Until when the receiver wants no request at all; 0 when it did not say. Source: RFC 9110 section 10.2.3."""
        if self.status not in (429, 503) or self.retry_after_s is None:
            return 0
        return self.started_us + self.duration_us + int(self.retry_after_s * SECOND_US)

    @property
    def gone(self) -> bool:
        """Whether the receiver asked never to be called again."""
        return self.status == 410
