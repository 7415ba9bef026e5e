"""A payer that has every claim asked for and has decided none of them: the claim list of the provider guide."""

import sys
from typing import Any
from urllib.parse import parse_qs

import orjson
import uvicorn


async def listed(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer GET /claims/?booking_no=A,B with a pending claim for each booking."""
    if scope["type"] != "http":
        return
    numbers = parse_qs(scope["query_string"].decode()).get("booking_no", [""])[0].split(",")
    found = [
        {
            "claim_id": f"R-{number}",
            "booking_no": number,
            "status": "under_review",
            "amount": "31000.00",
            "patient_name": "Bench Patient",
            "diagnosis_code": "S06.0",
            "lines": [{"procedure_code": code, "amount": "15500.00"} for code in ("F8735", "F8736")],
        }
        for number in numbers
    ]
    body = orjson.dumps({"success": True, "claims": found})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(listed, host="127.0.0.1", port=int(sys.argv[1]), lifespan="off", access_log=False, log_level="warning")
