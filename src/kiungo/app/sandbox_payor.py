"""Our own payor behind the simulated authority: what comes in as eClaims bundles is decided by its claims API.

So both payer connectors lead to one payor in `dev` and `demo`, as two wires of one insurer. Without a payor the
simulator decides by itself. Claims that waited and payments are looked up whenever somebody asks the authority.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.base.money import Money
from kiungo.connectors.sha.twin import BOOKING_SYSTEM, ShaTwin, Verdict
from kiungo.kernel import json
from kiungo.kernel.sandbox import Callback, NoAnswer, TwinRequest, TwinResponse
from kiungo.ports.payer import Claim, ClaimedService, Payer, Query, Report

WAITING = "wait"


class PayorBehindSha:
    """A twin of its own: the authority's, with a payor that decides. One request at a time, as twins are served."""

    def __init__(self, twin: ShaTwin) -> None:
        self._twin = twin
        self._payor: Payer | None = None
        self._bundle: dict[str, Any] = {}
        twin.decide = self._decide

    def stand_behind(self, payor: Payer) -> None:
        """From here on this payor decides."""
        self._payor = payor

    def handle(self, request: TwinRequest) -> TwinResponse:
        """Answer like the authority. Raises: NoAnswer, also when the payor behind it is away."""
        if request.method == "POST" and request.path.endswith("/bundle"):
            self._bundle = _resources(request.body)
        if request.method == "GET" and self._payor is not None:
            self._catch_up(self._payor)
        return self._twin.handle(request)

    def take_due(self, now_us: int) -> list[Callback]:
        """The authority sends nothing by itself."""
        return self._twin.take_due(now_us)

    def _decide(self, claim: Mapping[str, Any]) -> Verdict:
        if self._payor is None:
            return Verdict()
        asked = _claim(claim, self._bundle)
        try:
            known = self._payor.statuses([Query(asked.booking_no, asked.claim_id)])
            return _verdict(claim, known.get(asked.booking_no) or self._payor.submit(asked))
        except Incorrect as refused:
            return Verdict("refuse", reason=refused.message)
        except Unavailable:
            raise NoAnswer from None

    def _catch_up(self, payor: Payer) -> None:
        """Decide what waited, and send what was paid since."""
        taken = self._twin.claims
        open_ones = [number for number, one in taken.items() if one.verdict.kind == WAITING or not one.payments]
        try:
            for number, report in payor.statuses([Query(number, "") for number in open_ones]).items():
                one = taken[number]
                if one.verdict.kind == WAITING:
                    verdict = _verdict(one.claim, report)
                    if verdict.kind != WAITING:
                        self._twin.rule(number, verdict)
                if report.paid is not None and not one.payments:
                    self._twin.pay(number, report.paid.decimal())
        except Unavailable:
            raise NoAnswer from None


def _verdict(claim: Mapping[str, Any], report: Report) -> Verdict:
    """What the payor says, item by item, in the order of the claim's lines."""
    if report.status == "pending":
        return Verdict(WAITING)
    if report.status == "rejected" or report.approved is None or report.approved.minor == 0:
        return Verdict("reject", reason=report.reason or "")
    sequences = [int(item["sequence"]) for item in claim["item"]]
    amounts = [one.approved.decimal() for one in report.services]
    if len(amounts) != len(sequences):
        weights = [round(item["net"]["value"] * 100) for item in claim["item"]]
        amounts = [part.decimal() for part in report.approved.allocate(weights)]
    return Verdict(items=dict(zip(sequences, amounts, strict=True)))


def _claim(claim: Mapping[str, Any], bundle: Mapping[str, Any]) -> Claim:
    """A bundle's claim as the payor is asked for it."""
    patient, facility = bundle.get("Patient", {}), bundle.get("Organization", {})
    numbers = {one["system"]: str(one["value"]) for one in claim["identifier"]}
    currency = str(claim["total"]["currency"])
    return Claim(
        booking_no=numbers[BOOKING_SYSTEM],
        claim_id=next((value for system, value in numbers.items() if system != BOOKING_SYSTEM), ""),
        facility=str(facility.get("id", "")),
        facility_name=str(facility.get("name", "")),
        patient=str(claim["patient"]["reference"]).rpartition("/")[2],
        patient_name=str(patient.get("name", [{}])[0].get("text", "")),
        birth_date=str(patient.get("birthDate", "")),
        gender=str(patient.get("gender", "")),
        diagnosis=str(claim["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0]["code"]),
        services=tuple(_service(item, currency) for item in claim["item"]),
        total=Money.parse(Decimal(claim["total"]["value"]), currency),
    )


def _service(item: Mapping[str, Any], currency: str) -> ClaimedService:
    coding = item["productOrService"]["coding"][0]
    return ClaimedService(
        int(item["sequence"]),
        str(coding["code"]),
        str(coding.get("display", "")),
        str(item["servicedDate"]),
        Money.parse(Decimal(item["net"]["value"]), currency),
    )


def _resources(body: bytes) -> dict[str, Any]:
    """A bundle's resources by their type; what cannot be read is left to the twin to refuse."""
    try:
        entries = json.loads(body)["entry"]
        return {entry["resource"]["resourceType"]: entry["resource"] for entry in entries}
    except Exception:  # whatever the body is, the twin answers it
        return {}
