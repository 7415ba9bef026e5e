"""What lies beside the code: locks, links, and nothing that belongs to one machine."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.source import ROOT, tracked_files

TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".html", ".css", ".sh", ".lock", ".in", ".csv", ".json", ""}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Built from parts, so that this file does not find itself.
HOME_FOLDERS = re.compile(r"(?<![\w./:-])/(" + "|".join(["root", "home", "Users", "work"]) + r")/\w")
INDEXES = re.compile(r"(--(extra-)?index-url|--find-links)|" + "|".join(["files.python", "npm" + "js.org/"]))


def read_lock(name: str) -> dict[str, Version]:
    text = (ROOT / "requirements" / name).read_text()
    return {m[1]: Version(m[2]) for m in re.finditer(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", text, re.M)}


def project() -> dict[str, list[str]]:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"run.lock": content["dependencies"], "dev.lock": content["optional-dependencies"]["dev"]}


@pytest.mark.parametrize("lock", ["run.lock", "dev.lock"])
def test_locks_hold_what_the_project_declares(lock: str) -> None:
    locked = read_lock(lock)
    for line in project()[lock]:
        wanted = Requirement(line)
        version = locked.get(canonicalize_name(wanted.name))
        assert version is not None, f"{wanted.name} is not in {lock}: run make lock"
        assert version in wanted.specifier, f"{lock} has {wanted.name} {version}: run make lock"


def test_both_locks_agree_and_pin_by_hash() -> None:
    run, dev = read_lock("run.lock"), read_lock("dev.lock")
    assert run.items() <= dev.items(), "the locks disagree: run make lock"
    for name in ("run.lock", "dev.lock"):
        text = (ROOT / "requirements" / name).read_text()
        assert "https:" not in text
        assert "file:" not in text
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
        assert all("--hash=sha256:" in entry for entry in entries)


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
    explained = {canonicalize_name(name) for name in re.findall(r"^\| `([^`]+)`", page, re.M)}
    declared = {canonicalize_name(Requirement(x).name) for group in project().values() for x in group}
    assert explained == declared


def test_changelog_has_a_place_for_the_next_line() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_links_between_our_pages_lead_somewhere() -> None:
    dead = []
    for page in tracked_files():
        if page.suffix != ".md":
            continue
        for target in LINK.findall(page.read_text()):
            path = target.partition("#")[0]
            if path and "://" not in path and not path.startswith("mailto:") and not (page.parent / path).exists():
                dead.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not dead


def test_nothing_belongs_to_one_machine() -> None:
    found = []
    for path in tracked_files():
        if path.suffix not in TEXT or path.name.endswith(".min.js"):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if HOME_FOLDERS.search(line) or (INDEXES.search(line) and path.name != "test_project_files.py"):
                found.append(f"{path.relative_to(ROOT)}:{number} {line.strip()[:60]}")
    assert not found
