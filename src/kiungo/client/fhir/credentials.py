"""Who the client is to the server: an API key, a token, or OAuth2 client credentials that renew themselves.

Source: RFC 6749 4.4; SMART App Launch 2.2, "Backend Services" (client assertion).
"""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

from kiungo.client.fhir.errors import RefusedByServer
from kiungo.client.fhir.retries import Retries, persist
from kiungo.client.steps import Ask, Steps

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RENEWED_BEFORE_S = 30.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header of its own."""

    key: str = field(repr=False)
    header: str = "X-API-Key"

    def headers(self, retries: Retries) -> Steps[Mapping[str, str]]:
        """The header of every call."""
        yield from ()
        return {self.header: self.key}

    def renew(self) -> bool:
        """A key has nothing to renew."""
        return False


@dataclass(slots=True)
class ClientCredentials:
    """OAuth2 client credentials: a token is fetched when it is first needed, and again before it expires.

    Shapes: either `client_secret`, sent as HTTP Basic, or `assertion`, which makes the signed JWT for the token
    URL it is given.
    """

    token_url: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scope: str = ""
    assertion: Callable[[str], str] | None = field(default=None, repr=False)
    _token: str = field(default="", repr=False)
    _until_s: float = 0.0

    def headers(self, retries: Retries) -> Steps[Mapping[str, str]]:
        """The Authorization header. Raises: RefusedByServer when the token is refused; Unavailable FHIR_SERVER_AWAY."""
        if time.monotonic() >= self._until_s:
            yield from self._fetch(retries)
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Forget the token; the next call fetches another."""
        self._until_s = 0.0
        return True

    def _fetch(self, retries: Retries) -> Steps[None]:
        form = {"grant_type": "client_credentials", "scope": self.scope}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self.assertion is not None:
            form |= {"client_assertion_type": JWT_BEARER, "client_assertion": self.assertion(self.token_url)}
        else:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        reply = yield from persist(Ask("POST", self.token_url, headers, body), retries)
        try:
            answer = json.loads(reply.body)
            token, life_s = str(answer["access_token"]), float(answer.get("expires_in", 300))
        except (ValueError, KeyError, TypeError):
            raise RefusedByServer(reply.status, (), "No token was given") from None
        self._token = token
        self._until_s = time.monotonic() + max(life_s - RENEWED_BEFORE_S, 0.0)


Credentials = ApiKey | ClientCredentials


def bearer(token: str) -> ApiKey:
    """A token that somebody else looks after."""
    return ApiKey(f"Bearer {token}", "Authorization")
