"""`kiungo fhir`: the FHIR server's own commands, one module for each."""

import typer

from kiungo.app.cli import fhir_load, fhir_packages, fhir_paths, fhir_uscdi, fhir_validation, fhir_views, terminology

commands = typer.Typer(no_args_is_help=True, help="The FHIR server: terminology and what belongs to it.")
commands.add_typer(terminology.commands, name="terminology")
commands.command("validate", short_help="Judge files against R4 and profiles.")(fhir_validation.validate)
commands.command("install", short_help="Install an implementation guide (.tgz).")(fhir_packages.install)
commands.command("uscdi", short_help="What of USCDI v3 a record has, lacks or has wrong.")(fhir_uscdi.uscdi)
commands.command("packages", short_help="List installed packages.")(fhir_packages.list_packages)
commands.command("uninstall", short_help="Take a package out.")(fhir_packages.uninstall)
commands.command("must-conform", short_help="The profiles that writes must meet.")(fhir_packages.must_conform)
commands.command("view", short_help="Rows of a ViewDefinition as CSV, NDJSON or Parquet.")(fhir_views.view_command)
# An expression may begin with a minus, which is no option.
_MINUS = {"ignore_unknown_options": True}
commands.command("path", short_help="Evaluate a FHIRPath expression on a file.", context_settings=_MINUS)(
    fhir_paths.path_command
)
commands.command("load", short_help="Load files of resources in bulk.")(fhir_load.load_command)
