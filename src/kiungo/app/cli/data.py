"""`kiungo migrate`, `backup`, `restore`: the database's schema and its copies."""

from pathlib import Path
from typing import Annotated

import typer

from kiungo.app.cli.output import console, print_json, progress, readable_errors
from kiungo.domains.vems.settlement.restored import hold_payments
from kiungo.kernel.config import load_settings
from kiungo.kernel.database import migrate as migrate_schema
from kiungo.kernel.database import open_database, schema_state
from kiungo.kernel.database.backup import backup as back_up
from kiungo.kernel.database.restore import restore as restore_from

JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


def migrate(as_json: JsonOption = False) -> None:
    """Bring the database's schema forward to this version; there is no way back."""
    with readable_errors():
        url = load_settings().database_url
        before = schema_state(url)
        after = migrate_schema(url)
    if as_json:
        print_json({"from": before.current, "to": after.current})
    elif before.current == after.current:
        console.print(f"The schema is at {after.current} already.")
    else:
        console.print(f"The schema went from {before.current or 'nothing'} to {after.current}.")


def backup(file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Copy the whole database into one file, consistent, while it serves."""
    with readable_errors(), progress("Backing up") as report:
        back_up(load_settings().database_url, file, progress=report)
    console.print(f"Wrote {file}.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `kiungo backup`, of either engine.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace what the database holds.")] = False,
) -> None:
    """Load a backup into the database, on SQLite or PostgreSQL, whichever made it."""
    with readable_errors(), progress("Restoring") as report:
        url = load_settings().database_url
        restore_from(file, url, replace=replace, progress=report)
        paused = _hold_payments(url)
    console.print(f"Restored from {file}.")
    if paused:
        console.print(
            f"Nothing is paid by {' and '.join(paused)} until you resume them: the backup does not know what was paid "
            "since. Read their statements first; see docs/how-to/back-up-and-restore.md."
        )


def _hold_payments(url: str) -> list[str]:
    database = open_database(url)
    try:
        return database.write(hold_payments)
    finally:
        database.close()
