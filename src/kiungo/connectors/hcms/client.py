"""Calls to an HCMS payer: one attempt each, and the plain truth about what came back."""

from collections.abc import Mapping
from typing import Any

import httpx

from kiungo.base.errors import Incorrect, KiungoError, Unavailable
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.kernel import json
from kiungo.kernel.clients import CircuitOpen
from kiungo.ports.payer import CLAIM_REFUSED, PAYER_AWAY

RETRY_AFTER_S = 30.0
RETRY_AFTER_S_MAX = 6 * 3_600.0
ANSWER_SHOWN_MAX = 300


class HcmsClient:
    """The payer's paths. Source: provider guide, POST /api/claims/ and GET /api/claims/{id}/."""

    def __init__(self, http: httpx.Client, settings: HcmsSettings) -> None:
        self._http = http
        self._settings = settings

    def close(self) -> None:
        """Let the kept connections go."""
        self._http.close()

    def submit(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand a claim in. Raises: Incorrect CLAIM_REFUSED; Unavailable PAYER_AWAY."""
        response = self._send("POST", "/claims/", json.dumps(body))
        if response.status_code in (200, 201):
            return _object(response)
        if response.status_code in (400, 404, 409, 422):
            answer = _object(response)
            said = str(answer.get("error", "no reason given"))[:ANSWER_SHOWN_MAX]
            raise Incorrect(
                CLAIM_REFUSED, f"The payer did not take the claim: {said}", hint="Correct it and submit again"
            )
        raise _away(f"answered {response.status_code}", response)

    def claim(self, claim_id: str) -> Mapping[str, Any] | None:
        """One claim, or None when the payer has none of that id. Raises: Unavailable PAYER_AWAY."""
        response = self._send("GET", f"/claims/{claim_id}/")
        if response.status_code == 404:
            return None
        return _object(self._ok(response))

    def claims_of(self, booking_numbers: str) -> Mapping[str, Any]:
        """Claims for bookings; several numbers are separated by commas. Raises: Unavailable PAYER_AWAY."""
        return _object(self._ok(self._send("GET", "/claims/", query={"booking_no": booking_numbers, "limit": "200"})))

    def _ok(self, response: httpx.Response) -> httpx.Response:
        if response.status_code != 200:
            raise _away(f"answered {response.status_code}", response)
        return response

    def _send(
        self, method: str, path: str, content: bytes = b"", *, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._settings.api_key is not None:
            headers["X-API-Key"] = self._settings.api_key.get_secret_value()
        if self._settings.provider_id is not None:
            headers["X-Provider-ID"] = self._settings.provider_id
        try:
            return self._http.request(
                method, self._settings.base_url + path, params=dict(query or {}), headers=headers, content=content
            )
        except CircuitOpen as error:
            raise _unavailable("failed repeatedly", error.retry_after_s) from None
        except httpx.HTTPError as error:
            raise _unavailable(f"did not answer ({type(error).__name__})", None) from None


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = json.loads(response.content)
    except KiungoError:
        raise _away("answered something that is not JSON", response) from None
    if not isinstance(body, dict):
        raise _away("answered something that is not an object", response)
    return body


def _away(why: str, response: httpx.Response) -> Unavailable:
    told = response.headers.get("retry-after", "")
    return _unavailable(why, float(told) if told.isdecimal() else None)


def _unavailable(why: str, retry_after_s: float | None) -> Unavailable:
    wait_s = RETRY_AFTER_S if retry_after_s is None else min(max(retry_after_s, 1.0), RETRY_AFTER_S_MAX)
    return Unavailable(PAYER_AWAY, f"The payer {why}", hint="It is asked again later", retry_after_s=wait_s)
