"""What we need from a payer: take a claim, and say what became of it. Our own payor stands behind it as any other.

A status the payer has and we do not know is *pending*: never success, never failure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from kiungo.base.errors import Incorrect, Unauthenticated, Unavailable, define
from kiungo.base.money import Money

PAYER_AWAY = define("PAYER_AWAY", Unavailable, "The payer is away, slow, or refuses our credentials.")
CLAIM_REFUSED = define("CLAIM_REFUSED", Incorrect, "The payer did not take the claim; its answer says why.", http=422)
NOTICE_FORGED = define("NOTICE_FORGED", Unauthenticated, "A payer's notice does not carry that payer's signature.")

ClaimStatus = Literal["pending", "approved", "partially_paid", "rejected"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a payer can do. Shapes: `batch_max` claims are asked for at once; `reports_payment` says when it paid."""

    batch_max: int = 1
    reports_payment: bool = False


@dataclass(frozen=True, slots=True)
class ClaimedService:
    """One service of a claim. Shapes: `day` is YYYY-MM-DD."""

    number: int
    code: str
    name: str
    day: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim to submit, for one booking. Shapes: `claim_id` is the hospital's own; `gender` a FHIR gender or empty."""

    booking_no: str
    claim_id: str
    facility: str
    facility_name: str
    patient: str
    patient_name: str
    birth_date: str
    gender: str
    diagnosis: str
    services: tuple[ClaimedService, ...]
    total: Money


@dataclass(frozen=True, slots=True)
class Query:
    """A claim to ask about. Shapes: `reference` is the payer's own number, when known."""

    booking_no: str
    claim_id: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovedService:
    """What was approved of one service. Shapes: named by its `number` in the claim, else by its code in line order."""

    code: str
    approved: Money
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a payer says about a claim. None means it does not say; days are YYYY-MM-DD.

    Shapes: `paid` is the money it sent, `kept` what it kept back of the payment for earlier claims, each in all;
    `patient` and `claimed` what a claim that names no booking is about.
    """

    booking_no: str
    reference: str
    status: ClaimStatus
    said: str
    approved: Money | None = None
    paid: Money | None = None
    decided_on: str | None = None
    payment_date: str | None = None
    reason: str | None = None
    services: tuple[ApprovedService, ...] = ()
    kept: Money | None = None
    patient: str | None = None
    claimed: Money | None = None


class Payer(Protocol):
    """One payer. Methods block: they are called from jobs, outside units of work."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def submit(self, claim: Claim) -> Report:
        """Hand a claim in; the same claim again is the same claim.

        Raises: Incorrect CLAIM_REFUSED; Unavailable PAYER_AWAY, after which nobody knows whether it arrived.
        """
        ...

    def statuses(self, queries: Sequence[Query]) -> Mapping[str, Report]:
        """What became of claims, by booking number; a claim the payer does not have is left out.

        Raises: Unavailable PAYER_AWAY, with the time after which to ask again.
        """
        ...

    def check_notice(self, headers: Mapping[str, str], body: bytes) -> None:
        """Do nothing when a message really is from this payer; header names in lower case. Asks nobody.

        Raises: Unauthenticated NOTICE_FORGED.
        """
        ...

    def read_notice(self, body: bytes) -> Sequence[Report]:
        """What a checked message says. A notice is a hint: the payer is asked for the claim it is about.

        Raises: Unavailable PAYER_AWAY.
        """
        ...
