"""The bare endpoint beside every load: asked just before and just after it, since machines change their pace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import load, platform
from benchmarks.load import Load
from benchmarks.process import Server

WARM_UP_S = 1
ASKED_S = 2
READ = "read.lua"
PATH = "/api/claims/CLM-20241003-ABC123/\n"


class Yardstick:
    """A bare endpoint that runs as long as what is compared with it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._paths = folder / "bare.paths"
        self._paths.write_text(PATH)

    def beside(self, script: str, measure: Callable[[], Load]) -> Load:
        """A load, with what the bare endpoint did with the same script's requests on either side of it."""
        self._asked(script, WARM_UP_S)
        before = self._asked(script, ASKED_S)
        found = measure()
        after = self._asked(script, ASKED_S)
        return replace(
            found,
            bare_rate=(before.rate + after.rate) / 2,
            bare_cpu_ms=(before.cpu_ms_per_request + after.cpu_ms_per_request) / 2,
        )

    def _asked(self, script: str, seconds: int) -> Load:
        environment = {"BENCH_PATHS": str(self._paths)}
        return load.run(self._server.url, script, seconds=seconds, cpu_s=self._server.cpu_s, environment=environment)


@contextmanager
def bare_beside(folder: Path) -> Iterator[Yardstick]:
    """A yardstick of its own process for the length of a `with` block. Raises: LoadGeneratorMissing."""
    load.require_wrk()
    with platform.bare(folder) as server:
        yield Yardstick(server, folder)
