"""The claims API as methods, for threads and for the event loop."""

import asyncio
import json
import time
from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx

from kiungo.client.answers import Answer, read_answer, read_object
from kiungo.client.calls import TIMEOUT_S, Waits, away, headers_of, is_tried_again, submission_headers, undecided


class ClaimsClient:
    """Calls the claims API and waits for it.

    `base_url` ends with /api, as in the document. `http` is a client of the caller's own, for its timeouts,
    proxies or hooks; it is not closed here.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        provider_id: str | None = None,
        *,
        waits: Waits | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = headers_of(api_key, provider_id)
        self._waits = waits or Waits()
        self._http = http or httpx.Client(timeout=TIMEOUT_S)
        self._owns_http = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless they were given."""
        if self._owns_http:
            self._http.close()

    def submit(self, claim: Mapping[str, Any], *, idempotency_key: str | None = None) -> Answer:
        """Submit a claim; only server errors and lost connections are tried again, under one idempotency key.

        Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY.
        """
        response = self._post("/claims/", claim, idempotency_key)
        return read_answer(response.status_code, response.content)

    def get(self, claim_id: str) -> Answer:
        """A claim as it stands. Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY."""
        response = self._call("GET", f"/claims/{claim_id}/", None, {})
        return read_answer(response.status_code, response.content)

    def wait_for_decision(self, claim_id: str, *, timeout_s: float = 600.0) -> Answer:
        """Look now and then until the claim is decided.

        Raises: Unavailable CLAIM_UNDECIDED when time is up; RefusedClaim; Unavailable CLAIM_SERVICE_AWAY.
        """
        until_s = time.monotonic() + timeout_s
        while True:
            answer = self.get(claim_id)
            if answer.is_decided:
                return answer
            if time.monotonic() + self._waits.between_looks_s > until_s:
                raise undecided(claim_id, timeout_s)
            time.sleep(self._waits.between_looks_s)

    def explain(self, claim_id: str) -> dict[str, Any]:
        """How every cent of a claim was decided. Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY."""
        response = self._call("GET", f"/claims/{claim_id}/explanation", None, {})
        return read_object(response.status_code, response.content)

    def register_webhook(self, registration: Mapping[str, Any]) -> dict[str, Any]:
        """Register a receiver, in the document's shape; the answer's `webhook` shows the secret, this once.

        Raises: RefusedClaim; Unavailable CLAIM_SERVICE_AWAY.
        """
        response = self._post("/webhooks/", registration, None)
        return read_object(response.status_code, response.content)

    def _post(self, path: str, body: Mapping[str, Any], idempotency_key: str | None) -> httpx.Response:
        return self._call("POST", path, render(body), submission_headers(idempotency_key))

    def _call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        url, sent = self._base_url + path, {**self._headers, **headers}
        last, made = "", 0
        for wait_s in self._waits.attempts():
            if wait_s is not None:
                time.sleep(wait_s)
            made += 1
            try:
                response = self._http.request(method, url, content=body, headers=sent)
            except httpx.TransportError as error:
                last = type(error).__name__
                continue
            if not is_tried_again(response.status_code):
                return response
            last = f"HTTP {response.status_code}"
        raise away(made, last)


class AsyncClaimsClient:
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
        self._base_url = base_url.rstrip("/")
        self._headers = headers_of(api_key, provider_id)
        self._waits = waits or Waits()
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_S)
        self._owns_http = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, unless they were given."""
        if self._owns_http:
            await self._http.aclose()

    async def submit(self, claim: Mapping[str, Any], *, idempotency_key: str | None = None) -> Answer:
        """See `ClaimsClient.submit`."""
        response = await self._post("/claims/", claim, idempotency_key)
        return read_answer(response.status_code, response.content)

    async def get(self, claim_id: str) -> Answer:
        """See `ClaimsClient.get`."""
        response = await self._call("GET", f"/claims/{claim_id}/", None, {})
        return read_answer(response.status_code, response.content)

    async def wait_for_decision(self, claim_id: str, *, timeout_s: float = 600.0) -> Answer:
        """See `ClaimsClient.wait_for_decision`."""
        until_s = time.monotonic() + timeout_s
        while True:
            answer = await self.get(claim_id)
            if answer.is_decided:
                return answer
            if time.monotonic() + self._waits.between_looks_s > until_s:
                raise undecided(claim_id, timeout_s)
            await asyncio.sleep(self._waits.between_looks_s)

    async def explain(self, claim_id: str) -> dict[str, Any]:
        """See `ClaimsClient.explain`."""
        response = await self._call("GET", f"/claims/{claim_id}/explanation", None, {})
        return read_object(response.status_code, response.content)

    async def register_webhook(self, registration: Mapping[str, Any]) -> dict[str, Any]:
        """See `ClaimsClient.register_webhook`."""
        response = await self._post("/webhooks/", registration, None)
        return read_object(response.status_code, response.content)

    async def _post(self, path: str, body: Mapping[str, Any], idempotency_key: str | None) -> httpx.Response:
        return await self._call("POST", path, render(body), submission_headers(idempotency_key))

    async def _call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        url, sent = self._base_url + path, {**self._headers, **headers}
        last, made = "", 0
        for wait_s in self._waits.attempts():
            if wait_s is not None:
                await asyncio.sleep(wait_s)
            made += 1
            try:
                response = await self._http.request(method, url, content=body, headers=sent)
            except httpx.TransportError as error:
                last = type(error).__name__
                continue
            if not is_tried_again(response.status_code):
                return response
            last = f"HTTP {response.status_code}"
        raise away(made, last)


def render(body: Mapping[str, Any]) -> bytes:
    """A body as JSON; a Decimal is sent as a string, which the API takes as an exact amount."""
    return json.dumps(body, default=_exact).encode()


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
