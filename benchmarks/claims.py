"""Claims over HTTP: submission, reading, a mixture, half load, and all of it again when 100,000 are stored."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import load
from benchmarks.engines import Place
from benchmarks.load import Load
from benchmarks.process import Server
from benchmarks.seeding import TENANT, Seeded
from benchmarks.yardstick import Yardstick

WARM_UP_S = 2
UNQUEUED_MS = 8  # about what an answer takes when it waits behind no other
SMALL = 1_000
LARGE = 100_000
LARGE_TIME_MAX_S = 420


@dataclass(slots=True)
class Sizes:
    """How long each measurement takes, and how far the growth goes. Units: seconds, claims."""

    seconds: int
    large: int


@dataclass(slots=True)
class Results:
    """What came out for one engine. Shapes: `loads` by name; `database_cpu_ms` per submission, outside our process."""

    loads: dict[str, Load] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    resident_mb: dict[str, float] = field(default_factory=dict)
    database_cpu_ms: float = 0.0


class Run:
    """One server on one database, measured step by step; each claim number is used once."""

    def __init__(
        self, place: Place, seeded: Seeded, server: Server, yardstick: Yardstick, say: Callable[[str], None]
    ) -> None:
        self._place = place
        self._yardstick = yardstick
        self._seeded = seeded
        self._server = server
        self._say = say
        self._next_claim = 0
        self.results = Results()

    def submit(self, seconds: int, *, think_ms: int = 0) -> Load:
        """Claims, as fast as they are answered or with time to think between them."""
        return self._load("submit.lua", seconds, think_ms=think_ms)

    def measure(self, sizes: Sizes) -> None:
        """Everything with few claims stored."""
        self.submit(WARM_UP_S)
        while self.stored() < SMALL:
            self.submit(WARM_UP_S)
        submitted = self._yardstick.beside("submit.lua", lambda: self._submit_counted(sizes.seconds))
        self._keep("submit", submitted)
        half_ms = round(2 * load.CONNECTIONS / submitted.rate * 1000 - UNQUEUED_MS)
        self._keep("submit, half load", self.submit(sizes.seconds, think_ms=max(1, half_ms)))
        self.read(sizes.seconds, "")
        self.results.resident_mb[str(self.stored())] = self._server.resident_mb()

    def _submit_counted(self, seconds: int) -> Load:
        """Submissions, with the processor time of the database's own server beside them."""
        before = self._place.other_cpu_s()
        submitted = self.submit(seconds)
        self.results.database_cpu_ms = (self._place.other_cpu_s() - before) * 1000 / max(1, submitted.requests)
        return submitted

    def grow(self, sizes: Sizes) -> None:
        """Submit until the large number is stored, then measure submission and reading again."""
        spent = 0
        while self.stored() < sizes.large and spent < LARGE_TIME_MAX_S:
            self.submit(20)
            spent += 20
            self._say(f"  {self.stored()} claims stored")
        self._keep("submit, grown", self.submit(sizes.seconds))
        self.read(sizes.seconds, ", grown")
        self.results.resident_mb[str(self.stored())] = self._server.resident_mb()

    def read(self, seconds: int, suffix: str) -> None:
        """GET of claims and patients, and the mixture."""
        claims = self._paths("claims", self._claim_paths())
        patients = self._paths("patients", [f"/fhir/Patient/{patient}" for patient in self._seeded.patients])
        for name, paths, key in (("read claim", claims, None), ("read patient", patients, self._seeded.records_key)):
            read = partial(self._load, "read.lua", seconds, paths=paths, key=key)
            self._keep(name + suffix, self._yardstick.beside("read.lua", read))
        self._keep("mixed" + suffix, self._load("mixed.lua", seconds, paths=claims))

    def stored(self) -> int:
        """How many claims are stored."""
        return int(self._place.rows("SELECT count(*) FROM payor_claim")[0][0])

    def _claim_paths(self) -> list[str]:
        rows = self._place.rows("SELECT claim_id FROM payor_claim WHERE tn = ? LIMIT 50000", (TENANT,))
        return [f"/api/claims/{claim_id}/" for (claim_id,) in rows]

    def _paths(self, name: str, paths: list[str]) -> Path:
        file = self._place.folder / f"{name}.paths"
        file.write_text("\n".join(paths) + "\n")
        return file

    def _load(
        self, script: str, seconds: int, *, think_ms: int = 0, paths: Path | None = None, key: str | None = None
    ) -> Load:
        environment = {
            "BENCH_API_KEY": key or self._seeded.claims_key,
            "BENCH_MEMBERS": str(self._seeded.members),
            "BENCH_FIRST": str(self._next_claim),
            "BENCH_THINK_MS": str(think_ms),
            "BENCH_PATHS": str(paths or ""),
        }
        found = load.run(self._server.url, script, seconds=seconds, cpu_s=self._server.cpu_s, environment=environment)
        self._next_claim += found.requests + 10 * load.CONNECTIONS
        return found

    def _keep(self, name: str, found: Load) -> None:
        self.results.loads[name] = found
        self.results.stored[name] = self.stored()
        self._say(
            f"  {name}: {found.rate:.0f}/s, {found.cpu_ms_per_request:.3f} ms CPU, p99 {found.p99_ms:.1f} ms"
            + (f", {found.errors} ERRORS" if found.errors else "")
        )
