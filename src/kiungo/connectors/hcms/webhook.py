"""Is a notice really from the payer? Source: provider guide, webhook security; Standard Webhooks for the time."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from kiungo.base.errors import Unauthenticated
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.ports.payer import NOTICE_FORGED

HEADER = "x-webhook-signature"
PREVIOUS = "x-webhook-signature-previous"


def check(settings: HcmsSettings, headers: Mapping[str, str], body: bytes) -> None:
    """Do nothing when the body carries the payer's HMAC. Raises: Unauthenticated NOTICE_FORGED."""
    secret = settings.webhook_secret
    if secret is None:
        raise _forged("no webhook secret is set")
    expected = "sha256=" + hmac.new(key_of(secret.get_secret_value()), body, hashlib.sha256).hexdigest()
    if not any(hmac.compare_digest(expected, headers.get(name, "")) for name in (HEADER, PREVIOUS)):
        raise _forged("the signature is missing or does not fit")


def key_of(secret: str) -> bytes:
    """The HMAC key: what follows whsec_ is base64, anything else is the key itself."""
    if secret.startswith("whsec_"):
        encoded = secret.removeprefix("whsec_")
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return secret.encode()


def _forged(why: str) -> Unauthenticated:
    return Unauthenticated(NOTICE_FORGED, f"The notice is refused: {why}", hint="Sign it with the agreed secret")
