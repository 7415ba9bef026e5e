"""Packages as files: what is taken, and what is refused before it fills the memory."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.packages import archive
from kiungo.fhir.packages.archive import read_package

MANIFEST = {
    "name": "example.test",
    "version": "1.0.0",
    "fhirVersions": ["4.0.1"],
    "dependencies": {"hl7.fhir.r4.core": "4.0.1"},
}
PROFILE = {"resourceType": "StructureDefinition", "url": "http://example.org/p", "text": {"div": "x"}, "version": "1"}


def package(path: Path, files: dict[str, Any], manifest: Any = MANIFEST) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, content in {"package/package.json": manifest, **files}.items():
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            made.addfile(member, io.BytesIO(raw))
    return path


def test_resources_with_addresses_are_read_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "package/StructureDefinition-p.json": PROFILE,
        "package/.index.json": {"files": []},
        "package/Patient-example.json": {"resourceType": "Patient"},
        "package/example/StructureDefinition-q.json": {**PROFILE, "url": "http://example.org/q"},
        "package/readme.txt": b"x",
        "../package/StructureDefinition-r.json": PROFILE,
    }
    seen = []
    manifest, found = read_package(package(tmp_path / "p.tgz", files), lambda *step: seen.append(step))
    assert (manifest.name, manifest.version, manifest.depends_on) == (
        "example.test",
        "1.0.0",
        ("hl7.fhir.r4.core#4.0.1",),
    )
    assert [(one["url"], "text" in one) for one in found] == [("http://example.org/p", False)]
    assert seen


@pytest.mark.parametrize(
    ("files", "manifest", "problem"),
    [
        ({}, {"name": "x"}, "no version"),
        ({}, {**MANIFEST, "fhirVersions": ["5.0.0"]}, "for FHIR 5.0.0"),
        ({}, [], "no object"),
        ({"package/a.json": b"{"}, MANIFEST, "a.json"),
        ({"package/a.json": b"[]"}, MANIFEST, "no object"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, files: Any, manifest: Any, problem: str) -> None:
    with pytest.raises(Incorrect, match=problem):
        read_package(package(tmp_path / "p.tgz", files, manifest))


def test_files_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    for body in (b"", b"not a gzip", gzip.compress(b"no tar"), package(tmp_path / "x.tgz", {}).read_bytes()[:60]):
        path = tmp_path / "broken.tgz"
        path.write_bytes(body)
        with pytest.raises(Incorrect, match="not a package"):
            read_package(path)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = b" " * (4 * 1024 * 1024)
    bomb = package(tmp_path / "bomb.tgz", {"package/a.json": zeros})
    with pytest.raises(Incorrect, match="far more than its size"):
        read_package(bomb)
    monkeypatch.setattr(archive, "MEMBERS_MAX", 3)
    with pytest.raises(Incorrect, match="more than 3 files"):
        read_package(package(tmp_path / "many.tgz", {f"package/{n}.json": PROFILE for n in range(5)}))
    monkeypatch.setattr(archive, "FILE_BYTES_MAX", 10)
    with pytest.raises(Incorrect, match="bytes"):
        read_package(bomb)
