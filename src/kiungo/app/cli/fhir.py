"""`kiungo fhir`: the FHIR server's own commands, one module for each."""

import typer

from kiungo.app.cli import terminology

commands = typer.Typer(no_args_is_help=True, help="The FHIR server: terminology and what belongs to it.")
commands.add_typer(terminology.commands, name="terminology")
