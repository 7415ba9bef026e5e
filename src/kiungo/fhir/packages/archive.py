"""A FHIR package's file: a gzipped tar whose `package/` folder holds a manifest and conformance resources.

Whatever the file claims, no more is read than the limits allow: sizes are counted while reading.
Source: FHIR NPM package specification (hl7.org/fhir/packages).
"""

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiungo.base.errors import Incorrect, KiungoError, define
from kiungo.kernel import json

PACKAGE_WRONG = define("PACKAGE_WRONG", Incorrect, "A file is not a FHIR package this server takes.", http=422)

FILE_BYTES_MAX = 128 * 1024 * 1024
UNPACKED_BYTES_MAX = 1024 * 1024 * 1024
MEMBER_BYTES_MAX = 48 * 1024 * 1024
MEMBERS_MAX = 50_000
RATIO_MAX = 200
NAME_MAX = 200
FHIR_VERSIONS = ("4.0", "4.0.1", "4.0.0")
Json = dict[str, Any]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package says of itself. Shapes: `depends_on` is "name#version" for each dependency."""

    name: str
    version: str
    depends_on: tuple[str, ...]
    digest: str


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def read_package(path: Path, progress: Progress = no_progress) -> tuple[Manifest, list[Json]]:
    """The manifest and every resource with a canonical address. Raises: Incorrect PACKAGE_WRONG."""
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise wrong(f"The file has {size:,} bytes", f"A package may have {FILE_BYTES_MAX:,}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest: Json | None = None
    found: list[Json] = []
    try:
        for name, raw in _members(path, size, progress):
            if name == "package.json":
                manifest = _parsed(name, raw)
            elif resource := _resource(name, raw):
                found.append(resource)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise wrong(f"It cannot be unpacked: {error}", "Get the file again") from None
    if manifest is None:
        raise wrong("It has no package/package.json", "Install the .tgz of a FHIR package")
    return _manifest(manifest, digest), found


def _members(path: Path, size: int, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """The JSON files directly inside `package/`, with every size counted as it is read."""
    unpacked = 0
    with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|gz") as archive:
        for count, member in enumerate(archive, start=1):
            if count > MEMBERS_MAX:
                raise wrong(f"It has more than {MEMBERS_MAX:,} files", "Split the package")
            unpacked += member.size
            if member.size > MEMBER_BYTES_MAX:
                raise wrong(
                    f"{member.name[:NAME_MAX]} has {member.size:,} bytes", f"A file may have {MEMBER_BYTES_MAX:,}"
                )
            if unpacked > min(UNPACKED_BYTES_MAX, max(size, 4096) * RATIO_MAX):
                raise wrong("It unpacks to far more than its size", "Such a file is refused before it fills the memory")
            progress("reading", min(file.tell(), size), size)
            folder, _, name = member.name.rpartition("/")
            if not member.isfile() or folder.removeprefix("./") != "package" or not name.endswith(".json"):
                continue
            content = archive.extractfile(member)
            if content is not None and not name.startswith("."):
                yield name, content.read(MEMBER_BYTES_MAX)


def _parsed(name: str, raw: bytes) -> Json:
    try:
        value = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except KiungoError as error:
        raise wrong(f"{name[:NAME_MAX]}: {error.message}", "Get the package again") from None
    if not isinstance(value, dict):
        raise wrong(f"{name[:NAME_MAX]} holds no object", "Get the package again")
    return value


def _resource(name: str, raw: bytes) -> Json | None:
    """A resource with a canonical address, without its narrative; None for indexes and examples."""
    value = _parsed(name, raw)
    if not isinstance(value.get("resourceType"), str) or not isinstance(value.get("url"), str):
        return None
    value.pop("text", None)
    return value


def _manifest(value: Json, digest: str) -> Manifest:
    name, version = value.get("name"), value.get("version")
    if not isinstance(name, str) or not isinstance(version, str) or not name or not version:
        raise wrong("Its manifest has no name or no version", "Get the package again")
    versions = value.get("fhirVersions", value.get("fhir-version-list", []))
    if isinstance(versions, list) and versions and not any(str(v).startswith("4.0") for v in versions):
        raise wrong(f"It is for FHIR {', '.join(map(str, versions))[:80]}", "This server holds R4 (4.0.1)")
    depends = value.get("dependencies", {})
    rows = sorted(f"{k}#{v}" for k, v in depends.items()) if isinstance(depends, dict) else []
    return Manifest(name[:NAME_MAX], version[:NAME_MAX], tuple(rows), digest)


def wrong(problem: str, hint: str) -> Incorrect:
    """The refusal of a file."""
    return Incorrect(PACKAGE_WRONG, f"This is not a package to install. {problem}", field="file", hint=hint)
