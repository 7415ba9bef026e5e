"""`kiungo fhir validate`: judge files, with or without a database, without a server."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import EXIT_NO, console, fail, print_json, progress, readable_errors
from kiungo.app.housekeeping import TENANT
from kiungo.fhir.packages.archive import read_package
from kiungo.fhir.packages.sources import TenantSource, TenantTerminology
from kiungo.fhir.profiles.codes import Terminology
from kiungo.fhir.profiles.conformance import BaseSource, GivenSource, Layers, Source
from kiungo.fhir.profiles.findings import Finding
from kiungo.fhir.profiles.library import Library
from kiungo.fhir.profiles.membership import LocalTerminology
from kiungo.fhir.profiles.validator import Validator
from kiungo.fhir.terminology import Terminologies
from kiungo.fhir.validation.files import Read, read_all
from kiungo.fhir.validation.reporting import no_places, outcome
from kiungo.kernel.config import load_settings
from kiungo.kernel.database import Database, schema_state

SHOWN_MAX = 100


def validate(
    files: Annotated[list[Path], typer.Argument(exists=True, help="JSON, XML or NDJSON files, or folders of them.")],
    profiles: Annotated[
        list[str] | None, typer.Option("--profile", help="A profile's URL, or a file with it; may be repeated.")
    ] = None,
    packages: Annotated[
        list[Path] | None, typer.Option("--package", exists=True, help="A FHIR package to use without installing it.")
    ] = None,
    definitions: Annotated[
        list[Path] | None, typer.Option("--with", exists=True, help="Definitions to use; these are not judged.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not look for installed packages.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Judge every resource of the files; exit code 1 when one has an error.

    The files know each other: a StructureDefinition among them is a profile for the rest, and references lead from
    one to another. Installed packages count where the database of the settings is there.
    """
    with readable_errors():
        given = GivenSource()
        urls = [_profile(one, given) for one in profiles or ()]
        for package in packages or ():
            for resource in read_package(package)[1]:
                given.add(resource)
        others = list(read_all(definitions or ()))
        read = list(read_all(files))
        for one in (*read, *others):
            if isinstance(one.resource, dict):
                given.add(one.resource)
        if not read:
            fail("There is no file to judge", hint="Name .json, .xml or .ndjson files, or a folder that holds some")
        if offline or not _has_database():
            results = _judge(read, others, urls, *_offline(given))
        else:
            with opened_database() as database:
                results = _judge(read, others, urls, *_with_database(given, database))
    _show(results, as_json=as_json)
    if not all(result["valid"] for result in results):
        raise typer.Exit(EXIT_NO)


def _profile(text: str, given: GivenSource) -> str:
    """A profile's address; a file's profile joins the definitions."""
    path = Path(text)
    if text.startswith(("http://", "https://", "urn:")) or not path.is_file():
        return text
    found = next(iter(read_all([path])))
    if not isinstance(found.resource, dict) or not isinstance(found.resource.get("url"), str):
        fail(f"{text} holds no StructureDefinition with a url", hint="Give a profile's URL or its file")
    given.add(found.resource)
    return str(found.resource["url"])


def _has_database() -> bool:
    """Whether the database of the settings is there and at this program's schema."""
    return schema_state(load_settings().database_url).up_to_date


def _offline(given: GivenSource) -> tuple[Source, Terminology]:
    source = Layers(given, BaseSource())
    return source, LocalTerminology(source)


def _with_database(given: GivenSource, database: Database) -> tuple[Source, Terminology]:
    source = Layers(given, TenantSource(database, TENANT), BaseSource())
    return source, _Both(given, LocalTerminology(source), TenantTerminology(Terminologies(database), TENANT))


class _Both:
    """Value sets named on the command line first, then the installed ones over imported code systems."""

    def __init__(self, given: GivenSource, local: LocalTerminology, tenant: TenantTerminology) -> None:
        self._given = given
        self._local = local
        self._tenant = tenant

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Yes, no, or None when it cannot be known."""
        chosen: Terminology = self._local if self._given.find("ValueSet", value_set) else self._tenant
        return chosen.holds(value_set, system, code)

    def knows(self, system: str, code: str, version: str | None) -> bool | None:
        """Whether a code system has a code; those named on the command line first."""
        chosen: Terminology = self._local if self._given.find("CodeSystem", system) else self._tenant
        return chosen.knows(system, code, version)

    def misnamed(self, system: str, code: str, version: str | None, display: str) -> str | None:
        """A code's own display where another one is none of its words; those named on the command line first."""
        chosen: Terminology = self._local if self._given.find("CodeSystem", system) else self._tenant
        return chosen.misnamed(system, code, version, display)


def _judge(
    read: list[Read], others: list[Read], urls: list[str], source: Source, terminology: Terminology
) -> list[dict[str, Any]]:
    known = _by_reference((*read, *others))
    validator = Validator(Library(source, terminology), known.get)
    results = []
    with progress("Validating") as report:
        for count, one in enumerate(read, start=1):
            report(one.name, count, len(read))
            results.append(_judged(one, validator, urls))
    return results


def _judged(one: Read, validator: Validator, urls: list[str]) -> dict[str, Any]:
    if one.problem is not None:
        findings: tuple[Finding, ...] = (Finding("error", "invalid", "Resource", one.problem.told),)
        content = outcome(findings, None, no_places)
    else:
        checked = validator.check(one.resource, urls)
        findings = checked.findings
        content = outcome(findings, one.resource, one.places)
    return {
        "file": one.name,
        "valid": all(f.severity != "error" for f in findings),
        "errors": sum(f.severity == "error" for f in findings),
        "warnings": sum(f.severity == "warning" for f in findings),
        "outcome": content,
    }


def _by_reference(read: Iterable[Read]) -> dict[str, dict[str, Any]]:
    """Resources by `Type/id`, as references name them."""
    found: dict[str, dict[str, Any]] = {}
    for one in read:
        if isinstance(one.resource, dict) and isinstance(one.resource.get("id"), str):
            found[f"{one.resource.get('resourceType')}/{one.resource['id']}"] = one.resource
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _show(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"files": results, "valid": all(result["valid"] for result in results)})
        return
    for result in results:
        verdict = "valid" if result["valid"] else "not valid"
        counts = f"{_counted(result['errors'], 'error')}, {_counted(result['warnings'], 'warning')}"
        console.print(f"{result['file']}: {verdict} ({counts})", markup=False)
        for issue in result["outcome"]["issue"][:SHOWN_MAX]:
            if issue["severity"] != "information":
                console.print(f"  {issue['severity']:<8} {issue['diagnostics']}", markup=False)
