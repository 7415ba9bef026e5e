"""The claims story: from a registered webhook to a ledger that balances, told to whoever watches."""

import time
from decimal import Decimal
from typing import Any

import httpx

from kiungo.app.demo.receiver import CLAIMS, Received, Receiver, receiver
from kiungo.app.demo.stage import Stage
from kiungo.app.demo.story import Story
from kiungo.base.errors import Unauthenticated
from kiungo.client import ClaimsClient, RefusedClaim, verify_webhook
from kiungo.kernel import json

PROVIDER = "PROV-001"
SECRET = "your-webhook-secret"  # noqa: S105 - the provider guide's own example
WAIT_S = 20.0
GUIDE_CLAIM = {
    "patient_name": "John Doe",
    "insurance_id": "BC-789-456",
    "diagnosis_code": "J20.9",
    "procedure_code": "99213",
    "amount": "1250.00",
    "diagnosis_description": "Acute Bronchitis",
    "procedure_description": "Office consultation and treatment",
    "date_of_service": "2024-10-03",
    "priority": "medium",
    "notes": "Patient reports 5-day history of productive cough",
}
EXCLUDED_CLAIM = {
    "patient_name": "John Doe",
    "insurance_id": "BC-789-456",
    "diagnosis_code": "Z51.12",
    "procedure_code": "15776",
    "amount": "5000.00",
}
UNKNOWN_MEMBER = {
    "patient_name": "John Doe",
    "insurance_id": "INVALID-123",
    "diagnosis_code": "J20.9",
    "amount": "150.00",
}
SECOND_CLAIM = GUIDE_CLAIM | {"date_of_service": "2024-10-17", "amount": "150.00"}


def tell_claims(story: Story, stage: Stage) -> None:
    """Tell the whole story, checking every figure on the way."""
    with (
        receiver(CLAIMS) as works,
        receiver(CLAIMS) as fails,
        story.http(stage.url, stage.keys["provider PROV-001"]) as http,
    ):
        register(story, http, works, "Register a webhook")
        approved = submit(story, http, works)
        partly = review(story, stage, http)
        refuse(story, http)
        recover(story, http, fails)
        pay(story, stage, works, approved, partly)
        explain(story, http, approved, partly)
        prove(story, stage)


def register(story: Story, http: httpx.Client, target: Receiver, title: str) -> str:
    """A provider says where its events go."""
    story.begin(title)
    answer = http.post(
        "/api/webhooks/",
        json={
            "provider_id": PROVIDER,
            "webhook_url": target.url,
            "secret_key": SECRET,
            "events": ["claim_status_update", "payment_processed"],
            "active": True,
        },
    )
    story.check("status", answer.status_code, 201)
    endpoint_id: str = body_of(answer)["webhook"]["id"]
    return endpoint_id


def submit(story: Story, http: httpx.Client, target: Receiver) -> str:
    """The guide's claim is approved at once, and the signed webhooks say so."""
    story.begin("Submit the guide's claim: approved at once")
    answer = client(http).submit(GUIDE_CLAIM)
    claim = answer.claim
    story.check("status", answer.status, "approved")
    story.check("expected_payment", claim["expected_payment"], Decimal("1000.00"))
    story.check("patient_responsibility", claim["patient_responsibility"], Decimal("250.00"))

    story.begin("The signed webhooks arrive and are verified")
    first, second = arrived(story, target, 2)[:2]
    story.check("first status", genuine(story, first)["status"], "submitted")
    decision = genuine(story, second)
    story.check("second status", decision["status"], "approved")
    story.check("approved_amount", decision["payment_details"]["approved_amount"], Decimal("1000.00"))
    story.check("a changed webhook is refused", is_refused(second, second.body.replace(b"1000.00", b"9000.00")), True)
    return answer.claim_id


