"""A client proves itself at the token endpoint: with its secret, or with a JWT signed by its key.

Source: RFC 6749 section 2.3.1, RFC 7523, SMART Backend Services. Mutual TLS (RFC 8705) would be a third
function here, answering with the same client.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from kiungo.base.errors import Incorrect, Unauthenticated, define
from kiungo.base.time import SECOND_US
from kiungo.kernel import json
from kiungo.kernel.auth.clients import OauthClient, find_client, secret_opens
from kiungo.kernel.auth.jose import verified
from kiungo.kernel.auth.signing import PublicKey
from kiungo.kernel.database import Unit

CLIENT_UNPROVEN = define("CLIENT_UNPROVEN", Unauthenticated, "The client is unknown, revoked, or did not prove itself.")

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME_S_MAX = 3_600
"""SMART asks clients for five minutes, but common client libraries sign for an hour."""
LEEWAY_S = 60
JTI_MAX = 255


def prove_by_secret(unit: Unit, authorization: bytes) -> OauthClient:
    """The client of an HTTP Basic header. Raises: Unauthenticated CLIENT_UNPROVEN."""
    scheme, _, encoded = authorization.partition(b" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise _unproven() from None
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != b"basic" or not colon:
        raise _unproven()
    client = find_client(unit, unquote_plus(client_id))
    if not secret_opens(client, unquote_plus(secret).encode(), unit.now_us) or client is None:
        raise _unproven()
    return client


def prove_by_assertion(unit: Unit, assertion: bytes, audiences: frozenset[str]) -> OauthClient:
    """The client of a signed assertion, which works once.

    Shapes: `audiences` are the names this server goes by.
    Raises: Unauthenticated CLIENT_UNPROVEN: unknown client, wrong signature, iss, sub, aud or exp,
    or an assertion seen before.
    """
    client = _claimed_client(unit, assertion)
    if client is None or client.revoked_us is not None:
        raise _unproven()
    read = verified(assertion, lambda header: _key_for(header, client))
    if read is None or not _holds(read[1], client, audiences, unit.now_us):
        raise _unproven()
    claims = read[1]
    fresh = unit.execute(
        "INSERT INTO oauth_assertion (tn, client_id, jti, expires_us) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tn, client_id, jti) DO NOTHING",
        (client.tenant, client.id, claims["jti"], (int(claims["exp"]) + LEEWAY_S) * SECOND_US),
    )
    if not fresh:
        raise _unproven()
    return client


def purge_assertions(unit: Unit) -> int:
    """Forget assertions that could not be used again anyway; returns how many. For a schedule."""
    return unit.execute("DELETE FROM oauth_assertion WHERE expires_us < ?", (unit.now_us,))


def _claimed_client(unit: Unit, assertion: bytes) -> OauthClient | None:
    """The client an assertion says it is from; nothing of it is believed yet."""
    try:
        payload = assertion.split(b".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        subject = claims["sub"]
    except (Incorrect, binascii.Error, ValueError, KeyError, TypeError, IndexError):
        return None
    return find_client(unit, subject) if isinstance(subject, str) and "\x00" not in subject else None


def _key_for(header: Mapping[str, Any], client: OauthClient) -> PublicKey | None:
    """The registered key the header names; a client with one key need not name it."""
    keys = client.public_keys()
    if len(keys) == 1 and ("kid" not in header or keys[0].kid is None):
        return keys[0]
    return next((key for key in keys if key.kid is not None and key.kid == header.get("kid")), None)


def _holds(claims: Mapping[str, Any], client: OauthClient, audiences: frozenset[str], now_us: int) -> bool:
    expires_s, jti, audience = claims.get("exp"), claims.get("jti"), claims.get("aud")
    named = set(audience) if isinstance(audience, list) else {audience}
    now_s = now_us / SECOND_US
    not_before = claims.get("nbf", 0)
    return (
        claims.get("iss") == claims.get("sub") == client.id
        and all(isinstance(name, str) for name in named)
        and bool(named & audiences)
        and isinstance(expires_s, int)
        and now_s - LEEWAY_S < expires_s <= now_s + ASSERTION_LIFETIME_S_MAX + LEEWAY_S
        and isinstance(not_before, int)
        and not_before <= now_s + LEEWAY_S
        and isinstance(jti, str)
        and 0 < len(jti) <= JTI_MAX
    )


def _unproven() -> Unauthenticated:
    return Unauthenticated(
        CLIENT_UNPROVEN, "The client did not prove itself", hint="Check its id, secret or key, and clock"
    )
