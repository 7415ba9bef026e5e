"""Calls to the authority: a bearer token kept while it lives, one attempt each, the plain truth about the answer."""

import base64
import threading
from collections.abc import Mapping
from typing import Any

import httpx

from kiungo.base.errors import Incorrect, KiungoError, Unavailable
from kiungo.base.time import SECOND_US, Clock
from kiungo.connectors.sha.profile import PROFILES, Profile
from kiungo.connectors.sha.settings import ShaSettings
from kiungo.kernel import json
from kiungo.kernel.clients import CircuitOpen
from kiungo.ports.payer import CLAIM_REFUSED, PAYER_AWAY

RETRY_AFTER_S = 60.0
RETRY_AFTER_S_MAX = 6 * 3_600.0
EARLY_S = 10
REFUSALS = (400, 404, 409, 412, 422)
FORM = "application/x-www-form-urlencoded"
FHIR_JSON = "application/fhir+json"


class ShaClient:
    """The authority's paths. Safe from any thread."""

    def __init__(self, http: httpx.Client, settings: ShaSettings, clock: Clock) -> None:
        self._http = http
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._token_until_us = 0
        self.profile: Profile = PROFILES[settings.profile]

    def close(self) -> None:
        """Let the kept connections go."""
        self._http.close()

    def send_bundle(self, bundle: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand a claim's bundle in. Raises: Incorrect CLAIM_REFUSED; Unavailable PAYER_AWAY."""
        response = self._call("POST", self.profile.bundle, content=json.dumps(bundle))
        if response.status_code in (200, 201, 202):
            return _object(response)
        if response.status_code in REFUSALS:
            raise Incorrect(
                CLAIM_REFUSED,
                f"The authority did not take the claim: {_diagnostics(response)}",
                hint="Correct it and submit again",
            )
        raise _away(f"answered {response.status_code}", response)

    def search(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        """A searchset. Raises: Unavailable PAYER_AWAY."""
        response = self._call("GET", path, query=query)
        if response.status_code != 200:
            raise _away(f"answered {response.status_code}", response)
        return _object(response)

    def _call(
        self, method: str, path: str, *, content: bytes = b"", query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One call; a token that was refused is renewed once."""
        response = self._send(method, path, content, query, f"Bearer {self._bearer('')}", FHIR_JSON)
        if response.status_code == 401:
            renewed = self._bearer(response.request.headers["authorization"].removeprefix("Bearer "))
            response = self._send(method, path, content, query, f"Bearer {renewed}", FHIR_JSON)
        return response

    def _bearer(self, refused: str) -> str:
        with self._lock:
            if self._token and self._token != refused and self._clock.now_us() < self._token_until_us:
                return self._token
            secret = f"{self._settings.client_id}:{self._settings.client_secret.get_secret_value()}"
            basic = "Basic " + base64.b64encode(secret.encode()).decode()
            form = str(httpx.QueryParams({"grant_type": "client_credentials", "scope": self._settings.scopes}))
            response = self._send("POST", self.profile.token, form.encode(), None, basic, FORM)
            if response.status_code != 200:
                raise _away(f"gave no token ({response.status_code})", response)
            answer = _object(response)
            token, lifetime = answer.get("access_token"), answer.get("expires_in")
            if not isinstance(token, str) or not isinstance(lifetime, int):
                raise _away("gave no token", response)
            self._token = token
            self._token_until_us = self._clock.now_us() + max(lifetime - EARLY_S, 1) * SECOND_US
            return token

    def _send(
        self, method: str, path: str, content: bytes, query: Mapping[str, str] | None, credential: str, kind: str
    ) -> httpx.Response:
        headers = {"Authorization": credential, "Content-Type": kind, "Accept": "application/json"}
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


def _diagnostics(response: httpx.Response) -> str:
    """What an OperationOutcome says, cut short."""
    issues = _object(response).get("issue")
    said = [str(issue.get("diagnostics", "")) for issue in issues or () if isinstance(issue, dict)]
    return ("; ".join(text for text in said if text) or f"status {response.status_code}")[:300]


def _away(why: str, response: httpx.Response) -> Unavailable:
    told = response.headers.get("retry-after", "")
    return _unavailable(why, float(told) if told.isdecimal() else None)


def _unavailable(why: str, retry_after_s: float | None) -> Unavailable:
    wait_s = RETRY_AFTER_S if retry_after_s is None else min(max(retry_after_s, 1.0), RETRY_AFTER_S_MAX)
    return Unavailable(PAYER_AWAY, f"The authority {why}", hint="It is asked again later", retry_after_s=wait_s)
