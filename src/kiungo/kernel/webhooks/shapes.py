"""What the webhook routes take and give, as JSON."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kiungo.base.time import iso_millis, iso_seconds
from kiungo.kernel.webhooks.endpoints import OVERLAP_S
from kiungo.kernel.webhooks.log import LoggedAttempt
from kiungo.kernel.webhooks.model import Delivery, Endpoint
from kiungo.kernel.webhooks.signatures import SECRET_CHARACTERS_MAX, SECRET_CHARACTERS_MIN

OVERLAP_S_MAX = 30 * 86_400.0
OwnerId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Url = Annotated[str, Field(min_length=1, max_length=2_000)]
Secret = Annotated[str, Field(min_length=SECRET_CHARACTERS_MIN, max_length=SECRET_CHARACTERS_MAX)]
Events = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=20)]


class Registration(BaseModel):
    """A receiver that wants to be told. Source: the claims API document, "Register Your Webhook URL"."""

    model_config = ConfigDict(extra="forbid")

    provider_id: OwnerId | None = Field(None, description="Whose events; the credential's own when left out.")
    webhook_url: Url = Field(description="Where to post: https, a public host.")
    secret_key: Secret | None = Field(None, description="What signs deliveries; a strong one is made when left out.")
    events: Events | None = Field(None, description="Which events; all when left out.")
    active: bool = True


class Alteration(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: Url | None = None
    events: Events | None = None
    active: bool | None = None


class SecretRotation(BaseModel):
    """A new secret, and for how many seconds the old one signs beside it."""

    model_config = ConfigDict(extra="forbid")

    secret_key: Secret | None = None
    overlap_s: float = Field(OVERLAP_S, ge=0, le=OVERLAP_S_MAX)


class Period(BaseModel):
    """From when to when, both included: ISO 8601 with a zone."""

    model_config = ConfigDict(extra="forbid")

    since: str = Field(alias="from", max_length=40)
    until: str = Field(alias="to", max_length=40)


def endpoint_view(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint without its secret."""
    view: dict[str, Any] = {
        "id": endpoint.id,
        "provider_id": endpoint.owner,
        "webhook_url": endpoint.url,
        "events": list(endpoint.events),
        "active": endpoint.active,
        "created_at": iso_seconds(endpoint.created_us),
        "updated_at": iso_seconds(endpoint.updated_us),
    }
    if endpoint.disabled_reason is not None:
        view["disabled_reason"] = endpoint.disabled_reason
    if endpoint.overlap_until_us:
        view["secret_overlap_until"] = iso_seconds(endpoint.overlap_until_us)
    return view


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    """A delivery without its body, which holds data of a person."""
    return {
        "id": delivery.id,
        "webhook_id": delivery.endpoint,
        "event": delivery.event,
        "subject": delivery.subject,
        "sequence": delivery.sequence,
        "state": delivery.state,
        "cause": delivery.cause,
        "attempts": delivery.attempts,
        "last_status": delivery.last_status,
        "reason": delivery.reason,
        "created_at": iso_millis(delivery.created_us),
        "next_attempt_at": iso_millis(delivery.due_us) if delivery.state == "due" else None,
        "settled_at": None if delivery.settled_us is None else iso_millis(delivery.settled_us),
    }


def attempt_view(attempt: LoggedAttempt) -> dict[str, Any]:
    """An attempt: when, how long, what came back."""
    return {
        "number": attempt.number,
        "cause": attempt.cause,
        "started_at": iso_millis(attempt.started_us),
        "duration_ms": round(attempt.duration_us / 1_000, 1),
        "status": attempt.status,
        "error": attempt.error,
        "response_snippet": attempt.snippet,
    }
