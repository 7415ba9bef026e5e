"""Reading a request body with a limit on size and time, whatever the sender declared."""

import asyncio
from typing import Any

from starlette.types import Receive

from kiungo.base.errors import Incorrect, KiungoError, define

BODY_TOO_LARGE = define("BODY_TOO_LARGE", Incorrect, "The request body is larger than the limit.", http=413)
BODY_TOO_SLOW = define("BODY_TOO_SLOW", Incorrect, "The request body did not arrive in time.", http=408)
BODY_LENGTH_WRONG = define("BODY_LENGTH_WRONG", Incorrect, "Content-Length is not a whole number.")

DRAIN_FACTOR = 4
"""How many times the limit is read and thrown away, so that an honest sender gets to read the refusal."""


class SenderLeft(Exception):
    """The connection ended before the body did; there is nobody to answer."""


class BodyRefused(Exception):
    """The body is refused; `close` when the connection must end with the answer."""

    def __init__(self, error: KiungoError, *, close: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.close = close


async def read_body(
    receive: Receive, *, declared: bytes | None, expects_go_ahead: bool, bytes_max: int, timeout_s: float
) -> bytes:
    """The whole body. Units: bytes and seconds.

    Raises: BodyRefused (BODY_TOO_LARGE, BODY_TOO_SLOW, BODY_LENGTH_WRONG), SenderLeft.
    """
    length = 0
    if declared is not None:
        if not declared.isdigit():
            error = Incorrect(BODY_LENGTH_WRONG, "Content-Length is not a number", field="Content-Length")
            raise BodyRefused(error, close=True)
        length = int(declared[:18])
        if length > bytes_max and (expects_go_ahead or length > bytes_max * DRAIN_FACTOR):
            raise BodyRefused(_too_large(bytes_max), close=True)
    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(receive, bytes_max)
    except TimeoutError:
        error = Incorrect(
            BODY_TOO_SLOW, f"The body did not arrive within {timeout_s:g} s", hint="Send it without pauses"
        )
        raise BodyRefused(error, close=True) from None


async def _collect(receive: Receive, bytes_max: int) -> bytes:
    message: Any = await receive()
    if message["type"] == "http.disconnect":
        raise SenderLeft
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > bytes_max:
            raise BodyRefused(_too_large(bytes_max), close=False)
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderLeft
        part = message.get("body", b"")
        size += len(part)
        if size > bytes_max * DRAIN_FACTOR:
            raise BodyRefused(_too_large(bytes_max), close=True)
        if size <= bytes_max:
            parts.append(part)
    if size > bytes_max:
        raise BodyRefused(_too_large(bytes_max), close=False)
    return b"".join(parts)


def _too_large(bytes_max: int) -> Incorrect:
    return Incorrect(
        BODY_TOO_LARGE,
        f"The body is larger than {bytes_max} bytes",
        field="body",
        hint="Send it in smaller parts",
    )
