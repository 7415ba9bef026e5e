"""Where the shared conformance material lies, when it is there."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "conformance"


def material(*parts: str) -> Path:
    """A folder or file of the material; skips the test with a notice where it is absent."""
    found = FOLDER.joinpath(*parts)
    if not found.exists():
        pytest.skip(f"conformance material is not here: {found.relative_to(FOLDER.parents[1])}")
    return found
