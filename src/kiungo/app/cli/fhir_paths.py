"""`kiungo fhir path`: the value of a FHIRPath expression on resources in files, without a server or a database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kiungo.app.cli.output import EXIT_WRONG, console, fail, print_json, readable_errors
from kiungo.base.errors import KiungoError
from kiungo.fhir.fhirpath import Offline, compile
from kiungo.fhir.fhirpath.results import as_json
from kiungo.fhir.validation.files import Read, read_all
from kiungo.fhir.xml import from_xml
from kiungo.kernel import json


def path_command(
    expression: Annotated[str, typer.Argument(help="A FHIRPath expression, such as Patient.name.given.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A resource as JSON or XML, or NDJSON.")],
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Elements a type does not have are empty, not wrong.")
    ] = False,
    as_json_: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Evaluate an expression; each item comes with its type, value and path. Exit code 2 when that cannot be done."""
    try:
        answers = [_answer(expression, one, strict=not lenient) for one in _resources(file)]
    except KiungoError as error:
        if as_json_:
            print_json({"expression": expression, "error": {"code": error.code, "message": error.told}})
            raise typer.Exit(EXIT_WRONG) from None
        with readable_errors():
            raise
    if not answers:
        fail(f"{file} holds no resource", hint="Name a JSON, XML or NDJSON file with one")
    if as_json_:
        print_json({"expression": expression, **(answers[0] if len(answers) == 1 else {"resources": answers})})
        return
    for answer in answers:
        for item in answer["results"]:
            console.print(_line(item), markup=False)
        for trace in answer["traces"]:
            console.print(f"trace {trace['name']}: {len(trace['items'])} items", markup=False)


def _resources(file: Path) -> Iterator[Read]:
    """The resources of a file. A path does not care in which order XML has its elements, unlike a validation."""
    if file.suffix == ".xml":
        yield Read(str(file), from_xml(file.read_bytes(), in_order=False))
    else:
        yield from read_all([file])


def _answer(text: str, read: Read, *, strict: bool) -> dict[str, Any]:
    """What one resource gives. Raises: Incorrect."""
    if read.problem is not None:
        raise read.problem
    resource = read.resource
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        fail(f"{read.name} is no resource", hint="A resource has a resourceType")
    host = Offline()
    found = compile(text, type=resource["resourceType"], strict=strict)(resource, host=host)
    return {
        "resource": read.name,
        "results": [as_json(item) for item in found],
        "traces": [{"name": name, "items": [as_json(item) for item in items]} for name, items in host.traced],
    }


def _line(item: dict[str, Any]) -> str:
    value = item.get("value")
    shown = value if isinstance(value, str) else json.dumps(value).decode()
    return "  ".join([*((item["path"],) if "path" in item else ()), item["type"], shown])
