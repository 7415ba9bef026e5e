"""From the headers of a request to the principal behind it, remembering verified credentials for a moment.

A remembered credential costs one hash and one lookup. It is forgotten when it expires, when any credential
changes, and in any case after the cache time. On PostgreSQL every process hears of a change; on SQLite only the one
that made it, so there no credential is remembered for longer than a second.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from kiungo.base.errors import KiungoError, Unauthenticated, Unavailable, define
from kiungo.base.time import SECOND_US
from kiungo.kernel.auth.clients import find_client
from kiungo.kernel.auth.keys import CHANGED, KEY_PREFIX, TOUCH_INTERVAL_US, ApiKey, find_by_secret, touch_key
from kiungo.kernel.auth.limits import Bucket, Limits
from kiungo.kernel.auth.principal import Principal
from kiungo.kernel.auth.sessions import COOKIE, find_session
from kiungo.kernel.auth.tokens import TOKEN_WRONG, Tokens, principal_of
from kiungo.kernel.database import Database

CREDENTIAL_MISSING = define("CREDENTIAL_MISSING", Unauthenticated, "The call carries no credential.")
KEY_WRONG = define("KEY_WRONG", Unauthenticated, "The API key opens nothing.")
KEY_EXPIRED = define("KEY_EXPIRED", Unauthenticated, "The API key has expired.")
KEY_REVOKED = define("KEY_REVOKED", Unauthenticated, "The API key was revoked.")
CREDENTIAL_MALFORMED = define(
    "CREDENTIAL_MALFORMED", Unauthenticated, "The credential is in no form we read, or there are two."
)

SECRET_BYTES_MAX = 256
UNHEARD_S = 1.0
"""How long a change made by another program on the same SQLite file may go unnoticed."""
EMPTY_KEYS = (b"", b"null", b"undefined")
_BEARER = b"bearer "
_COOKIE = COOKIE.encode() + b"="
log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Verified:
    """A credential that was checked. Units: `until_s` on the monotonic clock."""

    principal: Principal
    until_s: float
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request shows: which kind, the secret bytes, and the header that held them."""

    kind: str
    secret: bytes
    shown: bytes

    def digest(self) -> bytes:
        """The name it is remembered under: a hash of the header as it was shown, not the secret itself."""
        return hashlib.sha256(self.shown).digest()


