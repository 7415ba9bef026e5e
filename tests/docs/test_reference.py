"""The generated pages agree with the code, and the site is whole without a network."""

import re
import subprocess
import sys
from pathlib import Path

from tests.architecture.source import ROOT


def test_the_reference_agrees_with_the_code() -> None:
    """In a process of its own: what tests register for themselves is no part of the product."""
    checked = subprocess.run(
        [sys.executable, "-m", "scripts.reference", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_reference_leaves_nothing_undescribed() -> None:
    for page in sorted((ROOT / "docs" / "reference").glob("*.md")):
        text = page.read_text()
        assert "_None._" not in text, f"{page.name} has an empty table"
        assert "|  |\n" not in text, f"{page.name} describes nothing in a row"


def test_the_site_is_built_strictly_and_asks_nobody_else(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PATH": "", "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    outside = [
        f"{page.name}: {tag}"
        for page in tmp_path.rglob("*.html")
        for tag in re.findall(r"<(?:script|link|img)[^>]+https?://[^>]+>", page.read_text())
        if 'rel="canonical"' not in tag
    ]
    assert not outside
