"""The project's own files, as text and as syntax trees, for the tests in this folder."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "kiungo"


@dataclass(frozen=True)
class SourceFile:
    """One Python file of the package: its dotted name, its path, text and tree."""

    module: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def shown(self) -> str:
        """The path as a person writes it."""
        return str(self.path.relative_to(ROOT))

    @property
    def is_generated(self) -> bool:
        """Generated files say so in their first line and are held to no style."""
        return "generated" in self.text.partition("\n")[0].lower()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@cache
def source_files() -> tuple[SourceFile, ...]:
    """Every Python file of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found.append(SourceFile(module, path, text, ast.parse(text, str(path))))
    assert found, "no source files found: the tests in this folder would prove nothing"
    return tuple(found)


def written_files() -> tuple[SourceFile, ...]:
    """Every file a person wrote."""
    return tuple(file for file in source_files() if not file.is_generated)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file under version control, or every file of the tree where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        return tuple(path for path in sorted(ROOT.rglob("*")) if path.is_file() and ".venv" not in path.parts)
    names = listed.stdout.decode().split("\0")
    return tuple(path for name in sorted(names) if name and (path := ROOT / name).is_file())
