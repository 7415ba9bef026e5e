"""The claims API as methods, for threads and for the event loop."""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from kiungo.client.answers import Answer, read_answer, read_object
from kiungo.client.calls import TIMEOUT_S, ClaimCalls, Waits, undecided
from kiungo.client.steps import InThreads, OnLoop, Pause, Steps


class _Claims:
    """What both clients say; `base_url` ends with /api, as in the document."""

    def __init__(self, base_url: str, api_key: str | None, provider_id: str | None, waits: Waits | None) -> None:
        self._waits = waits or Waits()
        self._calls = ClaimCalls(base_url, api_key, provider_id, self._waits)

    def submit(self, claim: Mapping[str, Any], idempotency_key: str | None) -> Steps[Answer]:
        reply = yield from self._calls.post("/claims/", claim, idempotency_key)
        return read_answer(reply.status, reply.body)

    def get(self, claim_id: str) -> Steps[Answer]:
        reply = yield from self._calls.get(f"/claims/{claim_id}/")
        return read_answer(reply.status, reply.body)

    def wait_for_decision(self, claim_id: str, timeout_s: float) -> Steps[Answer]:
        until_s = time.monotonic() + timeout_s
        while True:
            answer = yield from self.get(claim_id)
            if answer.is_decided:
                return answer
            if time.monotonic() + self._waits.between_looks_s > until_s:
                raise undecided(claim_id, timeout_s)
            yield Pause(self._waits.between_looks_s)

    def explain(self, claim_id: str) -> Steps[dict[str, Any]]:
        reply = yield from self._calls.get(f"/claims/{claim_id}/explanation")
        return read_object(reply.status, reply.body)

    def register_webhook(self, registration: Mapping[str, Any]) -> Steps[dict[str, Any]]:
        reply = yield from self._calls.post("/webhooks/", registration, None)
        return read_object(reply.status, reply.body)


class ClaimsClient(InThreads):
    """Calls the claims API and waits for it. `http` is a client of the caller's own; it is not closed here."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        provider_id: str | None = None,
        *,
        waits: Waits | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(http, TIMEOUT_S)
        self._claims = _Claims(base_url, api_key, provider_id, waits)

    def submit(self, claim: Mapping[str, Any], *, idempotency_key: str | None = None) -> Answer:
        """Submit a claim; only server errors and lost connections are tried again, under one idempotency key.

        Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY.
        """
        return self._run(self._claims.submit(claim, idempotency_key))

    def get(self, claim_id: str) -> Answer:
        """A claim as it stands. Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY."""
        return self._run(self._claims.get(claim_id))

    def wait_for_decision(self, claim_id: str, *, timeout_s: float = 600.0) -> Answer:
        """Look now and then until the claim is decided.

        Raises: Unavailable CLAIM_UNDECIDED when time is up; RefusedClaim; Unavailable CLAIM_SERVICE_AWAY.
        """
        return self._run(self._claims.wait_for_decision(claim_id, timeout_s))

    def explain(self, claim_id: str) -> dict[str, Any]:
        """How every cent of a claim was decided. Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY."""
        return self._run(self._claims.explain(claim_id))

    def register_webhook(self, registration: Mapping[str, Any]) -> dict[str, Any]:
        """Register a receiver, in the document's shape; the answer's `webhook` shows the secret, this once.

        Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY.
        """
        return self._run(self._claims.register_webhook(registration))


class AsyncClaimsClient(OnLoop):
    """The same for the event loop."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        provider_id: str | None = None,
        *,
        waits: Waits | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(http, TIMEOUT_S)
        self._claims = _Claims(base_url, api_key, provider_id, waits)

    async def submit(self, claim: Mapping[str, Any], *, idempotency_key: str | None = None) -> Answer:
        """See `ClaimsClient.submit`."""
        return await self._run(self._claims.submit(claim, idempotency_key))

    async def get(self, claim_id: str) -> Answer:
        """See `ClaimsClient.get`."""
        return await self._run(self._claims.get(claim_id))

    async def wait_for_decision(self, claim_id: str, *, timeout_s: float = 600.0) -> Answer:
        """See `ClaimsClient.wait_for_decision`."""
        return await self._run(self._claims.wait_for_decision(claim_id, timeout_s))

    async def explain(self, claim_id: str) -> dict[str, Any]:
        """See `ClaimsClient.explain`."""
        return await self._run(self._claims.explain(claim_id))

    async def register_webhook(self, registration: Mapping[str, Any]) -> dict[str, Any]:
        """See `ClaimsClient.register_webhook`."""
        return await self._run(self._claims.register_webhook(registration))
