"""The hospital of the bookings story: it books, submits claims, and waits for what happens by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import httpx

from kiungo.app.demo.claims import body_of, wait_until
from kiungo.app.demo.receiver import Receiver
from kiungo.app.demo.stage import Stage
from kiungo.app.demo.story import Story
from kiungo.app.money import COLLECT
from kiungo.app.registry import TENANT
from kiungo.app.sample_data import HOSPITAL
from kiungo.domains.vems.sample import FACILITY, PATIENT
from kiungo.kernel import jobs

CHARGES: Final = (("F8735", "15000.00"), ("F8736", "16000.00"))
DIAGNOSIS: Final = "8B20"
BOOK: Final = "/hmis/v1/bookings/cost-distribution"


@dataclass(slots=True)
class Visit:
    """One booking of the story. Shapes: `charges` are what the claim says of each service."""

    title: str
    claim_id: str
    charges: Sequence[tuple[str, str]]
    days_ago: int
    booking_no: str = ""
    payor_claim: str = ""

    @property
    def day(self) -> date:
        """When its services were delivered."""
        return (datetime.now(UTC) - timedelta(days=self.days_ago)).date()

    @property
    def total(self) -> Decimal:
        """What the claim asks for."""
        return sum((Decimal(amount) for _, amount in self.charges), Decimal(0))


@dataclass(frozen=True, slots=True)
class Leg:
    """One payment as the API tells it."""

    payee: str
    rail: str
    amount: Decimal
    state: str
    reference: str
    reason: str

    @classmethod
    def of(cls, body: Any) -> "Leg":
        """A payment of the API's list."""
        names = ("payee", "rail", "amount", "legStatus", "reference", "reason")
        return cls(*(body[name] for name in names))

    def __str__(self) -> str:
        return f"{self.amount} by {self.rail}: {self.state}"


@dataclass(slots=True)
class Hospital:
    """Whoever acts for the facility, on the story's stage.

    Shapes: `http` carries the facility's own key, `office` that of the settlement officer who looks at its money.
    """

    story: Story
    stage: Stage
    http: httpx.Client
    office: httpx.Client
    target: Receiver
    _collected: int = field(default=0)

    def book(self, visit: Visit, *, diagnosis: str | None = None) -> Any:
        """Ask for the cost distribution of a visit's services; returns the answer."""
        at = f"{visit.day.isoformat()}T10:51:00.000Z"
        asked: dict[str, Any] = {
            "patientCR": PATIENT,
            "paymentMode": "sha",
            "facilityFrCode": FACILITY.fr_code,
            "claimID": visit.claim_id,
            "services": [{"serviceCode": code, "serviceDate": at} for code, _ in visit.charges],
        }
        answer = self.http.post(BOOK, json=asked | ({"diagnosisCode": diagnosis} if diagnosis else {}))
        self.story.check("status", answer.status_code, 200)
        booked = body_of(answer)
        visit.booking_no = str(booked["bookingNo"])
        return booked

    def submit(self, visit: Visit) -> Any:
        """Send the claim of a visit to the payor; returns the claim as it was answered."""
        day = visit.day.isoformat()
        lines = [{"procedure_code": code, "amount": amount, "date_of_service": day} for code, amount in visit.charges]
        with self.story.http(self.stage.url, self.stage.keys[HOSPITAL]) as to_payor:
            answer = to_payor.post(
                "/api/claims/",
                json={
                    "patient_name": "John Kamau Mwangi",
                    "insurance_id": PATIENT,
                    "diagnosis_code": DIAGNOSIS,
                    "amount": str(visit.total),
                    "booking_no": visit.booking_no,
                    "lines": lines,
                },
            )
        claim = body_of(answer)["claim"]
        visit.payor_claim = str(claim["claim_id"])
        return claim

    def claim_of(self, visit: Visit, status: str) -> Any:
        """The claim as the bookings know it, once it has a status; what it is then is told."""
        path = f"/vems/v1/bookings/{visit.booking_no}/claim"
        with httpx.Client(base_url=self.http.base_url, headers=self.http.headers) as quiet:
            wait_until(lambda: body_of(quiet.get(path))["data"]["status"] == status)
        found = body_of(self.http.get(path))["data"]
        self.story.check("claim", found["status"], status)
        return found

    def settlement(self, visit: Visit, *, quietly: bool = False) -> Any:
        """The settlement of a booking with its shares and payments; None while nothing is settled."""
        path = f"/vems/v1/bookings/{visit.booking_no}/settlements"
        if not quietly:
            return body_of(self.office.get(path))["data"][0]
        with httpx.Client(base_url=self.office.base_url, headers=self.office.headers) as quiet:
            found = body_of(quiet.get(path))
        return found["data"][0] if "data" in found else None

    def legs(self, visit: Visit) -> list[Leg]:
        """The payments of a booking as they stand; asked quietly, since the story waits for them."""
        settlement = self.settlement(visit, quietly=True)
        return [Leg.of(one) for one in settlement["legs"]] if settlement else []

    def paid(self, visit: Visit, *, but: Sequence[str] = ()) -> list[Leg]:
        """Wait until every payment of a visit has reached its payee, or is in one of the states `but`."""
        over = ("posted", *but)

        def done() -> bool:
            self.collect()
            legs = self.legs(visit)
            return len(legs) >= 2 and all(leg.state in over for leg in legs)

        wait_until(done, pause_s=0.25)
        return self.legs(visit)

    def collect(self) -> None:
        """The bank's files are fetched every minute; the story does not wait for it."""
        self._collected += 1
        key = f"story-{self._collected}"
        self.stage.system.database.write(lambda unit: jobs.enqueue(unit, COLLECT, {}, tenant=TENANT, key=key))


def total_of(booked: dict[str, Any], name: str) -> Decimal:
    """One share over all services of a booking."""
    return sum((Decimal(service[name]) for service in booked["services"]), Decimal(0))
