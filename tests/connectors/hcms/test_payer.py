"""Reading HCMS claims and webhooks, and a payer that is away. What it decides is tested with our own payor."""

import hashlib
import hmac
import json as plain
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from kiungo.base.errors import Incorrect, Unauthenticated, Unavailable
from kiungo.base.money import Money
from kiungo.connectors.hcms import mapping
from kiungo.connectors.hcms.client import HcmsClient
from kiungo.connectors.hcms.connector import HcmsPayer
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.ports.payer import Query
from tests.connectors.sha.test_payer import CLAIM

QUERY = Query("VB1", "claim", "CLM-1")
GUIDE: dict[str, Any] = {
    "claim_id": "CLM-20241003-ABC123",
    "amount": 1250.00,
    "status": "approved",
    "processed_date": "2024-10-03T10:30:01Z",
    "expected_payment": "1000.00",
    "patient_responsibility": "250.00",
    "currency": "KES",
}


def payer(answer: Callable[[httpx.Request], httpx.Response], **changes: Any) -> HcmsPayer:
    """A payer whose wire this test writes by hand: it stands for any implementation of the guide but ours."""
    settings = HcmsSettings(**{"base_url": "http://payer.test/api", "webhook_secret": "secret-1", **changes})
    return HcmsPayer(HcmsClient(httpx.Client(transport=httpx.MockTransport(answer)), settings), settings)


def test_the_guides_claim_object_is_read() -> None:
    report = mapping.report(GUIDE, "VB1")
    assert (report.status, report.approved, report.decided_on) == ("approved", Money(100_000, "KES"), "2024-10-03")
    assert (report.paid, report.services, report.reference) == (None, (), "CLM-20241003-ABC123")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "under_review"}, "pending"),
        ({"status": "submitted"}, "pending"),
        ({"status": "a new word"}, "pending"),
        ({"status": None}, "pending"),
        ({"expected_payment": None}, "pending"),
        ({"expected_payment": "lots"}, "pending"),
        ({"status": "rejected", "rejection_reason": "too late"}, "rejected"),
        ({"void": True, "void_reason": "withdrawn"}, "rejected"),
    ],
)
def test_only_words_we_know_decide(changes: dict[str, Any], status: str) -> None:
    assert mapping.report({**GUIDE, **changes}, "VB1").status == status


def test_a_claim_is_sent_in_the_guides_fields() -> None:
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            sent.append(plain.loads(request.content))
            return httpx.Response(201, json={"success": True, "claim": {"claim_id": "CLM-1"}})
        return httpx.Response(200, json={"success": True, "claim": {**GUIDE, "claim_id": "CLM-1"}})

    report = payer(answer).submit(CLAIM)
    assert (report.reference, report.approved) == ("CLM-1", Money(100_000, "KES"))
    body = sent[0]
    assert (body["amount"], body["booking_no"], body["provider_claim_id"]) == (
        "31000.00",
        CLAIM.booking_no,
        CLAIM.claim_id,
    )
    assert [line["amount"] for line in body["lines"]] == ["15000.00", "16000.00"]


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_told(status: int) -> None:
    asked = payer(lambda request: httpx.Response(status, json={"error": "Insurance ID X not found"}))
    with pytest.raises(Incorrect, match="Insurance ID X not found"):
        asked.submit(CLAIM)


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (httpx.Response(503, headers={"retry-after": "77"}), 77.0),
        (httpx.Response(429), 30.0),
        (httpx.Response(401), 30.0),
        (httpx.Response(500), 30.0),
        (httpx.Response(200, content=b"<html>"), 30.0),
        (httpx.Response(200, json=[]), 30.0),
    ],
)
def test_a_bad_day_is_unavailable(answer: httpx.Response, wait_s: float) -> None:
    with pytest.raises(Unavailable) as away:
        payer(lambda request: answer).statuses([QUERY])
    assert away.value.retry_after_s == wait_s


def test_a_timeout_is_unavailable() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    with pytest.raises(Unavailable):
        payer(answer).statuses([QUERY])


def test_a_claim_the_payer_does_not_have_is_left_out() -> None:
    assert payer(lambda request: httpx.Response(404)).statuses([QUERY]) == {}


def test_of_several_claims_the_newest_that_counts_is_taken() -> None:
    listed = [
        {**GUIDE, "claim_id": "C3", "booking_no": "VB1", "void": True},
        {**GUIDE, "claim_id": "C2", "booking_no": "VB1"},
        {**GUIDE, "claim_id": "C1", "booking_no": "VB1", "status": "rejected"},
        {**GUIDE, "claim_id": "C9", "booking_no": "VB-other"},
    ]
    asked = payer(lambda request: httpx.Response(200, json={"claims": listed}), batch_max=10)
    assert asked.statuses([Query("VB1", "claim")])["VB1"].reference == "C2"


def test_notices_need_the_agreed_secret() -> None:
    body = b'{"event_type":"claim_status_update","claim_id":"CLM-1","booking_no":"VB1"}'
    asked = payer(lambda request: httpx.Response(200, json={"claim": {**GUIDE, "claim_id": "CLM-1"}}))
    good = "sha256=" + hmac.new(b"secret-1", body, hashlib.sha256).hexdigest()
    asked.check_notice({"x-webhook-signature": good}, body)
    asked.check_notice({"x-webhook-signature": "sha256=0", "x-webhook-signature-previous": good}, body)
    for headers in ({}, {"x-webhook-signature": "sha256=" + "0" * 64}, {"x-webhook-signature": good[:-1]}):
        with pytest.raises(Unauthenticated):
            asked.check_notice(headers, body)
    with pytest.raises(Unauthenticated):
        asked.check_notice({"x-webhook-signature": good}, body + b" ")
    with pytest.raises(Unauthenticated):
        payer(lambda request: httpx.Response(200), webhook_secret=None).check_notice({}, body)
    assert asked.read_notice(body)[0].approved == Money(100_000, "KES")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"event_type":"ping"}', b'{"event_type":"claim_status_update","claim_id":"C"}', b"\xff"]
)
def test_notices_about_nothing_of_ours_say_nothing(body: bytes) -> None:
    assert payer(lambda request: httpx.Response(500)).read_notice(body) == ()


def test_settings_are_checked() -> None:
    for wrong in ({"base_url": "x"}, {"batch_max": 0}, {"nonsense": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            HcmsSettings(**{"base_url": "http://x", **wrong})
    with pytest.raises(ValueError, match="base_url"):
        HcmsSettings()


def test_what_was_kept_back_is_told_apart_from_what_was_sent() -> None:
    payment = {"payment_date": "2024-10-20", "paid_amount": 0, "recovered_amount": "1000.00"}
    report = mapping.report({**GUIDE, "paid": True, "payment": payment}, "VB1")
    assert (report.paid, report.kept) == (Money(0, "KES"), Money(100_000, "KES"))
    whole = mapping.report({**GUIDE, "paid": True, "payment": {"payment_date": "2024-10-20"}}, "VB1")
    assert (whole.paid, whole.kept) == (Money(100_000, "KES"), None)


def test_what_is_on_later_pages_counts_too() -> None:
    refused = [{**GUIDE, "claim_id": f"CLM-{n}", "booking_no": "VB1", "status": "rejected"} for n in range(3)]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("cursor") == "more":
            return httpx.Response(200, json={"claims": [{**GUIDE, "booking_no": "VB1"}], "next": None})
        return httpx.Response(200, json={"claims": refused, "next": "more"})

    found = payer(answer, batch_max=10).statuses([Query("VB1", "claim", None), Query("VB2", "claim", None)])
    assert found["VB1"].status == "approved"
