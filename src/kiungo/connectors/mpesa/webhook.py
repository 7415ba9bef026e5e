"""The door for callbacks: authenticates, stores, acknowledges; understanding is a job.

The vendor signs nothing, so each order has a secret in its callback address, made from a key and compared in constant
time; the operator may list the networks callbacks come from. What the body says is believed by nobody until the
settlement has compared it with the order.
"""

import base64
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass

from kiungo.base.errors import NotFound, define
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.kernel import inbox, jobs
from kiungo.kernel.database import Unit

CALLBACK_REFUSED = define("CALLBACK_REFUSED", NotFound, "A callback's address or sender is not one of ours.")

PATH = "/callbacks/money/{tenant}/{reference}/{kind}/{secret}"
KINDS = ("result", "timeout", "status", "status_timeout")
ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}
BODY_BYTES_MAX = 64_000


@dataclass(frozen=True, slots=True)
class CallbackAddresses:
    """Makes and checks the addresses of callbacks."""

    settings: MpesaSettings

    def urls(self, tenant: int, reference: str) -> dict[str, str]:
        """The address for each kind of callback of one order."""
        return {
            kind: self.settings.callback_url
            + PATH.format(tenant=tenant, reference=reference, kind=kind, secret=self._secret(tenant, reference, kind))
            for kind in KINDS
        }

    def check(self, tenant: int, reference: str, kind: str, secret: str, address: str) -> None:
        """Refuse what does not come from the rail; the same words for every reason. Raises: NotFound."""
        listed = self.settings.callback_networks
        try:
            from_listed = not listed or any(
                ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in listed
            )
        except ValueError:
            from_listed = False
        expected = self._secret(tenant, reference, kind)
        if not hmac.compare_digest(expected.encode(), secret.encode()) or kind not in KINDS or not from_listed:
            raise NotFound(CALLBACK_REFUSED, "There is nothing at this address")

    def _secret(self, tenant: int, reference: str, kind: str) -> str:
        key = self.settings.callback_key.get_secret_value().encode()
        digest = hmac.new(key, f"{tenant}/{reference}/{kind}".encode(), hashlib.sha256).digest()
        return base64.b32encode(digest[:20]).decode()


def receive(unit: Unit, *, tenant: int, rail: str, reference: str, kind: str, body: bytes) -> bool:
    """Keep a callback and let a job understand it; False when exactly this one came before."""
    digest = hashlib.sha256(body).hexdigest()
    message_id = f"{reference}/{kind}/{digest}"
    if not inbox.receive(unit, tenant=tenant, source=rail, message_id=message_id, body=body):
        return False
    jobs.enqueue(
        unit,
        "settlement.notice",
        {"rail": rail, "message_id": message_id, "reference": reference, "kind": kind},
        tenant=tenant,
        key=message_id,
        lane="money-in",
    )
    return True
