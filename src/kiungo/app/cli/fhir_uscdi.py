"""`kiungo fhir uscdi`: what of USCDI v3 a record has, lacks or has wrong."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import EXIT_NO, console, errors, fail, print_json, print_table, progress, readable_errors
from kiungo.app.housekeeping import TENANT
from kiungo.base.time import SystemClock
from kiungo.fhir.packages.sources import Libraries
from kiungo.fhir.repository import Repository
from kiungo.fhir.terminology import Terminologies
from kiungo.fhir.uscdi.assessing import WRONG, Assessment, assess
from kiungo.fhir.uscdi.record import Record, from_bundle, from_store
from kiungo.fhir.uscdi.showing import page
from kiungo.kernel import json
from kiungo.kernel.auth.principal import system_call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"


def uscdi(
    whom: Annotated[str, typer.Argument(metavar="PATIENT", help="Patient/ID, or a file with the person's Bundle.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Ask each data element of USCDI v3 of a person's record; exit code 1 when one is wrong."""
    with readable_errors(), opened_database() as database, progress("Reading") as report:
        library = Libraries(database, Terminologies(database)).of(TENANT)
        if library.plan(US_CORE).problem:
            fail("US Core is not installed", hint="Run `kiungo fhir install` with hl7.fhir.us.core-6.1.0.tgz")
        path = Path(whom)
        if path.is_file():
            record = from_bundle(json.loads(path.read_bytes()))
        else:
            record = database.read(lambda unit: _stored(unit, whom))
        report("judging", 0, 0)
        found = assess(record, library, datetime.now(UTC).date())
    _show(found, as_json=as_json)
    if found.count(WRONG):
        raise typer.Exit(EXIT_NO)


def _stored(unit: "Unit", whom: str) -> Record:
    kind, _, patient_id = whom.partition("/")
    if kind != "Patient" or not patient_id:
        fail(f"{whom} is neither Patient/ID nor a file", hint="Write Patient/ID as the server knows the person")
    return from_store(unit, Repository(SystemClock()), system_call(TENANT, name="uscdi"), patient_id, lambda _: True)


def _show(found: Assessment, *, as_json: bool) -> None:
    content = page(found)
    if as_json:
        print_json(content)
        return
    rows: list[list[object]] = [
        [group["name"], row["name"], row["status"], row["with_value"], row["type"]]
        for group in content["classes"]
        for row in group["elements"]
    ]
    print_table(f"{found.patient}: {content['version']}", ["class", "data element", "", "found", "kept in"], rows)
    for group in content["classes"]:
        for row in group["elements"]:
            for text in row["problems"][:2]:
                console.print(f"{row['name']}: {text}", markup=False)
    totals = f"{content['has']} there, {content['lacks']} lacking, {content['wrong']} wrong"
    console.print(f"{totals}, {content['not_expected']} not expected at this age.")
    if found.is_cut:
        errors.print("The record is larger than one report reads; some resources were left out.")
