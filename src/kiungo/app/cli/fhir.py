"""`kiungo fhir`: the FHIR server's own commands, one module for each."""

import typer

from kiungo.app.cli.lazily import Later, lazy_group

# An expression may begin with a minus, which is no option.
_MINUS = {"ignore_unknown_options": True}
COMMANDS = {
    "validate": Later("kiungo.app.cli.fhir_validation:validate", "Judge files against R4 and profiles."),
    "install": Later("kiungo.app.cli.fhir_packages:install", "Install an implementation guide (.tgz)."),
    "uscdi": Later("kiungo.app.cli.fhir_uscdi:uscdi", "What of USCDI v3 a record has, lacks or has wrong."),
    "packages": Later("kiungo.app.cli.fhir_packages:list_packages", "List installed packages."),
    "uninstall": Later("kiungo.app.cli.fhir_packages:uninstall", "Take a package out."),
    "must-conform": Later("kiungo.app.cli.fhir_packages:must_conform", "The profiles that writes must meet."),
    "view": Later("kiungo.app.cli.fhir_views:view_command", "Rows of a ViewDefinition as CSV, NDJSON or Parquet."),
    "path": Later("kiungo.app.cli.fhir_paths:path_command", "Evaluate a FHIRPath expression on a file.", _MINUS),
    "load": Later("kiungo.app.cli.fhir_load:load_command", "Load files of resources in bulk."),
    "terminology": Later("kiungo.app.cli.terminology:commands", "Code systems from their owners' files."),
}

commands = typer.Typer(
    cls=lazy_group(COMMANDS), no_args_is_help=True, help="FHIR: validate, load, tables, packages, terminology."
)
