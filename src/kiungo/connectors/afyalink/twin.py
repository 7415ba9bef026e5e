"""A simulator of AfyaLink: tokens for one call, the agent check, registry data, and its bad days by seed.

down             503 with Retry-After            lost_answer   hangs up without a word
slow             answers after `slow_s`          token_lost    the token is refused although it is fresh
not_json         a page of a proxy
"""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from kiungo.base.time import SECOND_US, Clock
from kiungo.kernel import json
from kiungo.kernel.sandbox import Callback, Faults, NoAnswer, TwinRequest, TwinResponse

TOKEN_LIFETIME_S = 20
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz0123456789"


def sample(name: str) -> Any:
    """A file of `samples/`."""
    return json.loads(files("kiungo.connectors.afyalink").joinpath("samples", name).read_bytes())


@dataclass(slots=True)
class AfyaLinkTwin:
    """One application's view of the national registries."""

    clock: Clock
    faults: Faults
    username: str = "kiungo"
    password: str = "twin-password"  # noqa: S105 - the twin's own, of no use anywhere else
    consumer_key: str = "twin-key"
    agent: str = "KIUNGO-SANDBOX"
    slow_s: float = 2.0
    retry_after_s: int = 30
    down: bool = False
    pause: Callable[[float], None] = time.sleep
    patients: dict[str, dict[str, Any]] = field(default_factory=lambda: sample("patients.json"))
    facilities: dict[str, dict[str, Any]] = field(default_factory=lambda: sample("facilities.json"))
    eligible: dict[str, dict[str, Any]] = field(default_factory=lambda: sample("eligibility.json"))
    requests: int = 0
    tokens_used: int = 0
    _tokens: dict[str, int] = field(default_factory=dict)

    def handle(self, request: TwinRequest) -> TwinResponse:
        """Answer like the vendor. Raises: NoAnswer."""
        self.requests += 1
        if self.down or self.faults.strikes("down"):
            return TwinResponse(503, b'{"message":"Service Unavailable"}', {"retry-after": str(self.retry_after_s)})
        if self.faults.strikes("lost_answer"):
            raise NoAnswer
        if self.faults.strikes("slow"):
            self.pause(self.slow_s)
        if self.faults.strikes("not_json"):
            return TwinResponse(200, b"<html>Gateway</html>", {"content-type": "text/html"})
        if request.path == "/v1/hie-auth":
            return self._token(request)
        handler = {
            "/v3/client-registry/fetch-client": self._client,
            "/v1/facility-search": self._facility,
            "/v2/facility-search": self._facility,
            "/v2/eligibility": self._eligibility,
        }.get(request.path)
        if handler is None or request.method != "GET":
            return _says(404, "Not Found")
        if not self._takes_token(request.headers):
            return _says(401, "Invalid or expired token")
        return handler(request.query)

    def take_due(self, now_us: int) -> list[Callback]:
        """The registry sends nothing by itself."""
        return []

    def _token(self, request: TwinRequest) -> TwinResponse:
        expected = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return _says(401, "Invalid credentials")
        if request.query.get("key") != self.consumer_key:
            return _says(403, "Unknown consumer key")
        token = "".join(self.faults.rng.choice(LETTERS) for _ in range(40))
        self._tokens[token] = self.clock.now_us() + TOKEN_LIFETIME_S * SECOND_US
        return TwinResponse.json(200, {"token": token})

    def _takes_token(self, headers: Mapping[str, str]) -> bool:
        """A token is good once, and for seconds only."""
        until_us = self._tokens.pop(headers.get("authorization", "").removeprefix("Bearer "), 0)
        if self.clock.now_us() > until_us or self.faults.strikes("token_lost"):
            return False
        self.tokens_used += 1
        return True

    def _client(self, query: Mapping[str, str]) -> TwinResponse:
        if query.get("agent") != self.agent:
            return _says(403, "The agent is not registered for this application")
        if query.get("dynamic_id_search") == "1":
            found = [self.patients[query["id"]]] if query.get("id") in self.patients else []
        else:
            wanted = (query.get("identification_type"), query.get("identification_number"))
            found = [
                person
                for person in self.patients.values()
                if (person["identification_type"], person["identification_number"]) == wanted
            ]
        return TwinResponse.json(200, {"message": {"total": len(found), "result": found}})

    def _facility(self, query: Mapping[str, str]) -> TwinResponse:
        if query.get("vems_enabled") == "1":
            found = [item for item in self.facilities.values() if item.get("vems_enabled") == 1]
            return TwinResponse.json(200, {"message": {"total": len(found), "result": found}})
        for item in self.facilities.values():
            if item["id"] == query.get("id") or item["facility_code"] == query.get("facility_code"):
                return TwinResponse.json(200, {"message": {**item, "found": 1}})
        return TwinResponse.json(404, {"message": {"found": 0}})

    def _eligibility(self, query: Mapping[str, str]) -> TwinResponse:
        found = self.eligible.get(f"{query.get('identification_type')}|{query.get('identification_number')}")
        if found is None:
            return TwinResponse.json(
                200,
                {
                    "message": {
                        "eligible": 0,
                        "reason": "Not registered",
                        "possible_solution": "Register with the insurer at any Huduma centre",
                    }
                },
            )
        return TwinResponse.json(200, {"message": found})


def _says(status: int, message: str) -> TwinResponse:
    return TwinResponse.json(status, {"message": message})
