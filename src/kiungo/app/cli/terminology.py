"""`kiungo fhir terminology`: import code systems from their owners' files, and list what is there."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import console, errors, print_json, print_table, progress, readable_errors
from kiungo.app.housekeeping import TENANT
from kiungo.fhir.terminology.imported import listed_systems
from kiungo.fhir.terminology.importing import KINDS, find_release, load
from kiungo.kernel.auth.principal import system_call

commands = typer.Typer(no_args_is_help=True, help="Code systems from their owners' files.")
PROBLEMS_SHOWN = 20


@commands.command("import", short_help="Import ICD-10-CM, LOINC, SNOMED CT or RxNorm.")
def import_release(
    kind: Annotated[str, typer.Argument(help=f"Which one: {', '.join(KINDS)}.")],
    path: Annotated[Path, typer.Argument(help="The release: its file, its folder, or the zip archive.")],
    version: Annotated[str | None, typer.Option(help="The version, where the files do not say it.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Read a version again that is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Read a release into the database; a stopped import goes on where it was when started again."""
    with readable_errors(), opened_database() as database, progress("Importing") as report:
        release = find_release(kind, path, version)
        done = load(database, system_call(TENANT, name="terminology import"), release, report, replace=replace)
    if as_json:
        print_json(asdict(done))
        return
    again = " (went on where it was stopped)" if done.resumed else ""
    console.print(f"{release.kind.title} {done.version}: {done.concepts:,} concepts{again}.", markup=False)
    for problem in done.problems[:PROBLEMS_SHOWN]:
        errors.print(f"{problem.file}, line {problem.line}: {problem.problem}", markup=False)
    if done.row_errors:
        errors.print(f"{done.row_errors:,} lines were left out.", markup=False)


@commands.command("list", short_help="What was imported.")
def list_systems(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Every imported code system with its version and size."""
    with readable_errors(), opened_database() as database:
        found = database.read(lambda unit: listed_systems(unit, TENANT))
    if as_json:
        print_json([asdict(system) for system in found])
        return
    rows = [[s.kind, s.version, s.state, f"{s.concepts:,}", s.row_errors, s.url] for s in found]
    print_table("Code systems", ["kind", "version", "state", "concepts", "lines left out", "url"], rows)
