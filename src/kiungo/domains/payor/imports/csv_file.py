"""CSV files of reference data: read all rows, name every wrong one, write the good ones in small units."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kiungo.base.errors import Incorrect, KiungoError, NotFound
from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.errors import PLAN_NOT_FOUND, REFERENCE_WRONG
from kiungo.domains.payor.imports.kinds import BUILDERS, Built, CoverRemoval, PlanBenefit, build
from kiungo.domains.payor.model import Authorization, Member
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.snapshot import Reference
from kiungo.domains.payor.store import members, reference
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit

ROWS_A_UNIT = 200
ROWS_A_REQUEST_MAX = 2_000
PROBLEMS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with one row. Shapes: `row` counts from 2, the first line below the header."""

    row: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as read: the good rows with their numbers, and the problems of the others."""

    rows: tuple[tuple[int, Built], ...]
    problems: tuple[RowProblem, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to."""

    written: int
    problems: tuple[RowProblem, ...]


def read(kind: str, text: str) -> Sheet:
    """Read a CSV with a header line. Raises: Incorrect REFERENCE_WRONG for an unknown kind or no header."""
    if kind not in BUILDERS:
        raise _wrong("kind", f"must be one of {', '.join(BUILDERS)}")
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[tuple[int, Built]] = []
    problems: list[RowProblem] = []
    for number, cells, problem in _rows(reader):
        if problem is not None:
            problems.append(RowProblem(number, "", problem))
            continue
        try:
            rows.append((number, build(kind, cells)))
        except KiungoError as error:
            problems += [RowProblem(number, detail.field, detail.message) for detail in error.details]
        if len(problems) >= PROBLEMS_MAX:
            problems.append(RowProblem(number, "", "too many problems; the rest of the file was not read"))
            break
    return Sheet(tuple(rows), tuple(problems))


def _rows(reader: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, str | None], str | None]]:
    try:
        names = reader.fieldnames
    except csv.Error as error:
        raise _wrong("header", f"cannot be read: {error}") from error
    if not names or not any(names) or len(set(names)) != len(names):
        raise _wrong("header", "must name each column once in the first line")
    number = 1
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, {}, f"cannot be read: {error}"
            return
        if None in cells:
            yield number, {}, "has more cells than the header"
            continue
        yield number, dict(cells), None


def write_rows(registers: Registers, unit: Unit, call: Call, rows: tuple[tuple[int, Built], ...]) -> None:
    """Write rows in the caller's unit. Raises: Incorrect or NotFound, naming what a row refers to in vain."""
    registers.hold(unit, call)
    loose: list[Reference] = []
    for _, built in rows:
        if isinstance(built, Plan):
            registers.put_plan(unit, call, _with_benefits(unit, call, built))
        elif isinstance(built, PlanBenefit):
            registers.put_plan(unit, call, _with_benefit(unit, call, built))
        elif isinstance(built, Member):
            registers.put_member(unit, call, _with_covers(unit, call, built))
        elif isinstance(built, CoverRemoval):
            cover = {"plan_id": built.plan_id, "valid_from": built.valid_from}
            registers.remove_cover(unit, call, built.member_id, **cover)
        elif isinstance(built, Authorization):
            registers.put_authorization(unit, call, built)
        else:
            loose.append(built)
    if loose:
        registers.put_items(unit, call, loose)


def _with_benefits(unit: Unit, call: Call, plan: Plan) -> Plan:
    known = reference.find_plan(unit, call.tenant, plan.plan_id)
    return replace(plan, benefits=known.benefits) if known and not plan.benefits else plan


def _with_benefit(unit: Unit, call: Call, row: PlanBenefit) -> Plan:
    """The plan with this benefit in the place of the one of its name, or after the others."""
    plan = reference.find_plan(unit, call.tenant, row.plan_id)
    if plan is None:
        raise NotFound(PLAN_NOT_FOUND, f"plan_id {row.plan_id} is not a plan of this payor", field="plan_id")
    if plan.currency != row.currency:
        raise _wrong("currency", f"of plan {plan.plan_id} is {plan.currency}")
    by_name = {benefit.name: benefit for benefit in plan.benefits} | {row.benefit.name: row.benefit}
    return replace(plan, benefits=tuple(by_name.values()))


def _with_covers(unit: Unit, call: Call, member: Member) -> Member:
    """A row adds its cover to the member's others, or replaces the one that began on the same day."""
    found = members.find(unit, call.tenant, member.member_id)
    if found is None:
        return member
    new = {(cover.plan_id, cover.valid_from) for cover in member.coverages}
    kept = [cover for cover in found[0].coverages if (cover.plan_id, cover.valid_from) not in new]
    covers = sorted([*kept, *member.coverages], key=lambda cover: (cover.valid_from, cover.plan_id))
    return replace(member, coverages=tuple(covers))


def import_file(
    database: Database,
    registers: Registers,
    call: Call,
    kind: str,
    text: str,
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Imported:
    """Write every good row of a file in small units and report every other. Not on the event loop.

    A unit that fails is tried row by row, so that one row takes no other with it.
    """
    sheet = read(kind, text)
    written, problems = 0, list(sheet.problems)
    for start in range(0, len(sheet.rows), ROWS_A_UNIT):
        part = sheet.rows[start : start + ROWS_A_UNIT]
        try:
            database.write(lambda unit, part=part: write_rows(registers, unit, call, part))  # type: ignore[misc]
            written += len(part)
        except KiungoError:
            for row in part:
                problem = _write_one(database, registers, call, row)
                written += problem is None
                problems += [problem] if problem else []
        progress(min(start + ROWS_A_UNIT, len(sheet.rows)), len(sheet.rows))
    database.gather_statistics(written)
    return Imported(written, tuple(sorted(problems, key=lambda problem: problem.row)))


def _write_one(database: Database, registers: Registers, call: Call, row: tuple[int, Built]) -> RowProblem | None:
    try:
        database.write(lambda unit: write_rows(registers, unit, call, (row,)))
    except KiungoError as error:
        return RowProblem(row[0], error.field or "", error.message)
    return None


def _wrong(field: str, problem: str) -> Incorrect:
    return Incorrect(REFERENCE_WRONG, f"{field} {problem}", field=field, hint="Correct the file and send it again")
