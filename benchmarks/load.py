"""The load generator: wrk with a script, and its figures beside the server's processor time."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "scripts"
CONNECTIONS = 32


class LoadGeneratorMissing(Exception):
    """wrk is not installed; the rates cannot be measured."""


@dataclass(frozen=True, slots=True)
class Load:
    """Figures of one run, and of the bare endpoint beside it where it was asked. Units: rates per second."""

    requests: int
    rate: float
    cpu_ms_per_request: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    errors: int
    bare_rate: float = 0.0
    bare_cpu_ms: float = 0.0


def require_wrk() -> str:
    """The path of wrk. Raises: LoadGeneratorMissing."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadGeneratorMissing("wrk is not installed; install it (Debian: apt-get install wrk), then run again")
    return wrk


def run(
    url: str,
    script: str,
    *,
    seconds: int,
    cpu_s: Callable[[], float],
    environment: dict[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> Load:
    """Load a server for some seconds with one of the scripts."""
    arguments = [require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    variables = os.environ | {"BENCH_SCRIPTS": str(SCRIPTS)} | (environment or {})
    figures, used = told_by_wrk([*arguments, "-s", str(SCRIPTS / script), url], variables, cpu_s)
    requests = max(1, figures["requests"])
    return Load(
        requests=figures["requests"],
        rate=figures["requests"] / (figures["duration_us"] / 1e6),
        cpu_ms_per_request=used * 1000 / requests,
        p50_ms=figures["p50_us"] / 1000,
        p90_ms=figures["p90_us"] / 1000,
        p99_ms=figures["p99_us"] / 1000,
        errors=figures["errors"] + figures["refused"],
    )


def told_by_wrk(
    arguments: list[str], variables: dict[str, str], cpu_s: Callable[[], float]
) -> tuple[dict[str, Any], float]:
    """Run wrk with a script; the figures it prints, and the processor time the server used meanwhile."""
    before = cpu_s()
    found = subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)
    used_s = cpu_s() - before
    line = next((line for line in found.stdout.splitlines() if line.startswith("FIGURES ")), None)
    if line is None:
        raise RuntimeError(f"wrk gave no figures:\n{found.stdout}\n{found.stderr}")
    return json.loads(line.removeprefix("FIGURES ")), used_s
