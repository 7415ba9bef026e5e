"""The platform as a subprocess, set up as for production: `kiungo serve` with keys, every call authenticated."""

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.process import Server, free_port
from kiungo.kernel.secrets import new_key


def serve(url: str, folder: Path, *, mode: str = "serve", more: Mapping[str, str] | None = None) -> Server:
    """`kiungo serve` on a database; `dev` may also deliver webhooks to loopback; `more` variables connect systems."""
    port = int((more or {}).get("KIUNGO_PORT") or free_port())
    secrets_file, signing_file = folder / "secrets.key", folder / "signing.pem"
    if not secrets_file.exists():
        secrets_file.write_text(new_key())
        signing_file.write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    environment = {
        "KIUNGO_DATABASE_URL": url,
        "KIUNGO_DATA_DIR": str(folder / "data"),
        "KIUNGO_PORT": str(port),
        "KIUNGO_SIGNING_KEY": signing_file.read_text(),
        "KIUNGO_SECRETS_KEY": secrets_file.read_text(),
        "KIUNGO_LOG_LEVEL": "warning",
        "KIUNGO_RATE_UNAUTHENTICATED_PER_MINUTE": "100000000",
        **(more or {}),
    }
    return Server(
        ["-c", "from kiungo.app.cli import main; main()", mode],
        port=port,
        ready_path="/livez",
        environment=environment,
        log=folder / "server.log",
    )


def bare(folder: Path) -> Server:
    """The bare endpoint, on the same server software."""
    return _program("bare", folder)


def payer(folder: Path) -> Server:
    """A payer that has decided nothing yet."""
    return _program("payer", folder)


def _program(name: str, folder: Path) -> Server:
    port = free_port()
    return Server(
        ["-m", f"benchmarks.{name}", str(port)], port=port, ready_path="/", environment={}, log=folder / f"{name}.log"
    )
