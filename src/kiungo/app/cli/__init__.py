"""The `kiungo` command."""

from importlib.metadata import version as version_of
from typing import Annotated

import typer

from kiungo.app.cli import access, audit, data, demo, fhir, jobs, listening, payor, sandbox, serving

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Kiungo connects a hospital, its payers, its partners and the money between them.",
)
app.command("dev", short_help="Start on this machine, with sample data and keys.")(serving.dev)
app.command("demo", short_help="Tell the stories of a claim and of a booking, every figure checked.")(demo.demo)
app.command("serve", short_help="Serve, closed by default; needs its own keys.")(serving.serve_command)
app.command("worker", short_help="Run jobs and deliveries apart from serving.")(serving.worker)
app.command("listen", short_help="Receive webhooks: verify, print, keep a history.")(listening.listen_command)
app.command("migrate", short_help="Bring the database's schema forward.")(data.migrate)
app.command("backup", short_help="Copy the whole database into one file.")(data.backup)
app.command("restore", short_help="Load a backup into the database.")(data.restore)
app.command("check", short_help="Compare rows, totals and balances with the record.")(payor.check)
app.add_typer(sandbox.commands, name="sandbox")
app.add_typer(payor.commands, name="payor")
app.add_typer(fhir.commands, name="fhir")
app.add_typer(jobs.commands, name="jobs")
app.add_typer(access.keys, name="keys")
app.add_typer(access.secrets, name="secrets")
app.add_typer(audit.commands, name="audit")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_of("kiungo"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Settings come from KIUNGO_... variables; docs/reference/settings.md lists them."""


def main() -> None:
    """Run the command line."""
    app()
