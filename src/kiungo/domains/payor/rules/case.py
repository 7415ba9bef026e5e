"""What every step reads: the case (fixed) and the sheet (the money as the steps before left it)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kiungo.base.money import Money
from kiungo.domains.payor.book import PlanBook, Provider, Snapshot
from kiungo.domains.payor.model import (
    FAMILY,
    Adjustment,
    Authorization,
    Claim,
    Coverage,
    Finding,
    Group,
    Line,
    LineResult,
    Member,
    Neighbour,
    Ruling,
)
from kiungo.ports.bookings import Booking

Used = Mapping[tuple[str, str, str], int]
UNITS_REFUSED: Final[tuple[Group, str]] = ("CO", "151")
PR_DEDUCTIBLE, PR_COINSURANCE, PR_COPAY = "1", "2", "3"
COPAY: Final = "copay:"


@dataclass(frozen=True, slots=True)
class Case:
    """A claim and all that was known when it was judged; the same case always gives the same result.

    Shapes: `used` is keyed by (member or FAMILY, bucket, period). `booking` None means no such booking.
    `voided_same` is a claim of the same content that was voided and has no replacement that stands; `same_number`
    another claim under this one's own number, whatever it is for.
    `carried` says of days of service when the claims this one replaces first brought them.
    """

    claim: Claim
    member: Member
    coverage: Coverage
    book: PlanBook
    snapshot: Snapshot
    used: Used = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()
    authorization: Authorization | None = None
    booking: Booking | None = None
    booking_used_by: str | None = None
    ruling: Ruling | None = None
    voided_same: str | None = None
    same_number: str | None = None
    carried: Mapping[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> list[Neighbour]:
        """The services on other claims that count: what this claim replaces or a person refused does not."""
        return [one for one in self.neighbours if not one.refused and one.claim_id != self.claim.replaces]

    @property
    def provider(self) -> Provider | None:
        """Who the claim is from, as the provider was on the first line's day."""
        return self.snapshot.provider(self.claim.provider_id, self.claim.lines[0].service_date)

    def provider_on(self, day: str) -> Provider | None:
        """What holds of the provider on a day, or None when the provider was not enrolled then."""
        return self.snapshot.provider_on(self.claim.provider_id, day)


def accepted_units(line: Line, refused_minor: int) -> int:
    """The units of a line that are left when a part of its charge was refused with them."""
    return line.units - (refused_minor * line.units + line.charge.minor - 1) // line.charge.minor


class LineSheet:
    """The money of one line while the steps run. Units: minor units of the claim's currency."""

    __slots__ = ("adjustments", "allowed", "charge", "denied", "left", "line", "patient", "shares")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.charge = line.charge.minor
        self.allowed = self.left = self.charge
        self.patient = 0
        self.denied = False
        self.adjustments: dict[tuple[Group, str], int] = {}
        self.shares: dict[str, int] = {}

    @property
    def accepted_units(self) -> int:
        """The units that are left after those above a day's limit were refused."""
        return accepted_units(self.line, self.adjustments.get(UNITS_REFUSED, 0))

    def apply(self, finding: Finding) -> None:
        """Let a finding move this line's money. A finding without an amount moves none."""
        effect, group, reason = finding.effect, finding.group, finding.reason
        if effect not in ("adjust", "deny", "prior", "relief", "share") or finding.amount is None:
            return
        if group is None or reason is None:
            raise AssertionError(f"{finding.step} moved money without a group and a reason")
        amount = finding.amount.minor
        self.left -= amount
        if group == "PR":
            self.patient += amount
        if effect == "share":
            self.shares[reason] = self.shares.get(reason, 0) + amount
            return
        self.adjustments[group, reason] = self.adjustments.get((group, reason), 0) + amount
        if effect == "deny":
            self.denied = True
        if effect in ("adjust", "deny"):
            self.allowed -= amount

    def result(self, currency: str) -> LineResult:
        """The line as the decision shows it."""
        return LineResult(
            number=self.line.number,
            charge=self.line.charge,
            allowed=Money(self.allowed, currency),
            paid=Money(self.left, currency),
            patient=Money(self.patient, currency),
            denied=self.denied,
            adjustments=tuple(
                Adjustment(group, reason, Money(minor, currency))
                for (group, reason), minor in self.adjustments.items()
                if minor
            ),
            shares=tuple(
                Adjustment("PR", reason, Money(minor, currency)) for reason, minor in self.shares.items() if minor
            ),
        )


class Sheet:
    """All lines of a claim while the steps run."""

    __slots__ = ("_some_denied", "by_number", "currency", "lines")

    def __init__(self, claim: Claim) -> None:
        self._some_denied = False
        self.currency = claim.total.currency
        self.lines = [LineSheet(line) for line in claim.lines]
        self.by_number = {sheet.line.number: sheet for sheet in self.lines}

    def open_lines(self) -> Sequence[LineSheet]:
        """The lines nobody has denied so far."""
        return [sheet for sheet in self.lines if not sheet.denied] if self._some_denied else self.lines

    def apply(self, finding: Finding) -> None:
        """Let a finding about a line move that line's money."""
        line_sheet = self.by_number[finding.line]
        line_sheet.apply(finding)
        self._some_denied = self._some_denied or line_sheet.denied

    def money(self, minor: int) -> Money:
        """An amount in the claim's currency."""
        return Money(minor, self.currency)


Step = Callable[[Case, Sheet], Iterable[Finding]]


def deductible_of(plan_id: str) -> str:
    """The accumulator of a plan's deductible; what another plan counts is its own, and maybe other money."""
    return f"deductible:{plan_id}"


def out_of_pocket_of(plan_id: str) -> str:
    """The accumulator of what a patient paid towards a plan's cap."""
    return f"out_of_pocket:{plan_id}"


def copay_of(plan_id: str, provider_id: str, benefit: str) -> str:
    """The accumulator of what a patient paid for a visit: with one provider, under one benefit, on one day."""
    return f"{COPAY}{plan_id}:{provider_id}:{benefit}"


def year_of(line: Line) -> str:
    """The benefit period a line falls into."""
    return line.service_date[:4]


def used_by_member(case: Case, bucket: str, period: str) -> int:
    """What the member used before this claim."""
    return case.used.get((case.member.member_id, bucket, period), 0)


def used_by_family(case: Case, bucket: str, period: str) -> int:
    """What the whole family used before this claim."""
    return case.used.get((FAMILY, bucket, period), 0)
