"""The `kiungo` command."""

from importlib.metadata import version as version_of
from typing import Annotated

import typer

from kiungo.app.cli import access, audit, data, demo, jobs, listening, payor, serving

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Kiungo connects a hospital, its payers, its partners and the money between them.",
)
app.command("dev")(serving.dev)
app.command("demo")(demo.demo)
app.command("serve")(serving.serve_command)
app.command("worker")(serving.worker)
app.command("listen")(listening.listen_command)
app.command("migrate")(data.migrate)
app.command("backup")(data.backup)
app.command("restore")(data.restore)
app.command("check")(payor.check)
app.add_typer(payor.commands, name="payor")
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
