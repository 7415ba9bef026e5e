"""The faults of the simulated systems, shown and set over HTTP below /faults, while they run.

GET  /faults/        every twin with its faults, what is planned, and what has struck
POST /faults/        {"twin": "mpesa", "fault": "lost_answer", "times": 2} or {..., "rate": 0.1}
POST /faults/calm    no more faults from now on
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from kiungo.kernel import json
from kiungo.kernel.sandbox import Callback, Faults, TwinRequest, TwinResponse

TIMES_MAX: Final = 1_000
NAME: Final = "faults"
KNOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "afyalink": {
        "down": "503 with Retry-After",
        "slow": "answers late",
        "lost_answer": "hangs up without a word",
        "not_json": "a page of a proxy",
        "token_lost": "a fresh token is refused",
    },
    "bank": {
        "rejected": "a transfer is refused in the answer",
        "returned": "paid, and sent back the next day",
        "file_rejected": "the whole file is refused",
        "lost_answer": "no answer file is written",
        "duplicate_answer": "the answer comes twice",
        "late_statement": "a day without a statement",
    },
    "mpesa": {
        "lost_answer": "acts, then hangs up",
        "lost_request": "hangs up before acting",
        "server_error": "500 after acting",
        "spike_arrest": "500.003.02, not taken",
        "token_lost": "the token is invalid at once",
        "locked_credential": "the security credential is locked, for good",
        "late_result": "the result comes hours later",
        "dropped_result": "the result never comes",
        "duplicate_result": "the result comes twice, apart",
        "reordered": "the result waits a random while",
        "timeout_first": "a queue timeout now, the result later",
        "forged_result": "somebody claims another amount",
    },
    "sha": {
        "down": "503 with Retry-After",
        "too_many": "429 with Retry-After",
        "lost_request": "hangs up before taking the bundle",
        "lost_answer": "takes the bundle, then hangs up",
        "not_json": "a page of a proxy",
        "token_lost": "a fresh token is refused",
    },
    "sms": {
        "busy": "503 before taking the message",
        "lost_answer": "takes the message, then hangs up",
        "undelivered": "the phone cannot be reached",
        "no_report": "the report never comes",
    },
    "smtp": {
        "busy": "451 at the recipient",
        "unknown_user": "550 at the recipient",
        "lost": "takes the content, then hangs up",
    },
}
"""What can go wrong at each twin; a test compares it with what the twins know."""


class FaultDesk:
    """Answers below its own path as a twin does. Shapes: `faults` by the twin's name."""

    def __init__(self, faults: Mapping[str, Faults]) -> None:
        self._faults = faults

    def handle(self, request: TwinRequest) -> TwinResponse:
        """Show or set faults; a mistake is answered with 400 and the way out."""
        if request.method == "GET" and request.path == "/":
            return TwinResponse.json(200, {"twins": self.view()})
        if request.method == "POST" and request.path == "/calm":
            for faults in self._faults.values():
                faults.calm()
            return TwinResponse.json(200, {"twins": self.view()})
        if request.method == "POST" and request.path == "/":
            return self._set(request.body)
        return TwinResponse.json(404, {"error": "GET /faults/, POST /faults/ and POST /faults/calm are all there is"})

    def take_due(self, now_us: int) -> list[Callback]:
        """It sends nothing by itself."""
        return []

    def view(self) -> dict[str, Any]:
        """Every fault of every twin: what it does, how often it is planned or drawn, how often it has struck."""
        return {
            name: {
                fault: {
                    "what": KNOWN[name][fault],
                    "planned": faults.planned(fault),
                    "rate": faults.rates.get(fault, 0),
                    "struck": faults.struck[fault],
                }
                for fault in KNOWN[name]
            }
            for name, faults in self._faults.items()
        }

    def _set(self, body: bytes) -> TwinResponse:
        try:
            asked = json.loads(body)
        except Exception:  # whatever the body is, the answer is the same
            asked = None
        problem = _problem(asked)
        if problem or not isinstance(asked, dict):
            return TwinResponse.json(400, {"error": problem})
        faults, fault = self._faults[asked["twin"]], asked["fault"]
        if "rate" in asked:
            faults.rates[fault] = float(asked["rate"])
        else:
            faults.plan(fault, times=int(asked.get("times", 1)))
        return TwinResponse.json(200, {"twins": {asked["twin"]: self.view()[asked["twin"]]}})


def _problem(asked: Any) -> str:
    """What is wrong with a request to set a fault, or nothing."""
    if not isinstance(asked, dict):
        return "send a JSON object with twin, fault, and times or rate"
    twin, fault = str(asked.get("twin")), asked.get("fault")
    if twin not in KNOWN:
        return f"twin is one of {', '.join(KNOWN)}"
    if fault not in KNOWN[twin]:
        return f"fault of {twin} is one of {', '.join(KNOWN[twin])}"
    times, rate = asked.get("times", 1), asked.get("rate", 0)
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= TIMES_MAX:
        return f"times is a whole number from 1 to {TIMES_MAX}"
    if isinstance(rate, bool) or not isinstance(rate, int | float | Decimal) or not 0 <= rate <= 1:
        return "rate is a number from 0 to 1"
    return ""
