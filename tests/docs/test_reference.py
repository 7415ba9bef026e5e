"""The generated pages agree with the code, and the site is whole without a network."""

import re
import subprocess
import sys
from pathlib import Path

from scripts.reference.pages import pages

from tests.architecture.source import ROOT


def test_the_reference_agrees_with_the_code() -> None:
    texts = pages(ROOT)
    stale = [name for name, text in texts.items() if (ROOT / "docs" / name).read_text() != text]
    assert not stale, "run make docs"
    assert {"reference/routes.md", "reference/errors.md", "reference/settings.md"} <= texts.keys()
    for name, text in texts.items():
        assert "_None._" not in text, f"{name} has an empty table"
        assert "|  |  |" not in text, f"{name} describes nothing"


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
