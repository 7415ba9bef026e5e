"""What the figures were measured on."""

import os
import platform
import shutil
import sqlite3
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def facts() -> dict[str, str]:
    """The machine and the versions of what is measured."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) // 1024} MB",
        "disk": _fsync_time(),
        "busy before the run": f"load average {os.getloadavg()[0]:.2f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, uvicorn {version('uvicorn')}, "
        f"uvloop {version('uvloop')}, httptools {version('httptools')}",
        "sqlite": sqlite3.sqlite_version,
        "commit": _commit(),
        "load generator": _wrk_version(),
    }


def _line(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _fsync_time() -> str:
    """How long one durable commit's fsync takes here: it bounds every durable write."""
    with tempfile.TemporaryFile() as file:
        count, begun = 50, time.perf_counter()
        for _ in range(count):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return f"fsync of one page {(time.perf_counter() - begun) / count * 1000:.2f} ms"


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    found = subprocess.run([git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _wrk_version() -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        return "none"
    found = subprocess.run([wrk, "--version"], capture_output=True, text=True, check=False)
    return (found.stdout or found.stderr).splitlines()[0].partition(" [")[0]
