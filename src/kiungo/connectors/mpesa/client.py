"""Calls to Daraja: one shared token, one attempt, and the plain truth about what came back.

A payment is never sent twice by this file. The one repetition is after an explicit refusal of the token, which the
vendor gives before it looks at the body.
"""

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kiungo.base.errors import Incorrect, KiungoError, define
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.kernel import json
from kiungo.kernel.clients import EGRESS_REFUSED, CircuitOpen
from kiungo.kernel.tokens import SharedToken

MPESA_CERTIFICATE_WRONG = define(
    "MPESA_CERTIFICATE_WRONG", Incorrect, "KIUNGO_MPESA_CERTIFICATE is not an RSA certificate or public key in PEM."
)

TOKEN_REFUSED = frozenset({"400.003.01", "404.001.03"})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, CircuitOpen)


@dataclass(frozen=True, slots=True)
class Reply:
    """What happened to a call. Shapes: `status` and `body` only when answered; `body` {} when it was not JSON."""

    kind: Literal["answered", "not_sent", "no_answer"]
    status: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


class Tokens(Protocol):
    """Where the shared token is kept."""

    def current(self) -> SharedToken | None: ...

    def may_renew(self, refused: SharedToken | None) -> bool: ...

    def keep(self, value: str, lifetime_s: int) -> SharedToken: ...

    def give_back(self) -> None: ...


class DarajaClient:
    """The vendor's paths with its headers."""

    def __init__(self, http: httpx.Client, settings: MpesaSettings, tokens: Tokens) -> None:
        self._http = http
        self._settings = settings
        self._tokens = tokens
        self._public_key = read_public_key(settings.certificate)
        self._renewing = threading.Lock()

    def security_credential(self) -> str:
        """The operator's password under the vendor's key. Source: Daraja, security credentials (PKCS #1 v1.5)."""
        password = self._settings.initiator_password.get_secret_value().encode()
        return base64.b64encode(self._public_key.encrypt(password, padding.PKCS1v15())).decode()

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Send one call with the shared token; once more with a new token when that one is refused."""
        token = self._tokens.current() or self._renewed(None)
        if isinstance(token, Reply):
            return token
        reply = self._send(path, body, token)
        if reply.kind == "answered" and reply.body.get("errorCode") in TOKEN_REFUSED:
            renewed = self._renewed(token)
            if isinstance(renewed, Reply):
                return renewed
            reply = self._send(path, body, renewed)
        return reply

    def _send(self, path: str, body: Mapping[str, Any], token: SharedToken) -> Reply:
        headers = {"Authorization": f"Bearer {token.value}", "Content-Type": "application/json"}
        return self._exchange("POST", path, headers, json.dumps(body))

    def _renewed(self, refused: SharedToken | None) -> SharedToken | Reply:
        """A newer token. The threads of one process ask once and wait; another process's renewal is not waited for."""
        with self._renewing:
            current = self._tokens.current()
            if current is not None and (refused is None or current.generation > refused.generation):
                return current
            return self._renew(refused)

    def _renew(self, refused: SharedToken | None) -> SharedToken | Reply:
        if not self._tokens.may_renew(refused):
            current = self._tokens.current()
            if current is not None and (refused is None or current.generation > refused.generation):
                return current
            return Reply("not_sent", why="another process is renewing the token")
        key, secret = self._settings.consumer_key.get_secret_value(), self._settings.consumer_secret.get_secret_value()
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
        reply = self._exchange(
            "GET", "/oauth/v1/generate?grant_type=client_credentials", {"Authorization": f"Basic {basic}"}, b""
        )
        value, lifetime = reply.body.get("access_token"), str(reply.body.get("expires_in", ""))
        if reply.status != 200 or not isinstance(value, str) or not lifetime.isdecimal():
            self._tokens.give_back()
            said = (
                f"status {reply.status} {reply.body.get('errorMessage', '')}" if reply.kind == "answered" else reply.why
            )
            why = f"no token: {said}".strip()
            return Reply("not_sent", reply.status, why=why)
        return self._tokens.keep(value, int(lifetime))

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Reply:
        try:
            response = self._http.request(
                method, self._settings.base_url + path, headers=dict(headers), content=content
            )
        except _NEVER_SENT as error:
            return Reply("not_sent", why=type(error).__name__)
        except httpx.HTTPError as error:
            return Reply("no_answer", why=type(error).__name__)
        except Incorrect as error:
            if error.code != EGRESS_REFUSED:
                raise
            return Reply("not_sent", why=error.message)
        return Reply("answered", response.status_code, _object(response.content))


def read_public_key(pem: str) -> rsa.RSAPublicKey:
    """The vendor's key from a certificate or a bare public key. Raises: Incorrect MPESA_CERTIFICATE_WRONG."""
    try:
        if "BEGIN CERTIFICATE" in pem:
            key: object = x509.load_pem_x509_certificate(pem.encode()).public_key()
        else:
            key = load_pem_public_key(pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Incorrect(
            MPESA_CERTIFICATE_WRONG,
            "The M-Pesa certificate is not an RSA certificate or public key in PEM",
            field="KIUNGO_MPESA_CERTIFICATE",
            hint="Take it from the developer portal, sandbox or production",
        )
    return key


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except KiungoError:
        return {}  # a page of a proxy: its status is all there is to know
    return body if isinstance(body, dict) else {}
