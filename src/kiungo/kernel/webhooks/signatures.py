"""How a delivery is signed: the document's header, the signature inside the body, and Standard Webhooks.

One key per secret, for all three:

- a secret `whsec_...` is base64 of the key;
- any other secret is the key itself, as UTF-8; its equivalent `whsec_...` form is given at registration.

The body ends with the member `webhook_signature`. Its value is computed over the same body with the value
empty (`"webhook_signature":""`); the header `X-Webhook-Signature` over the body as sent.

Source: the claims API document, "Webhook Security"; Standard Webhooks 1.0, "Signature scheme"; ADR 0041.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence

from kiungo.base.errors import Incorrect, define

WEBHOOK_SECRET_WRONG = define(
    "WEBHOOK_SECRET_WRONG", Incorrect, "A webhook secret is too short, too long, or not base64 after whsec_."
)

STANDARD_PREFIX = "whsec_"
SECRET_CHARACTERS_MIN = 8
SECRET_CHARACTERS_MAX = 256
NEW_SECRET_BYTES = 32
BODY_MEMBER = "webhook_signature"
_UNSIGNED_END = b'"webhook_signature":""}'


def key_of(secret: str) -> bytes:
    """The HMAC key a secret stands for. Raises: Incorrect WEBHOOK_SECRET_WRONG."""
    if not SECRET_CHARACTERS_MIN <= len(secret) <= SECRET_CHARACTERS_MAX or not secret.isprintable():
        raise _wrong(f"it has not {SECRET_CHARACTERS_MIN} to {SECRET_CHARACTERS_MAX} printable characters")
    if not secret.startswith(STANDARD_PREFIX):
        return secret.encode()
    encoded = secret.removeprefix(STANDARD_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("what follows whsec_ is not base64") from None
    if len(key) < SECRET_CHARACTERS_MIN:
        raise _wrong(f"what follows whsec_ stands for fewer than {SECRET_CHARACTERS_MIN} bytes")
    return key


def standard_form(secret: str) -> str:
    """The `whsec_...` form of any secret, for Standard Webhooks libraries. Raises: as `key_of`."""
    return STANDARD_PREFIX + base64.b64encode(key_of(secret)).decode()


def new_secret() -> str:
    """A fresh random secret in `whsec_...` form."""
    return STANDARD_PREFIX + base64.b64encode(os.urandom(NEW_SECRET_BYTES)).decode()


def document_signature(key: bytes, body: bytes) -> str:
    """`sha256=<hex>` over the raw body."""
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def standard_signature(key: bytes, webhook_id: str, timestamp_s: int, body: bytes) -> str:
    """`v1,<base64>` over id, timestamp and body, joined by points."""
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def unsigned_body(members: bytes, sequence: int) -> bytes:
    """A rendered JSON object with its sequence number, and its signature still empty, as last members.

    Raises: ValueError.
    """
    if not (members.startswith(b'{"') and members.endswith(b"}")):
        raise ValueError("a webhook's payload is a JSON object with at least one member")
    return members[:-1] + b',"sequence":%d,' % sequence + _UNSIGNED_END


def signed_body(key: bytes, unsigned: bytes) -> bytes:
    """The body as sent: the empty signature replaced by the one over the body with it empty. Raises: ValueError."""
    if not unsigned.endswith(_UNSIGNED_END):
        raise ValueError("this body does not end with an empty webhook_signature")
    return unsigned[:-2] + document_signature(key, unsigned).encode() + b'"}'


def headers_for(keys: Sequence[bytes], webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt. Shapes: `keys` is the present key, then the earlier one during an overlap.

    Standard Webhooks lists every signature in one header; the document's header holds one, so the earlier
    key's goes to `X-Webhook-Signature-Previous`.
    """
    headers = {
        "Content-Type": "application/json",
        "X-Webhook-Signature": document_signature(keys[0], body),
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(standard_signature(key, webhook_id, timestamp_s, body) for key in keys),
    }
    if len(keys) > 1:
        headers["X-Webhook-Signature-Previous"] = document_signature(keys[1], body)
    return headers


def _wrong(why: str) -> Incorrect:
    return Incorrect(
        WEBHOOK_SECRET_WRONG,
        f"The webhook secret cannot be used: {why}",
        field="secret_key",
        hint="Leave it out, and a strong one is made for you",
    )
