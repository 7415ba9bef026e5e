"""A simulator of the authority: tokens, bundles taken and decided later, payment notices, and its bad days by seed.

down          503 with Retry-After               lost_answer    takes the bundle, then hangs up
lost_request  hangs up before taking it          token_lost     the token is refused although it is fresh
too_many      429 with Retry-After               not_json       a page of a proxy
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from kiungo.base.time import SECOND_US, Clock, from_us, iso_seconds
from kiungo.kernel import json
from kiungo.kernel.sandbox import Callback, Faults, NoAnswer, TwinRequest, TwinResponse

BOOKING_SYSTEM = "https://fhir.dha.go.ke/eclaims/identifier/vems-booking"
TOKEN_LIFETIME_S = 300
NAIROBI = timezone(timedelta(hours=3))
LETTERS = "abcdefghijkmnpqrstuvwxyz0123456789"
BUNDLE_TYPES = ("message", "transaction")
NEEDED = ("Organization", "Coverage", "Patient", "Claim")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the authority decides. Shapes: `items` approved by item number; empty means all of every item."""

    kind: str = "approve"
    items: Mapping[int, Decimal] = field(default_factory=dict)
    reason: str = ""
    after_s: int = 0


Decide = Callable[[Mapping[str, Any]], Verdict]


@dataclass(slots=True)
class Taken:
    """A claim the authority took. Units: microseconds UTC."""

    claim: dict[str, Any]
    verdict: Verdict
    taken_us: int
    response_id: str
    payments: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class ShaTwin:
    """The authority as one platform sees it. `claims` by booking number is the truth tests compare with."""

    clock: Clock
    faults: Faults
    client_id: str = "kiungo"
    client_secret: str = "twin-secret"  # noqa: S105 - the twin's own, of no use anywhere else
    decide: Decide = lambda claim: Verdict()
    retry_after_s: int = 120
    down: bool = False
    page_max: int = 200
    claims: dict[str, Taken] = field(default_factory=dict)
    requests: int = 0
    bundles: int = 0
    _tokens: dict[str, int] = field(default_factory=dict)

    def handle(self, request: TwinRequest) -> TwinResponse:
        """Answer like the authority. Raises: NoAnswer."""
        self.requests += 1
        if self.down or self.faults.strikes("down"):
            return TwinResponse(503, b"", {"retry-after": str(self.retry_after_s)})
        if self.faults.strikes("too_many"):
            return TwinResponse(429, b"", {"retry-after": str(self.retry_after_s)})
        if self.faults.strikes("lost_request"):
            raise NoAnswer
        if self.faults.strikes("not_json"):
            return TwinResponse(200, b"<html>Gateway</html>", {"content-type": "text/html"})
        if (request.method, request.path) == ("POST", "/oauth2/token"):
            return self._token(request)
        if not self._token_is_good(request.headers):
            return _outcome(401, "login", "the token is not valid")
        handler = {
            ("POST", "/v1/shr-med/bundle"): self._take,
            ("GET", "/fhir/ClaimResponse"): self._responses,
            ("GET", "/fhir/PaymentNotice"): self._payments,
        }.get((request.method, request.path))
        return handler(request) if handler else _outcome(404, "not-found", "no such path")

    def take_due(self, now_us: int) -> list[Callback]:
        """The authority sends nothing by itself."""
        return []

    def rule(self, booking_no: str, verdict: Verdict) -> None:
        """Decide a claim anew, as after an appeal."""
        taken = self.claims[booking_no]
        taken.verdict, taken.taken_us = verdict, self.clock.now_us()

    def pay(self, booking_no: str, amount: Decimal) -> None:
        """Send money for a claim, and say so from now on."""
        taken = self.claims[booking_no]
        taken.payments.append(
            {
                "resourceType": "PaymentNotice",
                "id": f"{taken.response_id}-{len(taken.payments) + 1}",
                "status": "active",
                "request": _about(booking_no),
                "created": iso_seconds(self.clock.now_us()),
                "paymentDate": from_us(self.clock.now_us()).astimezone(NAIROBI).date().isoformat(),
                "amount": {"value": amount, "currency": "KES"},
                "paymentStatus": {"coding": [{"code": "paid"}]},
            }
        )

    def _token(self, request: TwinRequest) -> TwinResponse:
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        form = dict(parse_qsl(request.body.decode("latin-1")))
        if request.headers.get("authorization") != f"Basic {expected}":
            return TwinResponse.json(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials" or "system/Claim.write" not in form.get("scope", ""):
            return TwinResponse.json(400, {"error": "invalid_request"})
        token = "".join(self.faults.rng.choice(LETTERS) for _ in range(32))
        self._tokens[token] = self.clock.now_us() + TOKEN_LIFETIME_S * SECOND_US
        return TwinResponse.json(200, {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME_S})

    def _token_is_good(self, headers: Mapping[str, str]) -> bool:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.faults.strikes("token_lost"):
            self._tokens.pop(token, None)
        return self.clock.now_us() <= self._tokens.get(token, 0)

    def _take(self, request: TwinRequest) -> TwinResponse:
        try:
            bundle = json.loads(request.body)
            resources = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}
            claim = resources["Claim"]
            booking_no = next(one["value"] for one in claim["identifier"] if one["system"] == BOOKING_SYSTEM)
        except Exception:  # whatever the body is, the authority's answer is the same
            return _outcome(400, "structure", "the bundle cannot be read")
        missing = [kind for kind in NEEDED if kind not in resources]
        if bundle.get("type") not in BUNDLE_TYPES or missing:
            return _outcome(422, "required", f"the bundle lacks {', '.join(missing) or 'its type'}")
        if "icd" not in claim["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0]["system"]:
            return _outcome(422, "code-invalid", "the diagnosis is not ICD-11")
        self.bundles += 1
        if booking_no not in self.claims:
            verdict = self.decide(claim)
            if verdict.kind == "refuse":
                return _outcome(422, "business-rule", verdict.reason)
            number = f"CR-{len(self.claims) + 1:06d}"
            self.claims[booking_no] = Taken(claim, verdict, self.clock.now_us(), number)
        if self.faults.strikes("lost_answer"):
            raise NoAnswer
        return TwinResponse.json(202, {"message": {"status": "received", "bundle_id": bundle.get("id")}})

    def _responses(self, request: TwinRequest) -> TwinResponse:
        found = [self._response(number) for number in self._wanted(request) if number in self.claims]
        return self._page(request, found)

    def _payments(self, request: TwinRequest) -> TwinResponse:
        wanted = [number for number in self._wanted(request) if number in self.claims]
        return self._page(request, [notice for number in wanted for notice in self.claims[number].payments])

    def _page(self, request: TwinRequest, found: list[dict[str, Any]]) -> TwinResponse:
        """As many as asked for and allowed, and a link to the rest."""
        query = dict(request.query)
        start, size = int(query.get("_offset", "0")), min(int(query.get("_count", "20")), self.page_max)
        answer: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
        if start + size < len(found):
            following = urlencode(query | {"_offset": str(start + size)})
            answer["link"] = [{"relation": "next", "url": f"{request.path.rpartition('/')[2]}?{following}"}]
        answer["entry"] = [{"resource": resource} for resource in found[start : start + size]]
        return TwinResponse.json(200, answer)

    def _wanted(self, request: TwinRequest) -> list[str]:
        asked = request.query.get("request:identifier", "").split(",")
        return [one.partition("|")[2] for one in asked if one.startswith(f"{BOOKING_SYSTEM}|")]

    def _response(self, booking_no: str) -> dict[str, Any]:
        taken = self.claims[booking_no]
        verdict, claim = taken.verdict, taken.claim
        decided_us = taken.taken_us + verdict.after_s * SECOND_US
        resource: dict[str, Any] = {
            "resourceType": "ClaimResponse",
            "id": taken.response_id,
            "status": "active",
            "use": "claim",
            "patient": claim["patient"],
            "created": iso_seconds(taken.taken_us),
            "insurer": {"display": "Social Health Authority"},
            "request": _about(booking_no),
            "outcome": "queued",
        }
        if verdict.kind == "wait" or self.clock.now_us() < decided_us:
            return resource
        amounts = {
            item["sequence"]: Decimal(0)
            if verdict.kind == "reject"
            else verdict.items.get(item["sequence"], Decimal(0) if verdict.items else item["net"]["value"])
            for item in claim["item"]
        }
        resource |= {
            "created": iso_seconds(decided_us),
            "outcome": "complete",
            "disposition": verdict.reason or "Decided",
            "item": [
                {"itemSequence": number, "adjudication": [_benefit(amount)]} for number, amount in amounts.items()
            ],
            "total": [_benefit(sum(amounts.values(), Decimal(0)))],
        }
        return resource


def _benefit(amount: Decimal) -> dict[str, Any]:
    return {"category": {"coding": [{"code": "benefit"}]}, "amount": {"value": amount, "currency": "KES"}}


def _about(booking_no: str) -> dict[str, Any]:
    return {"identifier": {"system": BOOKING_SYSTEM, "value": booking_no}}


def _outcome(status: int, code: str, text: str) -> TwinResponse:
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return TwinResponse.json(status, {"resourceType": "OperationOutcome", "issue": [issue]})
