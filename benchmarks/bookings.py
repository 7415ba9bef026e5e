"""Bookings over HTTP: cost distribution, the list of services and a booking's status, also when 100,000 are stored."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import filling, load
from benchmarks.engines import Place
from benchmarks.load import Load
from benchmarks.process import Server
from benchmarks.seeding import AT_ONCE, TENANT, UNLIMITED
from benchmarks.yardstick import Yardstick
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.sample import FACILITY
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.fhir.own_parameters.reindexing import ensure_standard
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.database import Unit, migrate, open_database
from kiungo.kernel.outbox import Outbox
from kiungo.ports.registry import RegisteredPatient

WARM_UP_S = 2
SMALL = 1_000
LARGE = 100_000
LARGE_TIME_MAX_S = 420
FILLED_AT_ONCE = 20_000
SERVICES_PATH = f"/hmis/v1/services?fr_code={FACILITY.fr_code}"
# Claims of the authority are followed, so that each booking also writes its claim's row; nobody answers there.
PAYER = {
    "KIUNGO_SHA_BASE_URL": "https://authority.invalid",
    "KIUNGO_SHA_CLIENT_ID": "x",
    "KIUNGO_SHA_CLIENT_SECRET": "x",
}


@dataclass(slots=True)
class Results:
    """What came out for one engine. Shapes: `loads` by name, `stored` bookings at each."""

    loads: dict[str, Load] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)


def seed(url: str, patients: int) -> str:
    """Migrate and fill a database with the sample contracts and known patients; returns a facility's key."""
    migrate(url)
    database = open_database(url)
    try:
        vems = open_vems(database, Repository(database.clock), Outbox({}))
        call = system_call(TENANT, name="bench")
        database.write(lambda unit: ensure_standard(unit, TENANT))  # as the first start of a server does
        database.write(lambda unit: load_sample(vems.contracts, unit, call))
        for first in range(0, patients, AT_ONCE):
            database.write(partial(_patients, vems, range(first, min(patients, first + AT_ONCE))))
        return database.write(_key)
    finally:
        database.close()


class Run:
    """One server on one database; each claim number is used once."""

    def __init__(
        self,
        place: Place,
        key: str,
        patients: int,
        server: Server,
        yardstick: Yardstick,
        say: Callable[[str], None],
    ) -> None:
        self._place = place
        self._yardstick = yardstick
        self._key = key
        self._patients = patients
        self._server = server
        self._say = say
        self._next = 0
        self.results = Results()

    def measure(self, seconds: int) -> None:
        """Everything with few bookings stored."""
        self._book(WARM_UP_S)
        while self.stored() < SMALL:
            self._book(WARM_UP_S)
        self._keep("book", self._yardstick.beside("book.lua", lambda: self._book(seconds)))
        self._read(seconds, "")

    def grow(self, seconds: int, large: int) -> None:
        """Fill the database up to the large number, beside the server, then measure all of it again."""
        begun_s, filled = time.monotonic(), 0
        while (missing := large - self.stored()) > 0 and time.monotonic() - begun_s < LARGE_TIME_MAX_S:
            count = min(missing, FILLED_AT_ONCE)
            filling.fill(self._place.url, self._patients, range(filled, filled + count))
            filled += count
            self._say(f"  {self.stored()} bookings stored")
        self._book(WARM_UP_S)
        self._keep("book, grown", self._book(seconds))
        self._read(seconds, ", grown")

    def stored(self) -> int:
        """How many bookings are stored."""
        return len(self._numbers()) if self._next == 0 else self._count()

    def _count(self) -> int:
        return int(self._place.rows("SELECT count(*) FROM vems_booking")[0][0])

    def _numbers(self) -> list[str]:
        rows = self._place.rows("SELECT booking_no FROM vems_booking WHERE tn = ? LIMIT 50000", (TENANT,))
        return [number for (number,) in rows]

    def _read(self, seconds: int, suffix: str) -> None:
        services = self._paths("services", [SERVICES_PATH])
        bookings = self._paths("bookings", [f"/hmis/v1/bookings/{number}" for number in self._numbers()])
        for name, paths in (("services", services), ("booking status", bookings)):
            read = partial(self._load, "read.lua", seconds, paths=paths)
            self._keep(name + suffix, self._yardstick.beside("read.lua", read))

    def _paths(self, name: str, paths: list[str]) -> Path:
        file = self._place.folder / f"{name}.paths"
        file.write_text("\n".join(paths) + "\n")
        return file

    def _book(self, seconds: int) -> Load:
        found = self._load("book.lua", seconds)
        self._next += found.requests + 10 * load.CONNECTIONS
        return found

    def _load(self, script: str, seconds: int, *, paths: Path | None = None) -> Load:
        environment = {
            "BENCH_API_KEY": self._key,
            "BENCH_MEMBERS": str(self._patients),
            "BENCH_FIRST": str(self._next),
            "BENCH_PATHS": str(paths or ""),
        }
        return load.run(self._server.url, script, seconds=seconds, cpu_s=self._server.cpu_s, environment=environment)

    def _keep(self, name: str, found: Load) -> None:
        self.results.loads[name] = found
        self.results.stored[name] = self.stored()
        self._say(
            f"  {name}: {found.rate:.0f}/s, {found.cpu_ms_per_request:.3f} ms CPU, p99 {found.p99_ms:.1f} ms"
            + (f", {found.errors} ERRORS" if found.errors else "")
        )


def _patients(vems: Vems, numbers: range, unit: Unit) -> None:
    call = system_call(TENANT, name="bench")
    for number in numbers:
        vems.people.keep(unit, call, RegisteredPatient(f"CR{number:07d}", f"Bench Patient {number}"))


def _key(unit: Unit) -> str:
    call = system_call(TENANT, name="bench")
    scopes, bindings = ("read:services", "read:bookings", "write:bookings"), {"facility": FACILITY.fr_code}
    _, text = create_key(unit, call, name="bench", scopes=scopes, bindings=bindings, rate_per_minute=UNLIMITED)
    return text
