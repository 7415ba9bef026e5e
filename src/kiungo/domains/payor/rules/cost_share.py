"""The patient's part, in its order: deductible, copay, coinsurance, and the cap over all of them.

Each step reads what earlier claims used (the case) and what this claim's earlier lines used (the sheet).
"""

from collections.abc import Iterator

from kiungo.base.money import Money
from kiungo.domains.payor.book import Benefit, Plan, code_set
from kiungo.domains.payor.model import Finding, Line
from kiungo.domains.payor.rules.case import (
    PR_COINSURANCE,
    PR_COPAY,
    PR_DEDUCTIBLE,
    Case,
    LineSheet,
    Sheet,
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


def check_deductible(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """The patient pays first, until the year's deductible of member or family is met."""
    plan = case.book.plan
    if plan.deductible_member is None and plan.deductible_family is None:
        return
    bucket = deductible_of(plan.plan_id)
    taken: dict[str, int] = {}
    for line_sheet in sheet.open_lines():
        line, year = line_sheet.line, year_of(line_sheet.line)
        benefit = benefit_for(plan, line)
        if benefit is not None and not benefit.deductible:
            continue
        left = room(case, bucket, year, plan.deductible_member, plan.deductible_family) or 0
        part = min(line_sheet.left, left - taken.get(year, 0))
        if part > 0:
            taken[year] = taken.get(year, 0) + part
            still = left - taken[year]
            text = f"Deductible: {_text(sheet, part)}; {_text(sheet, still)} of it remain for {year}"
            yield _share(sheet, line_sheet, PR_DEDUCTIBLE, part, text)


def check_copay(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """A fixed sum for each visit, once for each day and benefit, of whichever lines it takes to reach it."""
    plan = case.book.plan
    taken: dict[tuple[str, str], int] = {}
    for line_sheet in sheet.open_lines():
        benefit = benefit_for(plan, line_sheet.line)
        copay = benefit.copay if benefit and benefit.copay is not None else plan.copay
        visit = (line_sheet.line.service_date, benefit.name if benefit else "")
        part = min(line_sheet.left, (copay.minor if copay else 0) - taken.get(visit, 0))
        if part <= 0:
            continue
        taken[visit] = taken.get(visit, 0) + part
        yield _share(sheet, line_sheet, PR_COPAY, part, f"Copay for the visit: {_text(sheet, part)}")


def check_coinsurance(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """A percentage of what is left."""
    for line_sheet in sheet.open_lines():
        basis_points = coinsurance_bp(case, line_sheet.line)
        base = sheet.money(line_sheet.left)
        part = base.percent(basis_points).minor
        if part > 0:
            percent = f"{basis_points / 100:g} %"
            text = f"Coinsurance: {percent} of {base.text()} is {_text(sheet, part)}"
            yield _share(sheet, line_sheet, PR_COINSURANCE, part, text)


def check_cap(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Give back what the patient would pay above the year's out-of-pocket cap of member or family."""
    plan = case.book.plan
    if plan.out_of_pocket_member is None and plan.out_of_pocket_family is None:
        return
    bucket = out_of_pocket_of(plan.plan_id)
    taken: dict[str, int] = {}
    for line_sheet in sheet.open_lines():
        year = year_of(line_sheet.line)
        cap_left = room(case, bucket, year, plan.out_of_pocket_member, plan.out_of_pocket_family) or 0
        left = cap_left - taken.get(year, 0)
        shares = counted_shares(plan, line_sheet)
        over = sum(shares.values()) - left
        taken[year] = taken.get(year, 0) + min(sum(shares.values()), left)
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
