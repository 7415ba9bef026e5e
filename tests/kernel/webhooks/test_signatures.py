"""Signatures agree with Python's hmac, with the Standard Webhooks library, and with what we document."""

import hashlib
import hmac
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from kiungo.base.errors import Incorrect
from kiungo.kernel.webhooks.signatures import (
    document_signature,
    headers_for,
    key_of,
    new_secret,
    signed_body,
    standard_form,
    unsigned_body,
)

MEMBERS = json.dumps({"event_type": "claim_status_update", "amount": 1250.0, "patient_name": "Zoë"}).encode()

secrets = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=8, max_size=60).filter(
        lambda text: text.isprintable() and not text.startswith("whsec_")
    ),
    st.builds(new_secret),
)


@given(secret=secrets, sequence=st.integers(1, 10**6))
def test_every_secret_verifies_by_all_three_signatures(secret: str, sequence: int) -> None:
    key = key_of(secret)
    body = signed_body(key, unsigned_body(MEMBERS, sequence))
    headers = headers_for([key], "0190", int(time.time()), body)

    assert Webhook(standard_form(secret)).verify(body, headers)["sequence"] == sequence

    if not secret.startswith("whsec_"):
        assert key == secret.encode()
    expected = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    assert headers["X-Webhook-Signature"] == expected

    inside = json.loads(body)["webhook_signature"]
    emptied = body.replace(inside.encode(), b"")
    assert inside == "sha256=" + hmac.new(key, emptied, hashlib.sha256).hexdigest()


def test_the_standard_form_of_the_documents_secret_is_its_bytes_in_base64() -> None:
    assert standard_form("your-webhook-secret") == "whsec_eW91ci13ZWJob29rLXNlY3JldA=="
    assert key_of("whsec_eW91ci13ZWJob29rLXNlY3JldA==") == b"your-webhook-secret"
    assert key_of("whsec_eW91ci13ZWJob29rLXNlY3JldA") == b"your-webhook-secret"


def test_a_known_signature_to_the_digit() -> None:
    assert document_signature(b"your-webhook-secret", b'{"claim_id":"CLM-20241003-ABC123"}') == (
        "sha256=" + hmac.new(b"your-webhook-secret", b'{"claim_id":"CLM-20241003-ABC123"}', "sha256").hexdigest()
    )


def test_during_an_overlap_both_secrets_verify() -> None:
    new, old = new_secret(), "an-earlier-secret"
    body = signed_body(key_of(new), unsigned_body(MEMBERS, 1))
    headers = headers_for([key_of(new), key_of(old)], "0190", int(time.time()), body)
    for secret in (new, old):
        Webhook(standard_form(secret)).verify(body, headers)
    assert headers["X-Webhook-Signature"] == document_signature(key_of(new), body)
    assert headers["X-Webhook-Signature-Previous"] == document_signature(key_of(old), body)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


@pytest.mark.parametrize("secret", ["", "short", "x" * 257, "whsec_", "whsec_???", "whsec_YQ==", "tab\tin-it-all"])
def test_a_useless_secret_is_refused(secret: str) -> None:
    with pytest.raises(Incorrect) as refusal:
        key_of(secret)
    assert refusal.value.code == "WEBHOOK_SECRET_WRONG"
    assert not secret or secret not in refusal.value.message