class Authenticator:
    """Checks credentials against one database. Units: `cache_s` seconds, `cache_max` credentials."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        limits: Limits,
        *,
        cache_s: float = 30.0,
        cache_max: int = 20_000,
        empty_key_is_absent: bool = False,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._limits = limits
        self._cache_s = min(cache_s, UNHEARD_S) if database.engine == "sqlite" else cache_s
        self._cache_max = cache_max
        self._empty_keys = EMPTY_KEYS if empty_key_is_absent else ()
        self._remembered: dict[bytes, Verified] = {}
        self._touching: set[asyncio.Task[None]] = set()
        self._unsubscribe = database.wakes.subscribe(CHANGED, self.forget)

    def close(self) -> None:
        """Stop listening for changes."""
        self._unsubscribe()

    def forget(self) -> None:
        """Forget every remembered credential; from any thread."""
        self._remembered = {}

    def credential_of(self, headers: Mapping[bytes, bytes]) -> Credential | None:
        """What the headers show, or None.

        Raises: Unauthenticated CREDENTIAL_MALFORMED, also for two credentials at once: which one was
        meant would be a guess.
        """
        key = headers.get(b"x-api-key")
        bearer = headers.get(b"authorization")
        if key is not None and key.strip().lower() in self._empty_keys:
            key = None
        if key is not None:
            if bearer is not None or not 0 < len(key) <= SECRET_BYTES_MAX:
                raise _malformed()
            return Credential("key", key, key)
        if bearer is not None:
            if bearer[:7].lower() != _BEARER or len(bearer) == len(_BEARER):
                raise _malformed()
            secret = bearer[7:].strip()
            return Credential("key" if secret.startswith(KEY_PREFIX.encode()) else "token", secret, bearer)
        cookie = headers.get(b"cookie")
        if cookie is not None and _COOKIE in cookie:
            for part in cookie.split(b";"):
                if part.strip().startswith(_COOKIE):
                    return Credential("session", part.strip()[len(_COOKIE) :], b"cookie:" + part.strip())
        return None

    def remembered(self, headers: Mapping[bytes, bytes]) -> Verified | None:
        """The remembered answer for the one header shown, or None; the hot path."""
        shown = headers.get(b"x-api-key")
        if shown is None:
            shown = headers.get(b"authorization")
        elif b"authorization" in headers:
            return None
        if shown is None:
            return None
        verified = self._remembered.get(hashlib.sha256(shown).digest())
        if verified is not None and time.monotonic() < verified.until_s:
            return verified
        return None

    def known(self, credential: Credential) -> Verified | None:
        """The remembered answer, or None; without waiting for anything."""
        verified = self._remembered.get(credential.digest())
        if verified is not None and time.monotonic() < verified.until_s:
            return verified
        return None

    async def verify(self, credential: Credential) -> Verified:
        """Check a credential against the database, and remember it.

        Raises: Unauthenticated KEY_WRONG, KEY_EXPIRED, KEY_REVOKED, TOKEN_WRONG, TOKEN_EXPIRED,
        TOKEN_REVOKED. An expired or revoked key is told apart only to who holds the whole key.
        """
        remembered = self._remembered  # a change meanwhile takes another one, and this answer is lost with the old one
        if credential.kind == "key":
            principal, rate, ends_us = await self._verify_key(credential.secret)
        elif credential.kind == "session":
            principal, rate, ends_us = await self._verify_session(credential.secret)
        else:
            principal, rate, ends_us = await self._verify_token(credential.secret)
        left_s = self._cache_s
        if ends_us is not None:
            left_s = min(left_s, (ends_us - self._database.clock.now_us()) / SECOND_US)
        bucket = self._limits.of_principal(principal.tenant, principal.id, rate)
        verified = Verified(principal, time.monotonic() + left_s, bucket)
        if left_s > 0:
            while len(remembered) >= self._cache_max:
                remembered.pop(next(iter(remembered)), None)
            remembered[credential.digest()] = verified
        return verified

    async def _verify_key(self, secret: bytes) -> tuple[Principal, int | None, int | None]:
        key = await self._database.point_read(lambda unit: find_by_secret(unit, secret))
        now_us = self._database.clock.now_us()
        if key is None:
            raise Unauthenticated(KEY_WRONG, "The API key opens nothing", field="X-API-Key", hint="Check the key")
        if key.revoked_us is not None:
            raise Unauthenticated(KEY_REVOKED, "The API key was revoked", hint="Ask for a new key")
        if not key.is_live(now_us):
            raise Unauthenticated(KEY_EXPIRED, "The API key has expired", hint="Ask for a new key")
        self._touch_soon(key, now_us)
        return key.principal(), key.rate_per_minute, key.expires_us

    async def _verify_session(self, value: bytes) -> tuple[Principal, int | None, int | None]:
        found = await self._database.point_read(lambda unit: find_session(unit, value))
        if found is None or not found[0].is_live(self._database.clock.now_us()):
            raise Unauthenticated(KEY_WRONG, "The session has ended", hint="Sign in again")
        key, ends_us = found
        until_us = ends_us if key.expires_us is None else min(ends_us, key.expires_us)
        return key.principal("session"), key.rate_per_minute, until_us

    async def _verify_token(self, token: bytes) -> tuple[Principal, int | None, int | None]:
        claims = self._tokens.read(token)
        client_id = str(claims.get("client_id"))
        client = await self._database.point_read(lambda unit: find_client(unit, client_id))
        if client is None:
            raise Unauthenticated(TOKEN_WRONG, "The bearer token names no client", hint="Register the client")
        return principal_of(client, claims), client.rate_per_minute, claims["exp"] * SECOND_US

    def _touch_soon(self, key: ApiKey, now_us: int) -> None:
        """Write the time of last use, seldom and without holding the answer."""
        if key.last_used_us is not None and now_us - key.last_used_us < TOUCH_INTERVAL_US:
            return
        task = asyncio.get_running_loop().create_task(self._touch(key))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    async def _touch(self, key: ApiKey) -> None:
        try:
            await self._database.write_async(lambda unit: touch_key(unit, key.tenant, key.id))
        except Unavailable as problem:
            log.warning("key.touch_failed", code=problem.code)


def _malformed() -> KiungoError:
    return Unauthenticated(
        CREDENTIAL_MALFORMED,
        "The credential cannot be read",
        hint="Send one of X-API-Key: KEY, or Authorization: Bearer TOKEN",
    )
