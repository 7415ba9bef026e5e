"""`kiungo fhir install`, `packages`, `uninstall`, `must-conform`: implementation guides and the rules for writes."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import console, errors, print_json, print_table, progress, readable_errors
from kiungo.app.housekeeping import TENANT
from kiungo.fhir.packages import installed
from kiungo.fhir.packages.archive import read_package
from kiungo.fhir.packages.faults import faults
from kiungo.fhir.packages.policy import policy, set_policy
from kiungo.fhir.packages.sources import TenantSource
from kiungo.kernel.config import load_settings
from kiungo.kernel.database import migrate, schema_state

FAULTS_SHOWN = 10
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


def install(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The .tgz of a FHIR package.")],
    as_json: JsonOption = False,
) -> None:
    """Install an implementation guide; again replaces it. A running server knows it within a second."""
    with readable_errors(), progress("Installing") as report:
        manifest, resources = read_package(file, report)
        _ensure_database()
        with opened_database() as database:
            report("writing", 0, 0)
            done = database.write(lambda unit: installed.install(unit, TENANT, manifest, resources))
            report("comparing profiles with their bases", 0, 0)
            wrong = faults(resources, TenantSource(database, TENANT))
            lacking = database.read(lambda unit: installed.missing_dependencies(installed.packages(unit, TENANT)))
    missing = lacking.get(f"{done.name}#{done.version}", [])
    if as_json:
        print_json({**asdict(done), "missing_dependencies": missing, "faults": wrong})
        return
    console.print(f"Installed {done.name} {done.version}: {done.resources:,} definitions.", markup=False)
    if missing:
        errors.print(f"It depends on packages that are not here: {', '.join(missing)}.", markup=False)
        errors.print("What only they define is not judged, and a warning says so.", markup=False)
    if wrong:
        errors.print("Profiles of it are wider than their bases; records are judged by them as they are:", markup=False)
        for one in wrong[:FAULTS_SHOWN]:
            errors.print(f"  {one}", markup=False)
        if len(wrong) > FAULTS_SHOWN:
            errors.print(f"  and {len(wrong) - FAULTS_SHOWN} more, which --json lists", markup=False)


def _ensure_database() -> None:
    """A new machine has no database yet; an old one is not changed without being asked."""
    url = load_settings().database_url
    if schema_state(url).current is None:
        migrate(url)


def list_packages(as_json: JsonOption = False) -> None:
    """The packages that are installed, and what they depend on that is not."""
    with readable_errors(), opened_database() as database:
        found = database.read(lambda unit: installed.packages(unit, TENANT))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    lacking = installed.missing_dependencies(found)
    rows: list[list[object]] = [
        [one.name, one.version, f"{one.resources:,}", ", ".join(lacking.get(f"{one.name}#{one.version}", []))]
        for one in found
    ]
    print_table("Packages", ["name", "version", "definitions", "depends on, not installed"], rows)


def uninstall(
    name: Annotated[str, typer.Argument(help="The package's name.")],
    version: Annotated[str, typer.Argument(help="Its version.")],
) -> None:
    """Take a package out; its profiles are no longer known."""
    with readable_errors(), opened_database() as database:
        database.write(lambda unit: installed.remove(unit, TENANT, name, version))
    console.print(f"Took out {name} {version}.", markup=False)


def must_conform(
    type_name: Annotated[str | None, typer.Argument(metavar="TYPE", help="A resource type, such as Patient.")] = None,
    profiles: Annotated[list[str] | None, typer.Option("--profile", help="A profile's URL; may be repeated.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the rule of the type.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the profiles that writes must meet, or set those of one type."""
    with readable_errors(), opened_database() as database:
        if type_name is not None and (profiles or remove):
            wanted = () if remove else tuple(profiles or ())
            database.write(lambda unit: set_policy(unit, TENANT, type_name, wanted))
        found = database.read(lambda unit: policy(unit, TENANT))
    shown = {name: urls for name, urls in found.items() if type_name is None or name == type_name}
    if as_json:
        print_json({name: list(urls) for name, urls in shown.items()})
        return
    print_table("Writes must meet", ["type", "profile"], [[name, url] for name, urls in shown.items() for url in urls])
