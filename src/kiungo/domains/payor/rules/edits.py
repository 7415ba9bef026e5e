"""Services that are not paid together, and more units in a day than a service can have.

The tables are loaded by the payor (the shape of the CMS correct-coding files); none is shipped.
"""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding, Line
from kiungo.domains.payor.rules.case import Case, LineSheet, Sheet

STEP = "edits"
BYPASSING = frozenset(["25", "27", "58", "59", "78", "79", "91", "XE", "XP", "XS", "XU", "LT", "RT"])


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny the second service of a pair, and units above a day's limit."""
    if case.snapshot.pairs and len(case.claim.lines) + len(case.neighbours) > 1:
        yield from _pairs(case, sheet)
    if case.snapshot.unit_limits:
        yield from _units(case, sheet)


def _pairs(case: Case, sheet: Sheet) -> Iterator[Finding]:
    on_file = [
        (neighbour.procedure, neighbour.service_date)
        for neighbour in case.neighbours
        if neighbour.provider_id == case.claim.provider_id and neighbour.claim_id != case.claim.replaces
    ]
    stated = [(line.line.procedure or "", line.line.service_date) for line in sheet.open_lines()]
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        for first, day in (*stated, *on_file):
            if day == line.service_date and _pair_denies(case, first, line):
                text = f"Procedure code {line.procedure} is part of {first} on the same day"
                amount = sheet.money(line_sheet.left)
                yield Finding(STEP, "deny", text, line.number, group="CO", reason="97", amount=amount)
                break


def _pair_denies(case: Case, first: str, second: Line) -> bool:
    for pair in case.snapshot.pairs.get((first, second.procedure or ""), ()):
        lifted = pair.bypass and not BYPASSING.isdisjoint(second.modifiers)
        if pair.holds_on(second.service_date) and not lifted:
            return True
    return False


def _units(case: Case, sheet: Sheet) -> Iterator[Finding]:
    counted: dict[tuple[str, str], int] = {}
    for neighbour in case.neighbours:
        if neighbour.claim_id != case.claim.replaces:
            key = (neighbour.procedure, neighbour.service_date)
            counted[key] = counted.get(key, 0) + neighbour.units
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        for limit in case.snapshot.unit_limits.get(line.procedure or "", ()):
            if not limit.holds_on(line.service_date):
                continue
            key = (limit.code, line.service_date)
            before = 0 if limit.per_line else counted.get(key, 0)
            counted[key] = counted.get(key, 0) + line.units
            over = min(line.units, before + line.units - limit.most)
            if over > 0:
                yield _too_many(sheet, line_sheet, over, limit.most)
            break


def _too_many(sheet: Sheet, line_sheet: LineSheet, over: int, most: int) -> Finding:
    line = line_sheet.line
    text = f"{over} of {line.units} units are above the {most} a day that are paid for {line.procedure}"
    if over == line.units:
        amount = sheet.money(line_sheet.left)
        return Finding(STEP, "deny", text, line.number, group="CO", reason="151", amount=amount)
    part = sheet.money(line_sheet.left * over // line.units)
    return Finding(STEP, "adjust", text, line.number, group="CO", reason="151", amount=part)
