"""`kiungo audit`: prove that the trail is whole."""

from dataclasses import asdict
from typing import Annotated

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import EXIT_NO, console, counted, print_json, readable_errors
from kiungo.kernel.audit import seal_pending
from kiungo.kernel.audit import verify as verify_trail
from kiungo.kernel.config import load_settings

commands = typer.Typer(no_args_is_help=True, help="The audit trail.")


@commands.command("verify", short_help="Check every entry of the trail against its chain.")
def verify(
    expected_head: Annotated[
        str | None, typer.Option(help="The hash of a seal you kept elsewhere; the trail must contain it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Seal what is new, then check every entry against the chain; exit code 1 names the first broken one."""
    with readable_errors(), opened_database() as database:
        setting = load_settings().audit_seal_key
        key = setting.get_secret_value().encode() if setting else b""
        seal_pending(database, key)
        report = verify_trail(database, key, expected_head=expected_head)
    if as_json:
        print_json({"whole": report.is_whole, **asdict(report)})
    elif report.is_whole:
        blocks = counted(report.blocks, "sealed block")
        console.print(f"The audit trail is whole: {counted(report.rows, 'entry', 'entries')} in {blocks}.")
        console.print(f"Its head, to keep elsewhere: {report.head}", markup=False)
    else:
        console.print(f"The audit trail is BROKEN: {report.problem}", markup=False)
        if report.block is not None:
            console.print(f"At block {report.block}" + ("." if report.seq is None else f", entry {report.seq}."))
    if not report.is_whole:
        raise typer.Exit(EXIT_NO)
