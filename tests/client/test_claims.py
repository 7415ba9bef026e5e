"""The claims client against a real HTTP server that answers as told: what is tried again, and what is not."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kiungo.base.errors import Unavailable
from kiungo.client import Answer, AsyncClaimsClient, ClaimsClient, RefusedClaim, Waits

QUICK = Waits(between_attempts_s=(0.01, 0.02), between_looks_s=0.01)
APPROVED = (
    b'{"success": true, "claim": {"claim_id": "CLM-20241003-ABC123", "status": "approved",'
    b' "expected_payment": 1000.00, "patient_responsibility": 250.00}, "status": "approved"}'
)
REVIEW = b'{"success": true, "claim": {"claim_id": "CLM-20241003-DEF456", "status": "under_review"}, "status": "x"}'
NOT_FOUND = json.dumps(
    {
        "error": "Insurance ID INVALID-123 not found or not covered by this payor",
        "error_code": "INSURANCE_NOT_FOUND",
        "claim_id": None,
        "suggestions": ["Verify insurance ID format", "Check if patient is enrolled with this payor"],
    }
).encode()


@dataclass
class Api:
    """What to answer next, and what was asked."""

    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def api() -> Iterator[Api]:
    told = Api()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.asked.append((self.command, self.path, headers, body))
            status, answer = told.answers.pop(0)
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    yield told
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["threads", "event loop"])
def submit(request: pytest.FixtureRequest, api: Api) -> Any:
    """One submission through either client."""

    def by_thread(claim: dict[str, Any], **given: Any) -> Answer:
        with ClaimsClient(api.url, "key-1", "PROV-001", waits=QUICK) as claims:
            return claims.submit(claim, **given)

    def by_loop(claim: dict[str, Any], **given: Any) -> Answer:
        async def story() -> Answer:
            async with AsyncClaimsClient(api.url, "key-1", "PROV-001", waits=QUICK) as claims:
                return await claims.submit(claim, **given)

        return asyncio.run(story())

    return by_thread if request.param == "threads" else by_loop


def test_a_claim_is_submitted_as_documented(api: Api, submit: Any) -> None:
    api.answers = [(201, APPROVED)]
    answer = submit({"insurance_id": "BC-789-456", "amount": Decimal("1250.00")})
    assert answer.is_decided
    assert (answer.claim_id, answer.status, answer.http_status) == ("CLM-20241003-ABC123", "approved", 201)
    assert (answer.expected_payment, answer.patient_responsibility) == (Decimal("1000.00"), Decimal("250.00"))
    [(method, path, headers, body)] = api.asked
    assert (method, path) == ("POST", "/api/claims/")
    assert (headers["x-api-key"], headers["x-provider-id"]) == ("key-1", "PROV-001")
    assert json.loads(body) == {"insurance_id": "BC-789-456", "amount": "1250.00"}


def test_server_errors_and_lost_connections_are_tried_again_under_one_key(api: Api, submit: Any) -> None:
    api.answers = [(503, b""), (0, b""), (201, APPROVED)]
    assert submit({"amount": 1}).status == "approved"
    assert len({headers["idempotency-key"] for _, _, headers, _ in api.asked}) == 1
    assert len({body for *_, body in api.asked}) == 1


def test_it_gives_up_after_the_last_attempt(api: Api, submit: Any) -> None:
    api.answers = [(500, b""), (502, b""), (503, b"")]
    with pytest.raises(Unavailable, match="No answer after 3 attempts; the last: HTTP 503"):
        submit({"amount": 1})
    assert len(api.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_a_refusal_is_never_tried_again(api: Api, submit: Any, status: int) -> None:
    api.answers = [(status, NOT_FOUND)]
    with pytest.raises(RefusedClaim, match="INVALID-123 not found") as refused:
        submit({"amount": 1}, idempotency_key="mine")
    assert refused.value.status == status
    assert refused.value.error_code == "INSURANCE_NOT_FOUND"
    assert refused.value.suggestions[0] == "Verify insurance ID format"
    assert len(api.asked) == 1
    assert api.asked[0][2]["idempotency-key"] == "mine"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": {"code": "X", "message": "No", "hint": "H"}}'])
def test_an_answer_in_another_shape_is_a_refusal_too(api: Api, submit: Any, body: bytes) -> None:
    api.answers = [(302 if body == b"" else 404, body)]
    with pytest.raises(RefusedClaim) as refused:
        submit({"amount": 1})
    assert str(refused.value)


def test_polling_ends_with_the_decision(api: Api) -> None:
    api.answers = [(200, REVIEW), (200, REVIEW), (200, APPROVED)]
    with ClaimsClient(api.url, waits=QUICK) as claims:
        assert claims.wait_for_decision("CLM-1").status == "approved"
    assert [path for _, path, _, _ in api.asked] == ["/api/claims/CLM-1/"] * 3
    assert "x-api-key" not in api.asked[0][2]


def test_polling_ends_when_time_is_up(api: Api) -> None:
    api.answers = [(200, REVIEW)] * 100

    async def story() -> None:
        async with AsyncClaimsClient(api.url, waits=QUICK) as claims:
            await claims.wait_for_decision("CLM-1", timeout_s=0.05)

    with pytest.raises(Unavailable, match="still under review"):
        asyncio.run(story())


def test_a_webhook_is_registered_and_a_claim_explained(api: Api) -> None:
    api.answers = [(201, b'{"success": true, "webhook": {"id": "1"}}'), (200, b'{"lines": []}')]
    with ClaimsClient(api.url, waits=QUICK) as claims:
        assert claims.register_webhook({"provider_id": "PROV-001"})["webhook"] == {"id": "1"}
        assert claims.explain("CLM-1") == {"lines": []}
    assert [path for _, path, _, _ in api.asked] == ["/api/webhooks/", "/api/claims/CLM-1/explanation"]
