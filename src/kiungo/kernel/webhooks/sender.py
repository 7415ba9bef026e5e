"""One attempt: sign, post, and say what came back. Never raises for what a receiver does."""

import httpx
import structlog

from kiungo.base.errors import KiungoError
from kiungo.base.time import SECOND_US, Clock
from kiungo.kernel.clients import redact_text
from kiungo.kernel.webhooks.model import Attempt, Due, Target
from kiungo.kernel.webhooks.schedule import parse_retry_after
from kiungo.kernel.webhooks.signatures import headers_for, signed_body
from kiungo.kernel.webhooks.snippet import READ_BYTES_MAX, snippet_of

ANSWER_BYTES_MAX = 64_000
ERROR_CHARACTERS_MAX = 200

_log = structlog.get_logger("kiungo.webhooks")


async def attempt(client: httpx.AsyncClient, target: Target, due: Due, clock: Clock) -> Attempt:
    """Post a delivery once, with the time of this attempt in its signature."""
    started_us = clock.now_us()
    body = signed_body(target.keys[0], due.body)
    headers = headers_for(target.keys, due.id, started_us // SECOND_US, body)
    status: int | None = None
    error: str | None = None
    snippet: str | None = None
    retry_after_s: float | None = None
    try:
        async with client.stream("POST", target.url, content=body, headers=headers) as response:
            status = response.status_code
            answer = await _beginning(response)
            if not response.is_success:
                retry_after_s = parse_retry_after(response.headers.get("retry-after"), started_us)
                snippet = snippet_of(answer, due.body)
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
        error[:ERROR_CHARACTERS_MAX] if error and status is None else None,
        snippet,
        retry_after_s,
    )


async def _beginning(response: httpx.Response) -> bytes:
    """The first bytes of an answer; a short one is read whole, so that its connection can be used again.

    The status decides about the delivery. An answer that breaks off, or is too long or compressed, changes
    nothing about what the receiver already said.
    """
    answer = b""
    read = 0
    try:
        async for chunk in response.aiter_raw():
            answer = (answer + chunk)[:READ_BYTES_MAX]
            read += len(chunk)
            if read > ANSWER_BYTES_MAX:
                break
    except httpx.HTTPError:
        return answer
    return answer
