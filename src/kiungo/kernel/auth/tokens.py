"""Access tokens: signed, short-lived, and checked against the client they were issued to.

Source: RFC 9068 (JWT profile for access tokens).
"""

from collections.abc import Iterable
from typing import Any

from joserfc import jwt

from kiungo.base.errors import Unauthenticated, define
from kiungo.base.ids import uuid7
from kiungo.base.time import SECOND_US, Clock
from kiungo.kernel.auth.clients import OauthClient
from kiungo.kernel.auth.jose import verified
from kiungo.kernel.auth.principal import Principal
from kiungo.kernel.auth.scopes import narrow
from kiungo.kernel.auth.signing import SigningKeys

TOKEN_WRONG = define("TOKEN_WRONG", Unauthenticated, "The bearer token is not one of ours, or was altered.")
TOKEN_EXPIRED = define("TOKEN_EXPIRED", Unauthenticated, "The bearer token has expired.")
TOKEN_REVOKED = define("TOKEN_REVOKED", Unauthenticated, "The client's tokens were revoked.")

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type, no secret


class Tokens:
    """Issues and reads access tokens. Units: `lifetime_s` seconds."""

    def __init__(self, keys: SigningKeys, *, issuer: str, clock: Clock, lifetime_s: int = 900) -> None:
        self.keys = keys
        self.issuer = issuer
        self.lifetime_s = lifetime_s
        self._clock = clock

    def issue(self, client: OauthClient, scopes: Iterable[str]) -> str:
        """A token for this client with these scopes, already narrowed to what it may have."""
        now_us = self._clock.now_us()
        now_s = now_us // SECOND_US
        kid = self.keys.primary
        return jwt.encode(
            {"alg": self.keys.algorithms[kid], "kid": kid, "typ": TOKEN_TYPE},
            {
                "iss": self.issuer,
                "aud": self.issuer,
                "sub": client.id,
                "client_id": client.id,
                "tn": client.tenant,
                "scope": " ".join(sorted(scopes)),
                "iat": now_s,
                "iat_us": now_us,
                "exp": now_s + self.lifetime_s,
                "jti": uuid7(self._clock),
            },
            self.keys.keys[kid],
            algorithms=[self.keys.algorithms[kid]],
        )

    def read(self, token: bytes) -> dict[str, Any]:
        """The claims of a token that is ours and alive; whether its client still is comes after.

        Raises: Unauthenticated TOKEN_WRONG, TOKEN_EXPIRED.
        """
        claims = self._claims(token)
        now_s = self._clock.now_us() // SECOND_US
        if claims.get("iss") != self.issuer or claims.get("aud") != self.issuer:
            raise _wrong()
        if not isinstance(claims.get("exp"), int) or not isinstance(claims.get("iat_us"), int):
            raise _wrong()
        if claims["exp"] <= now_s:
            raise Unauthenticated(TOKEN_EXPIRED, "The bearer token has expired", hint="Ask for a new one")
        return claims

    def _claims(self, token: bytes) -> dict[str, Any]:
        read = verified(token, lambda header: self.keys.keys.get(str(header.get("kid"))))
        if read is None or read[0].get("typ") != TOKEN_TYPE:
            raise _wrong()
        return read[1]


def principal_of(client: OauthClient, claims: dict[str, Any]) -> Principal:
    """Who asks with a token: what it says, narrowed to what the client may have by now.

    Raises: Unauthenticated TOKEN_REVOKED when the client ended, or its tokens were revoked since.
    """
    if client.revoked_us is not None or claims["iat_us"] <= client.tokens_from_us:
        raise Unauthenticated(TOKEN_REVOKED, "The bearer token was revoked", hint="Ask for a new one")
    scopes = narrow(str(claims.get("scope", "")).split(), client.all_scopes())
    return Principal(client.tenant, client.id, "oauth_client", client.name, client.roles, scopes, client.bindings)


def _wrong() -> Unauthenticated:
    return Unauthenticated(TOKEN_WRONG, "The bearer token is not one of ours", hint="Ask for one at /oauth2/token")
