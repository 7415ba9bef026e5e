"""Adjudication alone: the pure function over cases already opened, on one core, without a database."""

import time
from dataclasses import replace
from datetime import date, timedelta

from kiungo.base.money import Money
from kiungo.domains.payor import sample
from kiungo.domains.payor.model import Claim, Line
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.rules.pipeline import adjudicate
from kiungo.domains.payor.snapshot import assemble

CASES = 2_000
FIRST_DAY = date(2024, 1, 2)


def cases(member_id: str, procedures: tuple[str, ...]) -> list[Case]:
    """Approved claims of one member, each with its own date and amount."""
    snapshot = assemble(1, sample.PLANS, sample.reference())
    member = next(member for member in sample.MEMBERS if member.member_id == member_id)
    cover = member.coverages[0]
    book = snapshot.plans[cover.plan_id]
    made = []
    for number in range(CASES):
        day = (FIRST_DAY + timedelta(days=number % 600)).isoformat()
        lines = tuple(
            Line(place, day, procedure, Money(10_000 + number * 7 % 5_000, book.plan.currency), 1, ())
            for place, procedure in enumerate(procedures, 1)
        )
        claim = Claim(
            member_id=member_id,
            patient_name=member.name,
            provider_id="PROV-001",
            received_on=day,
            diagnoses=("J20.9",),
            lines=lines,
            total=Money(sum(line.charge.minor for line in lines), book.plan.currency),
        )
        made.append(
            Case(
                claim=claim,
                member=member,
                coverage=replace(cover),
                book=book,
                snapshot=snapshot,
                used={},
                neighbours=(),
                authorization=None,
                booking=None,
                booking_used_by=None,
                ruling=None,
            )
        )
    return made


def per_s(opened: list[Case], seconds: float) -> float:
    """Claims judged per second of processor time."""
    done, begun = 0, time.process_time()
    while (spent := time.process_time() - begun) < seconds:
        for case in opened:
            adjudicate(case)
        done += len(opened)
    return done / spent


def measure(seconds: float) -> dict[str, float]:
    """The guide's claim, and a claim of four lines under a plan with deductible, copay and caps."""
    return {
        "the guide's claim, one line": per_s(cases("BC-789-456", ("99213",)), seconds),
        "four lines, deductible, copay, caps": per_s(
            cases("BC-200-001", ("99213", "85025", "93000", "76700")), seconds
        ),
    }
