"""A small typed client for the claims API: submit, read, wait for the decision, verify webhooks.

    with ClaimsClient("http://localhost:8000/api", api_key="...", provider_id="PROV-001") as claims:
        answer = claims.submit({"patient_name": "John Doe", "insurance_id": "BC-789-456",
                                "diagnosis_code": "J20.9", "procedure_code": "99213", "amount": "1250.00"})
        decided = claims.wait_for_decision(answer.claim_id)

    arrived = verify_webhook(request.headers, raw_body, secret="your-webhook-secret")

It stands on httpx alone; nothing of the server is needed to use it.
"""

from kiungo.client.answers import (
    CLAIM_SERVICE_AWAY,
    CLAIM_UNDECIDED,
    Answer,
    RefusedClaim,
)
from kiungo.client.calls import Waits
from kiungo.client.claims import AsyncClaimsClient, ClaimsClient
from kiungo.client.webhooks import WEBHOOK_REFUSED, Arrived, verify_webhook

__all__ = [
    "CLAIM_SERVICE_AWAY",
    "CLAIM_UNDECIDED",
    "WEBHOOK_REFUSED",
    "Answer",
    "Arrived",
    "AsyncClaimsClient",
    "ClaimsClient",
    "RefusedClaim",
    "Waits",
    "verify_webhook",
]
