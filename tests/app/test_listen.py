"""`kiungo listen`: takes what is signed, refuses what is not, shows and remembers both."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from kiungo.app.listen import Arrival, TestReceiver, run_receiver
from kiungo.app.server import listen
from kiungo.kernel import json
from kiungo.kernel.webhooks.signatures import headers_for, key_of, signed_body, unsigned_body

SECRET = "your-webhook-secret"
BODY = signed_body(key_of(SECRET), unsigned_body(b'{"claim_id":"CLM-1","status":"approved"}', 1))


def headers() -> dict[str, str]:
    return headers_for([key_of(SECRET)], "0190", int(time.time()), BODY)


def receiving(story: Callable[[httpx.AsyncClient], Any], secret: str | None = SECRET, **given: Any) -> list[Arrival]:
    """Run a story against a real receiver; returns what it showed."""
    shown: list[Arrival] = []

    async def run() -> None:
        listening = listen("127.0.0.1", 0)
        stop = asyncio.Event()
        receiver = TestReceiver(secret, shown.append, **given)
        running = asyncio.create_task(run_receiver(receiver, listening, stop=stop))
        async with httpx.AsyncClient(base_url=listening.url) as client:
            await story(client)
        stop.set()
        await running

    asyncio.run(run())
    return shown


def test_amounts_are_shown_with_the_digits_they_were_sent_with() -> None:
    shown = Arrival("2026-03-02T10:00:00.000Z", "0190", True, None, '{"amount":5000.00}').view()
    assert json.dumps(shown["event"]) == b'{"amount":5000.00}'


def test_a_signed_webhook_is_received_shown_and_remembered() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        answer = await client.post("/webhooks/payor-claims", content=BODY, headers=headers())
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        history = (await client.get("/webhooks/history")).json()
        assert history["count"] == 1
        assert history["webhooks"][0]["verified"] is True
        assert history["webhooks"][0]["event"]["claim_id"] == "CLM-1"

    [arrival] = receiving(story)
    assert (arrival.verified, arrival.problem, arrival.webhook_id) == (True, None, "0190")


def test_a_wrong_signature_is_answered_401_and_shown() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        altered = await client.post("/webhooks/payor-claims/", content=BODY + b" ", headers=headers())
        assert (altered.status_code, altered.json()) == (401, {"error": "Invalid signature"})
        unsigned = await client.post("/webhooks/payor-claims", content=b"not json")
        assert unsigned.status_code == 401
        history = (await client.get("/webhooks/history/")).json()
        assert [one["verified"] for one in history["webhooks"]] == [False, False]
        assert history["webhooks"][0]["event"] == "not json"

    assert all(arrival.problem for arrival in receiving(story))


def test_without_a_secret_everything_is_taken_and_nothing_called_verified() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.post("/webhooks/payor-claims", content=b"{}")).status_code == 200

    [arrival] = receiving(story, secret=None)
    assert (arrival.verified, arrival.problem) == (False, None)


def test_it_can_be_told_to_fail() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.post("/webhooks/payor-claims", content=BODY, headers=headers())).status_code == 503

    [arrival] = receiving(story, fail_with=503)
    assert arrival.problem == "Told to fail with 503"


def test_other_paths_and_huge_bodies_are_refused() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/webhooks/payor-claims")).status_code == 404
        assert (await client.post("/", content=b"")).status_code == 404
        assert (await client.post("/webhooks/payor-claims", content=b"x" * 1_000_002)).status_code == 413

    assert receiving(story) == []
