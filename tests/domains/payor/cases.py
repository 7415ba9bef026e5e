"""Cases to judge, made from the sample data."""

from collections.abc import Mapping
from dataclasses import replace

from kiungo.base.money import Money
from kiungo.domains.payor import sample
from kiungo.domains.payor.book import Plan, Snapshot
from kiungo.domains.payor.model import Adjudication, Authorization, Claim, Line, Member, Neighbour, Ruling
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.snapshot import assemble
from kiungo.ports.bookings import Booking

SNAPSHOT = assemble(1, sample.PLANS, sample.reference())
MEMBERS = {member.member_id: member for member in sample.MEMBERS}
JOHN, AMINA, KAMAU = "BC-789-456", "BC-200-001", "CR1234567"


def usd(text: str) -> Money:
    return Money.parse(text, "USD")


def line(
    procedure: str | None = "99213",
    charge: str = "1250.00",
    *,
    number: int = 1,
    day: str = "2024-10-03",
    currency: str = "USD",
    units: int = 1,
    modifiers: tuple[str, ...] = (),
    prior_paid: str | None = None,
) -> Line:
    prior = Money.parse(prior_paid, currency) if prior_paid is not None else None
    return Line(number, day, procedure, Money.parse(charge, currency), units, modifiers, prior)


def claim(*lines: Line, member_id: str = JOHN, **fields: object) -> Claim:
    lines = lines or (line(),)
    stated = Claim(
        member_id=member_id,
        patient_name=MEMBERS[member_id].name,
        provider_id="PROV-001",
        received_on="2024-10-03",
        diagnoses=("J20.9",),
        lines=lines,
        total=Money(sum(one.charge.minor for one in lines), lines[0].charge.currency),
    )
    return replace(stated, **fields)  # type: ignore[arg-type]


def case(
    stated: Claim,
    *,
    member: Member | None = None,
    plan: Mapping[str, object] | None = None,
    used: Mapping[tuple[str, str, str], int] | None = None,
    neighbours: tuple[Neighbour, ...] = (),
    authorization: Authorization | None = None,
    booking: Booking | None = None,
    booking_used_by: str | None = None,
    ruling: Ruling | None = None,
    snapshot: Snapshot = SNAPSHOT,
    carried: Mapping[str, str] | None = None,
) -> Case:
    member = member or MEMBERS[stated.member_id]
    coverage = member.coverage_on(stated.lines[0].service_date) or member.coverages[0]
    book = snapshot.plans[coverage.plan_id]
    if plan:
        changed: Plan = replace(book.plan, **plan)  # type: ignore[arg-type]
        book = replace(book, plan=changed)
    return Case(
        claim=stated,
        member=member,
        coverage=coverage,
        book=book,
        snapshot=snapshot,
        used=used or {},
        neighbours=neighbours,
        authorization=authorization,
        booking=booking,
        booking_used_by=booking_used_by,
        ruling=ruling,
        carried=carried or {},
    )


def reasons(result: Adjudication) -> dict[str, str]:
    """Group and reason of every adjustment and share, with its amount as text."""
    found = {}
    for one in result.lines:
        for adjustment in (*one.adjustments, *one.shares):
            found[f"{one.number} {adjustment.group}-{adjustment.reason}"] = adjustment.amount.text()
    return found
