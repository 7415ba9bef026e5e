"""`kiungo fhir load`: files of resources into the store, in bulk."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import EXIT_NO, console, counted, errors, print_json, progress, readable_errors
from kiungo.app.housekeeping import TENANT
from kiungo.app.reserved import RESERVED
from kiungo.fhir.loading import Loaded, find_files, load
from kiungo.fhir.loading.entries import Refused
from kiungo.fhir.loading.preparing import plain
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth.principal import system_call
from kiungo.kernel.config import load_settings


def load_command(
    place: Annotated[Path, typer.Argument(exists=True, help="A file, or a folder: .ndjson or .json, also .gz.")],
    errors_to: Annotated[
        Path, typer.Option("--errors", help="Where resources that are refused are told, one in a line.")
    ] = Path("load-errors.ndjson"),
    again: Annotated[bool, typer.Option("--again", help="Read files once more that were loaded before.")] = False,
    workers: Annotated[int | None, typer.Option(min=0, max=64, help="Processes that prepare; 0 for none.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Validate, index and write every resource; one with an id becomes the next version of that id.

    A load that was stopped goes on where it was when it is started again. Exit code 1 when something was refused.
    """
    with readable_errors(), opened_database() as database, progress("Loading") as report:
        store = Store(
            database, Reads(database), base_url=f"{load_settings().issuer}/fhir", link_key=b"", reserved=RESERVED
        )
        done = load(
            store,
            system_call(TENANT, name="load"),
            find_files(place),
            report,
            lambda refused: _write(errors_to, refused),
            workers=workers,
            again=datetime.now(UTC).isoformat() if again else "",
        )
    _tell(done, errors_to, as_json=as_json)
    if done.refused:
        raise typer.Exit(EXIT_NO)


def _write(path: Path, refused: list[Refused]) -> None:
    with path.open("ab") as file:
        file.writelines(json.dumps(plain(one)) + b"\n" for one in refused)


def _tell(done: Loaded, errors_to: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
        return
    console.print(
        f"{done.created:,} created, {done.updated:,} updated, {done.unchanged:,} unchanged"
        f" in {counted(done.files, 'file')}.",
        markup=False,
    )
    if done.skipped:
        parts = counted(done.skipped, "part was", "parts were")
        errors.print(f"{parts} loaded before; `--again` reads them once more.", markup=False)
    if done.refused:
        refused = counted(done.refused, "was", "were")
        errors.print(f"{refused} refused: {errors_to} says which and why.", markup=False)
