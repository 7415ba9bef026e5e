"""A release on disk: which files it has, where each is, and which version it is."""

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TextIO

from kiungo.base.errors import Incorrect, define
from kiungo.fhir.terminology.importing import icd10cm, loinc, rxnorm, snomed
from kiungo.fhir.terminology.importing.rows import Stage

RELEASE_WRONG = define("RELEASE_WRONG", Incorrect, "A path does not hold the release of a code system.")
FILES_MAX = 20_000
_DATE = re.compile(r"(\d{8})")
_YEAR = re.compile(r"(20\d\d)")
_LOINC_VERSION = re.compile(r"(?i)loinc[_ -]?(\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class Kind:
    """A code system we can import."""

    name: str
    url: str
    title: str
    stages: tuple[Stage, ...]


KINDS = {
    "icd-10-cm": Kind("icd-10-cm", icd10cm.URL, icd10cm.TITLE, icd10cm.STAGES),
    "loinc": Kind("loinc", loinc.URL, loinc.TITLE, loinc.STAGES),
    "snomed": Kind("snomed", snomed.URL, snomed.TITLE, snomed.STAGES),
    "rxnorm": Kind("rxnorm", rxnorm.URL, rxnorm.TITLE, rxnorm.STAGES),
}


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a release: a path, or a member of a zip archive. Units: `size` bytes, unpacked."""

    path: Path
    member: str | None
    size: int

    @property
    def name(self) -> str:
        """Its name for people."""
        return (self.member or self.path.name).rpartition("/")[2]

    @contextmanager
    def opened(self) -> Iterator[TextIO]:
        """The file as text."""
        if self.member is None:
            with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                yield file
            return
        with (
            zipfile.ZipFile(self.path) as archive,
            archive.open(self.member) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as file,
        ):
            yield file


@dataclass(frozen=True, slots=True)
class Release:
    """The files of a release in the order they are read. `fingerprint` tells this release from any other."""

    kind: Kind
    version: str
    files: tuple[ReleaseFile, ...]

    @property
    def fingerprint(self) -> str:
        """Names and sizes of the files, short."""
        text = "\n".join(f"{file.name} {file.size}" for file in self.files)
        return blake2b(text.encode(), digest_size=12).hexdigest()


def find_release(kind_name: str, path: Path, version: str | None = None) -> Release:
    """The release at a path: a file, a folder that was unpacked, or the zip archive as it was downloaded.

    Raises: Incorrect RELEASE_WRONG naming the file that is missing, or that the version must be given.
    """
    kind = KINDS.get(kind_name)
    if kind is None:
        raise _wrong(f"{kind_name!r} is not a code system that can be imported", f"Use one of {', '.join(KINDS)}")
    listed = _listed(path)
    files = tuple(_chosen(kind, stage, listed, path) for stage in kind.stages)
    found = version or _version(kind, path, files)
    if not found:
        raise _wrong("The files do not say which version they are", "Add --version, such as --version 2.80")
    return Release(kind, found, files)


def _listed(path: Path) -> list[ReleaseFile]:
    if path.is_dir():
        found = [ReleaseFile(p, None, p.stat().st_size) for p in sorted(path.rglob("*")) if p.is_file()]
    elif path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found = [ReleaseFile(path, i.filename, i.file_size) for i in archive.infolist() if not i.is_dir()]
    elif path.is_file():
        return [ReleaseFile(path, None, path.stat().st_size)]
    else:
        raise _wrong(f"There is nothing at {path}", "Name the release's file, folder or zip archive")
    if len(found) > FILES_MAX:
        raise _wrong(f"{path} holds more than {FILES_MAX} files", "Name the folder of the release itself")
    return found


def _chosen(kind: Kind, stage: Stage, listed: list[ReleaseFile], path: Path) -> ReleaseFile:
    if len(listed) == 1 and len(kind.stages) == 1 and listed[0].member is None and not path.is_dir():
        return listed[0]  # the one file was named itself, whatever it is called
    pattern = re.compile(stage.pattern, re.IGNORECASE)
    fitting = [file for file in listed if pattern.search(file.member or file.path.as_posix())]
    # An edition may carry several languages; English is the one that every edition has.
    fitting.sort(key=lambda file: ("-en" not in file.name, -file.size))
    if not fitting:
        raise _wrong(f"{path} has no file for {kind.title} named like {stage.pattern}", "Name the whole release")
    return fitting[0]


def _version(kind: Kind, path: Path, files: tuple[ReleaseFile, ...]) -> str:
    name = f"{path.name} {files[0].member or files[0].path}"
    if kind.name == "loinc":
        found = _LOINC_VERSION.search(name)
    elif kind.name == "icd-10-cm":
        found = _YEAR.search(files[0].name) or _YEAR.search(name)
    else:
        found = _DATE.search(files[0].name) or _DATE.search(name)
    if found is None:
        return ""
    if kind.name == "snomed":
        module = "731000124108" if "US1000124" in name else "900000000000207008"
        return f"{kind.url}/{module}/version/{found[1]}"
    return found[1]


def _wrong(problem: str, hint: str) -> Incorrect:
    return Incorrect(RELEASE_WRONG, problem, field="path", hint=hint)
