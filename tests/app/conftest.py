"""The command line on a database of its own, with the settings a test chooses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from kiungo.app.cli import app
from kiungo.kernel.secrets import new_key

Run = Callable[..., Result]


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings `serve` needs, and nothing of this machine's."""
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    monkeypatch.setenv("KIUNGO_SIGNING_KEY", key.decode())
    monkeypatch.setenv("KIUNGO_SECRETS_KEY", new_key())
    monkeypatch.setenv("KIUNGO_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def run(serving: None, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `kiungo ...` on a fresh, migrated database of either engine."""
    monkeypatch.setenv("KIUNGO_DATABASE_URL", database_url)
    return lambda *words, **options: CliRunner().invoke(app, list(words), **options)
