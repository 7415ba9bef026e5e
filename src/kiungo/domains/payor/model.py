"""The values adjudication speaks in: a claim, a member, findings, and the result for each line.

Dates are texts YYYY-MM-DD: they sort as dates do, and cost nothing to compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kiungo.base.money import Money

Priority = Literal["low", "medium", "high", "urgent"]
Group = Literal["CO", "PR", "OA", "PI"]
Effect = Literal["refuse", "deny", "pend", "adjust", "prior", "relief", "share", "note"]
Outcome = Literal["approved", "under_review", "rejected"]

FAMILY = ""  # the member part of an accumulator that a whole family shares


@dataclass(frozen=True, slots=True)
class Line:
    """One service on a claim. Units: `charge` is for all `units` together."""

    number: int
    service_date: str
    procedure: str | None
    charge: Money
    units: int = 1
    modifiers: tuple[str, ...] = ()
    prior_paid: Money | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as the provider stated it, completed with today's date and the provider's id."""

    member_id: str
    patient_name: str
    provider_id: str
    received_on: str
    diagnoses: tuple[str, ...]
    lines: tuple[Line, ...]
    total: Money
    priority: Priority = "medium"
    emergency: bool = False
    diagnosis_description: str | None = None
    provider_name: str | None = None
    provider_claim_id: str | None = None
    booking_no: str | None = None
    prior_authorization: str | None = None
    referring_physician: str | None = None
    patient_id: str | None = None
    patient_birth_date: str | None = None
    patient_gender: str | None = None
    notes: str | None = None
    replaces: str | None = None
    itemized: bool = False
    ignored_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """A member's cover under one plan. Shapes: `order` 1 pays first; `until` None is open."""

    plan_id: str
    valid_from: str
    valid_until: str | None = None
    order: int = 1
    fhir_id: str = ""

    def holds_on(self, day: str) -> bool:
        """Whether the cover is in force on a day, both ends included."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


@dataclass(frozen=True, slots=True)
class Member:
    """A person we insure. Shapes: `identifiers` are the other numbers the person is known by."""

    member_id: str
    family_id: str
    name: str
    coverages: tuple[Coverage, ...]
    birth_date: str | None = None
    gender: str | None = None
    identifiers: tuple[str, ...] = ()
    fhir_id: str = ""

    def coverage_on(self, day: str) -> Coverage | None:
        """The cover that pays first on a day."""
        holding = [coverage for coverage in self.coverages if coverage.holds_on(day)]
        return min(holding, key=lambda coverage: coverage.order) if holding else None


@dataclass(frozen=True, slots=True)
class Authorization:
    """A prior authorization. Shapes: `codes` empty means any service; `units` None means unlimited."""

    number: str
    member_id: str
    codes: tuple[str, ...]
    valid_from: str
    valid_until: str | None
    units: int | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A service of this member on another claim, for finding near repetitions.

    Shapes: `refused` when a person rejected or voided that claim: the service counts for nothing, and is asked about
    when it comes again.
    """

    claim_id: str
    service_date: str
    procedure: str
    provider_id: str
    charge_minor: int
    units: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a step found, with its reason and one plain sentence.

    Shapes: `line` 0 is the whole claim. `adjust` lowers what is allowed, `share` moves money to the patient
    (a negative amount gives some back), `prior` is what another payer paid, `relief` (a negative amount) what that
    covers of a part our plan leaves to the patient, `deny` takes all that is left of the line, `pend` asks a person,
    `refuse` means the claim is not taken at all. `reason` is a claim adjustment reason number.
    """

    step: str
    effect: Effect
    text: str
    line: int = 0
    group: Group | None = None
    reason: str | None = None
    amount: Money | None = None
    review: str | None = None
    resolve: str | None = None
    about_cover: bool = False
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Why one part of a charge is not paid by us, netted over all findings of one group and reason."""

    group: Group
    reason: str
    amount: Money


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of one line: charge = paid + patient + adjustments, to the minor unit.

    Shapes: `adjustments` leaves out the patient's part, which is in `shares`.
    """

    number: int
    charge: Money
    allowed: Money
    paid: Money
    patient: Money
    denied: bool
    adjustments: tuple[Adjustment, ...]
    shares: tuple[Adjustment, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of one accumulator. Units: minor units of the plan's currency, or visits, or service units."""

    member_id: str
    bucket: str
    period: str
    amount: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """A reviewer's decision, which adjudication then carries out.

    `reopen` takes a decision back: the claim waits for a person again, whatever the rules say.
    Shapes: `allowed` names lines whose allowed amount the reviewer set; naming a line also lifts its denial.
    """

    kind: Literal["approve", "reject", "reopen"]
    reason: str
    allowed: Mapping[int, Money] = field(default_factory=dict)

    @property
    def ruled_out(self) -> frozenset[int]:
        """The lines of which the reviewer allows nothing."""
        return frozenset(number for number, amount in self.allowed.items() if amount.minor == 0)


@dataclass(frozen=True, slots=True)
class Adjudication:
    """The result of running every step over a claim. Entries are what it would add to the accumulators."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    lines: tuple[LineResult, ...]
    entries: tuple[Entry, ...]
    charge: Money
    allowed: Money
    paid: Money
    patient: Money

    def first(self, effect: Effect) -> Finding | None:
        """The finding that decided, in pipeline order."""
        return next((finding for finding in self.findings if finding.effect == effect), None)
