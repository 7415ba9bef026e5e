"""OAuth2 clients: registered with a secret or with public keys, bounded in what they may be granted."""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from kiungo.base.errors import Conflict, Incorrect, NotFound, define
from kiungo.base.ids import uuid7
from kiungo.base.time import SECOND_US, SystemClock
from kiungo.kernel import audit, json
from kiungo.kernel.auth.grants import bindings_of, bindings_text, check_grant, words
from kiungo.kernel.auth.keys import CHANGED, hash_of
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.auth.roles import scopes_of
from kiungo.kernel.auth.signing import PublicKey, algorithm_of
from kiungo.kernel.database import Unit

CLIENT_NOT_FOUND = define("CLIENT_NOT_FOUND", NotFound, "No OAuth2 client has this id.")
CLIENT_REVOKED = define("CLIENT_REVOKED", Conflict, "The OAuth2 client is revoked.")
CLIENT_KEYS_WRONG = define(
    "CLIENT_KEYS_WRONG", Incorrect, "A client's JWK set holds no usable public EC or RSA key, or a private one."
)

SECRET_PREFIX = "kgs_"  # noqa: S105 - a prefix, no secret
KEYS_MAX = 10
_NOBODY_HASH = hash_of(secrets.token_bytes(32))
_COLUMNS = (
    "tn, id, name, secret_hash, previous_secret_hash, previous_secret_until_us, jwks, roles, scopes,"
    " bindings, rate_per_minute, created_us, tokens_from_us, revoked_us"
)


@dataclass(frozen=True, slots=True)
class OauthClient:
    """A registered client. Shapes: `jwks` is its JWK set as JSON text, None when it has a secret."""

    tenant: int
    id: str
    name: str
    secret_hash: str | None
    previous_secret_hash: str | None
    previous_secret_until_us: int | None
    jwks: str | None
    roles: frozenset[str]
    scopes: frozenset[str]
    bindings: Mapping[str, str]
    rate_per_minute: int | None
    created_us: int
    tokens_from_us: int
    revoked_us: int | None

    def all_scopes(self) -> frozenset[str]:
        """Everything it may be granted: its own scopes and those of its roles."""
        return scopes_of(self.roles, self.scopes)

    def public_keys(self) -> list[PublicKey]:
        """Its registered public keys."""
        return [] if self.jwks is None else parse_public_keys(self.jwks)


def create_client(
    unit: Unit,
    call: Call,
    *,
    name: str,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    bindings: Mapping[str, str] | None = None,
    jwks: Mapping[str, Any] | None = None,
    rate_per_minute: int | None = None,
) -> tuple[OauthClient, str | None]:
    """Register a client; returns it and its secret, or None when it gave public keys instead.

    Raises: as `grants.check_grant`; Incorrect CLIENT_KEYS_WRONG.
    """
    roles, scopes, bindings = frozenset(roles), frozenset(scopes), dict(bindings or {})
    check_grant(call.principal, roles, scopes, bindings)
    text = None if jwks is None else json.dumps(jwks).decode()
    secret = None
    if text is None:
        secret = new_client_secret()
    else:
        parse_public_keys(text)
    client = OauthClient(
        call.tenant, uuid7(SystemClock()), name, hash_of(secret.encode()) if secret else None, None, None,
        text, roles, scopes, bindings, rate_per_minute, unit.now_us, 0, None,
    )  # fmt: skip
    unit.execute(
        f"INSERT INTO oauth_client ({_COLUMNS}, created_by) VALUES ({'?, ' * 14}?)",
        (
            client.tenant, client.id, name, client.secret_hash, None, None, text, words(roles),
            words(scopes), bindings_text(bindings), rate_per_minute, client.created_us, 0, None,
            call.principal.id,
        ),
    )  # fmt: skip
    audit.record(unit, call, "create", kind="oauth_client", id=client.id)
    return client, secret


def rotate_client_secret(unit: Unit, call: Call, client_id: str, *, overlap_s: float) -> str:
    """Give the client a new secret; the old one goes on for the overlap.

    Raises: NotFound CLIENT_NOT_FOUND; Conflict CLIENT_REVOKED (also for a client with keys, not a secret).
    """
    client = get_client(unit, call.tenant, client_id)
    if client.revoked_us is not None or client.secret_hash is None:
        raise Conflict(CLIENT_REVOKED, "The client has no live secret", field="client_id", hint="Register anew")
    secret = new_client_secret()
    unit.execute(
        "UPDATE oauth_client SET secret_hash = ?, previous_secret_hash = ?, previous_secret_until_us = ?"
        " WHERE tn = ? AND id = ?",
        (
            hash_of(secret.encode()), client.secret_hash, unit.now_us + int(overlap_s * SECOND_US),
            call.tenant, client_id,
        ),
    )  # fmt: skip
    audit.record(unit, call, "rotate", kind="oauth_client", id=client_id)
    return secret


