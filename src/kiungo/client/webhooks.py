"""Verify what a webhook endpoint received, before believing any of it.

Written apart from the code that signs, so that one misreading cannot hide in both.
Source: Standard Webhooks 1.0; the claims API document, "Webhook Security".
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kiungo.base.errors import Unauthenticated, define

WEBHOOK_REFUSED = define(
    "WEBHOOK_REFUSED", Unauthenticated, "A webhook is unsigned, altered, too old, or signed with another secret."
)

TOLERANCE_S = 300
BODY_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """A verified webhook. `id` is the same for every repeat: keep those you have handled, and drop repeats."""

    id: str
    timestamp_s: int
    event: Mapping[str, Any]


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secret: str | Sequence[str],
    *,
    tolerance_s: int = TOLERANCE_S,
    now_s: float | None = None,
) -> Arrived:
    """Check signature and age over the raw body, then parse it.

    Shapes: `secret` is one, or both while yours changes. `webhook-signature` must match; the document's
    `X-Webhook-Signature` must match too where it is sent.
    Raises: Unauthenticated WEBHOOK_REFUSED.
    """
    given = {name.lower(): value for name, value in headers.items()}
    keys = [_key_of(one) for one in ([secret] if isinstance(secret, str) else secret)]
    webhook_id, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    signatures = given.get("webhook-signature", "")
    if not (webhook_id and stamp and signatures):
        raise _refused("a header is missing: webhook-id, webhook-timestamp or webhook-signature")
    if len(body) > BODY_BYTES_MAX:
        raise _refused("the body is too long")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise _refused("webhook-timestamp is not a whole number of seconds")
    age_s = (time.time() if now_s is None else now_s) - int(stamp)
    if abs(age_s) > tolerance_s:
        raise _refused(f"it is {'too old' if age_s > 0 else 'from the future'}")
    signed = f"{webhook_id}.{stamp}.".encode() + body
    if not any(_has_standard(signatures, key, signed) for key in keys):
        raise _refused("webhook-signature does not match")
    documented = [given[name] for name in _DOCUMENTED if name in given]
    if documented and not any(_has_documented(documented, key, body) for key in keys):
        raise _refused("X-Webhook-Signature does not match")
    return Arrived(webhook_id, int(stamp), _object_of(body))


_DOCUMENTED = ("x-webhook-signature", "x-webhook-signature-previous")


def _has_standard(signatures: str, key: bytes, signed: bytes) -> bool:
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(
        version == "v1" and hmac.compare_digest(value.encode(), expected.encode())
        for version, _, value in (part.partition(",") for part in signatures.split(" "))
    )


def _has_documented(values: Sequence[str], key: bytes, body: bytes) -> bool:
    expected = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(value.encode(), expected.encode()) for value in values)


def _key_of(secret: str) -> bytes:
    """`whsec_...` holds the key in base64; any other secret is the key, as UTF-8."""
    if not secret:
        raise ValueError("an empty secret verifies nothing")
    if not secret.startswith("whsec_"):
        return secret.encode()
    encoded = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("what follows whsec_ in the secret is not base64") from None


def _object_of(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body, parse_float=Decimal)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _refused("the body is not a JSON object")
    return found


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(
        WEBHOOK_REFUSED,
        f"The webhook is refused: {why}",
        hint="Verify the body as received, before parsing, with the secret of this webhook",
    )
