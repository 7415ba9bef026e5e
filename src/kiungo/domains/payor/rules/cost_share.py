"""The patient's part of a line, in its order: deductible, copay, coinsurance, and the cap over all of them.

Each reads what earlier claims used (the case) and what this claim's earlier lines used.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kiungo.base.money import Money
from kiungo.domains.payor.book import Benefit, Plan, code_set
from kiungo.domains.payor.model import Finding, Line
from kiungo.domains.payor.rules import coordination
from kiungo.domains.payor.rules.case import (
    PR_COINSURANCE,
    PR_COPAY,
    PR_DEDUCTIBLE,
    Case,
    LineSheet,
    Sheet,
    copay_of,
    deductible_of,
    out_of_pocket_of,
    used_by_family,
    used_by_member,
    year_of,
)

STEP = "cost_share"


def benefit_for(plan: Plan, line: Line) -> Benefit | None:
    """The first benefit of the plan that names the line's service."""
    for benefit in plan.benefits:
        if line.procedure in code_set(*benefit.codes):
            return benefit
    return None


def coinsurance_bp(case: Case, line: Line) -> int:
    """The patient's share of what is left, in basis points."""
    plan = case.book.plan
    outside = plan.out_of_network_coinsurance_bp
    if outside is not None:
        provider = case.provider_on(line.service_date)
        if provider is None or not provider.in_network(plan.plan_id):
            return outside
    benefit = benefit_for(plan, line)
    if benefit is not None and benefit.coinsurance_bp is not None:
        return benefit.coinsurance_bp
    return plan.coinsurance_bp


def room(case: Case, bucket: str, period: str, member_most: Money | None, family_most: Money | None) -> int | None:
    """What is left of the member's and the family's limit before this claim; None without a limit."""
    rooms = []
    if member_most is not None:
        rooms.append(member_most.minor - used_by_member(case, bucket, period))
    if family_most is not None:
        rooms.append(family_most.minor - used_by_family(case, bucket, period))
    return max(0, min(rooms)) if rooms else None


@dataclass(slots=True)
class _Taken:
    """What the lines so far left with the patient, beside what earlier claims did."""

    deductible: dict[str, int] = field(default_factory=dict)
    copay: dict[tuple[str, str], int] = field(default_factory=dict)
    cap: dict[str, int] = field(default_factory=dict)

    def add(self, plan: Plan, line_sheet: LineSheet) -> None:
        """Count a line that is settled."""
        year, visit = year_of(line_sheet.line), visit_of(plan, line_sheet.line)
        shares = line_sheet.shares
        self.deductible[year] = self.deductible.get(year, 0) + shares.get(PR_DEDUCTIBLE, 0)
        self.copay[visit] = self.copay.get(visit, 0) + shares.get(PR_COPAY, 0)
        self.cap[year] = self.cap.get(year, 0) + sum(counted_shares(plan, line_sheet).values())


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Work out the patient's part of one line after another, with what another payer paid for it.

    A line is settled before the next begins, so that services come to the same on one claim as on several: what
    another payer covered of a deductible is not used up by it.
    """
    plan, taken, last = case.book.plan, _Taken(), sheet.lines[-1]
    for line_sheet in sheet.lines:
        if not line_sheet.denied:
            for part in (_deductible, _copay, _coinsurance, _cap):
                yield from part(case, sheet, line_sheet, taken)
        if line_sheet.line.prior_paid is not None:
            yield from coordination.relieve(sheet, line_sheet, line_sheet.line.prior_paid.minor)
        if line_sheet is not last:
            taken.add(plan, line_sheet)


def _deductible(case: Case, sheet: Sheet, line_sheet: LineSheet, taken: _Taken) -> Iterator[Finding]:
    """The patient pays first, until the year's deductible of member or family is met."""
    plan, line = case.book.plan, line_sheet.line
    if plan.deductible_member is None and plan.deductible_family is None:
        return
    benefit = benefit_for(plan, line)
    if benefit is not None and not benefit.deductible:
        return
    year = year_of(line)
    left = room(case, deductible_of(plan.plan_id), year, plan.deductible_member, plan.deductible_family) or 0
    left -= taken.deductible.get(year, 0)
    part = min(line_sheet.left, left)
    if part > 0:
        text = f"Deductible: {_text(sheet, part)}; {_text(sheet, left - part)} of it remain for {year}"
        yield _share(sheet, line_sheet, PR_DEDUCTIBLE, part, text)


def visit_of(plan: Plan, line: Line) -> tuple[str, str]:
    """What a copay is paid once for: the day, and the benefit the service is under."""
    benefit = benefit_for(plan, line)
    return line.service_date, benefit.name if benefit else ""


def _copay(case: Case, sheet: Sheet, line_sheet: LineSheet, taken: _Taken) -> Iterator[Finding]:
    """A fixed sum for each visit, once for each day, provider and benefit, of whichever lines it takes to reach it."""
    plan = case.book.plan
    benefit = benefit_for(plan, line_sheet.line)
    copay = benefit.copay if benefit and benefit.copay is not None else plan.copay
    if not copay:
        return
    day, name = visit = visit_of(plan, line_sheet.line)
    paid = used_by_member(case, copay_of(plan.plan_id, case.claim.provider_id, name), day) + taken.copay.get(visit, 0)
    part = min(line_sheet.left, copay.minor - paid)
    if part > 0:
        yield _share(sheet, line_sheet, PR_COPAY, part, f"Copay for the visit: {_text(sheet, part)}")


def _coinsurance(case: Case, sheet: Sheet, line_sheet: LineSheet, _taken: _Taken) -> Iterator[Finding]:
    """A percentage of what is left."""
    basis_points = coinsurance_bp(case, line_sheet.line)
    base = sheet.money(line_sheet.left)
    part = base.percent(basis_points).minor
    if part > 0:
        percent = f"{basis_points / 100:g} %"
        text = f"Coinsurance: {percent} of {base.text()} is {_text(sheet, part)}"
        yield _share(sheet, line_sheet, PR_COINSURANCE, part, text)


def _cap(case: Case, sheet: Sheet, line_sheet: LineSheet, taken: _Taken) -> Iterator[Finding]:
    """Give back what the patient would pay above the year's out-of-pocket cap of member or family."""
    plan = case.book.plan
    if plan.out_of_pocket_member is None and plan.out_of_pocket_family is None:
        return
    year = year_of(line_sheet.line)
    left = room(case, out_of_pocket_of(plan.plan_id), year, plan.out_of_pocket_member, plan.out_of_pocket_family) or 0
    shares = counted_shares(plan, line_sheet)
    over = sum(shares.values()) - max(0, left - taken.cap.get(year, 0))
    for reason in (PR_COINSURANCE, PR_COPAY, PR_DEDUCTIBLE):
        back = min(over, shares.get(reason, 0))
        if back > 0:
            over -= back
            text = f"The out-of-pocket cap for {year} is reached: {_text(sheet, back)} less for the patient"
            yield _share(sheet, line_sheet, reason, -back, text)


def counted_shares(plan: Plan, line_sheet: LineSheet) -> dict[str, int]:
    """The patient's parts that count towards the cap."""
    return {
        reason: minor for reason, minor in line_sheet.shares.items() if reason != PR_COPAY or plan.copay_counts_to_cap
    }


def _share(sheet: Sheet, line_sheet: LineSheet, reason: str, minor: int, text: str) -> Finding:
    return Finding(STEP, "share", text, line_sheet.line.number, group="PR", reason=reason, amount=sheet.money(minor))


def _text(sheet: Sheet, minor: int) -> str:
    return sheet.money(minor).text()
