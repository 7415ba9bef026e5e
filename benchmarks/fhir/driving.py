"""Requests at a server by wrk: how many a second, how long each took, what it cost the server."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import SCRIPTS, require_wrk, told_by_wrk

Request = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Units: `rate` successes per second, processor time in milliseconds per success, latencies in ms.

    Shapes: `errors` are answers of 400 and above, and requests without an answer; neither counts in `rate`.
    """

    requests: int
    rate: float
    cpu_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int

    def cells(self) -> list[str]:
        """As a row of the report."""
        times = [f"{self.p50_ms:.2f}", f"{self.p95_ms:.2f}", f"{self.p99_ms:.2f}"]
        return [f"{self.rate:,.0f}", *times, f"{self.cpu_ms:.2f}", f"{self.errors:,}"]


HEADS = ["answers/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "errors"]


def drive(
    urls: Sequence[str],
    requests: Iterable[Request],
    *,
    key: str,
    folder: Path,
    seconds: int,
    connections: int,
    cpu_s: Callable[[], float],
) -> Figures:
    """Send these requests round and round, to all servers at once.

    Shapes: (method, path, body), the body in one line or empty.
    """
    file = folder / "requests.tsv"
    file.write_text("".join("\t".join(one) + "\n" for one in requests))
    arguments = [require_wrk(), f"-t{len(urls)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    told, used_s = told_by_wrk(
        [*arguments, "-s", str(SCRIPTS / "requests.lua"), urls[0]],
        os.environ
        | {
            "BENCH_REQUESTS": str(file),
            "BENCH_API_KEY": key,
            "BENCH_PORTS": " ".join(str(urlsplit(url).port) for url in urls),
        },
        cpu_s,
    )
    return figures_of(told, used_s)


def figures_of(told: Mapping[str, Any], used_s: float) -> Figures:
    """What wrk told, and what the server used meanwhile."""
    succeeded = max(0, told["requests"] - told["errors"])
    return Figures(
        requests=told["requests"],
        rate=succeeded / (told["duration_us"] / 1e6),
        cpu_ms=used_s * 1000 / max(1, succeeded),
        p50_ms=told["p50_us"] / 1000,
        p95_ms=told["p95_us"] / 1000,
        p99_ms=told["p99_us"] / 1000,
        errors=told["errors"],
    )
