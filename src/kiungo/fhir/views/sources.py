"""Where a view's resources come from: files of resources, or the store in the order they were written."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect, define
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.model import Stored
from kiungo.kernel import json

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

SOURCE_WRONG = define("SOURCE_WRONG", Incorrect, "A file does not hold FHIR resources as JSON or NDJSON.")
BATCH = 500
_STORED = (
    "SELECT fid, version, updated_us, body, person, rid FROM fhir_resource WHERE tn = ? AND type = ? AND deleted = 0 "
    "AND rid > ? AND updated_us >= ? ORDER BY rid LIMIT ?"
)


def from_files(path: Path) -> Iterator[dict[str, Any]]:
    """Resources of a file or of all in a folder: NDJSON, one resource, or the entries of a Bundle.

    Raises: Incorrect SOURCE_WRONG naming file and line.
    """
    if path.is_dir():
        for inner in sorted(path.iterdir()):
            if inner.suffix in (".json", ".ndjson"):
                yield from from_files(inner)
        return
    if not path.is_file():
        raise _wrong(f"There is nothing at {path}")
    if path.suffix == ".ndjson":
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield from _resources(json.loads(line), f"{path.name}, line {number},")
        return
    yield from _resources(json.loads(path.read_bytes()), path.name)


def stored_batch(unit: "Unit", tenant: int, type_name: str, after: int, since_us: int) -> list[Stored]:
    """The next stored resources of a type after a row."""
    rows = unit.rows(_STORED, (tenant, type_ids()[type_name], after, since_us, BATCH))
    return [
        Stored(type_name, fid, version, updated_us, bytes(body), person, rid=rid)
        for fid, version, updated_us, body, person, rid in rows
    ]


def _resources(content: Any, where: str) -> Iterator[dict[str, Any]]:
    if not isinstance(content, dict) or "resourceType" not in content:
        raise _wrong(f"{where} is not a resource")
    if content["resourceType"] != "Bundle":
        yield content
        return
    for entry in content.get("entry", []):
        if isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def _wrong(problem: str) -> Incorrect:
    return Incorrect(
        SOURCE_WRONG, problem, field="from", hint="Give NDJSON, a resource, a Bundle, or a folder of these"
    )
