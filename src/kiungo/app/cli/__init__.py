"""The `kiungo` command."""

from importlib.metadata import version as version_of
from typing import Annotated

import typer

from kiungo.app.cli.lazily import Later, lazy_group

COMMANDS = {
    "dev": Later("kiungo.app.cli.developing:dev", "Start on this machine, with sample data and keys."),
    "demo": Later("kiungo.app.cli.demo:demo", "Tell the stories of a claim and of a booking, every figure checked."),
    "serve": Later("kiungo.app.cli.serving:serve_command", "Serve, closed by default; needs its own keys."),
    "worker": Later("kiungo.app.cli.serving:worker", "Run jobs and deliveries apart from serving."),
    "listen": Later("kiungo.app.cli.listening:listen_command", "Receive webhooks: verify, print, keep a history."),
    "migrate": Later("kiungo.app.cli.data:migrate", "Bring the database's schema forward."),
    "backup": Later("kiungo.app.cli.data:backup", "Copy the whole database into one file."),
    "restore": Later("kiungo.app.cli.data:restore", "Load a backup into the database."),
    "check": Later("kiungo.app.cli.payor:check", "Compare rows, totals and balances with the record."),
    "sandbox": Later("kiungo.app.cli.sandbox:commands", "The simulated outside systems, and their faults."),
    "payor": Later("kiungo.app.cli.payor:commands", "Plans, members and past claims."),
    "fhir": Later("kiungo.app.cli.fhir:commands", "FHIR: validate, load, tables, packages, terminology."),
    "jobs": Later("kiungo.app.cli.jobs:commands", "Jobs that wait, died, or should run again."),
    "keys": Later("kiungo.app.cli.access:keys", "API keys: make, list, rotate, revoke."),
    "secrets": Later("kiungo.app.cli.access:secrets", "The keys that seal secrets at rest."),
    "audit": Later("kiungo.app.cli.audit:commands", "The audit trail."),
}

app = typer.Typer(
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Kiungo connects a hospital, its payers, its partners and the money between them.",
)


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
