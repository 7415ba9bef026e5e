"""The gate of the pipeline: who asks, how often, and whether the route is theirs to call."""

import ipaddress
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from itertools import count

from starlette.types import Scope

from kiungo.base.errors import Forbidden, Unauthenticated, define
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth.authenticator import CREDENTIAL_MISSING, Authenticator, Credential, Verified
from kiungo.kernel.auth.decision import SCOPE_MISSING, refuse_other_owners, require
from kiungo.kernel.auth.limits import Bucket, Limits, refuse
from kiungo.kernel.auth.principal import Call, anonymous
from kiungo.kernel.http.dispatch import Endpoint

CROSS_SITE = define("CROSS_SITE", Forbidden, "A signed-in browser was sent here by another site.")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FAILURES_AUDITED_PER_S = 10
FAILURES_AUDITED_BURST = 100
_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:+=@-]{0,127}\Z")


class Gate:
    """Lets calls through. `open_scopes` are what a call without a credential may do on scoped routes."""

    def __init__(
        self,
        authenticator: Authenticator,
        limits: Limits,
        reads: Reads,
        *,
        tenant: int = 1,
        open_scopes: Iterable[str] = (),
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        self._authenticator = authenticator
        self._limits = limits
        self._reads = reads
        self._anonymous = anonymous(tenant, open_scopes)
        self._nobody = anonymous(tenant)
        self._proxies = tuple(ipaddress.ip_network(network) for network in trusted_proxies)
        self._failures = Bucket(FAILURES_AUDITED_PER_S, FAILURES_AUDITED_BURST, time.monotonic())
        self._id_prefix = secrets.token_hex(6)
        self._ids = count(1)

    def request_id(self, given: bytes | None) -> str:
        """The caller's request id when it is sane, else a new one."""
        if given is not None and _REQUEST_ID.match(given):
            return given.decode("ascii")
        return f"{self._id_prefix}-{next(self._ids):x}"

    async def admit(self, endpoint: Endpoint, headers: Mapping[bytes, bytes], scope: Scope, request_id: str) -> Call:
        """The call of an admitted request.

        Raises: Unauthenticated, Forbidden SCOPE_MISSING or CROSS_SITE, Busy RATE_EXCEEDED.
        """
        client = scope["client"]
        origin: str = client[0] if client else "local"
        if self._proxies:
            origin = self._behind_proxies(origin, headers)
        if endpoint.public:
            principal, bucket = self._nobody, self._limits.of_address(origin)
        else:
            verified = self._authenticator.remembered(headers)
            if verified is None:
                verified = await self._look_up(headers, request_id, origin)
            if verified is None:
                principal, bucket = self._anonymous, self._limits.of_address(origin)
            else:
                principal, bucket = verified.principal, verified.bucket
        wait_s = bucket.take(time.monotonic())
        if wait_s:
            raise refuse(wait_s)
        asked = endpoint.scope
        if asked is not None:
            if not principal.grants.covers(asked):
                if principal.is_anonymous:
                    raise missing_credential()
                self._note(Call(principal, request_id, origin), endpoint.method.lower(), endpoint.template)
                require(principal, asked)
            if principal.bindings and endpoint.owners is not None:
                refuse_other_owners(principal, endpoint.owners)
            if principal.kind == "session" and endpoint.method not in SAFE_METHODS:
                _refuse_other_sites(headers)
        return Call(principal, request_id, origin)

    def _note(self, call: Call, action: str, template: str) -> None:
        """A credential without the scope tried a route: worth an entry, which must not hold the answer."""
        if not self._failures.take(time.monotonic()):
            self._reads.note(call, action, "route", template, outcome="refused", detail=SCOPE_MISSING)

    async def _look_up(self, headers: Mapping[bytes, bytes], request_id: str, origin: str) -> Verified | None:
        try:
            credential = self._authenticator.credential_of(headers)
            if credential is None:
                return None
            return self._authenticator.known(credential) or await self._verify(credential, origin)
        except Unauthenticated as refused:
            now_s = time.monotonic()
            self._limits.of_address(origin).take(now_s)
            if not self._failures.take(now_s):
                self._reads.note(
                    Call(self._nobody, request_id, origin), "authenticate", "credential", "",
                    outcome="refused", detail=refused.code,
                )  # fmt: skip
            raise

    async def _verify(self, credential: Credential, origin: str) -> Verified | None:
        """Ask the database, unless this address failed too often; an ended session is no credential."""
        wait_s = self._limits.of_address(origin).wait(time.monotonic())
        if wait_s:
            raise refuse(wait_s)
        try:
            return await self._authenticator.verify(credential)
        except Unauthenticated:
            if credential.kind == "session":
                return None
            raise

    def _behind_proxies(self, address: str, headers: Mapping[bytes, bytes]) -> str:
        """The nearest address of X-Forwarded-For that is not one of our own proxies."""
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for hop in (address, *(hop.strip() for hop in reversed(forwarded))):
            try:
                parsed = ipaddress.ip_address(hop)
            except ValueError:
                break
            address = hop
            if not any(parsed in network for network in self._proxies):
                break
        return address


def missing_credential() -> Unauthenticated:
    """The refusal of a call that shows nothing."""
    return Unauthenticated(
        CREDENTIAL_MISSING,
        "This needs a credential",
        hint="Send X-API-Key: KEY, or Authorization: Bearer TOKEN",
    )


def _refuse_other_sites(headers: Mapping[bytes, bytes]) -> None:
    """A browser sends its cookie along with what another site made it do; such a write is refused."""
    origin = headers.get(b"origin")
    if origin is not None:
        same = origin.partition(b"://")[2] == headers.get(b"host")
    else:
        same = headers.get(b"sec-fetch-site") in (b"same-origin", b"none")
    if not same:
        raise Forbidden(CROSS_SITE, "The request comes from another site", hint="Use the platform's own pages")
