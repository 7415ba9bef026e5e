"""Services that are not paid together, and more units in a day than a service can have.

The tables are loaded by the payor (the shape of the CMS correct-coding files); none is shipped.
"""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding, Line, Neighbour
from kiungo.domains.payor.rules.case import Case, LineSheet, Sheet

STEP = "edits"
REASON_PART = "97"
BYPASSING = frozenset(["25", "27", "58", "59", "78", "79", "91", "XE", "XP", "XS", "XU", "LT", "RT"])


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny the second service of a pair, ask when it is on file already, and deny units above a day's limit."""
    counted = case.counted if case.neighbours else []
    if case.snapshot.pairs and len(case.claim.lines) + len(counted) > 1:
        yield from _pairs(case, sheet, counted)
    if case.snapshot.unit_limits:
        yield from _units(case, sheet, counted)


def _pairs(case: Case, sheet: Sheet, neighbours: list[Neighbour]) -> Iterator[Finding]:
    on_file = [one for one in neighbours if one.provider_id == case.claim.provider_id]
    firsts = [(line_sheet.line.procedure or "", line_sheet.line.service_date) for line_sheet in sheet.open_lines()]
    firsts += [(one.procedure, one.service_date) for one in on_file]
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        for first, day in firsts:
            if day == line.service_date and _pair_denies(case, first, line.procedure or "", line):
                text = f"Procedure code {line.procedure} is part of {first} on the same day"
                amount = sheet.money(line_sheet.left)
                yield Finding(STEP, "deny", text, line.number, group="CO", reason=REASON_PART, amount=amount)
                break
        else:
            yield from _part_on_file(case, line, on_file)


def _part_on_file(case: Case, line: Line, on_file: list[Neighbour]) -> Iterator[Finding]:
    """The part was claimed before the whole: what was decided stands, so a person settles the difference."""
    for one in on_file:
        if one.service_date == line.service_date and _pair_denies(case, line.procedure or "", one.procedure, line):
            yield Finding(
                STEP,
                "pend",
                f"Procedure code {line.procedure} includes {one.procedure}, which is on file as claim {one.claim_id}",
                line=line.number,
                reason=REASON_PART,
                review="A part of the service is already on file",
                resolve="Allow the amount without the part, or void the claim for the part first",
            )
            return


def _pair_denies(case: Case, first: str, second: str, line: Line) -> bool:
    """Whether two services are a pair on a line's day, and no modifier of the line lifts it."""
    for pair in case.snapshot.pairs.get((first, second), ()):
        lifted = pair.bypass and not BYPASSING.isdisjoint(line.modifiers)
        if pair.holds_on(line.service_date) and not lifted:
            return True
    return False


def _units(case: Case, sheet: Sheet, neighbours: list[Neighbour]) -> Iterator[Finding]:
    counted: dict[tuple[str, str], int] = {}
    for neighbour in neighbours:
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
