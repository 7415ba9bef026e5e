"""Resources in files: JSON, XML or NDJSON, with the lines their elements begin at."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kiungo.base.errors import Incorrect, KiungoError, define
from kiungo.fhir.validation.reporting import Places, no_places, places_in, places_in_xml
from kiungo.fhir.xml import from_xml
from kiungo.kernel import json

FILE_TOO_LARGE = define("FILE_TOO_LARGE", Incorrect, "A file is larger than the command reads.")
BYTES_MAX = 256 * 1024 * 1024
NAMES = (".json", ".xml", ".ndjson")


@dataclass(frozen=True, slots=True)
class Read:
    """One resource of a file, or why there is none. Shapes: `name` carries the line number for NDJSON."""

    name: str
    resource: Any = field(repr=False, default=None)
    problem: KiungoError | None = None
    places: Places = no_places


def read_all(paths: Iterable[Path]) -> Iterator[Read]:
    """Every resource of the files; of a folder those whose names end as FHIR files do."""
    for path in paths:
        if path.is_dir():
            yield from read_all(sorted(p for p in path.iterdir() if p.suffix in NAMES))
        else:
            yield from _read(path)


def _read(path: Path) -> Iterator[Read]:
    name = str(path)
    if path.stat().st_size > BYTES_MAX:
        problem = Incorrect(FILE_TOO_LARGE, f"{name} is larger than {BYTES_MAX:,} bytes", hint="Split it")
        yield Read(name, problem=problem)
        return
    body = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if path.suffix == ".ndjson":
        for number, line in enumerate(body.splitlines(), start=1):
            if line.strip():
                yield _json(f"{name}:{number}", line)
    elif body.lstrip()[:1] == b"<":
        yield _xml(name, body)
    else:
        yield _json(name, body)


def _json(name: str, body: bytes) -> Read:
    try:
        resource = json.loads(body)
        json.refuse_repeats(body, resource)
    except KiungoError as error:
        return Read(name, problem=error)
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    return Read(name, resource, places=places_in(body, kind if isinstance(kind, str) else "Resource"))


def _xml(name: str, body: bytes) -> Read:
    try:
        resource = from_xml(body)
    except KiungoError as error:
        return Read(name, problem=error)
    return Read(name, resource, places=places_in_xml(body))
