"""Calls to the authority: a bearer token kept while it lives, one attempt each, the plain truth about the answer."""

import base64
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import httpx

from kiungo.base.errors import Incorrect
from kiungo.base.time import SECOND_US, Clock
from kiungo.connectors.sha.profile import PROFILES, Profile
from kiungo.connectors.sha.settings import ShaSettings
from kiungo.kernel import json
from kiungo.kernel.clients.counterpart import Counterpart
from kiungo.ports.payer import CLAIM_REFUSED, PAYER_AWAY

EARLY_S = 10
PAGES_MAX = 50
WAIT_S = 60.0
REFUSALS = (400, 404, 409, 412, 422)
FORM = "application/x-www-form-urlencoded"
FHIR_JSON = "application/fhir+json"


class ShaClient:
    """The authority's paths. Safe from any thread."""

    def __init__(self, http: httpx.Client, settings: ShaSettings, clock: Clock) -> None:
        self._authority = Counterpart(http, settings.base_url, code=PAYER_AWAY, name="The authority", wait_s=WAIT_S)
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._token_until_us = 0
        self.profile: Profile = PROFILES[settings.profile]

    def close(self) -> None:
        """Let the kept connections go."""
        self._authority.close()

    def send_bundle(self, bundle: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hand a claim's bundle in. Raises: Incorrect CLAIM_REFUSED; Unavailable PAYER_AWAY."""
        response = self._call("POST", self.profile.bundle, content=json.dumps(bundle))
        if response.status_code in (200, 201, 202):
            return self._authority.object_in(response)
        if response.status_code in REFUSALS:
            raise Incorrect(
                CLAIM_REFUSED,
                f"The authority did not take the claim: {self._diagnostics(response)}",
                hint="Correct it and submit again",
            )
        raise self._authority.away(f"answered {response.status_code}", response)

    def search(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        """A searchset with the entries of all its pages. Raises: Unavailable PAYER_AWAY."""
        entries: list[Any] = []
        place, asked = path, query
        for _ in range(PAGES_MAX):
            response = self._call("GET", place, query=asked)
            if response.status_code != 200:
                raise self._authority.away(f"answered {response.status_code}", response)
            page = self._authority.object_in(response)
            found = page.get("entry")
            entries += found if isinstance(found, list) else ()
            following = _next(page)
            if following is None:
                return {**page, "entry": entries}
            place, asked = self._place_of(following, path, response), {}
        raise self._authority.away(f"has more than {PAGES_MAX} pages", response)

    def _place_of(self, following: str, path: str, response: httpx.Response) -> str:
        """The path of a next page. The credential goes to the authority only, wherever a link leads."""
        base = self._settings.base_url.rstrip("/")
        url = urljoin(f"{base}/{path.lstrip('/')}", following)
        if not url.startswith((base + "/", base + "?")):
            raise self._authority.away("names a next page that is elsewhere", response)
        return url[len(base) :]

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
                raise self._authority.away(f"gave no token ({response.status_code})", response)
            answer = self._authority.object_in(response)
            token, lifetime = answer.get("access_token"), answer.get("expires_in")
            if not isinstance(token, str) or not isinstance(lifetime, int):
                raise self._authority.away("gave no token", response)
            self._token = token
            self._token_until_us = self._clock.now_us() + max(lifetime - EARLY_S, 1) * SECOND_US
            return token

    def _send(
        self, method: str, path: str, content: bytes, query: Mapping[str, str] | None, credential: str, kind: str
    ) -> httpx.Response:
        headers = {"Authorization": credential, "Content-Type": kind, "Accept": "application/json"}
        return self._authority.send(method, path, headers=headers, query=query, content=content)

    def _diagnostics(self, response: httpx.Response) -> str:
        """What an OperationOutcome says, cut short."""
        issues = self._authority.object_in(response).get("issue")
        said = [str(issue.get("diagnostics", "")) for issue in issues or () if isinstance(issue, dict)]
        return ("; ".join(text for text in said if text) or f"status {response.status_code}")[:300]


def _next(page: Mapping[str, Any]) -> str | None:
    """The link to the next page. Source: FHIR R4, RESTful API, paging."""
    links = page.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None