def revoke_client(unit: Unit, call: Call, client_id: str) -> OauthClient:
    """End a client and all its tokens at once, everywhere. Raises: NotFound CLIENT_NOT_FOUND."""
    changed = unit.execute(
        "UPDATE oauth_client SET revoked_us = ?, tokens_from_us = ? WHERE tn = ? AND id = ? AND revoked_us IS NULL",
        (unit.now_us, unit.now_us, call.tenant, client_id),
    )
    client = get_client(unit, call.tenant, client_id)
    if changed:
        unit.wake(CHANGED)
        audit.record(unit, call, "revoke", kind="oauth_client", id=client_id)
    return client


def revoke_tokens(unit: Unit, call: Call, client_id: str) -> OauthClient:
    """End all tokens issued so far; the client may ask for new ones. Raises: NotFound CLIENT_NOT_FOUND."""
    unit.execute(
        "UPDATE oauth_client SET tokens_from_us = ? WHERE tn = ? AND id = ?",
        (unit.now_us, call.tenant, client_id),
    )
    client = get_client(unit, call.tenant, client_id)
    unit.wake(CHANGED)
    audit.record(unit, call, "revoke-tokens", kind="oauth_client", id=client_id)
    return client


def get_client(unit: Unit, tenant: int, client_id: str) -> OauthClient:
    """One client of a tenant. Raises: NotFound CLIENT_NOT_FOUND."""
    client = find_client(unit, client_id)
    if client is None or client.tenant != tenant:
        raise NotFound(CLIENT_NOT_FOUND, "There is no such client", field="client_id", hint="List the clients")
    return client


def find_client(unit: Unit, client_id: str) -> OauthClient | None:
    """The client with this id, in whichever tenant, or None."""
    row = unit.row(f"SELECT {_COLUMNS} FROM oauth_client WHERE id = ?", (client_id,))
    return None if row is None else _client_of(row)


def list_clients(unit: Unit, tenant: int, *, after: str = "", count: int = 100) -> list[OauthClient]:
    """Clients in the order they were registered, `after` the id of the last one seen."""
    rows = unit.rows(
        f"SELECT {_COLUMNS} FROM oauth_client WHERE tn = ? AND id > ? ORDER BY id LIMIT ?",
        (tenant, after, count),
    )
    return [_client_of(row) for row in rows]


def secret_opens(client: OauthClient | None, secret: bytes, now_us: int) -> bool:
    """Whether the secret is the client's; an unknown client costs the same time and answers no."""
    given = hash_of(secret)
    present = client.secret_hash if client is not None and client.secret_hash else _NOBODY_HASH
    opens = hmac.compare_digest(given, present)
    if client is not None and client.previous_secret_hash and now_us < (client.previous_secret_until_us or 0):
        opens |= hmac.compare_digest(given, client.previous_secret_hash)
    return opens and client is not None and client.revoked_us is None


def parse_public_keys(jwks: str) -> list[PublicKey]:
    """The keys of a JWK set.

    Raises: Incorrect CLIENT_KEYS_WRONG, also for a private key: it must never leave its owner.
    """
    try:
        sources = json.loads(jwks)["keys"]
        keys = [import_key(source) for source in sources]
        if not 0 < len(keys) <= KEYS_MAX:
            raise ValueError("no keys, or too many")
        usable: list[PublicKey] = []
        for key in keys:
            if not isinstance(key, (ECKey, RSAKey)) or key.is_private:
                raise ValueError("not a public EC or RSA key")
            algorithm_of(key)
            usable.append(key)
        return usable
    except (JoseError, ValueError, KeyError, TypeError, Incorrect):
        raise Incorrect(
            CLIENT_KEYS_WRONG,
            "The JWK set has no usable public key",
            field="jwks",
            hint=f"Give 1 to {KEYS_MAX} public keys: EC P-256 or P-384, or RSA of 2048 bits or more",
        ) from None


def new_client_secret() -> str:
    """A fresh client secret."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def _client_of(row: tuple[Any, ...]) -> OauthClient:
    tenant, client_id, name, secret_hash, previous, previous_until_us, jwks, roles, scopes, bindings, *rest = row
    return OauthClient(
        tenant, client_id, name, secret_hash, previous, previous_until_us, jwks, frozenset(roles.split()),
        frozenset(scopes.split()), bindings_of(bindings), *rest,
    )  # fmt: skip