def review(story: Story, stage: Stage, http: httpx.Client) -> str:
    """An excluded procedure waits for a person, who approves part of it."""
    story.begin("An excluded procedure goes to review")
    claim = client(http).submit(EXCLUDED_CLAIM).claim
    story.check("status", claim["status"], "under_review")
    story.check("coverage_message", claim["coverage_message"], "Procedure code 15776 is excluded from coverage")
    story.check("estimated_review_time", claim["estimated_review_time"], "24-48 hours")
    claim_id: str = claim["claim_id"]

    story.begin("A reviewer approves 3000.00 of the 5000.00")
    with story.http(stage.url, stage.keys["reviewer"]) as desk:
        answer = desk.post(
            f"/api/review/claims/{claim_id}/approve",
            json={"allowed_total": "3000.00", "note": "The reconstructive part is covered"},
        )
    decided = body_of(answer)["claim"]
    story.check("status", decided["status"], "approved")
    story.check("expected_payment", decided["expected_payment"], Decimal("2400.00"))
    story.check("patient_responsibility", decided["patient_responsibility"], Decimal("600.00"))
    return claim_id


def refuse(story: Story, http: httpx.Client) -> None:
    """A wrong insurance id is refused, with what to try."""
    story.begin("A wrong insurance id is refused with suggestions")
    try:
        client(http).submit(UNKNOWN_MEMBER)
    except RefusedClaim as refusal:
        story.check("status", refusal.status, 404)
        story.check("error_code", refusal.error_code, "INSURANCE_NOT_FOUND")
        story.check("suggestions", len(refusal.suggestions), 3)
    else:
        story.check("the claim", "was taken", "refused")


def recover(story: Story, http: httpx.Client, target: Receiver) -> None:
    """A receiver that fails every attempt ends in the dead letters, and is replayed once it works again."""
    target.works = False
    endpoint_id = register(story, http, target, "A second receiver, which fails every attempt")
    started = body_of(http.get(f"/api/webhooks/{endpoint_id}/"))["webhook"]["created_at"]
    story.begin("Its deliveries end in the dead-letter list")
    client(http).submit(SECOND_CLAIM)
    quiet = httpx.Client(base_url=http.base_url, headers=http.headers)
    with quiet:
        wait_until(lambda: len(dead_of(quiet, endpoint_id)) >= 2)
    dead = dead_of(http, endpoint_id)
    story.check("dead letters", len(dead), 2)
    story.check("attempts of each", sorted({letter["attempts"] for letter in dead}), [4])
    story.check("attempts the receiver saw", target.refused, 8)

    story.begin("The receiver works again, and the period is replayed")
    target.works = True
    answer = http.post(f"/api/webhooks/{endpoint_id}/replay", json={"from": started, "to": "2999-12-31T00:00:00Z"})
    story.check("replayed", body_of(answer)["replayed"], 2)
    replayed = arrived(story, target, 2)
    statuses = sorted(genuine(story, webhook)["status"] for webhook in replayed)
    story.check("what arrived", statuses, ["approved", "submitted"])
    wait_until(lambda: not dead_of(http, endpoint_id), pause_s=0.5)
    http.delete(f"/api/webhooks/{endpoint_id}/")


def pay(story: Story, stage: Stage, target: Receiver, *claim_ids: str) -> None:
    """A payment run pays what was approved, and tells the provider."""
    before = len(arrived(story, target, 0))
    story.begin("A payment run pays the approved claims")
    with story.http(stage.url, stage.keys["cashier"]) as desk:
        run = body_of(desk.post("/api/payments/runs", json={}))
    story.check("payments", len(run["payments"]), 1)
    story.check("amount", run["payments"][0]["amount"], Decimal("3520.00"))
    story.check("claims", run["payments"][0]["claims"], 3)
    wait_until(lambda: len(payments_told(target, before)) >= 3)
    told = payments_told(target, before)
    story.remark(f"{len(told)} payment_processed webhooks arrived")
    paid = {webhook["claim_id"]: webhook["payment_details"]["paid_amount"] for webhook in told}
    for claim_id, amount in zip(claim_ids, (Decimal("1000.00"), Decimal("2400.00")), strict=True):
        story.check(f"paid for {claim_id}", paid.get(claim_id), amount)


