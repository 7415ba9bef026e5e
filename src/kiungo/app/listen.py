"""`kiungo listen`: a provider's test receiver that verifies what comes, prints it and keeps a history.

    POST /webhooks/payor-claims   take a webhook: 200 {"received": true}, or 401 when its signature is wrong
    GET  /webhooks/history        what came, newest first

Source: the claims API document, "Test Webhook Server" (port 3000 and both paths).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from kiungo.app.server import Listening
from kiungo.base.errors import Incorrect, Unauthenticated
from kiungo.base.time import Clock, SystemClock, iso_millis
from kiungo.client import verify_webhook
from kiungo.kernel import json

RECEIVE_PATH = "/webhooks/payor-claims"
HISTORY_PATH = "/webhooks/history"
BODY_BYTES_MAX = 1_000_000
HISTORY_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One webhook as it came. Shapes: `problem` is None when it was accepted; `text` is its body."""

    at: str
    webhook_id: str | None
    verified: bool
    problem: str | None
    text: str

    def view(self) -> dict[str, Any]:
        """The arrival for the history."""
        try:
            event = json.loads(self.text)
        except Incorrect:
            event = self.text
        return {
            "received_at": self.at,
            "webhook_id": self.webhook_id,
            "verified": self.verified,
            "problem": self.problem,
            "event": event,
        }


class TestReceiver:
    """The receiver as an ASGI application. Without a secret it takes everything and verifies nothing.

    `fail_with` answers every webhook with that status, to see what a failing receiver leads to.
    """

    __test__ = False

    def __init__(
        self,
        secret: str | None,
        show: Callable[[Arrival], None],
        *,
        fail_with: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._secret = secret
        self._show = show
        self._fail_with = fail_with
        self._clock = clock or SystemClock()
        self._arrivals: deque[Arrival] = deque(maxlen=HISTORY_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"].rstrip("/")
        if (method, path) == ("POST", RECEIVE_PATH):
            status, answer = await self._take(scope, receive)
        elif (method, path) == ("GET", HISTORY_PATH):
            history = [arrival.view() for arrival in reversed(self._arrivals)]
            status, answer = 200, {"count": len(history), "webhooks": history}
        else:
            status, answer = 404, {"error": f"Here are POST {RECEIVE_PATH} and GET {HISTORY_PATH}"}
        body = json.dumps(answer)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        body = b""
        more = True
        while more and len(body) <= BODY_BYTES_MAX:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > BODY_BYTES_MAX:
            return 413, {"error": "The body is too long"}
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        arrival = self._judge(headers, body)
        self._arrivals.append(arrival)
        self._show(arrival)
        if arrival.problem is None:
            return 200, {"received": True}
        return self._fail_with or 401, {"error": "Invalid signature" if self._fail_with is None else arrival.problem}

    def _judge(self, headers: Mapping[str, str], body: bytes) -> Arrival:
        problem = None
        verified = False
        if self._secret is not None:
            try:
                verify_webhook(headers, body, self._secret)
                verified = True
            except Unauthenticated as refused:
                problem = refused.message
        if self._fail_with is not None:
            problem = f"Told to fail with {self._fail_with}"
        text = body.decode("utf-8", "replace")
        return Arrival(iso_millis(self._clock.now_us()), headers.get("webhook-id"), verified, problem, text)


async def run_receiver(receiver: TestReceiver, listening: Listening, *, stop: asyncio.Event | None = None) -> None:
    """Serve the receiver on an open socket until SIGINT, SIGTERM or `stop`."""
    config = uvicorn.Config(receiver, log_level="warning", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening.socket]))
    if stop is not None:
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopped.cancel()
    await serving
