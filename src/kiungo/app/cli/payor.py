"""`kiungo payor import`, `columns`, `whatif`: the payor's reference data from the command line; `kiungo check`."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import (
    EXIT_NO,
    console,
    counted,
    fail,
    print_json,
    print_table,
    progress,
    readable_errors,
)
from kiungo.app.registry import connector_settings
from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.base.time import SystemClock, parse_date, to_us
from kiungo.domains.payor import whatif
from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.checking import Difference, check_accumulators, check_claims
from kiungo.domains.payor.imports import csv_file
from kiungo.domains.payor.imports.kinds import BUILDERS, columns
from kiungo.domains.payor.opening import Openings, Snapshots
from kiungo.domains.payor.registers import Registers
from kiungo.fhir.repository import Repository
from kiungo.kernel import ledger
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.database import Database

TENANT = 1
ROWS_SHOWN_MAX = 50

commands = typer.Typer(no_args_is_help=True, help="Plans, members and past claims.")
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
Kind = Annotated[str, typer.Argument(help=f"One of {', '.join(BUILDERS)}.")]


@commands.command("columns")
def show_columns(kind: Kind) -> None:
    """The columns of a kind's CSV, as its header line."""
    if kind not in BUILDERS:
        fail(f"{kind} is not a kind", hint=f"Kinds are {', '.join(BUILDERS)}")
    typer.echo(",".join(columns(kind)))


@commands.command("import", short_help="Import a CSV, and name every row that is wrong.")
def import_rows(
    kind: Kind,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV in UTF-8 with a header line.")],
    as_json: JsonOption = False,
) -> None:
    """Write every good row of a CSV and name every other; exit code 1 when there was one."""
    with readable_errors(), opened_database() as database, progress("Importing") as report:
        text = _text_of(file)
        done = csv_file.import_file(
            database,
            Registers(Repository(SystemClock())),
            system_call(TENANT, name="import"),
            kind,
            text,
            progress=lambda now, whole: report(kind, now, whole),
        )
    problems = [[problem.row, problem.field, problem.message] for problem in done.problems]
    if as_json:
        rows = [dict(zip(("row", "field", "message"), problem, strict=True)) for problem in problems]
        print_json({"written": done.written, "problems": rows})
    else:
        console.print(f"Wrote {counted(done.written, 'row')}.")
        if problems:
            print_table("Not written", ["row", "column", "problem"], problems)
    if problems:
        raise typer.Exit(EXIT_NO)


