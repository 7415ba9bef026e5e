"""`python -m benchmarks.fhir`: measure the FHIR server and write FHIR_RESULTS.md. `--quick` is for a first look."""

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks import machine, platform
from benchmarks.engines import Place, place
from benchmarks.fhir import population, queries
from benchmarks.fhir.driving import Figures, Request, drive
from benchmarks.fhir.interactions import BUNDLE, bundle, interactions
from benchmarks.fhir.report import Loading, Report, Run
from benchmarks.process import family_cpu_s, own_pid
from benchmarks.seeding import UNLIMITED
from kiungo.fhir.loading import find_files, load
from kiungo.fhir.store import Store
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.database import Database, Unit, migrate, open_database

ENGINES = ("sqlite", "postgresql")
SERVERS = {"sqlite": 1, "postgresql": 2}
SIZES = (1_000, 16_000, 64_000)
SEARCH_CONNECTIONS = 8
CONNECTIONS = 32


def main() -> int:
    """Every size on every engine, and the bare endpoint for comparison; 1 when any request was refused or failed."""
    chosen = _arguments()
    report = Report(machine.facts(), quick=chosen.quick)
    for engine in chosen.engines:
        for people in chosen.patients:
            with place(engine) as here:
                run = _measured(here, people, chosen)
                report.add(run)
    if chosen.growth:
        report.write_growth(chosen.output)
    elif not chosen.only:  # a report of a part would say that the rest was not reached
        report.write(chosen.output)
    for failure in report.failures():
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if report.failures() else 0


def _measured(here: Place, people: int, chosen: argparse.Namespace) -> Run:
    seconds, only = chosen.seconds, chosen.only
    print(f"{here.engine}, {people:,} patients", flush=True)
    migrate(here.url)
    database = open_database(here.url)
    try:
        loading = _loaded(here, database, people)
        key = database.write(_key)
    finally:
        database.close()
    bare = _bare(here.folder, seconds)
    searches: dict[str, Figures] = {}
    others: dict[str, Figures] = {}
    servers = chosen.servers or SERVERS[here.engine]
    with ExitStack() as stack:
        serving = [stack.enter_context(platform.serve(here.url, here.folder)) for _ in range(servers)]

        def measure(requests: list[Request], lasting: int, connections: int) -> Figures:
            for server in serving:
                _warm(server.url, key, requests[0])
            return drive(
                [server.url for server in serving],
                requests,
                key=key,
                folder=here.folder,
                seconds=lasting,
                connections=connections,
                cpu_s=lambda: sum(server.cpu_s() for server in serving) + here.other_cpu_s(),
            )

        for name, query in queries.MIX.items():
            if only not in name:
                continue
            asked = [("GET", path, "") for path in queries.paths(query, people)]
            searches[name] = measure(asked, chosen.query_seconds, chosen.connections)
            _tell(name, searches[name])
        for name, requests in interactions(people).items() if not chosen.growth else ():
            if only not in name:
                continue
            others[name] = measure(requests, seconds, SEARCH_CONNECTIONS if name == BUNDLE else CONNECTIONS)
            _tell(name, others[name])
        memory_mb = max(server.resident_mb() for server in serving)
    return Run(here.engine, servers, people, loading, searches, others, bare, bundle(0, people)[1], memory_mb)


def _key(unit: Unit) -> str:
    """A caller whom no rate limit refuses: a refusal is quick, and would pass for an answer."""
    scopes = ("system/*.cruds",)
    return create_key(unit, system_call(1), name="bench", scopes=scopes, rate_per_minute=UNLIMITED)[1]


def _tell(name: str, found: Figures) -> None:
    failed = f", {found.errors:,} ERRORS" if found.errors else ""
    print(f"  {name}: {found.rate:,.0f}/s, p50 {found.p50_ms:.2f} ms, CPU {found.cpu_ms:.2f} ms{failed}", flush=True)


def _loaded(here: Place, database: Database, people: int) -> Loading:
    """The population through `kiungo fhir load`'s own machinery."""
    file = here.folder / "population.ndjson"
    count = population.write(file, people)
    store = Store(database, Reads(database), base_url="http://127.0.0.1/fhir", link_key=b"")
    begun_s, begun_cpu_s = time.perf_counter(), _own_cpu_s() + here.other_cpu_s()
    done = load(store, system_call(1), find_files(file), lambda *_: None, lambda refused: _refuse(str(refused[:3])))
    took_s = time.perf_counter() - begun_s
    cpu_s = _own_cpu_s() + here.other_cpu_s() - begun_cpu_s
    if done.created != count:
        _refuse(f"{done.created:,} of {count:,} were created")
    print(f"  loaded {count:,} resources, {count / took_s:,.0f}/s, CPU {cpu_s / count * 1e6:,.0f} us each", flush=True)
    return Loading(count, took_s, cpu_s, _size(here, database))


def _warm(url: str, key: str, request: Request) -> None:
    """What is compiled on first use is not part of the figures. Raises: RuntimeError when it is refused."""
    method, path, body = request
    headers = {"X-API-Key": key, "Content-Type": "application/fhir+json"}
    answer = httpx.request(method, url + path, content=body or None, headers=headers, timeout=60)
    if answer.status_code >= 400:
        _refuse(f"{method} {path}: HTTP {answer.status_code} {answer.text[:500]}")


def _own_cpu_s() -> float:
    """This process and its workers, those that ended included."""
    ended = os.times()
    return family_cpu_s(own_pid()) + ended.children_user + ended.children_system


def _bare(folder: Path, seconds: int) -> Figures:
    """The yardstick of this run: an endpoint that does nothing."""
    with platform.bare(folder) as server:
        return drive(
            [server.url],
            [("GET", "/", "")],
            key="none",
            folder=folder,
            seconds=seconds,
            connections=CONNECTIONS,
            cpu_s=server.cpu_s,
        )


def _size(here: Place, database: Database) -> int:
    if here.engine == "sqlite":
        return sum(path.stat().st_size for path in here.folder.glob("bench.db*"))
    return int(database.read(lambda unit: unit.value("SELECT pg_database_size(current_database())")))


def _refuse(what: str) -> None:
    raise RuntimeError(f"nothing to measure: {what}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fhir", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 patients, a second for each query")
    parser.add_argument("--patients", type=lambda text: [int(one) for one in text.split(",")], help="1000,16000,64000")
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES))
    parser.add_argument("--seconds", type=int, help="for each interaction")
    parser.add_argument("--query-seconds", type=int, help="for each query")
    parser.add_argument("--growth", action="store_true", help="searches only; that part of the file is written anew")
    parser.add_argument("--servers", type=int, help="processes on one database; one on SQLite, two on PostgreSQL")
    parser.add_argument("--connections", type=int, default=SEARCH_CONNECTIONS, help="for each query")
    parser.add_argument("--only", default="", help="what has this in its name, told on the screen and not written")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "FHIR_RESULTS.md")
    chosen = parser.parse_args()
    chosen.patients = chosen.patients or ([300] if chosen.quick else list(SIZES))
    chosen.seconds = chosen.seconds or (2 if chosen.quick else 15)
    chosen.query_seconds = chosen.query_seconds or (1 if chosen.quick else 5)
    return chosen


if __name__ == "__main__":
    raise SystemExit(main())
