"""What a decided claim adds to the accumulators of the member and the family."""

from kiungo.domains.payor.model import FAMILY, Entry
from kiungo.domains.payor.rules import authorization, benefit
from kiungo.domains.payor.rules.case import (
    PR_COPAY,
    PR_DEDUCTIBLE,
    Case,
    LineSheet,
    Sheet,
    copay_of,
    deductible_of,
    out_of_pocket_of,
    year_of,
)
from kiungo.domains.payor.rules.cost_share import counted_shares, visit_of


def entries_of(case: Case, sheet: Sheet) -> tuple[Entry, ...]:
    """One entry for each accumulator the claim moves; lines that were denied move none."""
    sums: dict[tuple[str, str, str], int] = {}
    for line_sheet in sheet.open_lines():
        if case.ruling is not None and line_sheet.line.number in case.ruling.ruled_out:
            continue  # a reviewer who allows nothing of a line denies it: it uses up no visit
        _shares(case, line_sheet, sums)
        _copay(case, line_sheet, sums)
        _limits(case, line_sheet, sums)
        _authorization(case, line_sheet, sums)
    return tuple([Entry(*key, amount) for key, amount in sums.items() if amount])


def _add(sums: dict[tuple[str, str, str], int], key: tuple[str, str, str], amount: int) -> None:
    sums[key] = sums.get(key, 0) + amount


def _shares(case: Case, line_sheet: LineSheet, sums: dict[tuple[str, str, str], int]) -> None:
    """What no rule of the plan counts is not written down: most claims of a plan without caps move nothing."""
    plan, year = case.book.plan, year_of(line_sheet.line)
    if not plan.counts_shares:
        return
    deductible = line_sheet.shares.get(PR_DEDUCTIBLE, 0)
    out_of_pocket = sum(counted_shares(plan, line_sheet).values())
    for member in (case.member.member_id, FAMILY):
        _add(sums, (member, deductible_of(plan.plan_id), year), deductible)
        _add(sums, (member, out_of_pocket_of(plan.plan_id), year), out_of_pocket)


def _copay(case: Case, line_sheet: LineSheet, sums: dict[tuple[str, str, str], int]) -> None:
    copay = line_sheet.shares.get(PR_COPAY, 0)
    if copay:
        plan = case.book.plan
        day, benefit_name = visit_of(plan, line_sheet.line)
        bucket = copay_of(plan.plan_id, case.claim.provider_id, benefit_name)
        _add(sums, (case.member.member_id, bucket, day), copay)


def _limits(case: Case, line_sheet: LineSheet, sums: dict[tuple[str, str, str], int]) -> None:
    line = line_sheet.line
    for limit in case.book.limits:
        if not benefit.applies(limit, line):
            continue
        key = benefit.key_of(case, limit, line.service_date)
        if limit.unit == "visits":
            sums[key] = 1
        else:
            _add(sums, key, line_sheet.allowed if limit.unit == "amount" else line_sheet.accepted_units)


def _authorization(case: Case, line_sheet: LineSheet, sums: dict[tuple[str, str, str], int]) -> None:
    known = case.authorization
    if known is None or known.units is None:
        return
    if authorization.needs(case, line_sheet.line) and authorization.permits(case, line_sheet.line):
        key = (case.member.member_id, authorization.bucket_of(known.number), authorization.LIFETIME)
        _add(sums, key, line_sheet.accepted_units)
