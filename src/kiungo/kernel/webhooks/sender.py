"""One attempt: sign, post, and say what came back. Never raises for what a receiver does."""

import httpx
import structlog

from kiungo.base.errors import KiungoError
from kiungo.base.time import SECOND_US, Clock
from kiungo.kernel.clients import Poster, redact_text
from kiungo.kernel.webhooks.model import Attempt, Due, Target
from kiungo.kernel.webhooks.schedule import parse_retry_after
from kiungo.kernel.webhooks.signatures import headers_for, signed_body
from kiungo.kernel.webhooks.snippet import snippet_of

ERROR_CHARACTERS_MAX = 200

_log = structlog.get_logger("kiungo.webhooks")


async def attempt(poster: Poster, target: Target, due: Due, clock: Clock) -> Attempt:
    """Post a delivery once, with the time of this attempt in its signature."""
    started_us = clock.now_us()
    body = signed_body(target.keys[0], due.body)
    headers = headers_for(target.keys, due.id, started_us // SECOND_US, body)
    status: int | None = None
    error: str | None = None
    snippet: str | None = None
    retry_after_s: float | None = None
    try:
        answer = await poster.post(target.url, headers, body)
        status = answer.status
        if not 200 <= status < 300:
            retry_after_s = parse_retry_after(answer.headers.get("retry-after"), started_us)
            snippet = snippet_of(answer.body, due.body)
    except httpx.TimeoutException:
        error = "no answer in time"
    except httpx.ConnectError as problem:
        error = f"no connection: {redact_text(str(problem))}"
    except httpx.HTTPError as problem:
        error = f"{type(problem).__name__}: {redact_text(str(problem))}"
    except KiungoError as problem:
        error = problem.message
    except Exception as problem:  # the lane must outlive a delivery that trips over our own mistake
        _log.error("webhook_attempt_fault", delivery=due.id, error=type(problem).__name__)
        error = f"our own fault ({type(problem).__name__})"
    return Attempt(
        started_us,
        max(clock.now_us() - started_us, 0),
        status,
        error[:ERROR_CHARACTERS_MAX] if error else None,
        snippet,
        retry_after_s,
    )
