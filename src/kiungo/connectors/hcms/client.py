"""Calls to an HCMS payer: one attempt each, and the plain truth about what came back."""

from collections.abc import Mapping
from typing import Any

import httpx

from kiungo.base.errors import Incorrect
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.kernel import json
from kiungo.kernel.clients.counterpart import Counterpart
from kiungo.ports.payer import CLAIM_REFUSED, PAYER_AWAY

ANSWER_SHOWN_MAX = 300

PAGES_MAX = 50


class HcmsClient:
    """The payer's paths. Source: provider guide, POST /api/claims/ and GET /api/claims/{id}/."""

    def __init__(self, http: httpx.Client, settings: HcmsSettings) -> None:
        self._payer = Counterpart(http, settings.base_url, code=PAYER_AWAY, name="The payer")
        self._settings = settings

    def close(self) -> None:
        """Let the kept connections go."""
        self._payer.close()

    def submit(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand a claim in. Raises: Incorrect CLAIM_REFUSED; Unavailable PAYER_AWAY."""
        response = self._send("POST", "/claims/", json.dumps(body))
        if response.status_code in (200, 201):
            return self._payer.object_in(response)
        if response.status_code in (400, 404, 409, 422):
            answer = self._payer.object_in(response)
            said = str(answer.get("error", "no reason given"))[:ANSWER_SHOWN_MAX]
            raise Incorrect(
                CLAIM_REFUSED, f"The payer did not take the claim: {said}", hint="Correct it and submit again"
            )
        raise self._payer.away(f"answered {response.status_code}", response)

    def claim(self, claim_id: str) -> Mapping[str, Any] | None:
        """One claim, or None when the payer has none of that id. Raises: Unavailable PAYER_AWAY."""
        response = self._send("GET", f"/claims/{claim_id}/")
        if response.status_code == 404:
            return None
        return self._payer.object_in(self._ok(response))

    def claims_of(self, booking_numbers: str) -> Mapping[str, Any]:
        """Claims for bookings, of all pages; numbers are separated by commas. Raises: Unavailable PAYER_AWAY."""
        asked, found = {"booking_no": booking_numbers, "limit": "200"}, []
        for _ in range(PAGES_MAX):
            response = self._ok(self._send("GET", "/claims/", query=asked))
            page = self._payer.object_in(response)
            listed, following = page.get("claims"), page.get("next")
            found += listed if isinstance(listed, list) else []
            if not isinstance(following, str) or not following:
                return {**page, "claims": found}
            asked = {**asked, "cursor": following}
        raise self._payer.away(f"has more than {PAGES_MAX} pages of claims", response)

    def _ok(self, response: httpx.Response) -> httpx.Response:
        if response.status_code != 200:
            raise self._payer.away(f"answered {response.status_code}", response)
        return response

    def _send(
        self, method: str, path: str, content: bytes = b"", *, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._settings.api_key is not None:
            headers["X-API-Key"] = self._settings.api_key.get_secret_value()
        if self._settings.provider_id is not None:
            headers["X-Provider-ID"] = self._settings.provider_id
        return self._payer.send(method, path, headers=headers, query=query, content=content)