@commands.command("whatif", short_help="Judge past claims under a changed plan.")
def what_if(
    plan_id: Annotated[str, typer.Argument(help="The plan to change.")],
    changes: Annotated[list[str], typer.Option("--set", help="A column and its value: coinsurance_percent=30.")],
    since: Annotated[str | None, typer.Option("--since", help="Only claims since this day, YYYY-MM-DD.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge past claims again under a changed plan and show the differences; nothing is written."""
    repository = Repository(SystemClock())
    openings = Openings(Snapshots(), None, repository)
    with readable_errors(), opened_database() as database, progress("Judging") as report:
        snapshot = database.read(lambda unit: openings.snapshot(unit, TENANT))
        if plan_id not in snapshot.plans:
            fail(f"{plan_id} is not a plan", hint=f"Plans are {', '.join(snapshot.plans)}")
        changed = _changed_plan(snapshot.plans[plan_id].plan, changes)
        found = whatif.compare(
            database,
            openings,
            repository,
            system_call(TENANT, name="whatif"),
            changed,
            since_us=_start_of(since),
            progress=lambda done: report("claims", done, 0),
        )
    if as_json:
        print_json(_comparison(found))
    else:
        _print_comparison(found)


def check(
    repair: Annotated[bool, typer.Option("--repair", help="Write wrong rows anew from the record.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Do rows follow from the record, totals from their entries, balances from their postings?"""
    call = system_call(TENANT, name="check")
    with readable_errors(), opened_database() as database, progress("Checking") as report:
        found = _differences(database, call, report_pages=lambda n: report("pages", n, 0), repair=repair)
        wrong = database.read(lambda unit: ledger.verify(unit, TENANT))
    rows = [[one.kind, one.id, one.what] for one in found]
    rows += [["ledger", str(one), "differs from its postings"] for one in wrong]
    with readable_errors():
        chosen = connector_settings()
    if as_json:
        found_rows = [dict(zip(("kind", "id", "what"), row, strict=True)) for row in rows]
        print_json({"differences": found_rows, "settle_on": chosen.settle.on, "submit_on": chosen.follow.submit_on})
    else:
        console.print(
            f"Bookings of mode sha are paid out at {chosen.settle.on} (KIUNGO_SETTLE_ON); claims of bookings with a"
            f" diagnosis are submitted at: {chosen.follow.submit_on} (KIUNGO_FOLLOW_SUBMIT_ON).",
            markup=False,
        )
        print_table("Differences", ["kind", "id", "what"], list(rows[:ROWS_SHOWN_MAX]))
        if len(rows) > ROWS_SHOWN_MAX:
            console.print(f"and {len(rows) - ROWS_SHOWN_MAX} more")
    if rows and not repair:
        raise typer.Exit(EXIT_NO)


def _differences(
    database: Database, call: Call, *, report_pages: Callable[[int], None], repair: bool
) -> list[Difference]:
    repository = Repository(SystemClock())
    openings = Openings(Snapshots(), None, repository)
    found: list[Difference] = []
    after: str | None = ""
    pages = 0
    while after is not None:
        position = after
        run = database.write if repair else database.read
        page, after = run(
            lambda unit, position=position: check_claims(  # type: ignore[misc]
                repository, openings, unit, call, after=position, repair=repair
            )
        )
        found += page
        pages += 1
        report_pages(pages)
    return found + database.read(lambda unit: check_accumulators(unit, TENANT))


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8", hint="Save it as CSV UTF-8")


def _changed_plan(plan: Plan, changes: list[str]) -> Plan:
    try:
        return whatif.changed_plan(plan, _pairs(changes))
    except Incorrect as error:
        fail(error.message, hint="Write --set column=value; `kiungo payor columns plans` shows the columns")


def _pairs(changes: list[str]) -> dict[str, str]:
    pairs = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            fail(f"--set {change} has no value", hint="Write --set column=value")
        pairs[name.strip()] = value.strip()
    return pairs


def _start_of(since: str | None) -> int:
    if since is None:
        return 0
    day = parse_date(since, field="--since")
    return to_us(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _comparison(found: whatif.Comparison) -> dict[str, object]:
    return {
        "claims": found.claims,
        "currency": found.currency,
        "paid": {"now": Money(found.paid_now, found.currency), "then": Money(found.paid_then, found.currency)},
        "patient": {
            "now": Money(found.patient_now, found.currency),
            "then": Money(found.patient_then, found.currency),
        },
        "changed": [
            {
                "claim_id": one.claim_id,
                "now": {"status": one.now.outcome, "paid": one.now.paid, "patient": one.now.patient},
                "then": {"status": one.then.outcome, "paid": one.then.paid, "patient": one.then.patient},
            }
            for one in found.changed
        ],
    }


def _print_comparison(found: whatif.Comparison) -> None:
    rows: list[list[object]] = [
        [
            one.claim_id,
            one.now.outcome,
            one.then.outcome,
            one.now.paid.text(),
            one.then.paid.text(),
            one.now.patient.text(),
            one.then.patient.text(),
        ]
        for one in found.changed[:ROWS_SHOWN_MAX]
    ]
    names = ["claim", "status", "would be", "paid", "would be", "patient", "would be"]
    print_table("Claims that would differ", names, rows)
    if len(found.changed) > ROWS_SHOWN_MAX:
        console.print(f"and {len(found.changed) - ROWS_SHOWN_MAX} more; --json shows all")
    paid, then = Money(found.paid_now, found.currency), Money(found.paid_then, found.currency)
    console.print(
        f"{counted(found.claims, 'claim')} judged, {len(found.changed)} differ; paid {paid}, would be {then}."
    )