def explain(story: Story, http: httpx.Client, approved: str, partly: str) -> None:
    """Every cent of both charges has its reason."""
    story.begin("The explanation accounts for every cent")
    expected = {
        approved: ("1250.00", "1000.00", "250.00", "0.00"),
        partly: ("5000.00", "2400.00", "600.00", "2000.00"),
    }
    names = ("amount", "expected_payment", "patient_responsibility", "adjustments")
    for claim_id, figures in expected.items():
        explanation = body_of(http.get(f"/api/claims/{claim_id}/explanation"))
        for name, figure in zip(names, figures, strict=True):
            story.check(name, explanation[name], Decimal(figure))
        parts = sum(explanation[name] for name in names[1:])
        story.check("the parts add up to the charge", parts, explanation["amount"])


def prove(story: Story, stage: Stage) -> None:
    """The ledger balances, and the audit trail is whole."""
    story.begin("The ledger balances")
    with story.http(stage.url, stage.keys["admin"]) as http:
        ledger = body_of(http.get("/api/admin/ledger/trial-balance"))
        story.check("balanced", ledger["balanced"], True)
        total = next(total for total in ledger["totals"] if total["currency"] == "USD")
        story.check("debits", total["debits"], Decimal("7040.00"))
        story.check("credits", total["credits"], Decimal("7040.00"))
    story.begin("The audit chain verifies")
    with httpx.Client(base_url=stage.url, headers={"X-API-Key": stage.keys["auditor"]}) as quiet:
        wait_until(lambda: body_of(quiet.get("/api/admin/audit/verification"))["blocks"] > 0)
    with story.http(stage.url, stage.keys["auditor"]) as http:
        report = body_of(http.get("/api/admin/audit/verification"))
    story.check("whole", report["whole"], True)
    story.check("sealed entries", report["rows"] > 0, True)


def client(http: httpx.Client) -> ClaimsClient:
    """The client people install, on a connection whose exchanges are told."""
    return ClaimsClient(f"{str(http.base_url).rstrip('/')}/api", http=http)


def arrived(story: Story, target: Receiver, count: int) -> list[Received]:
    """What the receiver has, once there is enough; too little is a wrong figure."""
    received = target.wait_for(count, timeout_s=WAIT_S)
    if len(received) < count:
        story.check("webhooks that arrived", len(received), count)
        raise StoryBroken(f"{count} webhooks were expected and {len(received)} came")
    return received


def genuine(story: Story, webhook: Received) -> Any:
    """A webhook's body, told as an exchange, after its signature was verified."""
    body = verify_webhook(webhook.headers, webhook.body, SECRET).event
    story.tell("POST", CLAIMS, body, 200, {"received": True})
    return body


def is_refused(webhook: Received, body: bytes) -> bool:
    """Whether the signature does not fit this body."""
    try:
        verify_webhook(webhook.headers, body, SECRET)
    except Unauthenticated:
        return True
    return False


def payments_told(target: Receiver, before: int) -> list[dict[str, Any]]:
    """The payment webhooks that arrived after the first `before`."""
    bodies = [json.loads(webhook.body) for webhook in target.wait_for(0)[before:]]
    return [body for body in bodies if body["event_type"] == "payment_processed"]


def dead_of(http: httpx.Client, endpoint_id: str) -> list[dict[str, Any]]:
    """The dead letters of one endpoint."""
    letters = body_of(http.get("/api/webhooks/dead-letters/"))["dead_letters"]
    return [letter for letter in letters if letter["webhook_id"] == endpoint_id]


def body_of(answer: httpx.Response) -> Any:
    """An answer's JSON with exact decimals. Raises: StoryBroken when the server itself failed."""
    if answer.status_code >= 500:
        raise StoryBroken(f"{answer.request.url.path} answered {answer.status_code}: {answer.text[:200]}")
    return json.loads(answer.content)


def wait_until(condition: Any, *, pause_s: float = 0.05) -> None:
    """Wait for something that happens by itself; the checks after it say whether it did."""
    deadline = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(pause_s)


class StoryBroken(Exception):
    """The story cannot go on: something it builds on did not happen."""
