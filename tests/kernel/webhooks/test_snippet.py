"""The log keeps what helps to find a fault, and nothing of the payload or of a person."""

import json

import pytest

from kiungo.kernel.webhooks.snippet import snippet_of

PAYLOAD = json.dumps(
    {
        "claim_id": "CLM-20241003-ABC123",
        "patient_name": "John O'Brien",
        "insurance_id": "BC-789-456",
        "amount": 1250.00,
        "nested": {"list": ["Zoë Müller", None, True]},
    }
).encode()


@pytest.mark.parametrize(
    "answer",
    [
        PAYLOAD,
        b"unknown patient John O'Brien (BC-789-456)",
        "no such person: JOHN o'brien; zo\u00eb; M\u00dcLLER".encode(),
        b"duplicate key value (patient)=(O'Brien, john), claim CLM-20241003-ABC123, amount 1250.0",
        b"call +254 712 345678 or write to john.obrien@example.org",
        b"error in row for 1985-06-15",
    ],
)
def test_nothing_of_a_person_remains(answer: bytes) -> None:
    snippet = snippet_of(answer, PAYLOAD)
    assert snippet is not None
    for personal in ("john", "brien", "zo\u00eb", "m\u00fcller", "bc-", "789", "abc", "1250", "1985", "712", "@"):
        assert personal not in snippet.casefold()


def test_what_helps_remains_bounded_and_printable() -> None:
    assert snippet_of(b'{"error": "Invalid signature"}', PAYLOAD) == '{"error": "Invalid signature"}'
    assert snippet_of(b"", PAYLOAD) is None
    assert len(snippet_of(b"long " * 10_000, PAYLOAD) or "") == 200
    assert snippet_of(b"a\x00b\x1b[31m\nc\xff", PAYLOAD) == "a b [#m c\ufffd"
