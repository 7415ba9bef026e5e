"""`kiungo fhir view`: rows of a ViewDefinition, from files or from the store."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import console, counted, errors, fail, progress, readable_errors
from kiungo.app.housekeeping import TENANT
from kiungo.fhir.views import View, read_view
from kiungo.fhir.views.output import FORMATS, csv_chunks, json_chunks, ndjson_chunks
from kiungo.fhir.views.parquet import write_parquet
from kiungo.fhir.views.sources import BATCH, from_files, stored_batch
from kiungo.kernel import audit, json
from kiungo.kernel.auth.principal import system_call
from kiungo.kernel.database import Database

REPORT_EVERY = 500


def view_command(
    file: Annotated[Path, typer.Argument(help="The ViewDefinition as JSON.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="NDJSON, a resource, a Bundle, or a folder; else the store.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="Write here; else to standard output.")] = None,
) -> None:
    """Turn resources into rows; the columns are those of the view."""
    if format not in FORMATS:
        fail(f"There is no format {format!r}", hint=f"Use one of {', '.join(FORMATS)}")
    if format == "parquet" and out is None:
        fail("Parquet is a file", hint="Add --out rows.parquet")
    with readable_errors(), progress("Rows") as report:
        view = read_view(json.loads(file.read_bytes()))
        if source is not None:
            written = _write(view, _counted(view, from_files(source), report), format, out)
        else:
            with opened_database() as database:
                written = _write(view, _counted(view, _stored(database, view), report), format, out)
    if out is not None:
        errors.print(f"{counted(written, 'row')} in {out}", markup=False)


class _Counter:
    """How many rows went by."""

    def __init__(self, rows: Iterable[list[Any]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[list[Any]]:
        for row in self._rows:
            self.count += 1
            yield row


def _counted(view: View, resources: Iterable[dict[str, Any]], report: Any) -> Iterator[list[Any]]:
    for number, resource in enumerate(resources, 1):
        yield from view.rows(resource)
        if number % REPORT_EVERY == 0:
            report(view.resource, number, 0)


def _stored(database: Database, view: View) -> Iterator[dict[str, Any]]:
    """Everything of the view's type; that it was read is audited once."""
    call = system_call(TENANT, name="fhir view")
    database.write(lambda unit: audit.record(unit, call, "view", kind=view.resource, id=""))
    after = 0
    while True:
        position = after
        batch = database.read(
            lambda unit, position=position: stored_batch(unit, TENANT, view.resource, position, 0)  # type: ignore[misc]
        )
        for stored in batch:
            yield json.loads(stored.body)
        if len(batch) < BATCH:
            return
        after = batch[-1].rid


def _write(view: View, rows: Iterable[list[Any]], format: str, out: Path | None) -> int:
    counter = _Counter(rows)
    if format == "parquet" and out is not None:
        write_parquet(view, counter, out)
        return counter.count
    makers = {"csv": csv_chunks, "ndjson": ndjson_chunks, "json": json_chunks}
    chunks = makers[format](view, counter)
    if out is None:
        console.file.flush()
        for chunk in chunks:
            sys.stdout.write(chunk.decode())
    else:
        with out.open("wb") as target:
            target.writelines(chunks)
    return counter.count
