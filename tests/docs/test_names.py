"""Commands, settings and error codes that pages name are there."""

import re

from kiungo.app.registry import CLASSES
from kiungo.kernel.config import PREFIX, Settings
from tests.architecture.source import ROOT, tracked_files

# Read by the tests and benchmarks, not by the platform.
FOREIGN = ("KIUNGO_TEST_", "KIUNGO_BENCH_")

# The first part of what is a path of ours; `application/json` and `GET /x` are not.
KNOWN_FOLDERS = {path.name for start in (ROOT, ROOT / "src" / "kiungo") for path in start.iterdir() if path.is_dir()}


def pages() -> dict[str, str]:
    """Every page a person wrote; a connector's README has settings of its own."""
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for path in tracked_files()
        if path.suffix == ".md"
        and "reference" not in path.parts
        and "benchmarks" not in path.parts
        and "connectors" not in path.parts
    }


def test_every_command_a_page_names_is_there() -> None:
    reference = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    known = set(re.findall(r"^## (kiungo .+)$", reference, re.M))
    assert known
    unknown = [
        f"{name}: {command}"
        for name, text in pages().items()
        for command in re.findall(r"(?:^\s*|`|bin/)(kiungo(?: [a-z][a-z-]*){1,2})", text, re.M)
        if not any(" ".join(command.split()[:count]) in known for count in (2, 3))
        and not any(one.startswith(command + " ") for one in known)
    ]
    assert not unknown


def test_every_setting_a_page_names_is_there() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {
        str(kind.model_config["env_prefix"]) + name.upper() for kind in CLASSES.values() for name in kind.model_fields
    }
    unknown = [
        f"{name}: {variable}"
        for name, text in pages().items()
        for variable in re.findall(r"\bKIUNGO_[A-Z_]+[A-Z]\b", text)
        if variable not in known and not variable.startswith(FOREIGN)
    ]
    assert not unknown


def test_every_target_a_page_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    unknown = [
        f"{name}: make {target}"
        for name, text in pages().items()
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M)
        if target not in targets
    ]
    assert not unknown


def test_every_path_the_root_pages_and_decisions_name_is_there() -> None:
    """Paths in backticks, from the root or the package, with or without .py; `<name>` stands for any."""
    missing = []
    seen = 0
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/decisions/*.md")]):
        for path in re.findall(r"`([\w.<>-]+(?:/[\w.<>-]*)+)`", page.read_text()):
            pattern = re.sub(r"<\w+>|NNNN-title", "*", path).rstrip("/")
            if pattern.split("/")[0] not in KNOWN_FOLDERS:
                continue
            seen += 1
            starts = (ROOT, ROOT / "src" / "kiungo")
            if not any(any(start.glob(written)) for start in starts for written in (pattern, f"{pattern}.py")):
                missing.append(f"{page.name}: {path}")
    assert seen
    assert not missing
