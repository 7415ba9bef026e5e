"""The client believes a webhook only when signature, secret and age are right."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from kiungo.base.errors import Unauthenticated
from kiungo.client import verify_webhook
from kiungo.kernel.webhooks.signatures import headers_for, key_of, signed_body, unsigned_body

SECRET = "your-webhook-secret"
OTHER = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
NOW_S = 1_772_438_400
BODY = signed_body(key_of(SECRET), unsigned_body(b'{"claim_id":"CLM-1","amount":1250.00}', 3))
HEADERS = headers_for([key_of(SECRET)], "0190", NOW_S, BODY)


def refusal(headers: dict[str, str], body: bytes, secret: object = SECRET, now_s: float = NOW_S) -> str:
    with pytest.raises(Unauthenticated) as refused:
        verify_webhook(headers, body, secret, now_s=now_s)
    assert refused.value.code == "WEBHOOK_REFUSED"
    return refused.value.message


def test_what_we_send_is_believed() -> None:
    arrived = verify_webhook(HEADERS, BODY, SECRET, now_s=NOW_S)
    assert (arrived.id, arrived.timestamp_s) == ("0190", NOW_S)
    assert arrived.event["amount"] == Decimal("1250.00")
    assert str(arrived.event["amount"]) == "1250.00"
    assert arrived.event["sequence"] == 3


def test_header_names_may_be_written_in_any_case() -> None:
    verify_webhook({name.upper(): value for name, value in HEADERS.items()}, BODY, SECRET, now_s=NOW_S)


def test_what_the_standard_library_signs_is_believed() -> None:
    body = '{"a": 1}'
    signature = Webhook(OTHER).sign("0190", datetime.fromtimestamp(NOW_S, UTC), body)
    headers = {"webhook-id": "0190", "webhook-timestamp": str(NOW_S), "webhook-signature": signature}
    assert verify_webhook(headers, body.encode(), OTHER, now_s=NOW_S).event == {"a": 1}


@given(position=st.integers(0, len(BODY) - 1), change=st.integers(1, 255))
def test_one_changed_byte_is_noticed(position: int, change: int) -> None:
    tampered = BODY[:position] + bytes([BODY[position] ^ change]) + BODY[position + 1 :]
    assert "does not match" in refusal(HEADERS, tampered)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("webhook-id", "0191", "webhook-signature does not match"),
        ("webhook-id", None, "a header is missing"),
        ("webhook-timestamp", str(NOW_S + 1), "webhook-signature does not match"),
        ("webhook-timestamp", "now", "not a whole number"),
        ("webhook-timestamp", "\u0661\u0662", "not a whole number"),
        ("webhook-timestamp", None, "a header is missing"),
        ("webhook-signature", "v1,AAAA", "webhook-signature does not match"),
        ("webhook-signature", "v1," + "\u00e9", "webhook-signature does not match"),
        ("webhook-signature", None, "a header is missing"),
        ("X-Webhook-Signature", "sha256=00", "X-Webhook-Signature does not match"),
    ],
)
def test_a_changed_or_missing_header_is_noticed(name: str, value: str | None, why: str) -> None:
    headers = {key: text for key, text in HEADERS.items() if key != name}
    if value is not None:
        headers[name] = value
    assert why in refusal(headers, BODY)


def test_a_signature_of_another_version_does_not_count() -> None:
    v2 = HEADERS["webhook-signature"].replace("v1,", "v2,")
    assert "does not match" in refusal(HEADERS | {"webhook-signature": v2}, BODY)
    both = f"v2,AAAA {HEADERS['webhook-signature']}"
    verify_webhook(HEADERS | {"webhook-signature": both}, BODY, SECRET, now_s=NOW_S)


def test_a_replayed_webhook_is_refused_when_it_is_old() -> None:
    verify_webhook(HEADERS, BODY, SECRET, now_s=NOW_S + 300)
    assert "too old" in refusal(HEADERS, BODY, now_s=NOW_S + 301)
    assert "from the future" in refusal(HEADERS, BODY, now_s=NOW_S - 301)


def test_another_secret_is_refused_and_one_of_two_is_enough() -> None:
    assert "does not match" in refusal(HEADERS, BODY, OTHER)
    assert "does not match" in refusal(HEADERS, BODY, [])
    verify_webhook(HEADERS, BODY, [OTHER, SECRET], now_s=NOW_S)
    rotated = headers_for([key_of(OTHER), key_of(SECRET)], "0190", NOW_S, BODY)
    for secret in (OTHER, SECRET):
        verify_webhook(rotated, BODY, secret, now_s=NOW_S)


@pytest.mark.parametrize("secret", ["", "whsec_\u00e9", "whsec_a"])
def test_a_useless_secret_is_a_mistake_of_the_caller(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        verify_webhook(HEADERS, BODY, secret, now_s=NOW_S)


def test_a_body_that_is_no_object_is_refused() -> None:
    for body in (b"[1]", b"not json"):
        assert "not a JSON object" in refusal(headers_for([key_of(SECRET)], "0190", NOW_S, body), body)


def test_the_documented_snippet_works_as_printed() -> None:
    """The signature inside the body, as docs/how-to/verify-webhooks.md checks it."""
    signature = json.loads(BODY)["webhook_signature"]
    unsigned = BODY.replace(signature.encode(), b"")
    assert hmac.compare_digest(signature, "sha256=" + hmac.new(SECRET.encode(), unsigned, hashlib.sha256).hexdigest())
