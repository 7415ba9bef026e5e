"""Calls to AfyaLink: a fresh token for every call, one attempt, and the plain truth about what came back.

Source: AfyaLink pages "authentication" and "api-authentication-encryption": Basic credentials and the consumer key
give a token that is good for one call.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

import httpx

from kiungo.connectors.afyalink.profile import PROFILES, Profile
from kiungo.connectors.afyalink.settings import AfyaLinkSettings
from kiungo.kernel.clients.counterpart import Counterpart
from kiungo.ports.registry import REGISTRY_AWAY

WAIT_S_MAX = 3_600.0
BARE_TOKEN = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}\Z")
"""Some answers are the token itself, without an object around it."""


class AfyaLinkClient:
    """The vendor's paths. Safe from any thread, as its client is."""

    def __init__(self, http: httpx.Client, settings: AfyaLinkSettings) -> None:
        self._registry = Counterpart(
            http,
            settings.base_url,
            code=REGISTRY_AWAY,
            name="The national registry",
            hint="Try again later; bookings for patients known already go on",
            wait_s_max=WAIT_S_MAX,
        )
        self._settings = settings
        self.profile: Profile = PROFILES[settings.profile]
        self.agent = settings.agent

    def close(self) -> None:
        """Let the kept connections go."""
        self._registry.close()

    def get(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Ask once, with a token of its own; None when the vendor says 404.

        A token that was refused is replaced once: it lives for seconds, and the network may take longer.
        Raises: Unavailable REGISTRY_AWAY.
        """
        response = self._ask(path, query)
        if response.status_code == 401:
            response = self._ask(path, query)
        if response.status_code == 404:
            return None
        return self._body(response)

    def _ask(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}
        return self._send(path, query, headers)

    def _token(self) -> str:
        secret = f"{self._settings.username}:{self._settings.password.get_secret_value()}"
        basic = base64.b64encode(secret.encode()).decode()
        key = self._settings.consumer_key.get_secret_value()
        response = self._send(self.profile.token, {"key": key}, {"Authorization": f"Basic {basic}"})
        bare = response.content.strip().strip(b'"')
        if response.status_code == 200 and BARE_TOKEN.match(bare):
            return bare.decode("ascii")
        token = self._body(response).get("token")
        if not isinstance(token, str) or not token:
            raise self._registry.away("gave no token", response)
        return token

    def _send(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
        return self._registry.send("GET", path, headers=headers, query=query)

    def _body(self, response: httpx.Response) -> Mapping[str, Any]:
        if response.status_code != 200:
            raise self._registry.away(f"answered {response.status_code}", response)
        return self._registry.object_in(response)
