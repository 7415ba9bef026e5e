"""`python -m scripts.reference` writes the pages; with `--check` it only says which are stale."""

import sys
from pathlib import Path

from scripts.reference.pages import pages

ROOT = Path(__file__).resolve().parents[2]


def stale(root: Path = ROOT) -> dict[Path, str]:
    """The pages whose file differs from what the code says, with their new text."""
    return {
        path: text
        for name, text in pages(root).items()
        if not (path := root / "docs" / name).exists() or path.read_text() != text
    }


def main() -> int:
    """Write stale pages, or only name them. Returns the exit status."""
    found = stale()
    if "--check" in sys.argv:
        for path in found:
            print(f"stale: {path.relative_to(ROOT)}; run make docs")
        return 1 if found else 0
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
